//! Connections: taken, bounded, and ended when the process stops.
//!
//! What a caller can keep us waiting with has a limit: the head of a request must come within [`HEAD_WITHIN`] and fit
//! [`HEAD_BYTES`] (else 431), what is no request is refused ([`super::no_request`]), an answer must be read ([`super::writes`]), and a peer and all together have so many
//! connections ([`LIMITS`]). More are told so, and `/healthz` is answered on them all the same ([`super::places`]). The
//! limits of bodies are in [`super::body`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use config::ApiKeys;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use super::no_request::Worded;
use super::places::{Limits, Places};
use super::writes::Moving;
use crate::failure::Failure;

/// How long the head of a request may take; a connection that asks nothing is closed after this, too.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of a head. Azure's front sends about 4 KiB of its own.
pub(super) const HEAD_BYTES: usize = 32 * 1024;
/// Headers of a request.
pub(super) const HEADERS: usize = 100;
/// What is read of a head at the most, in bytes and in headers. Between this and the limits above a refusal is counted
/// and logged as every other; a head that is longer yet is refused before there is a request.
const BUFFER_BYTES: usize = 2 * HEAD_BYTES;
const BUFFER_HEADERS: usize = 4 * HEADERS;
/// Connections at the same time. A request can need two more files (its own, and the way to VMRay), and the usual limit
/// of a process is 1,024. A proxy before us is one peer.
const LIMITS: Limits = Limits { connections: 320, per_peer: 256, spare: 32 };
/// How long a connection may take that is only told that there are too many.
const SPARE_WITHIN: Duration = Duration::from_secs(5);
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
        serve(self.listener, router, stop, LIMITS).await;
    }
}

/// Which connections a request came on; with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// One that has its place.
    Usual,
    /// One too many.
    Spare,
}

