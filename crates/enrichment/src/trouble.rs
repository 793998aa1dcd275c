//! Why an item could not be looked up or submitted now, as it is kept and told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What was in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) message: String,
    pub(crate) hint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TroubleKind {
    /// VMRay asks to wait.
    Throttled { seconds: u64 },
    /// VMRay says no.
    Refused,
    /// A quota or a limit of ours.
    Quota,
    /// VMRay cannot be asked.
    Vmray,
    /// VMRay did not answer in time.
    Deadline,
    /// The process that had the file ended before it was sent.
    FileLost,
    /// It cannot be read.
    Unreadable,
}

impl Trouble {
    pub(crate) fn new(kind: TroubleKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn quota(message: impl Into<String>) -> Self {
        Self::new(TroubleKind::Quota, message, Error::QUOTA_HINT)
    }

    /// Returns the error for a request that has no other item.
    pub(crate) fn into_error(self) -> Option<Error> {
        let Self { kind, message, hint } = self;
        Some(match kind {
            TroubleKind::Throttled { seconds } => Error::Throttled { retry_after: Duration::from_secs(seconds) },
            TroubleKind::Refused => Error::Refused { message },
            TroubleKind::Quota => Error::Quota { message },
            TroubleKind::Vmray => Error::Vmray { message, hint },
            TroubleKind::Deadline => Error::Deadline { message, hint },
            TroubleKind::FileLost | TroubleKind::Unreadable => return None,
        })
    }

    /// Returns one sentence with the next step.
    pub(crate) fn sentence(&self) -> String {
        format!("{}; {}", self.message, self.hint)
    }
}

impl From<vmray::Error> for Trouble {
    fn from(error: vmray::Error) -> Self {
        let kind = match &error {
            vmray::Error::Throttled { retry_after } => {
                TroubleKind::Throttled { seconds: retry_after.unwrap_or(DEFAULT_WAIT).as_secs() }
            }
            vmray::Error::Refused { message, .. } if message.to_ascii_lowercase().contains("quota") => {
                TroubleKind::Quota
            }
            vmray::Error::Refused { .. } => TroubleKind::Refused,
            vmray::Error::Transport(outbound::TransportError::Timeout { .. }) => TroubleKind::Deadline,
            _ => TroubleKind::Vmray,
        };
        Self::new(kind, error.to_string(), error.hint())
    }
}

/// A server that asks to wait and does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
