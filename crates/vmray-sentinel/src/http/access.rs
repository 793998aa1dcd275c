//! Who may ask: a key where keys are set, this machine by its own names where none are.
//!
//! Under the Functions host nothing of this is in front of the API: the host has checked its own keys before.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use enrichment::functions::Function;

use super::observe::Caller;
use super::problem::Problem;
use crate::config::{ApiKeys, Scope};

/// Paths that tell nothing and need no key: probes, and what describes the API. A job's link has a token of its own.
const OPEN: [&str; 5] = ["/healthz", "/readyz", "/openapi.json", "/docs", "/style.css"];
/// The prefix of a job's link.
const JOB_LINK: &str = "/api/enrich/";

/// Lets a request pass or not.
pub(super) async fn guard(State(keys): State<Arc<ApiKeys>>, request: Request, next: Next) -> Response {
    if keys.is_empty() {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // A page elsewhere that makes its own name point here must not read this one.
        return if host.is_some_and(is_loopback_name) {
            next.run(request).await
        } else {
            Problem::misdirected().into_response()
        };
    }
    let path = request.uri().path();
    if OPEN.contains(&path) || path.starts_with(JOB_LINK) {
        return next.run(request).await;
    }
    let Some(key) = presented(&request).and_then(|key| keys.find(&key)) else {
        return Problem::no_key().into_response();
    };
    let caller = Caller(key.name.clone());
    let mut response =
        if key.scope >= needed(path) { next.run(request).await } else { Problem::scope(&key.name).into_response() };
    response.extensions_mut().insert(caller);
    response
}

/// Says what a path needs; paths are normal here.
fn needed(path: &str) -> Scope {
    let name = path.strip_prefix("/api/").unwrap_or_default();
    let submits = name == "enrich" || Function::by_name(name).is_some_and(Function::submits);
    if submits { Scope::Submit } else { Scope::Read }
}

/// Finds the key in the places where callers of the Functions app, tools and browsers put it.
fn presented(request: &Request) -> Option<String> {
    let headers = request.headers();
    let plain = ["x-functions-key", "x-api-key"].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    plain.map(str::to_owned).or_else(|| authorization(headers)).or_else(|| code(request.uri().query()?))
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    // A browser asks for a name and a password; the password is the key.
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, key)| key.to_owned())
}

/// The parameter in which the Functions host takes a key.
fn code(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code").map(|(_, key)| key.into_owned())
}

/// Reads `host[:port]`.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:8080", true)]
    #[case("localhost", true)]
    #[case("LOCALHOST:1", true)]
    #[case("[::1]:8080", true)]
    #[case("evil.example", false)]
    #[case("127.0.0.1.evil.example", false)]
    #[case("localhost.evil.example:80", false)]
    #[case("", false)]
    fn knows_loopback_names(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_loopback_name(host), expected);
    }

    #[rstest]
    #[case("/api/UplaodURL", Scope::Submit)]
    #[case("/api/vmrayuploadsample", Scope::Submit)]
    #[case("/api/enrich", Scope::Submit)]
    #[case("/api/GetVMRaySample", Scope::Read)]
    #[case("/api/status", Scope::Read)]
    #[case("/", Scope::Read)]
    #[case("/metrics", Scope::Read)]
    fn what_submits_needs_the_scope(#[case] path: &str, #[case] expected: Scope) {
        assert_eq!(needed(path), expected);
    }

    #[rstest]
    #[case(&[("x-functions-key", "k")], "/", Some("k"))]
    #[case(&[("x-api-key", "k")], "/", Some("k"))]
    #[case(&[("authorization", "bearer k")], "/", Some("k"))]
    #[case(&[("authorization", "Basic c29jOms=")], "/", Some("k"))]
    #[case(&[("authorization", "Digest k")], "/", None)]
    #[case(&[], "/?a=b&code=k%2Fx", Some("k/x"))]
    #[case(&[], "/?a=b", None)]
    fn finds_the_key(#[case] headers: &[(&str, &str)], #[case] uri: &str, #[case] expected: Option<&str>) {
        let mut request = axum::http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        assert_eq!(presented(&request).as_deref(), expected);
    }
}
