//! The pages of `serve` and `demo`, and what describes and watches the process.

mod docs;
mod status;

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use outbound::{Clock, ServiceUrl};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};
use super::openapi;
use super::problem::Problem;
use super::recent::Recent;
use crate::live::Live;
use crate::visible::in_one_direction;

/// Paths that tell nothing and need no key: probes, and what describes the API and how it looks.
pub(super) const OPEN: [&str; 7] =
    ["/healthz", "/readyz", "/openapi.json", "/openapi-3.0.json", "/docs", "/style.css", "/favicon.svg"];

/// Everything from here, nothing from elsewhere, no script.
const POLICY: &str =
    "default-src 'self'; script-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Makes a browser ask again. The standard of HTML describes it beside `meta http-equiv`.
const REFRESH: HeaderName = HeaderName::from_static("refresh");
/// The query of a page that shall ask again by itself.
const REFRESH_QUERY: &str = "refresh";

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
    public_url: Option<ServiceUrl>,
}

/// Returns their routes.
pub(super) fn routes(pages: Pages, metrics: Arc<Metrics>, public_url: Option<ServiceUrl>) -> Router {
    let shared = Arc::new(Shared { pages, metrics, public_url });
    Router::new()
        .route("/", get(status_page))
        .route("/docs", get(docs_page))
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/openapi-3.0.json", get(|| async { Json(openapi::document_3_0()) }))
        .route("/style.css", get(style))
        .route("/favicon.svg", get(favicon))
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

async fn status_page(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let view = shared.pages.recent.view().await;
    let live = shared.pages.live.borrow().clone();
    // Only where the reader wants it: a page that changes under a reader is lost on many of them (WCAG 2.2.2).
    let refreshes = query.as_deref() == Some(REFRESH_QUERY);
    let mut answer = page(status::render(&shared.pages, view.as_deref(), &live, refreshes));
    if refreshes {
        answer.headers_mut().insert(REFRESH, status::refresh_seconds(&live).into());
    }
    answer
}

async fn docs_page(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let known = shared.public_url.as_ref().map(|url| url.to_string().trim_end_matches('/').to_owned());
    page(docs::render(&known.unwrap_or_else(|| as_asked(&headers))))
}

/// Returns the address at which the reader has reached us, for the reader's own eyes.
fn as_asked(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    let host = if !host.is_empty() && host.bytes().all(plain) { host } else { "127.0.0.1:8080" };
    let is_encrypted = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https");
    format!("{}://{host}", if is_encrypted { "https" } else { "http" })
}

fn page(rendered: askama::Result<String>) -> Response {
    match rendered {
        // Values from malware are on it; none may turn around the direction in which the rest reads.
        Ok(page) => Html(in_one_direction(&page).into_owned()).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../../templates/style.css"))
}

async fn favicon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../../../templates/favicon.svg"))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    if shared.pages.stop.is_cancelled() {
        return Err(Problem::not_ready("the process is stopping", "ask the one that takes its place"));
    }
    if let Some(wait) = shared.pages.live.borrow().long_wait(shared.pages.clock.now()) {
        return Err(Problem::not_ready(
            format!("the feed is waiting: {wait}"),
            "nothing is lost, the feed continues then; the API answers meanwhile",
        ));
    }
    match shared.pages.recent.view().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => Err(Problem::state(&error)),
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let view = shared.pages.recent.view().await.ok();
    let live = shared.pages.live.borrow().clone();
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics.text(view.as_deref(), &live))
}
