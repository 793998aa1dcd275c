//! A server that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use outbound::{Exchange, Request, Response, RetryPolicy, TokioClock, Transport, TransportError};
use serde_json::{Value, json};
use vmray::Client;

pub(crate) const KEY: &str = "k3y-of-the-test";

#[derive(Debug, Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    /// The answer when the script has ended.
    always: Option<Response>,
    requests: Mutex<Vec<Request>>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.requests.lock().unwrap().push(request);
        let next = self.answers.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Ok(self.always.clone().expect("an answer in the script")))
    }
}

impl Script {
    /// Paths and queries asked for, in order, without `/rest`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| request.uri().path_and_query().unwrap().as_str().replacen("/rest/", "", 1))
            .collect()
    }

    pub(crate) fn requests(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap()
    }
}

/// A client before a server that gives these answers.
pub(crate) fn scripted(answers: impl IntoIterator<Item = Result<Response, TransportError>>) -> (Arc<Script>, Client) {
    before(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() })
}

/// A client before a server that has one answer to everything.
pub(crate) fn always(answer: Result<Response, TransportError>) -> (Arc<Script>, Client) {
    before(Script { always: answer.ok(), ..Script::default() })
}

fn before(script: Script) -> (Arc<Script>, Client) {
    let script = Arc::new(script);
    let exchange = Exchange::new(script.clone(), RetryPolicy::default()).with_seed(7);
    let clock = Arc::new(TokioClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let base = "https://vmray.test".parse().unwrap();
    (script, Client::new(exchange, base, KEY.into(), "VMRayThreatIntelligenceSentinel:1.0.0", clock))
}

pub(crate) fn raw(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, TransportError> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

/// A success with `data`.
pub(crate) fn data(data: &Value) -> Result<Response, TransportError> {
    let clock = ("date", "Thu, 01 Jan 2026 00:00:30 GMT");
    raw(200, &[clock], &json!({"data": data, "result": "ok"}).to_string())
}

/// A success with a part of a list.
pub(crate) fn part(data: &Value, continuation: impl Into<Value>, truncated: bool) -> Result<Response, TransportError> {
    let body = json!({"data": data, "result": "ok", "continuation_id": continuation.into(), "truncated": truncated});
    raw(200, &[], &body.to_string())
}

pub(crate) fn error(status: u16, message: &str) -> Result<Response, TransportError> {
    raw(status, &[], &json!({"error_msg": message, "result": "error"}).to_string())
}

pub(crate) fn interrupted() -> Result<Response, TransportError> {
    Err(TransportError::Interrupted { host: "vmray.test".to_owned(), reason: "reset".to_owned() })
}

pub(crate) fn submissions(ids: impl IntoIterator<Item = u64>) -> Value {
    ids.into_iter()
        .map(|id| {
            json!({
                "submission_id": id, "submission_sample_id": id + 1000, "submission_finished": true,
                "submission_finish_time": "2025-12-31T12:00:00", "submission_verdict": "malicious"
            })
        })
        .collect()
}
