//! A look inside the stand-ins, and a hand on VMRay's, for scripts.
//!
//! More paths on the upload's socket, answered without token and without faults.

mod vmray;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use outbound::{Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use simulators::{EntraSimulator, LogsSimulator, Stack, UploadSimulator, VmraySimulator};

/// What the paths begin with.
const PREFIX: &str = "/__simulator/";
/// The newest version of every accepted object, a JSON list.
pub(super) const OBJECTS: &str = "/__simulator/objects";
/// What was counted, a JSON object.
pub(super) const STATS: &str = "/__simulator/stats";

/// The upload stand-in with the paths.
#[derive(Debug)]
pub(super) struct Control {
    entra: Arc<EntraSimulator>,
    upload: Arc<UploadSimulator>,
    logs: Arc<LogsSimulator>,
    vmray: Arc<VmraySimulator>,
}

impl Control {
    pub(super) fn new(stack: &Stack) -> Self {
        Self {
            entra: stack.entra.clone(),
            upload: stack.upload.clone(),
            logs: stack.logs.clone(),
            vmray: stack.vmray.clone(),
        }
    }

    fn objects(&self) -> Value {
        self.upload.objects().values().map(simulators::Row::object).collect()
    }

    /// The rows of logs ingestion by stream, in the order of arrival.
    fn logs(&self) -> Value {
        let mut streams = serde_json::Map::new();
        for row in self.logs.rows() {
            if let Value::Array(rows) = streams.entry(row.stream).or_insert_with(|| json!([])) {
                rows.push(row.columns.into());
            }
        }
        streams.into()
    }

    /// Every request for a token, in order.
    fn tokens(&self) -> Value {
        let requests = self.entra.token_requests();
        let shown = requests.iter().map(|request| {
            json!({
                "at": request.at.to_string(),
                "client_id": request.client_id,
                "resource": request.resource,
                "issued": request.issued,
            })
        });
        shown.collect()
    }

    fn stats(&self) -> Value {
        let requests = self.upload.requests();
        let tokens = self.entra.token_requests();
        json!({
            "objects": self.upload.objects().len(),
            "rows": self.upload.row_count(),
            "submissions": self.vmray.submits().iter().filter(|taken| taken.submission_id.is_some()).count(),
            "token_requests": tokens.len(),
            "tokens_issued": tokens.iter().filter(|request| request.issued).count(),
            "upload_requests": requests.len(),
            "log_rows": self.logs.rows().len(),
            "vmray_requests": self.vmray.request_count(),
        })
    }

    /// Answers what comes after the prefix; `None` when there is no such path.
    fn answer(&self, method: &Method, path: &str, query: &str) -> Option<Result<Value, String>> {
        match (method, path) {
            (&Method::GET, "objects") => Some(Ok(self.objects())),
            (&Method::GET, "logs") => Some(Ok(self.logs())),
            (&Method::GET, "tokens") => Some(Ok(self.tokens())),
            (&Method::GET, "stats") => Some(Ok(self.stats())),
            _ => vmray::answer(&self.vmray, method, path, query),
        }
    }
}

#[async_trait]
impl Transport for Control {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let Some(path) = request.uri().path().strip_prefix(PREFIX) else { return self.upload.send(request).await };
        let (status, value) = match self.answer(request.method(), path, request.uri().query().unwrap_or_default()) {
            Some(Ok(value)) => (StatusCode::OK, value),
            Some(Err(reason)) => (StatusCode::BAD_REQUEST, json!({"error": reason})),
            None => (StatusCode::NOT_FOUND, json!({"error": format!("no {PREFIX}{path} for {}", request.method())})),
        };
        let mut answer = Response::new(Bytes::from(value.to_string()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }
}
