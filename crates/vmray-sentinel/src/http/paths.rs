//! The one spelling of a path, before anything is judged by it.
//!
//! Names below `/api` are matched without regard to case, and an encoded letter is that letter (RFC 3986 6.2.2.2),
//! both as the Functions host has it. Routing, keys, log and metrics all see the spelling that leaves here: a path that
//! two of them could read in two ways does not reach them. What must be encoded (`%2F`, `%25`) stays as it is.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use enrichment::functions::Function;
use tower::ServiceExt as _;

/// Names that are not functions.
const OTHERS: [&str; 2] = ["enrich", "status"];

/// Wraps a router so that it sees the usual spelling.
pub(super) fn in_usual_spelling(router: Router) -> Router {
    Router::new().fallback_service(router.into_service().map_request(|mut request: Request| {
        if let Some(usual) = usual(request.uri()) {
            *request.uri_mut() = usual;
        }
        request
    }))
}

/// Returns the usual spelling, if it is another one.
fn usual(uri: &Uri) -> Option<Uri> {
    let decoded = decoded(uri.path());
    let path = below_api(&decoded).unwrap_or(decoded);
    if uri.path() == path {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// Writes a path below `/api` with the names as they are served.
fn below_api(path: &str) -> Option<String> {
    let mut parts = path.splitn(4, '/');
    let (_, api, name, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    if !api.eq_ignore_ascii_case("api") {
        return None;
    }
    let known = Function::ALL.into_iter().map(Function::name).chain(OTHERS);
    let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name);
    let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
    Some(format!("/api/{name}{rest}"))
}

/// Decodes what need not have been encoded, once.
fn decoded(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) =
            byte.filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
        {
            decoded.push(char::from(byte));
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push('%');
            rest = after;
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/API/uplaodurl?url=A", Some("/api/UplaodURL?url=A"))]
    #[case("/api/Enrich/AbC?token=X", Some("/api/enrich/AbC?token=X"))]
    #[case("/api/%55plaod%55%52L?url=%41", Some("/api/UplaodURL?url=%41"))]
    #[case("/%61p%69/%65nrich", Some("/api/enrich"))]
    #[case("/%64ocs", Some("/docs"))]
    #[case("/api/%2555plaodURL", None)]
    #[case("/api%2FUplaodURL", None)]
    #[case("/api/%FF", None)]
    #[case("/api/%+5", None)]
    #[case("/api/%", None)]
    #[case("/api/UplaodURL", None)]
    #[case("/api/nothing", None)]
    #[case("/Docs", None)]
    #[case("/", None)]
    fn finds_the_usual_spelling(#[case] given: &str, #[case] expected: Option<&str>) {
        assert_eq!(usual(&given.parse().unwrap()).map(|uri| uri.to_string()).as_deref(), expected);
    }
}
