//! What the host asks, and what it wants to hear.
//!
//! `POST /<function>` with `{"Data": {..}, "Metadata": {..}}` asks for one invocation. The answer is a JSON object in every
//! case: of an empty body or `null` the host makes nothing at all and waits until `functionTimeout`. A status other
//! than 2xx marks the invocation as failed; the host does not look at the body then, so what is in it is logged too.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// Names an invocation; the same id stands in the host's own log.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";
/// A GUID has 36 characters.
const LONGEST_ID: usize = 64;

/// Returns the id of an invocation, for the log. A header that is no id is not written there.
pub(super) fn id(headers: &HeaderMap) -> &str {
    let id = headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let fits =
        (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { id } else { "none" }
}

/// Says whether the host calls a timer late. It is told at the start of the host when a time was missed.
pub(super) fn is_past_due(body: &[u8]) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return false };
    let Some(Value::Object(data)) = field(&body, "Data") else { return false };
    data.values().any(|binding| match binding {
        Value::Object(timer) => matches!(field(timer, "IsPastDue"), Some(Value::Bool(true))),
        // Other triggers come as JSON in a string; a host that did so for timers would be understood.
        Value::String(text) => serde_json::from_str::<Map<String, Value>>(text)
            .is_ok_and(|timer| matches!(field(&timer, "IsPastDue"), Some(Value::Bool(true)))),
        _ => false,
    })
}

fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// An answer to an invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(skip)]
    status: StatusCode,
    /// Values of output bindings; ours have none.
    outputs: Map<String, Value>,
    /// Lines that the host adds to its log of this invocation.
    logs: Vec<String>,
    /// Always null: no binding takes it.
    return_value: Option<Value>,
}

impl Answer {
    /// The invocation succeeded.
    pub(super) fn succeeded(logs: Vec<String>) -> Self {
        Self::new(StatusCode::OK, logs)
    }

    /// The invocation failed.
    pub(super) fn failed(logs: Vec<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, logs)
    }

    /// There is no such function here.
    pub(super) fn unknown(function: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, vec![format!("there is no function {function} here")])
    }

    fn new(status: StatusCode, logs: Vec<String>) -> Self {
        Self { status, outputs: Map::new(), logs, return_value: None }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"Data":{"mytimer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":true}}}"#, true)]
    #[case(r#"{"data":{"t":{"isPastDue":true}},"metadata":{}}"#, true)]
    #[case(r#"{"Data":{"t":"{\"IsPastDue\":true}"}}"#, true)]
    #[case(r#"{"Data":{"t":{"IsPastDue":false}},"Metadata":{}}"#, false)]
    #[case(r#"{"Data":{"t":null}}"#, false)]
    #[case("[]", false)]
    #[case("", false)]
    fn knows_a_late_timer_in_every_spelling(#[case] body: &str, #[case] expected: bool) {
        assert_eq!(is_past_due(body.as_bytes()), expected);
    }

    #[test]
    fn only_an_id_is_taken_for_an_id() {
        let of = |text: &str| {
            let headers = HeaderMap::from_iter([(INVOCATION_ID.parse().unwrap(), text.parse().unwrap())]);
            id(&headers).to_owned()
        };
        assert_eq!(of("3f0c0c0e-6b5c-4d0e-8d59-6f3d1f4b2a01"), "3f0c0c0e-6b5c-4d0e-8d59-6f3d1f4b2a01");
        assert_eq!(of("a b"), "none");
        assert_eq!(of(&"a".repeat(65)), "none");
        assert_eq!(id(&HeaderMap::new()), "none");
    }

    #[test]
    fn the_answer_has_the_three_fields_of_the_protocol() {
        let answer = serde_json::to_value(Answer::succeeded(vec!["done".to_owned()])).unwrap();
        assert_eq!(answer, serde_json::json!({ "Outputs": {}, "Logs": ["done"], "ReturnValue": null }));
    }
}
