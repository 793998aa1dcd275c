//! The pages of `serve` and `demo`.
//!
//! | path | answer |
//! |---|---|
//! | `/` | status page; needs no script, loads nothing from elsewhere, refreshes itself |
//! | `/style.css` | its style |
//! | `/healthz` | 200 while the process lives |
//! | `/readyz` | 200 while the state can be read and nobody asked to stop, else 503 with the reason |
//!
//! There are no keys yet, so it listens on loopback only and answers only to loopback names: a page elsewhere that
//! makes its own name point here must not read this one.

mod guard;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use ledger::Storage;
use outbound::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::live::Live;
use crate::view::View;

/// A page is not read from the ledger more often than this.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// How long open answers may take when we stop.
const GRACE: Duration = Duration::from_secs(3);

/// What the pages show.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Where the ledger is.
    pub(crate) storage: Storage,
    /// Its address, shown.
    pub(crate) state_url: String,
    /// When the feed runs, shown.
    pub(crate) schedule: String,
    /// What the process is doing.
    pub(crate) live: watch::Receiver<Live>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when the process stops.
    pub(crate) stop: CancellationToken,
}

/// The pages with what they last read.
#[derive(Debug)]
struct Shared {
    pages: Pages,
    read: Mutex<Option<(Instant, Arc<View>)>>,
}

/// A server that listens but does not yet answer.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address, which must be this machine's own.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        if !address.ip().is_loopback() {
            return Err(Failure::usage(anyhow::anyhow!("--listen {address} can be reached from other machines"))
                .with_hint("this version has no keys, so the page is for this machine only: --listen 127.0.0.1:8080")
                .with_hint("from elsewhere: `ssh -L 8080:127.0.0.1:8080 HOST`, or a proxy that asks who is there"));
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

    /// Answers until told to stop.
    pub(crate) async fn answer(self, pages: Pages) -> anyhow::Result<()> {
        let stop = pages.stop.clone();
        let router = router(pages);
        let serving = axum::serve(self.listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::select! {
            served = serving => served.context("serving the pages"),
            // A browser that keeps a connection open must not keep the process.
            () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    }
}

fn router(pages: Pages) -> Router {
    let shared = Arc::new(Shared { pages, read: Mutex::default() });
    Router::new()
        .route("/", get(status_page))
        .route("/style.css", get(style))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn(guard::guard))
        .with_state(shared)
}

impl Shared {
    /// Returns the state of the ledger, not older than [`FRESH_FOR`].
    async fn view(&self) -> Result<Arc<View>, ledger::Error> {
        let mut read = self.read.lock().await;
        if let Some((when, view)) = &*read
            && when.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(Box::pin(View::read(&self.pages.storage)).await?);
        *read = Some((Instant::now(), Arc::clone(&view)));
        Ok(view)
    }
}

async fn status_page(State(shared): State<Arc<Shared>>) -> Response {
    let view = shared.view().await;
    let live = shared.pages.live.borrow().clone();
    match status::render(&shared.pages, view.as_deref(), &live) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be written: {error}\n")).into_response()
        }
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../templates/style.css"))
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    if shared.pages.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    match shared.view().await {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use ledger::StateUrl;
    use outbound::SystemClock;
    use tower::ServiceExt as _;

    use super::*;

    fn pages(stop: &CancellationToken) -> Pages {
        Pages {
            storage: Storage::create(&StateUrl::Memory).unwrap(),
            state_url: "memory:".to_owned(),
            schedule: "*/10 * * * *".to_owned(),
            live: watch::channel(Live::default()).1,
            clock: Arc::new(SystemClock),
            stop: stop.clone(),
        }
    }

    async fn ask(path: &str, host: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
        let answer = router(pages(&CancellationToken::new())).oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_loads_nothing_from_elsewhere_and_runs_no_script() {
        let (status, headers, page) = ask("/", "127.0.0.1:8080").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-security-policy"], guard::POLICY);
        assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("://"), "{page}");
        assert!(page.contains("None yet."), "{page}");
    }

    #[tokio::test]
    async fn health_and_readiness_answer() {
        assert_eq!(ask("/healthz", "localhost:1").await.0, StatusCode::OK);
        assert_eq!(ask("/readyz", "[::1]:1").await.0, StatusCode::OK);
        assert_eq!(ask("/style.css", "127.0.0.1").await.1["content-type"], "text/css; charset=utf-8");
        assert_eq!(ask("/nothing", "127.0.0.1").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn readiness_ends_when_the_process_stops() {
        let stop = CancellationToken::new();
        stop.cancel();
        let request = Request::get("/readyz").header("host", "localhost").body(Body::empty()).unwrap();
        let answer = router(pages(&stop)).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_foreign_name_for_this_machine_is_refused() {
        let (status, _, body) = ask("/", "evil.example:8080").await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
        assert!(!body.contains("Sentinel"), "{body}");
    }

    #[tokio::test]
    async fn other_machines_are_refused_before_listening() {
        let failure = Server::bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
    }
}
