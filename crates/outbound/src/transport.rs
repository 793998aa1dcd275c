//! One request, one answer.
//!
//! A transport never retries, never follows redirects and never interprets a status: a 500 is an answer.
//! Only the absence of a whole answer is a [`TransportError`], and its variants differ in the one thing a
//! caller must know: can the server have acted on the request?

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;
/// An answer with its whole body.
pub type Response = http::Response<Bytes>;

/// Sends one request and waits for the whole answer.
///
/// Dropping the future abandons the request; the server may or may not have acted on it.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Returns the answer, whatever its status.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// Why there is no whole answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No connection: the server never saw the request.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// The connection ended before an answer came: the server may have acted.
    #[error("connection to {host} lost before an answer came: {reason}")]
    Interrupted {
        /// Host and port.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// The answer began and broke off: the server has acted.
    #[error("answer {status} from {host} broke off after {} bytes", received.len())]
    Truncated {
        /// Host and port.
        host: String,
        /// Status of the broken answer.
        status: StatusCode,
        /// What arrived.
        received: Bytes,
    },
    /// No answer in time: the server may have acted.
    #[error("no answer from {host} within {} s", after.as_secs_f32())]
    Timeout {
        /// Host and port.
        host: String,
        /// How long we waited.
        after: std::time::Duration,
    },
    /// The answer is larger than we accept.
    #[error("answer from {host} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        limit_bytes: usize,
    },
}

impl TransportError {
    /// Says whether the server can have seen the request.
    pub fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::Connect { .. })
    }
}

/// Host and port of a request, for messages.
pub(crate) fn host_of(uri: &http::Uri) -> String {
    uri.authority().map_or_else(
        || "unknown host".to_owned(),
        |authority| {
            // An authority can carry user info; a message must not.
            let text = authority.as_str();
            text.rsplit('@').next().unwrap_or(text).to_owned()
        },
    )
}
