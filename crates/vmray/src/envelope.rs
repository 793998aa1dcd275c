//! The envelope around every answer, and what an answer without one means.
//!
//! An answer is a success only if its status, its JSON and its `result` say so. Proxies answer in VMRay's place
//! with pages, and VMRay reports errors with status 200.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use outbound::{Response, retry_after};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::Error;
use crate::lenient::Lenient;
use crate::record::Object;

/// Characters of a server's words that are kept.
const MESSAGE_CHARS: usize = 300;

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What was asked for: a part of the body, in JSON.
    pub(crate) data: Bytes,
    /// Where the list goes on.
    pub(crate) continuation: Option<String>,
    /// Whether the list is cut at the server's maximum.
    pub(crate) truncated: bool,
    /// The server's clock.
    pub(crate) date: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
struct Envelope<'a> {
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "soft")]
    result: Option<String>,
    #[serde(default, deserialize_with = "soft")]
    error_msg: Option<String>,
    /// What the framework below VMRay's API calls its message.
    #[serde(default, deserialize_with = "soft")]
    detail: Option<String>,
    #[serde(default, deserialize_with = "soft")]
    continuation_id: Option<String>,
    #[serde(default, deserialize_with = "soft")]
    truncated: Option<bool>,
}

fn soft<'de, T: Lenient, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Reads an answer to the question `what`. `key` is kept out of every message.
pub(crate) fn read(what: &'static str, response: &Response, key: &str, now: Timestamp) -> Result<Answer, Error> {
    let body = response.body();
    let scrub = |text: &str| scrubbed(text, key);
    if response.status().is_success() {
        let Object(envelope): Object<Envelope> = serde_json::from_slice(body)
            .map_err(|error| Error::Unreadable { what, reason: scrub(&not_an_envelope(body, &error.to_string())) })?;
        let says_error = envelope.result.as_deref().is_some_and(|result| result.eq_ignore_ascii_case("error"));
        if says_error || (envelope.data.is_none() && envelope.error_msg.is_some()) {
            let message = scrub(envelope.error_msg.as_deref().unwrap_or("no reason given"));
            return Err(refusal(response.status(), message, response.headers(), now));
        }
        // Taken for an empty list, an answer of another kind would let a whole window pass as read.
        let Some(data) = envelope.data else {
            return Err(Error::Unreadable { what, reason: "an answer without data".to_owned() });
        };
        return Ok(Answer {
            data: body.slice_ref(data.get().as_bytes()),
            continuation: envelope.continuation_id.filter(|id| !id.is_empty()),
            truncated: envelope.truncated.unwrap_or_default(),
            date: date(response.headers()),
        });
    }
    let message = scrub(&words(body));
    Err(match response.status() {
        StatusCode::UNAUTHORIZED => Error::Unauthorized,
        StatusCode::FORBIDDEN => Error::Forbidden,
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::TOO_MANY_REQUESTS => throttled(&message, response.headers(), now),
        status if status.is_server_error() && response.headers().contains_key(header::RETRY_AFTER) => {
            throttled(&message, response.headers(), now)
        }
        status if status.is_server_error() || matches!(status.as_u16(), 408 | 425) => {
            Error::Server { status: status.as_u16(), message }
        }
        status => Error::Refused { status: status.as_u16(), message },
    })
}

/// Reads the server's clock, as the `Date` header tells it.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// An error told inside a success: the words are all there is.
fn refusal(status: StatusCode, message: String, headers: &HeaderMap, now: Timestamp) -> Error {
    let lower = message.to_ascii_lowercase();
    if lower.contains("request was throttled") {
        throttled(&message, headers, now)
    } else if lower.contains("invalid authentication") {
        Error::Unauthorized
    } else if lower.contains("no such element") {
        Error::NotFound
    } else {
        Error::Refused { status: status.as_u16(), message }
    }
}

fn throttled(message: &str, headers: &HeaderMap, now: Timestamp) -> Error {
    Error::Throttled { retry_after: retry_after(headers, now).or_else(|| wait_in(message)) }
}

/// Finds the wait in `Request was throttled. Expected available in 7 seconds.`
fn wait_in(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("available in ")?;
    let seconds: f64 = rest.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds.ceil()).ok()
}

/// Returns what a failing server says, whether in VMRay's envelope or not.
fn words(body: &[u8]) -> String {
    if let Ok(Object(Envelope { error_msg: Some(text), .. } | Envelope { detail: Some(text), .. })) =
        serde_json::from_slice(body)
    {
        return text;
    }
    picture(body)
}

fn not_an_envelope(body: &[u8], reason: &str) -> String {
    match body.trim_ascii().first() {
        Some(b'{' | b'[') => reason.to_owned(),
        _ => picture(body),
    }
}

/// Describes a body that is no JSON.
fn picture(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return "empty answer".to_owned();
    }
    if text.starts_with('<') {
        return match title(text) {
            Some(title) => format!("a page titled {title:?}"),
            None => "a page".to_owned(),
        };
    }
    text.to_owned()
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.trim())
}

