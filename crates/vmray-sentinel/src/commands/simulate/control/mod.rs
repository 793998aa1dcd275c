//! A look inside the stand-ins, and a hand on them, for scripts.
//!
//! More paths on the upload's socket, answered without token and without faults.

mod vmray;
mod world;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use outbound::Clock;
use outbound::{Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use simulators::Stack;

use super::{fault_file, switches};

/// What the paths begin with.
const PREFIX: &str = "/__simulator/";
/// The newest version of every accepted object, a JSON list.
pub(super) const OBJECTS: &str = "/__simulator/objects";
/// What was counted, a JSON object.
pub(super) const STATS: &str = "/__simulator/stats";

/// The upload stand-in with the paths.
#[derive(Debug)]
pub(super) struct Control {
    stack: Stack,
    clock: Arc<dyn Clock>,
}

impl Control {
    pub(super) fn new(stack: &Stack, clock: Arc<dyn Clock>) -> Self {
        Self { stack: stack.clone(), clock }
    }

    fn objects(&self) -> Value {
        self.stack.upload.objects().values().map(simulators::Row::object).collect()
    }

    /// The rows of logs ingestion by stream, in the order of arrival.
    fn logs(&self) -> Value {
        let mut streams = serde_json::Map::new();
        for row in self.stack.logs.rows() {
            if let Value::Array(rows) = streams.entry(row.stream).or_insert_with(|| json!([])) {
                rows.push(row.columns.into());
            }
        }
        streams.into()
    }

    /// Every request for a token, in order.
    fn tokens(&self) -> Value {
        let requests = self.stack.entra.token_requests();
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
        let requests = self.stack.upload.requests();
        let tokens = self.stack.entra.token_requests();
        json!({
            "objects": self.stack.upload.objects().len(),
            "rows": self.stack.upload.row_count(),
            "submissions": self.stack.vmray.submits().iter().filter(|taken| taken.submission_id.is_some()).count(),
            "token_requests": tokens.len(),
            "tokens_issued": tokens.iter().filter(|request| request.issued).count(),
            "upload_requests": requests.len(),
            "log_rows": self.stack.logs.rows().len(),
            "vmray_requests": self.stack.vmray.request_count(),
        })
    }

    /// Answers what comes after the prefix; `None` when there is no such path.
    fn answer(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Option<Result<Value, String>> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parts: Vec<&str> = path.split('/').collect();
        let vmray = &self.stack.vmray;
        match (method, parts.as_slice()) {
            (&Method::GET, ["objects"]) => Some(Ok(self.objects())),
            (&Method::GET, ["logs"]) => Some(Ok(self.logs())),
            (&Method::GET, ["tokens"]) => Some(Ok(self.tokens())),
            (&Method::GET, ["stats"]) => Some(Ok(self.stats())),
            (&Method::GET, ["switches"]) => Some(Ok(switches::all_names())),
            (&Method::POST, ["faults"]) => Some(self.add_faults(body)),
            (&Method::DELETE, ["faults"]) => {
                self.stack.faults().clear();
                Some(Ok(json!({})))
            }
            (&Method::POST, ["samples"]) => Some(world::add_sample(vmray, &pairs, self.clock.now())),
            (&Method::POST, ["samples", id]) => Some(world::change_sample(vmray, id, &pairs)),
            (&Method::POST, ["submissions", id]) => Some(world::change_submission(vmray, id, &pairs)),
            (&Method::DELETE, ["submissions", id]) => Some(world::remove_submission(vmray, id)),
            (&Method::POST, [service]) => switches::change(&self.stack, service, &pairs),
            _ => vmray::answer(vmray, method, &parts, &pairs),
        }
    }

    /// Adds the rules of a body, which is what a file of `--faults` is.
    fn add_faults(&self, body: &[u8]) -> Result<Value, String> {
        let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
        for rule in fault_file::parse(text).map_err(|error| format!("{error:#}"))? {
            self.stack.faults().add(rule);
        }
        Ok(json!({}))
    }
}

#[async_trait]
impl Transport for Control {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let uri = request.uri();
        let Some(path) = uri.path().strip_prefix(PREFIX) else { return self.stack.upload.send(request).await };
        let query = uri.query().unwrap_or_default();
        let (status, value) = match self.answer(request.method(), path, query, request.body()) {
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
