//! One request, one answer.
//!
//! A transport never retries, never follows redirects and never interprets a status: a 500 is an answer.
//! Only the absence of a whole answer is a [`TransportError`], and its variants differ in the one thing a
//! caller must know: can the server have acted on the request?

use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::StatusCode;

use crate::Call;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;
/// A request whose body is read while it is sent, for what is too large to hold.
pub type StreamedRequest = http::Request<StreamedBody>;
/// An answer with its whole body.
pub type Response = http::Response<Bytes>;

/// A body of known size that comes in pieces.
pub struct StreamedBody {
    /// Its size; the pieces add up to it.
    pub size_bytes: u64,
    /// Its pieces.
    pub pieces: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedBody").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// Sends one request and waits for the whole answer.
///
/// Dropping the future abandons the request; the server may or may not have acted on it.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Returns the answer, whatever its status.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;

    /// Returns the answer to a request whose body is read while it is sent.
    ///
    /// What answers in the same process takes it whole.
    async fn send_streamed(&self, request: StreamedRequest) -> Result<Response, TransportError> {
        self.send(whole(request).await?).await
    }

    /// Hears what became of each request that was sent through it, and how long it took. One that counts overrides it.
    fn called(&self, _call: &Call<'_>) {}
}

async fn whole(request: StreamedRequest) -> Result<Request, TransportError> {
    let (head, mut body) = request.into_parts();
    let mut content = BytesMut::new();
    while let Some(piece) = body.pieces.next().await {
        match piece {
            Ok(piece) => content.extend_from_slice(&piece),
            Err(error) => {
                let host = host_of(&head.uri);
                return Err(TransportError::Connect { host, reason: format!("the body could not be read: {error}") });
            }
        }
    }
    Ok(Request::from_parts(head, content.freeze()))
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
    /// No way through the proxy: the server never saw the request.
    #[error("the proxy {proxy} gives no connection to {host}: {reason}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Host and port of the server.
        host: String,
        /// What the network or the proxy said.
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
    #[error("answer from {host} has {}{limit_bytes} that are read", size_bytes.map_or_else(|| "more bytes than the ".to_owned(), |size| format!("{size} bytes, more than the ")))]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        limit_bytes: usize,
        /// How large it is, where it says so.
        size_bytes: Option<usize>,
    },
    /// It was still waiting for its turn when its caller was told to stop.
    #[error("not sent: the run stopped while it waited for its turn")]
    NotSent,
}

impl TransportError {
    /// Returns a word for it, one of few.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "no_connection",
            Self::Proxy { .. } => "no_proxy",
            Self::Interrupted { .. } => "interrupted",
            Self::Truncated { .. } => "truncated",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::NotSent => "not_sent",
        }
    }

    /// Says whether the server can have seen the request.
    pub fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::Connect { .. } | Self::Proxy { .. } | Self::NotSent)
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
