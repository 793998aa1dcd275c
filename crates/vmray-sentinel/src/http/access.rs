//! Who may ask: a key where keys are set, this machine by its own names where none are.
//!
//! What a request needs is a property of the route that it was given to ([`MatchedPath`]), never of the text of its
//! path: two readings of one text are how a key gets more than its scope. A route that nobody listed needs a key.
//!
//! What submits is refused where another site's page asks for it ([`callers_page`]), whatever key came along. A GET
//! that submits (the original has it) is taken with a key that no browser adds by itself, or from no browser.
//!
//! Under the Functions host nothing of this is in front of the API: the host has checked its own keys before.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{ApiKeys, Scope};
use outbound::ServiceUrl;
use url::Url;

use super::observe::Caller;
use super::problem::Problem;
use super::{callers_page, operations, pages};

/// Judges requests.
#[derive(Debug)]
pub(super) struct Guard {
    keys: ApiKeys,
    needs: HashMap<String, Need>,
    public_url: Option<Url>,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// No key: it tells nothing, or the link has a token of its own.
    Nothing,
    /// A key with at least this scope.
    Key(Scope),
}

/// How a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// Put there by whoever made the request.
    Given,
    /// As the password that a browser remembers and adds by itself.
    Remembered,
}

impl Guard {
    /// Returns the guard of all routes. `public_url` is where we are reached, if that is known.
    pub(super) fn new(keys: ApiKeys, public_url: Option<&ServiceUrl>) -> Self {
        let open = pages::OPEN.into_iter().map(|path| (path.to_owned(), Need::Nothing));
        let mut needs: HashMap<String, Need> = open.collect();
        for operation in operations::all() {
            let need = operation.scope.map_or(Need::Nothing, Need::Key);
            let present = needs.entry(operation.path).or_insert(need);
            // Methods of one path share it; the most that one of them needs counts.
            if let (Need::Key(least), Need::Key(scope)) = (*present, need) {
                *present = Need::Key(least.max(scope));
            }
        }
        let public_url = public_url.and_then(|url| Url::parse(&url.to_string()).ok());
        Self { keys, needs, public_url }
    }

    fn need(&self, request: &Request) -> Need {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        route.and_then(|route| self.needs.get(route)).copied().unwrap_or(Need::Key(Scope::Read))
    }

    /// Says why a request is not taken, and in any case whose key came with it.
    fn judge(&self, request: &Request, caller: &mut Option<String>) -> Result<(), Problem> {
        let hosts = hosts(request)?;
        let need = self.need(request);
        let mut came = Came::Remembered;
        if self.keys.is_empty() {
            // A page elsewhere that makes its own name point here must not read this one.
            if hosts.is_empty() || !hosts.iter().all(|host| is_loopback(host)) {
                return Err(Problem::misdirected());
            }
        } else if let Need::Key(scope) = need {
            let presented = presented(request);
            let found = presented.and_then(|(key, came)| Some((self.keys.find(&key)?, came)));
            let (key, how) = found.ok_or_else(Problem::no_key)?;
            *caller = Some(key.name.clone());
            if key.scope < scope {
                return Err(Problem::scope(&key.name));
            }
            came = how;
        }
        if need == Need::Key(Scope::Submit) {
            let own = hosts.iter().flat_map(|host| callers_page::addresses_of(host)).chain(self.public_url.clone());
            let own: Vec<Url> = own.collect();
            let safe = matches!(*request.method(), Method::GET | Method::HEAD);
            if callers_page::is_foreign(request.headers(), &own) {
                return Err(Problem::cross_site());
            }
            if safe && came == Came::Remembered && callers_page::is_browsers(request.headers()) {
                return Err(Problem::submitting_get());
            }
        }
        Ok(())
    }
}

/// Lets a request pass or not.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut caller = None;
    let mut response = match guard.judge(&request, &mut caller) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(caller) = caller {
        response.extensions_mut().insert(Caller(caller));
    }
    response
}

/// Returns the hosts that a request names: in its header, and in its target where that is a whole URL.
fn hosts(request: &Request) -> Result<Vec<&str>, Problem> {
    let mut named = request.headers().get_all(header::HOST).into_iter();
    let header = named.next().map(|host| host.to_str().unwrap_or_default());
    if named.next().is_some() {
        return Err(Problem::bad_request("Host", "is in the request more than once"));
    }
    Ok(header.into_iter().chain(request.uri().authority().map(Authority::as_str)).collect())
}

/// Finds the key in the places where callers of the Functions app, tools and browsers put it.
fn presented(request: &Request) -> Option<(String, Came)> {
    let headers = request.headers();
    let plain = ["x-functions-key", "x-api-key"].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    let plain = plain.map(|key| (key.to_owned(), Came::Given));
    plain.or_else(|| authorization(headers)).or_else(|| Some((code(request.uri().query()?)?, Came::Given)))
}

fn authorization(headers: &HeaderMap) -> Option<(String, Came)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((rest.trim().to_owned(), Came::Given));
    }
    // A browser asks for a name and a password; the password is the key.
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, key)| (key.to_owned(), Came::Remembered))
}

/// The parameter in which the Functions host takes a key.
fn code(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code").map(|(_, key)| key.into_owned())
}

/// Reads `host[:port]`, all of it.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, rest))) => {
            let is_loopback = address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
            return is_loopback && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        Some(None) => return false,
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_loopback = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4() && address.is_loopback());
    is_loopback && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
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
    #[case("[::1]", true)]
    #[case("[::1].evil.example", false)]
    #[case("[::1]:8080.evil.example", false)]
    #[case("[::1", false)]
    #[case("::1", false)]
    #[case("[127.0.0.1]", false)]
    #[case("localhost:80@evil.example", false)]
    #[case("localhost:", false)]
    #[case("localhost:+80", false)]
    #[case("localhost:99999", false)]
    #[case("localhost, evil.example", false)]
    #[case("", false)]
    fn knows_loopback_names(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_loopback(host), expected);
    }

    #[rstest]
    #[case(&[("x-functions-key", "k")], "/", Some(("k", Came::Given)))]
    #[case(&[("x-api-key", "k")], "/", Some(("k", Came::Given)))]
    #[case(&[("authorization", "bearer k")], "/", Some(("k", Came::Given)))]
    #[case(&[("authorization", "Basic c29jOms=")], "/", Some(("k", Came::Remembered)))]
    #[case(&[("authorization", "Basic c29jOms=")], "/?code=other", Some(("k", Came::Remembered)))]
    #[case(&[("authorization", "Digest k")], "/", None)]
    #[case(&[], "/?a=b&code=k%2Fx", Some(("k/x", Came::Given)))]
    #[case(&[], "/?a=b", None)]
    fn finds_the_key(#[case] headers: &[(&str, &str)], #[case] uri: &str, #[case] expected: Option<(&str, Came)>) {
        let mut request = axum::http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let expected = expected.map(|(key, came)| (key.to_owned(), came));
        assert_eq!(presented(&request), expected);
    }
}