/// Returns the text without the key, without control characters and not too long.
pub(crate) fn scrubbed(text: &str, key: &str) -> String {
    let text = if key.is_empty() { text.to_owned() } else { text.replace(key, "***") };
    text.chars().take(MESSAGE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;

    const KEY: &str = "k3y-of-the-test";

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, Error> {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        read("a test", &response, KEY, "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[rstest]
    #[case(r#"{"data": [1], "result": "ok"}"#, "[1]", None, false)]
    #[case(r#"{"data": {"errors": []}}"#, r#"{"errors": []}"#, None, false)]
    #[case(r#"{"result": "ok", "continuation_id": null, "truncated": null, "data": []}"#, "[]", None, false)]
    #[case(r#"{"result": "ok", "continuation_id": 123, "truncated": true, "data": []}"#, "[]", Some("123"), true)]
    fn reads_a_success(
        #[case] body: &str,
        #[case] data: &str,
        #[case] continuation: Option<&str>,
        #[case] truncated: bool,
    ) {
        let answer = answer(200, &[("date", "Thu, 01 Jan 2026 01:02:03 GMT")], body).unwrap();
        assert_eq!(answer.data, data);
        assert_eq!(answer.continuation.as_deref(), continuation);
        assert_eq!(answer.truncated, truncated);
        assert_eq!(answer.date, Some("2026-01-01T01:02:03Z".parse().unwrap()));
    }

    #[rstest]
    #[case(200, "", "cannot read a test of VMRay: empty answer")]
    #[case(200, r#"{"result": "ok"}"#, "cannot read a test of VMRay: an answer without data")]
    #[case(
        200,
        r#"{"result": "ok", "data": null, "extra": {"a": [1]}}"#,
        "cannot read a test of VMRay: an answer without data"
    )]
    #[case(200, "<html><title>Sign in</title>", "cannot read a test of VMRay: a page titled \"Sign in\"")]
    #[case(200, r#"{"data": [1, 2"#, "cannot read a test of VMRay: EOF while parsing a list at line 1 column 14")]
    #[case(
        200,
        r#"[null, "ok", null, null, 7]"#,
        "cannot read a test of VMRay: invalid type: sequence, expected an object at line 1 column 0"
    )]
    #[case(200, r#"{"result": "error", "error_msg": "Denied"}"#, "VMRay refused the request (200): Denied")]
    #[case(200, r#"{"result": "error"}"#, "VMRay refused the request (200): no reason given")]
    #[case(200, r#"{"error_msg": "Denied"}"#, "VMRay refused the request (200): Denied")]
    #[case(200, r#"{"result": "error", "error_msg": "Invalid authentication"}"#, "VMRay refused the API key (401)")]
    #[case(200, r#"{"result": "error", "error_msg": "No such element"}"#, "VMRay does not know it (404)")]
    #[case(400, r#"{"result": "error", "error_msg": "Bad date"}"#, "VMRay refused the request (400): Bad date")]
    #[case(400, r#"{"detail": "Bad date"}"#, "VMRay refused the request (400): Bad date")]
    #[case(302, "", "VMRay refused the request (302): empty answer")]
    #[case(401, "<html>", "VMRay refused the API key (401)")]
    #[case(403, "", "VMRay forbids it to this key (403)")]
    #[case(404, "nginx", "VMRay does not know it (404)")]
    #[case(500, "boom k3y-of-the-test\r\n", "VMRay failed (500): boom ***")]
    #[case(502, "<html><title>502 Bad Gateway</title>", "VMRay failed (502): a page titled \"502 Bad Gateway\"")]
    #[case(408, "", "VMRay failed (408): empty answer")]
    fn reads_a_failure(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(answer(status, &[], body).unwrap_err().to_string(), expected);
    }

    #[rstest]
    #[case(429, &[("retry-after", "7")], "Request was throttled. Expected available in 9 seconds.", Some(7))]
    #[case(429, &[("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT")], "", Some(120))]
    #[case(429, &[], r#"{"error_msg": "Request was throttled. Expected available in 1 seconds."}"#, Some(1))]
    #[case(429, &[], "Expected available in 1.2 seconds.", Some(2))]
    #[case(429, &[("retry-after", "soon")], "Expected available in a while.", None)]
    #[case(429, &[], "Expected available in -1 seconds.", None)]
    #[case(429, &[], "Expected available in 1e99 seconds.", None)]
    #[case(503, &[("retry-after", "30")], "", Some(30))]
    #[case(
        200,
        &[],
        r#"{"result": "error", "error_msg": "Request was throttled. Expected available in 3 seconds."}"#,
        Some(3)
    )]
    fn reads_a_throttle(
        #[case] status: u16,
        #[case] headers: &[(&str, &str)],
        #[case] body: &str,
        #[case] seconds: Option<u64>,
    ) {
        match answer(status, headers, body).unwrap_err() {
            Error::Throttled { retry_after } => assert_eq!(retry_after, seconds.map(Duration::from_secs)),
            other => panic!("{other}"),
        }
    }
}
