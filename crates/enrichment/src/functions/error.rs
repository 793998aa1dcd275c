//! Why a call got no answer, by what the caller can do about it.

use std::time::Duration;

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter is missing or cannot be read.
    #[error("{parameter}: {reason}")]
    BadRequest {
        /// Name of the parameter.
        parameter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// VMRay does not know it.
    #[error("VMRay does not know {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// VMRay understood and said no.
    #[error("VMRay refused it: {words}")]
    Refused {
        /// VMRay's words.
        words: String,
    },
    /// A quota is used up.
    #[error("a VMRay quota is used up: {words}")]
    Quota {
        /// VMRay's words.
        words: String,
    },
    /// The thing is larger than may be sent.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// VMRay asks to wait.
    #[error("VMRay asks to wait {} s", retry_after.as_secs())]
    Throttled {
        /// How long.
        retry_after: Duration,
    },
    /// VMRay, or the way to it, failed.
    #[error(transparent)]
    Vmray(vmray::Error),
    /// Something was submitted and nobody knows what became of it: no answer came, and VMRay does not show it.
    #[error("the answer to the submit was lost ({reason}); VMRay may have taken it and does not show it yet")]
    AnswerLost {
        /// What went wrong on the way.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("VMRay gave no answer within {} s", after.as_secs())]
    Deadline {
        /// How long we waited.
        after: Duration,
    },
}

/// The wait when VMRay asks for one and does not say how long: its throttles are counted by the minute.
const USUAL_THROTTLE: Duration = Duration::from_secs(60);

impl Error {
    /// A parameter that is missing or cannot be read.
    pub(super) fn bad(parameter: &str, reason: impl Into<String>) -> Self {
        Self::BadRequest { parameter: parameter.to_owned(), reason: reason.into() }
    }

    /// Returns what to check or do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadRequest { .. } => "correct the parameter; docs: the page on the API lists every form that is read",
            Self::NotFound { .. } => "check the id; VMRay may have deleted it, or the key may belong to another server",
            Self::Refused { .. } => "read VMRay's message; the same request would be refused again",
            Self::Quota { .. } => "raise the quota in VMRay, or wait until it is renewed",
            Self::TooLarge { .. } => "send a smaller file, or look it up by its hash",
            Self::Throttled { .. } => "ask again after the time in Retry-After",
            Self::Vmray(error) => error.hint(),
            Self::AnswerLost { .. } => {
                "send the same again in some minutes: what arrived is found and answered, and not submitted twice"
            }
            Self::Deadline { .. } => "ask again; if it lasts, check the network between here and VmrayBaseURL",
        }
    }

    /// Names what VMRay does not know.
    pub(super) fn about(self, what: impl FnOnce() -> String) -> Self {
        match self {
            Self::NotFound { .. } => Self::NotFound { what: what() },
            other => other,
        }
    }
}

impl From<vmray::Error> for Error {
    fn from(error: vmray::Error) -> Self {
        match error {
            vmray::Error::NotFound => Self::NotFound { what: "it".to_owned() },
            vmray::Error::Throttled { retry_after } => {
                Self::Throttled { retry_after: retry_after.unwrap_or(USUAL_THROTTLE) }
            }
            vmray::Error::Refused { status: 413, .. } => Self::TooLarge { limit_bytes: LARGEST_UPLOAD },
            vmray::Error::Refused { message, .. } if message.to_ascii_lowercase().contains("quota") => {
                Self::Quota { words: message }
            }
            // A redirect comes from a proxy or a wrong address, not from VMRay's judgement.
            vmray::Error::Refused { status, message } if !(300..400).contains(&status) => {
                Self::Refused { words: message }
            }
            vmray::Error::Forbidden => Self::Refused { words: error.to_string() },
            vmray::Error::Transport(outbound::TransportError::Timeout { after, .. }) => Self::Deadline { after },
            other => Self::Vmray(other),
        }
    }
}

/// The largest request that the Functions host lets through (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT).
pub const LARGEST_UPLOAD: u64 = 104_857_600;
