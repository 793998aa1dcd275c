//! A look inside the stand-ins, for scripts that check what arrived.
//!
//! Two more paths on the upload's socket, answered without token and without faults.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use outbound::{Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use simulators::{Stack, UploadSimulator, VmraySimulator};

/// The newest version of every accepted object, a JSON list.
pub(super) const OBJECTS: &str = "/__simulator/objects";
/// What was counted, a JSON object.
pub(super) const STATS: &str = "/__simulator/stats";

/// The upload stand-in with the two paths.
#[derive(Debug)]
pub(super) struct Control {
    upload: Arc<UploadSimulator>,
    vmray: Arc<VmraySimulator>,
}

impl Control {
    pub(super) fn new(stack: &Stack) -> Self {
        Self { upload: stack.upload.clone(), vmray: stack.vmray.clone() }
    }

    fn objects(&self) -> Value {
        self.upload.objects().values().map(simulators::Row::object).collect()
    }

    fn stats(&self) -> Value {
        let requests = self.upload.requests();
        json!({
            "objects": self.upload.objects().len(),
            "rows": self.upload.row_count(),
            "upload_requests": requests.len(),
            "vmray_requests": self.vmray.request_count(),
        })
    }
}

#[async_trait]
impl Transport for Control {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let value = match (request.method(), request.uri().path()) {
            (&Method::GET, OBJECTS) => self.objects(),
            (&Method::GET, STATS) => self.stats(),
            _ => return self.upload.send(request).await,
        };
        let mut answer = Response::new(Bytes::from(value.to_string()));
        *answer.status_mut() = StatusCode::OK;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }
}
