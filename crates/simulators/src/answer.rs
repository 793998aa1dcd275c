//! Building answers, and the little of HTTP that the services share.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use outbound::Response;
use serde_json::{Value, json};

/// Returns a JSON answer.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    with_type(status, "application/json", Bytes::from(body.to_string()))
}

/// Returns an HTML answer, as a proxy or a front end gives.
pub(crate) fn html(status: u16, title: &str) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    with_type(status, "text/html", Bytes::from(page))
}

/// Returns an answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status_code(status);
    response
}

/// Returns Azure's error body with its header.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Response {
    let mut response = json(status, &json!({"error": {"code": code, "message": message}}));
    set_header(&mut response, HeaderName::from_static("x-ms-error-code"), code);
    response
}

/// Returns a status code; what is no status is a 500.
pub(crate) fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Sets a header; a value that cannot be one is left out.
pub(crate) fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Sets `Date` from the simulator's clock.
pub(crate) fn set_date(response: &mut Response, now: Timestamp, offset: SignedDuration) {
    let shown = now.checked_add(offset).unwrap_or(now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    set_header(response, DATE, &shown);
}

/// Returns a header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the names and values of a query string or a form.
pub(crate) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

/// Returns the value of a name.
pub(crate) fn value_of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Says whether the content type is `expected`, parameters aside.
pub(crate) fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    header(headers, "content-type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

fn with_type(status: u16, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status_code(status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
