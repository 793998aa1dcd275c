//! The calls of this process to others, counted for Prometheus.
//!
//! They are counted where they are logged: the transport hears of each that went through it. Services are those of the
//! settings, an operation holds no id, and past a number that we never come to all others count as one, so there are few
//! labels whatever is asked for and whatever a server makes us ask.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use outbound::{Call, Request, Response, StreamedRequest, Transport, TransportError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;

/// Repeats that are told apart; later ones count as this one.
const LAST_ATTEMPT: u32 = 5;
/// Operations that are told apart, of all services together. We know about forty.
const OPERATIONS: usize = 200;

/// How many calls there were, and how long they took.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    requests: Family<Labels, Counter>,
    duration: Family<Labels, Histogram>,
    operations: Arc<Mutex<BTreeSet<String>>>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        let duration = || Histogram::new(exponential_buckets(0.005, 3.0, 10));
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(duration),
            operations: Arc::default(),
        }
    }

    /// Has them told with what else the registry holds.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "outbound_requests",
            "Requests to other services, by service, operation, attempt and status",
            self.requests.clone(),
        );
        registry.register(
            "outbound_request_duration_seconds",
            "Time to the answer of other services, by service and operation",
            self.duration.clone(),
        );
    }

    /// Returns the operation, or the one that stands for all that are too many.
    fn known<'a>(&self, operation: &'a str) -> &'a str {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        if operations.contains(operation) {
            return operation;
        }
        if operations.len() >= OPERATIONS {
            return "other";
        }
        operations.insert(operation.to_owned());
        operation
    }

    fn count(&self, call: &Call<'_>) {
        let target = vec![("service", call.service.to_owned()), ("operation", self.known(call.operation).to_owned())];
        self.duration.get_or_create(&target).observe(call.took.as_secs_f64());
        let status = match call.status {
            Ok(status) => status.to_string(),
            Err(kind) => kind.to_owned(),
        };
        let mut all = target;
        all.extend([("attempt", call.attempt.min(LAST_ATTEMPT).to_string()), ("status", status)]);
        self.requests.get_or_create(&all).inc();
    }
}

/// A transport whose calls are counted.
#[derive(Debug)]
pub(crate) struct CountingTransport {
    inner: Arc<dyn Transport>,
    calls: Calls,
}

impl CountingTransport {
    pub(crate) fn new(inner: &Arc<dyn Transport>, calls: &Calls) -> Self {
        Self { inner: Arc::clone(inner), calls: calls.clone() }
    }
}

#[async_trait]
impl Transport for CountingTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.inner.send(request).await
    }

    async fn send_streamed(&self, request: StreamedRequest) -> Result<Response, TransportError> {
        self.inner.send_streamed(request).await
    }

    fn called(&self, call: &Call<'_>) {
        self.calls.count(call);
        self.inner.called(call);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;

    use super::*;

    fn text(calls: &Calls) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        calls.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_call_is_told_by_service_operation_attempt_and_status() {
        let calls = Calls::new();
        let call = |status, attempt| Call {
            service: "vmray.test",
            operation: "GET /rest/sample/{id}/iocs",
            attempt,
            status,
            took: Duration::from_millis(80),
        };
        for call in [call(Ok(429), 1), call(Err("timeout"), 2), call(Ok(200), 3), call(Ok(200), 3)] {
            calls.count(&call);
        }
        let text = text(&calls);
        let target = "service=\"vmray.test\",operation=\"GET /rest/sample/{id}/iocs\"";
        for (labels, count) in [
            ("attempt=\"1\",status=\"429\"", 1),
            ("attempt=\"2\",status=\"timeout\"", 1),
            ("attempt=\"3\",status=\"200\"", 2),
        ] {
            let line = format!("outbound_requests_total{{{target},{labels}}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(text.contains(&format!("outbound_request_duration_seconds_count{{{target}}} 4\n")), "{text}");
    }

    #[test]
    fn a_server_that_makes_us_ask_for_ever_new_things_does_not_fill_the_memory() {
        let calls = Calls::new();
        for number in 0..10 * OPERATIONS {
            let operation = format!("GET /continuation/{}", "x".repeat(number));
            let (status, took) = (Ok(200), Duration::ZERO);
            calls.count(&Call { service: "vmray.test", operation: &operation, attempt: 1, status, took });
        }
        let text = text(&calls);
        let counted = text.lines().filter(|line| line.starts_with("outbound_requests_total")).count();
        assert_eq!(counted, OPERATIONS + 1);
        assert!(text.contains("operation=\"other\""), "{text}");
    }
}
