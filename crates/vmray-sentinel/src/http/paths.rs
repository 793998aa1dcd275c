//! Paths below `/api` without regard to case, as the Functions host matches them.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use enrichment::functions::Function;
use tower::ServiceExt as _;

/// Names that are not functions.
const OTHERS: [&str; 3] = ["enrich", "status", "explain"];

/// Wraps a router so that it sees the usual spelling.
pub(super) fn without_regard_to_case(router: Router) -> Router {
    Router::new().fallback_service(router.into_service().map_request(|mut request: Request| {
        if let Some(usual) = usual(request.uri()) {
            *request.uri_mut() = usual;
        }
        request
    }))
}

/// Returns the usual spelling, if it is another one.
fn usual(uri: &Uri) -> Option<Uri> {
    let mut parts = uri.path().splitn(4, '/');
    let (_, api, name, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    if !api.eq_ignore_ascii_case("api") {
        return None;
    }
    let known = Function::ALL.into_iter().map(Function::name).chain(OTHERS);
    let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name);
    let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = PathAndQuery::try_from(format!("/api/{name}{rest}{query}")).ok()?;
    if uri.path_and_query() == Some(&path) {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/API/uplaodurl?url=A", Some("/api/UplaodURL?url=A"))]
    #[case("/api/Enrich/AbC?token=X", Some("/api/enrich/AbC?token=X"))]
    #[case("/api/UplaodURL", None)]
    #[case("/api/nothing", None)]
    #[case("/Docs", None)]
    #[case("/", None)]
    fn finds_the_usual_spelling(#[case] given: &str, #[case] expected: Option<&str>) {
        assert_eq!(usual(&given.parse().unwrap()).map(|uri| uri.to_string()).as_deref(), expected);
    }
}
