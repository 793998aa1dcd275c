//! The pages of `serve` and `demo`, and what describes and watches the process.

mod docs;
mod status;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use outbound::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};
use super::openapi;
use super::recent::Recent;
use crate::live::Live;

/// Everything from here, nothing from elsewhere, no script.
const POLICY: &str =
    "default-src 'self'; script-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the pages show.
#[derive(Debug)]
pub(crate) struct Pages {
    /// The ledger.
    pub(crate) recent: Arc<Recent>,
    /// Its address, shown.
    pub(crate) state_url: String,
    /// When the feed runs, shown; none if there is no feed.
    pub(crate) schedule: Option<String>,
    /// What the process is doing.
    pub(crate) live: watch::Receiver<Live>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when the process stops.
    pub(crate) stop: CancellationToken,
}

struct Shared {
    pages: Pages,
    metrics: Arc<Metrics>,
}

/// Returns their routes.
pub(super) fn routes(pages: Pages, metrics: Arc<Metrics>) -> Router {
    let shared = Arc::new(Shared { pages, metrics });
    Router::new()
        .route("/", get(status_page))
        .route("/docs", get(docs_page))
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/style.css", get(style))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .layer(middleware::from_fn(policy))
        .with_state(shared)
}

async fn policy(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

async fn status_page(State(shared): State<Arc<Shared>>) -> Response {
    let view = shared.pages.recent.view().await;
    let live = shared.pages.live.borrow().clone();
    page(status::render(&shared.pages, view.as_deref(), &live))
}

async fn docs_page() -> Response {
    page(docs::render())
}

fn page(rendered: askama::Result<String>) -> Response {
    match rendered {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be written: {error}\n")).into_response()
        }
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../../templates/style.css"))
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    if shared.pages.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    if let Some(wait) = shared.pages.live.borrow().long_wait(shared.pages.clock.now()) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("waiting: {wait}\n"));
    }
    match shared.pages.recent.view().await {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let view = shared.pages.recent.view().await.ok();
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics.text(view.as_deref()))
}
