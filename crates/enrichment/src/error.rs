//! Why there is no report at all, by what the caller can do about it.
//!
//! Trouble with one of several items is no error: the report says it there. A request whose every item failed in the
//! same way is one, so that a caller may come back later.

use std::time::Duration;

/// Why a request has no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong.
    #[error("{parameter}: {reason}")]
    BadRequest {
        /// What in the request.
        parameter: String,
        /// What is wrong with it and what to send instead.
        reason: String,
    },
    /// There is no such job, or it is older than thirty days.
    #[error("there is no such job; answers are kept for 30 days")]
    NotFound,
    /// VMRay took the request and said no.
    #[error("VMRay refuses the submission: {message}")]
    Refused {
        /// VMRay's words.
        message: String,
    },
    /// No submission is left, or none that the reserve allows.
    #[error("{message}")]
    Quota {
        /// Whose limit, and what to do.
        message: String,
    },
    /// A file is too large.
    #[error("the file is larger than the {max_bytes} bytes that are taken")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// VMRay asks to wait.
    #[error("VMRay asks to wait")]
    Throttled {
        /// How long.
        retry_after: Duration,
    },
    /// VMRay cannot be asked.
    #[error("{message}")]
    Vmray {
        /// What went wrong.
        message: String,
        /// What to check.
        hint: String,
    },
    /// VMRay did not answer in time.
    #[error("{message}")]
    Deadline {
        /// What went wrong.
        message: String,
        /// What to check.
        hint: String,
    },
    /// The state cannot be read or written.
    #[error("using the state")]
    State(#[from] ledger::Error),
}

impl Error {
    pub(crate) const QUOTA_HINT: &str =
        "raise the quota in VMRay, or lower QuotaReserve or raise MaxSubmissionsPerIncident on purpose";

    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::State(ledger::Error::DamagedObject { .. }))
    }

    /// Returns what to check or do next.
    pub fn hint(&self) -> &str {
        match self {
            Self::BadRequest { .. } => "fix the request",
            Self::NotFound => "ask again with POST /api/enrich; what is known is answered at once",
            Self::Refused { .. } => "read the message; VMRay shows quotas under the key's account",
            Self::Quota { .. } => Self::QUOTA_HINT,
            Self::TooLarge { .. } => "send a smaller file, or its hash",
            Self::Throttled { .. } => "ask again after the time in Retry-After",
            Self::Vmray { hint, .. } | Self::Deadline { hint, .. } => hint,
            Self::State(ledger::Error::DamagedObject { .. }) => {
                "remove that file or blob and ask anew: what VMRay has is found again and not paid for twice"
            }
            Self::State(_) => "check StateUrl and the rights on it; `vmray-sentinel doctor` says more",
        }
    }
}
