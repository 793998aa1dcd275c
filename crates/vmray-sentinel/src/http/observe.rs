//! Around every request: its id, its line in the log, its count, and the writing of problems.
//!
//! The log tells method, route, status and time, never the query (it may hold a key) and never a body; of a parameter
//! that was refused, a short excerpt where it is no secret.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::metrics::Metrics;
use super::problem::Problem;
use super::server::{HEAD_BYTES, HEADERS, Lane};

/// Where the id of a request stands.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What the Functions host calls it.
const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
/// Characters of an id that a caller gives.
const MAX_ID_CHARS: usize = 128;

/// What is answered however many connections are open.
const HEALTH: &str = "/healthz";

/// Who asked, as far as a key tells.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

/// Answers a request and tells of it.
pub(super) async fn observe(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let flying = metrics.begin();
    let id = id_of(request.headers());
    let method = request.method().clone();
    let route = route_of(&request);
    let span = info_span!("request", id);
    let answer = async {
        if head_bytes(&request) > HEAD_BYTES || request.headers().len() > HEADERS {
            return Problem::large_head().into_response();
        }
        if request.extensions().get() == Some(&Lane::Spare) && route != HEALTH {
            return Problem::busy().into_response();
        }
        next.run(request).await
    };
    let outcome = AssertUnwindSafe(answer).catch_unwind().instrument(span.clone()).await;
    let mut response = outcome.unwrap_or_else(|_| {
        span.in_scope(|| error!("the request ended in an internal error"));
        Problem::internal().into_response()
    });
    let problem = response.extensions_mut().remove::<Problem>();
    let caller = response.extensions_mut().remove::<Caller>();
    if let Some(problem) = &problem {
        let headers = std::mem::take(response.headers_mut());
        response = problem.write(&id, headers);
    }
    add_headers(response.headers_mut(), &id);
    drop(flying);
    let (status, took) = (response.status(), began.elapsed());
    metrics.answered(&route, status.as_u16(), took);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let caller = caller.map_or_else(|| "-".to_owned(), |caller| caller.0);
    let reason = problem.as_ref().map_or("", Problem::line);
    span.in_scope(|| {
        if status.is_server_error() {
            warn!(%method, route, status = status.as_u16(), duration_ms, caller, reason, "request failed");
        } else if route.starts_with("/api/") {
            info!(%method, route, status = status.as_u16(), duration_ms, caller, reason, "request answered");
        } else {
            debug!(%method, route, status = status.as_u16(), duration_ms, caller, reason, "request answered");
        }
    });
    response
}

/// Returns the size of the head. The server drops one that does not fit its larger buffer, without a word of ours.
fn head_bytes(request: &Request) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    fields.sum::<usize>() + request.uri().path_and_query().map_or(0, |both| both.as_str().len())
}

/// Takes the caller's id, the host's, or makes one.
fn id_of(headers: &HeaderMap) -> String {
    let given = [&REQUEST_ID, &INVOCATION_ID].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    let plain = |id: &&str| {
        (1..=MAX_ID_CHARS).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
    };
    given.filter(plain).map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// Names the route, from the closed set of those that are served.
fn route_of(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned()
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abc-1.2:3_4", true)]
    #[case("", false)]
    #[case("a b", false)]
    #[case("a\tb", false)]
    #[case(&"x".repeat(129), false)]
    fn an_id_is_taken_only_if_it_can_stand_in_a_log(#[case] given: &str, #[case] taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, given.parse().unwrap());
        assert_eq!(id_of(&headers) == given, taken);
        assert!(!id_of(&headers).is_empty());
    }
}
