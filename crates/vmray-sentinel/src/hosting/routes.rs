//! Which path leads where.
//!
//! | path | answer |
//! |---|---|
//! | `GET /` | 200: the host asks until something answers |
//! | `POST /VMRay` | the feed's timer; the name in any case |
//! | `POST /VMRayJobs` | the timer of open enrichments |
//! | `/api/...` | requests of callers, as they came |

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tower::ServiceExt as _;
use tracing::{Instrument as _, info_span};

use super::invocation::{self, Answer};
use super::{Handler, jobs, leftover, log_failure, timer};

/// The timer functions, as their folders in the package are called.
const FEED: &str = "VMRay";
const JOBS: &str = "VMRayJobs";
/// What the host tells a timer is a few hundred bytes.
const LONGEST_INVOCATION: usize = 1 << 20;

pub(super) fn router(handler: Arc<Handler>) -> Router {
    Router::new()
        .route("/", get(|| async { "ready\n" }))
        .route("/{function}", post(invoke).layer(DefaultBodyLimit::max(LONGEST_INVOCATION)))
        .fallback(forward)
        .layer(middleware::from_fn(in_span))
        .layer(middleware::from_fn(leftover::read))
        .with_state(handler)
}

/// Puts the invocation's id on every line that is logged for it.
async fn in_span(request: Request, next: Next) -> Response {
    let id = invocation::id(request.headers());
    // The path alone: the query may hold a key.
    let span = info_span!("invocation", id, path = request.uri().path());
    next.run(request).instrument(span).await
}

async fn invoke(
    State(handler): State<Arc<Handler>>,
    Path(function): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    if function.eq_ignore_ascii_case(JOBS) {
        return jobs::invoke(&handler).await;
    }
    if !function.eq_ignore_ascii_case(FEED) {
        return Answer::unknown(&function);
    }
    // Nothing in the body decides whether a run is due: a body that cannot be read must not cost one.
    let past_due = body.is_ok_and(|body| invocation::is_past_due(&body));
    timer::invoke(&handler, past_due).await
}

/// Hands a caller's request to the API, or says why there is none. The host has asked for the caller's key.
async fn forward(State(handler): State<Arc<Handler>>, request: Request) -> Response {
    let failure = match handler.api().await {
        Ok(callers) => return callers.routes.clone().oneshot(request).await.unwrap_or_else(|no| match no {}),
        Err(failure) => failure,
    };
    let lines = log_failure(&failure, "no request can be answered until this is fixed");
    let problem = json!({
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": lines.join("\n"),
    });
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::INTERNAL_SERVER_ERROR, headers, problem.to_string()).into_response()
}
