//! What the answer to an upload says about every object.
//!
//! Nothing counts as taken unless the answer says so in a documented way: an empty 200, or a 200 with a list of refusals
//! every one of which names an object of the request. Everything else is unreadable, and the request is repeated; the
//! service keeps one indicator for an id, so a repeat costs a row at most.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use outbound::{Response, retry_after};
use serde::Deserialize;
use serde_json::Value;

use crate::excerpt::{bounded, message};
use crate::server_time::server_time;
use crate::{ClientId, UploadError, WorkspaceId};

/// Every object was taken, except these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// The objects that the service refused, by ascending index, each once.
    pub refused: Vec<Refusal>,
}

/// One refused object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the request's objects, from 0.
    pub index: usize,
    /// The service's words.
    pub messages: Vec<String>,
}

/// What the answer is read against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) count: usize,
    pub(crate) workspace: WorkspaceId,
    pub(crate) client_id: Option<ClientId>,
}

/// How long to wait when the service does not say: the window of its limit.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// A wait of zero would be a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Reads the answer; `now` is for a `Retry-After` that is a date in an answer that has none of its own.
pub(crate) fn read(sent: Sent, answer: &Response, now: Timestamp) -> Result<Uploaded, UploadError> {
    let status = answer.status();
    let body = answer.body().as_ref();
    let wait = retry_after(answer.headers(), server_time(answer.headers(), now)).map(|wait| wait.max(SHORTEST_WAIT));
    let words = || match (answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()), body) {
        (Some(code), []) => bounded(code),
        _ => message(body),
    };
    match status {
        StatusCode::OK => taken(sent.count, body),
        StatusCode::BAD_REQUEST => match refusals(sent.count, body) {
            // A list that names every object says more than halving could find out.
            Ok(refused) if refused.len() == sent.count => Ok(Uploaded { refused }),
            _ => Err(UploadError::BadRequest { message: words() }),
        },
        StatusCode::UNAUTHORIZED => Err(UploadError::Unauthorized { message: words() }),
        StatusCode::FORBIDDEN => {
            let Sent { workspace, client_id, .. } = sent;
            Err(UploadError::Forbidden { message: words(), workspace, client_id })
        }
        StatusCode::NOT_FOUND => Err(UploadError::WorkspaceNotFound { workspace: sent.workspace }),
        StatusCode::PAYLOAD_TOO_LARGE => Err(UploadError::TooLarge { message: words() }),
        StatusCode::TOO_MANY_REQUESTS => Err(UploadError::Throttled {
            retry_after: wait.or_else(|| wait_in_words(&words())).unwrap_or(DEFAULT_WAIT),
        }),
        StatusCode::REQUEST_TIMEOUT => {
            Err(UploadError::Server { status: status.as_u16(), message: words(), retry_after: wait })
        }
        _ if status.is_server_error() => {
            Err(UploadError::Server { status: status.as_u16(), message: words(), retry_after: wait })
        }
        _ if status.is_success() || status.is_redirection() => Err(UploadError::Unreadable {
            reason: format!("status {} is not documented: {}", status.as_u16(), words()),
        }),
        _ => Err(UploadError::Refused { status: status.as_u16(), message: words() }),
    }
}

fn taken(count: usize, body: &[u8]) -> Result<Uploaded, UploadError> {
    if body.trim_ascii().is_empty() {
        return Ok(Uploaded::default());
    }
    match refusals(count, body) {
        Ok(refused) => Ok(Uploaded { refused }),
        Err(reason) => Err(UploadError::Unreadable { reason }),
    }
}

/// The document calls the list of messages `errorMessages`, the specification `validationErrorMessages`.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "recordIndex")]
    index: Value,
    #[serde(rename = "errorMessages", default)]
    by_document: Value,
    #[serde(rename = "validationErrorMessages", default)]
    by_specification: Value,
}

#[derive(Deserialize)]
struct Partial {
    errors: Option<Vec<Listed>>,
}

