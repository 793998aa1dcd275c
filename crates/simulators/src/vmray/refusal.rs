//! VMRay's errors.

use outbound::Response;
use serde_json::json;

use crate::answer;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) text: String,
    /// Seconds of a 429.
    pub(super) retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Invalid authentication")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "Permission denied")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "No such element")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "Method not allowed")
    }

    pub(super) fn bad_parameter(name: &str) -> Self {
        Self::new(400, format!("Invalid value for parameter \"{name}\""))
    }

    pub(super) fn unknown_parameter(name: &str) -> Self {
        Self::new(400, format!("Unknown parameter \"{name}\""))
    }

    pub(super) fn response(&self) -> Response {
        answer::json(self.status, &json!({"error_msg": self.text, "result": "error"}))
    }
}
