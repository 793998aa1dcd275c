//! What can go wrong with a call, by what the caller can do about it.
//!
//! No message holds the key: what a server says is searched for it before it becomes a message.

use std::time::Duration;

use outbound::{Retry, TransportError};

/// Why a call gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// VMRay does not know it, or this server does not know the route.
    #[error("VMRay does not know it (404)")]
    NotFound,
    /// The key may not see it.
    #[error("VMRay forbids it to this key (403)")]
    Forbidden,
    /// The key is wrong.
    #[error("VMRay refused the API key (401)")]
    Unauthorized,
    /// Too many calls, or the server asked us to wait.
    #[error("VMRay asks to wait{}", retry_after.map(|wait| format!(" {} s", wait.as_secs())).unwrap_or_default())]
    Throttled {
        /// How long, if the server said it.
        retry_after: Option<Duration>,
    },
    /// The server understood and said no.
    #[error("VMRay refused the request ({status}): {message}")]
    Refused {
        /// Status of the answer; 200 for an error inside a success.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The server, or something before it, failed.
    #[error("VMRay failed ({status}): {message}")]
    Server {
        /// Status of the answer.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The answer is not what it should be.
    #[error("cannot read {what} of VMRay: {reason}")]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The rest of a list was lost on the server: its continuation works once only. The list can be asked for anew.
    #[error("the rest of {what} was lost between two answers of VMRay")]
    ContinuationLost {
        /// What was asked for.
        what: &'static str,
    },
    /// A list goes on and on.
    #[error("{what} does not end: VMRay gave {pages} pages, each with higher ids than the last")]
    Endless {
        /// What was asked for.
        what: &'static str,
        /// Pages that were read.
        pages: usize,
    },
    /// There was no whole answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl Error {
    /// Says whether and when the same call may pass.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { retry_after: Some(wait) } => Retry::After(*wait),
            Self::Unreadable { .. } => Retry::Backoff,
            transient if transient.is_transient() => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    /// Says whether the service or the way to it is the cause, so that other calls would fail now too.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Server { .. } | Self::ContinuationLost { .. } => true,
            Self::Transport(error) => !matches!(error, TransportError::TooLarge { .. }),
            Self::NotFound
            | Self::Forbidden
            | Self::Unauthorized
            | Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::Endless { .. } => false,
        }
    }

    /// Says whether the server can have acted on the request although the call failed.
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Transport(error) => error.may_have_arrived(),
            Self::Server { .. } | Self::Unreadable { .. } => true,
            Self::NotFound
            | Self::Forbidden
            | Self::Unauthorized
            | Self::Throttled { .. }
            | Self::Refused { .. }
            | Self::ContinuationLost { .. }
            | Self::Endless { .. } => false,
        }
    }

    /// Returns what the operator should check next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "check VmrayAPIKey, and that VmrayBaseURL names the region that the key belongs to \
                 (https://us.cloud.vmray.com, https://eu.cloud.vmray.com or your own server)"
            }
            Self::Forbidden => {
                "check in VMRay that the key's account may see this sample, that its report is not locked, \
                 and that the key's role allows the API"
            }
            Self::NotFound => {
                "the object may have been deleted; if every call says so, check VmrayBaseURL: it is the address \
                 without /rest"
            }
            Self::Throttled { .. } => {
                "VMRay limits the calls of this key; if it lasts, lower VmrayConcurrency or ask VMRay for a higher limit"
            }
            Self::Refused { status: 300..=399, .. } => {
                "something redirects us; check that VmrayBaseURL is the final https address of the VMRay server"
            }
            Self::Refused { .. } => "read the message; VMRay shows quotas under the key's account",
            Self::Server { .. } => "VMRay or a proxy before it has a problem; it is tried again",
            Self::Unreadable { .. } => {
                "check that VmrayBaseURL is a VMRay server and that no proxy answers in its place; \
                 if it is, report the message as a defect"
            }
            Self::ContinuationLost { .. } => "the list is asked for again; if it lasts, the server loses its own pages",
            Self::Endless { .. } => {
                "VMRay, or a proxy that answers in its place, makes submissions up; ask one page with curl, and report it to \
                 VMRay"
            }
            Self::Transport(TransportError::Proxy { .. }) => {
                "check the address in HttpsProxy, that the proxy runs and lets VmrayBaseURL through, and its user and \
                 password; a server that is reached without a proxy belongs in NoProxy"
            }
            Self::Transport(TransportError::Connect { .. }) => {
                "check VmrayBaseURL, the name resolution, the firewall, HttpsProxy and CaFile"
            }
            Self::Transport(_) => "check the network and HttpsProxy between here and VmrayBaseURL",
        }
    }
}