fn refusals(count: usize, body: &[u8]) -> Result<Vec<Refusal>, String> {
    // `errors` must be there (null is none): an object without it is somebody else's JSON.
    let value: Value = serde_json::from_slice(body).map_err(|_| format!("not JSON: {}", message(body)))?;
    if value.get("errors").is_none() {
        return Err(format!("JSON without `errors`: {}", message(body)));
    }
    let partial: Partial = serde_json::from_value(value).map_err(|error| bounded(&error.to_string()))?;
    let mut by_index: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for listed in partial.errors.unwrap_or_default() {
        let index = listed
            .index
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < count)
            .ok_or_else(|| bounded(&format!("recordIndex {} is none of the {count} objects", listed.index)))?;
        let messages = by_index.entry(index).or_default();
        for text in [listed.by_document, listed.by_specification].iter().flat_map(texts) {
            if !messages.contains(&text) {
                messages.push(text);
            }
        }
    }
    Ok(by_index.into_iter().map(|(index, messages)| Refusal { index, messages }).collect())
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![bounded(text)],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        other => vec![bounded(&other.to_string())],
    }
}

/// "Rate limit is exceeded. Try again in 37 seconds."
fn wait_in_words(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(2).find_map(|pair| match pair {
        [number, unit] if unit.to_ascii_lowercase().starts_with("sec") => {
            number.parse().ok().map(|seconds| Duration::from_secs(seconds).max(SHORTEST_WAIT))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outbound::Retry;
    use rstest::rstest;

    use super::*;

    fn read_body(status: u16, body: &str) -> Result<Uploaded, UploadError> {
        let sent =
            Sent { count: 4, workspace: "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap(), client_id: None };
        let answer = http::Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        read(sent, &answer, "2026-01-01T00:00:00Z".parse().unwrap())
    }

    fn refused(index: usize, messages: &[&str]) -> Refusal {
        Refusal { index, messages: messages.iter().map(ToString::to_string).collect() }
    }

    #[rstest]
    #[case::empty("")]
    #[case::blank(" \r\n")]
    #[case::empty_list(r#"{"errors":[]}"#)]
    #[case::null_list(r#"{"errors":null}"#)]
    fn all_taken(#[case] body: &str) {
        assert_eq!(read_body(200, body).unwrap(), Uploaded::default());
    }

    #[rstest]
    #[case::document(r#"{"errors":[{"recordIndex":3,"errorMessages":["a","b"]}]}"#, vec![refused(3, &["a", "b"])])]
    #[case::specification(r#"{"errors":[{"recordIndex":0,"validationErrorMessages":["a"]}]}"#, vec![refused(0, &["a"])])]
    #[case::both(r#"{"errors":[{"recordIndex":0,"errorMessages":["a"],"validationErrorMessages":["a","b"]}]}"#, vec![refused(0, &["a", "b"])])]
    #[case::twice(r#"{"errors":[{"recordIndex":2,"errorMessages":["a"]},{"recordIndex":1},{"recordIndex":2,"errorMessages":["b"]}]}"#, vec![refused(1, &[]), refused(2, &["a", "b"])])]
    #[case::odd_messages(r#"{"errors":[{"recordIndex":1,"errorMessages":"a"},{"recordIndex":2,"errorMessages":[1,null]}]}"#, vec![refused(1, &["a"]), refused(2, &["1"])])]
    #[case::unknown_fields(r#"{"errors":[{"recordIndex":1,"errorMessages":[],"x":1}],"y":2}"#, vec![refused(1, &[])])]
    fn some_refused(#[case] body: &str, #[case] expected: Vec<Refusal>) {
        assert_eq!(read_body(200, body).unwrap().refused, expected);
    }

    #[rstest]
    #[case::html("<html><title>Log in</title></html>", "Log in")]
    #[case::cut(r#"{"errors":[{"recordIndex":1"#, "not JSON")]
    #[case::other_object("{}", "without `errors`")]
    #[case::list("[]", "without `errors`")]
    #[case::null("null", "without `errors`")]
    #[case::number("7", "without `errors`")]
    #[case::errors_is_text(r#"{"errors":"x"}"#, "sequence")]
    #[case::element_is_no_object(r#"{"errors":[3]}"#, "")]
    #[case::no_index(r#"{"errors":[{"errorMessages":["a"]}]}"#, "recordIndex")]
    #[case::index_is_text(r#"{"errors":[{"recordIndex":"1"}]}"#, "recordIndex")]
    #[case::index_is_a_fraction(r#"{"errors":[{"recordIndex":1.5}]}"#, "recordIndex")]
    #[case::index_is_null(r#"{"errors":[{"recordIndex":null}]}"#, "recordIndex")]
    #[case::negative_index(r#"{"errors":[{"recordIndex":-1}]}"#, "recordIndex")]
    #[case::index_past_the_end(r#"{"errors":[{"recordIndex":1},{"recordIndex":4}]}"#, "recordIndex 4")]
    #[case::huge_index(r#"{"errors":[{"recordIndex":99999999999999999999}]}"#, "recordIndex")]
    fn anything_else_counts_nothing_as_taken_and_is_tried_again(#[case] body: &str, #[case] reason: &str) {
        let error = read_body(200, body).unwrap_err();
        assert!(matches!(error, UploadError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.retry(), Retry::Backoff);
    }

    #[test]
    fn an_undocumented_success_counts_nothing_as_taken() {
        for status in [201, 202, 204, 302] {
            assert!(matches!(read_body(status, ""), Err(UploadError::Unreadable { .. })), "{status}");
        }
    }

    #[test]
    fn a_bad_request_that_names_every_object_is_a_list_of_refusals() {
        let all = r#"{"errors":[{"recordIndex":0},{"recordIndex":1},{"recordIndex":2},{"recordIndex":3}]}"#;
        assert_eq!(read_body(400, all).unwrap().refused.len(), 4);
        let some = r#"{"errors":[{"recordIndex":0}]}"#;
        assert!(matches!(read_body(400, some), Err(UploadError::BadRequest { .. })));
        let none = r#"{"error":{"code":"BadRequest","message":"no"}}"#;
        let error = read_body(400, none).unwrap_err();
        assert_eq!(error.to_string(), "the service refuses the whole request: BadRequest: no");
        assert_eq!(error.retry(), Retry::Never);
    }

    #[rstest]
    #[case::in_words("", "Rate limit is exceeded. Try again in 37 seconds.", 37)]
    #[case::header_wins("12", "Rate limit is exceeded. Try again in 37 seconds.", 12)]
    #[case::header_as_date("Thu, 01 Jan 2026 00:02:00 GMT", "", 120)]
    #[case::header_of_zero("0", "", 1)]
    #[case::neither("", "busy", 60)]
    #[case::no_body("", "", 60)]
    #[case::unreadable_header("soon", "Try again in 5 seconds", 5)]
    #[case::placeholder("", "Try again in <n> seconds.", 60)]
    #[case::number_of_other_things("", "Limit of 100 requests exceeded", 60)]
    #[case::one_second("", "Try again in 1 second.", 1)]
    fn a_throttled_request_knows_how_long(#[case] header: &str, #[case] words: &str, #[case] expected_s: u64) {
        let body = format!(r#"{{"statusCode":429,"message":"{words}"}}"#);
        let mut answer = http::Response::builder().status(429).body(Bytes::from(body)).unwrap();
        if !header.is_empty() {
            answer.headers_mut().insert("retry-after", header.parse().unwrap());
        }
        let sent =
            Sent { count: 1, workspace: "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap(), client_id: None };
        let error = read(sent, &answer, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(expected_s)), "{error:?}");
    }

    #[rstest]
    #[case(401, "", "refuses our token")]
    #[case(403, "<html><title>Proxy</title></html>", "Proxy")]
    #[case(404, "", "does not know workspace")]
    #[case(407, "", "unexpected status 407")]
    #[case(413, "", "too large")]
    #[case(500, "oops", "status 500")]
    #[case(503, "", "status 503")]
    fn says_what_other_statuses_mean(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        let error = read_body(status, body).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.retry() == Retry::Backoff, status >= 500);
        assert!(!error.hint().is_empty());
    }
}
