//! What is asked and answered, as lines of the log at debug.
//!
//! A line names the service, the operation (method and path), the attempt, the status and how long it took. It holds
//! no query, no header and no body: those carry keys, signatures and what malware wrote.

use http::Request;
use tokio::time::Instant;
use tracing::debug;

use crate::transport::host_of;
use crate::{Response, TransportError};

/// Characters of a path that are logged.
const PATH_CHARS: usize = 200;

/// A request that is on its way.
#[derive(Debug)]
pub struct CallLog {
    service: String,
    operation: String,
    attempt: u32,
    started: Instant,
}

impl CallLog {
    /// Starts the time of a request. `attempt` counts from one.
    pub fn start<B>(request: &Request<B>, attempt: u32) -> Self {
        let path: String = request.uri().path().chars().take(PATH_CHARS).collect();
        Self {
            service: host_of(request.uri()),
            operation: format!("{} {path}", request.method()),
            attempt,
            started: Instant::now(),
        }
    }

    /// Writes down what became of it.
    pub fn end(self, outcome: &Result<Response, TransportError>) {
        let Self { service, operation, attempt, started } = self;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(answer) => {
                let (status, size_bytes) = (answer.status().as_u16(), answer.body().len());
                debug!(service, operation, attempt, status, size_bytes, duration_ms, "answered");
            }
            Err(error) => debug!(service, operation, attempt, %error, duration_ms, "no answer"),
        }
    }
}
