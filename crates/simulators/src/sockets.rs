//! Any transport as a server on a socket.
//!
//! What the transport says of a broken exchange is done to the connection: an interrupted one ends without an
//! answer, a truncated one sends half of what it announced, a timeout keeps silent until the caller goes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use outbound::{Transport, TransportError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// Largest request accepted.
const MAX_REQUEST_BYTES: usize = 256 * 1024 * 1024;

/// How long open exchanges may go on when the server stops.
const GRACE: Duration = Duration::from_millis(500);

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// Address and port.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// A server at work. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listening {
    /// Returns the address with the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://address:port`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections and waits for it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves a transport. Port 0 takes a free one.
pub async fn listen(service: Arc<dyn Transport>, address: SocketAddr) -> Result<Listening, ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(accept(listener, service, stop.clone(), tasks.clone()));
    Ok(Listening { address, stop, tasks })
}

async fn accept(listener: TcpListener, service: Arc<dyn Transport>, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(converse(stream, service.clone(), stop.clone()));
            }
            // Out of file descriptors, or a caller that went at once: neither ends the server.
            Err(error) => {
                debug!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, service: Arc<dyn Transport>, stop: CancellationToken) {
    let answering = service_fn(move |request| exchange(service.clone(), request));
    let connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), answering);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended");
    }
}

/// The exchange cannot be answered; hyper then drops the connection.
#[derive(Debug, thiserror::Error)]
#[error("the simulator breaks the connection")]
struct Broken;

type Body = BoxBody<Bytes, Broken>;

/// Reads a body into one buffer. What is announced is reserved at once, so that no large body lies twice in memory.
async fn whole(body: Incoming) -> Result<Bytes, Broken> {
    let announced = usize::try_from(body.size_hint().exact().unwrap_or_default()).unwrap_or_default();
    let mut buffer = BytesMut::with_capacity(announced.min(MAX_REQUEST_BYTES));
    let mut body = Limited::new(body, MAX_REQUEST_BYTES);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Broken)?.into_data() {
            buffer.extend_from_slice(&data);
        }
    }
    Ok(buffer.freeze())
}

async fn exchange(
    service: Arc<dyn Transport>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Broken> {
    let (parts, body) = request.into_parts();
    let body = whole(body).await?;
    match service.send(http::Request::from_parts(parts, body)).await {
        Ok(answer) => Ok(answer.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed())),
        Err(TransportError::Truncated { status, received, .. }) => {
            let announced = received.len() + 1000;
            // Without the pause the connection would end before the first half is written.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(Broken)
            });
            let frames = stream::iter([Ok(Frame::data(received))]).chain(broken);
            let mut answer = http::Response::new(BodyExt::boxed(StreamBody::new(frames)));
            *answer.status_mut() = status;
            answer.headers_mut().insert(CONTENT_LENGTH, announced.into());
            answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
            Ok(answer)
        }
        Err(TransportError::Timeout { .. }) => std::future::pending().await,
        Err(_) => Err(Broken),
    }
}
