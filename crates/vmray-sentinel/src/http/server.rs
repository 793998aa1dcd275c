//! Connections: taken, bounded, and ended when the process stops.
//!
//! What a caller can keep us waiting with has a limit: the head of a request must come within [`HEAD_WITHIN`], must
//! fit [`HEAD_BYTES`] (else 431), and no more than [`CONNECTIONS`] are open. The limits of bodies are in
//! [`super::body`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use crate::config::ApiKeys;
use crate::failure::Failure;

/// How long the head of a request may take; a connection that asks nothing is closed after this, too.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of a head. Azure's front sends about 4 KiB of its own.
pub(super) const HEAD_BYTES: usize = 32 * 1024;
/// Headers of a request.
const HEADERS: usize = 100;
/// Connections at the same time.
const CONNECTIONS: usize = 1024;
/// How long open answers may take when we stop.
const GRACE: Duration = Duration::from_secs(3);

/// A server that listens but does not yet answer.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address. One that other machines reach needs keys.
    pub(crate) async fn bind(address: SocketAddr, keys: &ApiKeys) -> Result<Self, Failure> {
        if !address.ip().is_loopback() && keys.is_empty() {
            return Err(Failure::usage(anyhow::anyhow!("--listen {address} can be reached from other machines"))
                .with_hint("set ApiKeys first: `vmray-sentinel config api-key NAME --scope submit` makes a key")
                .with_hint("without keys only this machine is served: --listen 127.0.0.1:8080"));
        }
        let taken = || format!("listening on {address}");
        let listener = TcpListener::bind(address).await.with_context(taken).map_err(|error| {
            Failure::from(error).with_hint("is it running already? choose another port with --listen")
        })?;
        let address = listener.local_addr().with_context(taken)?;
        Ok(Self { listener, address })
    }

    /// Returns `http://address:port/`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers until told to stop; then open answers get [`GRACE`].
    pub(crate) async fn answer(self, router: Router, stop: &CancellationToken) {
        serve(self.listener, router, stop).await;
    }
}

/// Serves a listener until told to stop.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: &CancellationToken) {
    let tasks = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async { (Arc::clone(&room).acquire_owned().await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                // An answer is one write; waiting for more would only delay it.
                drop(stream.set_nodelay(true));
                let conversation = converse(stream, router.clone(), stop.clone());
                tasks.spawn(async move {
                    conversation.await;
                    drop(place);
                });
            }
            // Out of file descriptors, or a caller that went at once: neither ends the server.
            (_, Err(error)) => {
                debug!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    tasks.close();
    // A caller that keeps a connection open must not keep the process.
    drop(tokio::time::timeout(GRACE, tasks.wait()).await);
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: CancellationToken) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|no| match no {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn other_machines_are_refused_before_listening_unless_keys_are_set() {
        let failure = Server::bind("0.0.0.0:0".parse().unwrap(), &ApiKeys::default()).await.unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        let entry = crate::config::make_api_key("soc", crate::config::Scope::Read).unwrap().entry;
        assert!(Server::bind("0.0.0.0:0".parse().unwrap(), &entry.parse().unwrap()).await.is_ok());
    }

    /// Sends `head` over a connection in memory and returns what comes until it ends.
    async fn exchange(head: &[u8]) -> String {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let (mut answer, stop) = (String::new(), CancellationToken::new());
        let talk = async {
            theirs.write_all(head).await.unwrap();
            theirs.read_to_string(&mut answer).await.unwrap();
        };
        tokio::join!(converse(ours, router, stop), talk);
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_ended() {
        let began = tokio::time::Instant::now();
        let answer = exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
        assert!(!answer.contains("hello"), "{answer}");
        assert!(began.elapsed() >= HEAD_WITHIN && began.elapsed() < 2 * HEAD_WITHIN, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_nothing_more_is_ended() {
        let answer = exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(20 * HEAD_BYTES));
        let answer = exchange(long.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: 1\r\n".repeat(HEADERS));
        let answer = exchange(many.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}