/// Serves a listener until told to stop.
async fn serve(listener: TcpListener, router: Router, stop: &CancellationToken, limits: Limits) {
    let tasks = TaskTracker::new();
    let mut places = Places::new(limits);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // An answer is one write; waiting for more would only delay it.
                drop(stream.set_nodelay(true));
                let (router, stop) = (router.clone(), stop.clone());
                if let Some(place) = places.take(peer.ip()) {
                    tasks.spawn(async move {
                        converse(stream, router, stop, Lane::Usual).await;
                        drop(place);
                    });
                } else {
                    let end = places.spare();
                    let refuse = async move { converse(stream, router, stop, Lane::Spare).await };
                    let refuse = tokio::time::timeout(SPARE_WITHIN, refuse);
                    tasks.spawn(async move { end.run_until_cancelled(refuse).await });
                }
            }
            // Out of file descriptors, or a caller that went at once: neither ends the server.
            Err(error) => {
                debug!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    // A caller that keeps a connection open must not keep the process.
    drop(tokio::time::timeout(GRACE, tasks.wait()).await);
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: CancellationToken, lane: Lane) {
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let router = router.clone();
        request.extensions_mut().insert(lane);
        async move { Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|no| match no {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(BUFFER_HEADERS)
        .keep_alive(lane == Lane::Usual)
        .serve_connection(TokioIo::new(Worded::new(Moving::new(stream))), answer);
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
    use crate::http::writes::WRITE_WITHIN;

    #[tokio::test]
    async fn other_machines_are_refused_before_listening_unless_keys_are_set() {
        let failure = Server::bind("0.0.0.0:0".parse().unwrap(), &ApiKeys::default()).await.unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        let entry = config::make_api_key("soc", config::Scope::Read).unwrap().entry;
        assert!(Server::bind("0.0.0.0:0".parse().unwrap(), &entry.parse().unwrap()).await.is_ok());
    }

    /// Sends `head` over a connection in memory and returns what comes until it ends.
    async fn exchange(head: &[u8]) -> String {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (mut answer, stop) = (String::new(), CancellationToken::new());
        let talk = async {
            theirs.write_all(head).await.unwrap();
            theirs.read_to_string(&mut answer).await.unwrap();
        };
        tokio::join!(converse(ours, router(), stop, Lane::Usual), talk);
        answer
    }

    fn router() -> Router {
        use axum::routing::get;
        Router::new().route("/", get(|| async { "hello" })).route("/large", get(|| async { "x".repeat(1 << 20) }))
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
    async fn a_connection_that_never_reads_its_answer_is_ended() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let began = tokio::time::Instant::now();
        let conversation = converse(ours, router(), CancellationToken::new(), Lane::Usual);
        tokio::time::timeout(10 * HEAD_WITHIN, conversation).await.expect("it was kept open");
        assert!(began.elapsed() >= WRITE_WITHIN, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_not_reading_and_a_slow_reader_gets_it_all() {
        for (bytes, every, ends_well) in [(1, 1, false), (4096, 2, true)] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let reader = async {
                let (mut taken, mut buffer) = (0, vec![0; bytes]);
                loop {
                    tokio::time::sleep(Duration::from_secs(every)).await;
                    match theirs.read(&mut buffer).await {
                        Ok(count @ 1..) => taken += count,
                        Ok(0) | Err(_) => return taken,
                    }
                }
            };
            let conversation = converse(ours, router(), CancellationToken::new(), Lane::Usual);
            let ((), taken) = tokio::join!(conversation, reader);
            assert_eq!(taken > 1 << 20, ends_well, "{taken} bytes by {bytes}");
        }
    }

    /// Asks over a socket and returns the first line of the answer.
    async fn status_of(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_peer_with_too_many_connections_is_told_so_and_health_is_always_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let limits = Limits { connections: 9, per_peer: 3, spare: 2 };
        let router = crate::http::tests::Bench::open().router;
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { serve(listener, router, &stop, limits).await }
        });
        let mut silent = Vec::new();
        // Three with a place, and more than can be spared without one.
        for _ in 0..8 {
            silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(status_of(address, "/healthz").await, "HTTP/1.1 200 OK");
        assert_eq!(status_of(address, "/api/status").await, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(status_of(address, "/%68ealthz").await, "HTTP/1.1 200 OK");
        drop(silent);
        // The server learns of their end when it looks; until then the answer is the same refusal.
        while status_of(address, "/api/status").await != "HTTP/1.1 200 OK" {}
        stop.cancel();
        serving.await.unwrap();
    }

    /// Returns the status and the problem of an answer that is one.
    fn problem(answer: &str) -> (u16, serde_json::Value) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        for header in ["content-type: application/problem+json", "connection: close", "x-request-id: ", "date: "] {
            assert!(head.contains(&format!("\r\n{header}")), "{answer}");
        }
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(problem["status"], status, "{answer}");
        assert!(!problem["next_step"].as_str().unwrap().is_empty(), "{answer}");
        (status, problem)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_request_is_refused_with_a_problem() {
        for head in [
            "hello\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}",
            "GET / HTTP/9.9\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ] {
            let (status, _) = problem(&exchange(head.as_bytes()).await);
            assert_eq!(status, 400, "{head:?}");
        }
        // After an answer of ours, which stays as it is.
        let answer = exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nhello\r\n\r\n").await;
        let (ours, other) = answer.split_once("hello").unwrap();
        assert!(ours.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(problem(other).0, 400);
    }

    #[tokio::test]
    async fn a_caller_that_is_still_sending_is_told_all_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { serve(listener, router(), &stop, LIMITS).await }
        });
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(1 << 20));
        stream.write_all(long.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(problem(&answer).0, 431);
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(20 * HEAD_BYTES));
        assert_eq!(problem(&exchange(long.as_bytes()).await).0, 431);
        let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: 1\r\n".repeat(BUFFER_HEADERS));
        assert_eq!(problem(&exchange(many.as_bytes()).await).0, 431);
    }
}
