//! Entra's error body.

use jiff::Timestamp;
use outbound::Response;
use serde_json::json;

use crate::answer;

/// Why no token is issued.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

impl Refusal {
    pub(super) fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status, error, code, text: text.into() }
    }

    pub(super) fn response(&self, now: Timestamp) -> Response {
        let code = self.code;
        let trace = "0000aaaa-11bb-4ccc-8d22-eeeeee333333";
        let correlation = "aaaa0000-bb11-4222-8c44-444444dddddd";
        let at = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{code}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}", self.text
            ),
            "error_codes": [code],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        answer::json(self.status, &body)
    }
}
