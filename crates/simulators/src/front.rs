//! What every request meets before and after its service: the log, latency, faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Request, Response, TransportError};
use serde_json::json;

use crate::answer;
use crate::faults::{Fault, Faults, ServiceName};
use crate::lock::lock;

/// Requests kept for inspection; a simulator that runs for days must not grow with them.
const KEPT_REQUESTS: usize = 200_000;

/// How long an answer takes, on tokio's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Latency {
    /// No time at all.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Between two bounds, drawn from the seed.
    Uniform(Duration, Duration),
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it came, on the simulator's clock.
    pub at: Timestamp,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Size of its body.
    pub body_bytes: usize,
    /// Status of the answer; `None` while there is none, or when a fault kept it.
    pub status: Option<u16>,
    /// When the whole answer was on its way.
    pub answered_at: Option<Timestamp>,
    /// How long the answer tells the caller to wait, in its header or its words.
    pub told_to_wait: Option<Duration>,
    /// What went wrong with it, delays aside.
    pub fault: Option<Fault>,
    /// Until when the token that it came with is good.
    pub token_expires: Option<Timestamp>,
    /// Objects that it uploads, where the service looked at them.
    pub objects: usize,
}

/// The place of a request in the log, counted from 0; travels with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestNumber(pub(crate) u64);

/// What a service does; the front does the rest.
pub(crate) trait Service: Send + Sync {
    /// Returns the front.
    fn front(&self) -> &Front;
    /// Answers, acting on the request.
    fn answer(&self, request: &Request, now: Timestamp) -> Response;
    /// Returns the service's own 429.
    fn throttled(&self, wait: Duration) -> Response;
    /// Returns the service's own 503.
    fn unavailable(&self) -> Response {
        answer::html(503, "503 Service Temporarily Unavailable")
    }
    /// Completes the log with what only the service can read.
    fn note(&self, _request: &Request, _seen: &mut Seen) {}
    /// Forgets what this answer promises to continue.
    fn forget_continuation(&self, _answer: &Response) {}
    /// Returns how far the `Date` of answers is off.
    fn date_offset(&self) -> SignedDuration {
        SignedDuration::ZERO
    }
}

#[derive(Debug)]
pub(crate) struct Front {
    service: ServiceName,
    clock: Arc<dyn Clock>,
    faults: Arc<Faults>,
    latency: Mutex<Latency>,
    draw: Mutex<fastrand::Rng>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    kept: VecDeque<Seen>,
    dropped: u64,
}

impl Front {
    pub(crate) fn new(
        service: ServiceName,
        clock: Arc<dyn Clock>,
        faults: Arc<Faults>,
        latency: Latency,
        seed: u64,
    ) -> Self {
        let draw = Mutex::new(fastrand::Rng::with_seed(seed));
        let latency = Mutex::new(latency);
        Self { service, clock, faults, latency, draw, log: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Changes how long answers take.
    pub(crate) fn set_latency(&self, latency: Latency) {
        *lock(&self.latency) = latency;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.log).kept.iter().cloned().collect()
    }

    pub(crate) fn seen_count(&self) -> u64 {
        let log = lock(&self.log);
        log.dropped + u64::try_from(log.kept.len()).unwrap_or(u64::MAX)
    }

    fn arrived(&self, service: &impl Service, request: &Request) -> u64 {
        let path = request.uri().path_and_query().map_or("/", |both| both.as_str()).to_owned();
        let mut seen = Seen {
            at: self.now(),
            method: request.method().to_string(),
            path,
            body_bytes: request.body().len(),
            status: None,
            answered_at: None,
            told_to_wait: None,
            fault: None,
            token_expires: None,
            objects: 0,
        };
        service.note(request, &mut seen);
        let mut log = lock(&self.log);
        if log.kept.len() == KEPT_REQUESTS {
            log.kept.pop_front();
            log.dropped += 1;
        }
        log.kept.push_back(seen);
        log.dropped + u64::try_from(log.kept.len()).unwrap_or(u64::MAX) - 1
    }

    fn met(&self, number: u64, fault: Option<Fault>) {
        self.amend(number, |seen| seen.fault = fault);
    }

    fn answered(&self, number: u64, response: &Response) {
        let now = self.now();
        self.amend(number, |seen| {
            seen.status = Some(response.status().as_u16());
            seen.answered_at = Some(now);
            seen.told_to_wait = told_to_wait(response);
        });
    }

    /// Changes the log's entry of a request.
    pub(crate) fn amend(&self, number: u64, change: impl FnOnce(&mut Seen)) {
        let mut log = lock(&self.log);
        let position = number.checked_sub(log.dropped).and_then(|at| usize::try_from(at).ok());
        if let Some(seen) = position.and_then(|at| log.kept.get_mut(at)) {
            change(seen);
        }
    }

    fn latency(&self) -> Duration {
        let latency = *lock(&self.latency);
        match latency {
            Latency::None => Duration::ZERO,
            Latency::Fixed(wait) => wait,
            Latency::Uniform(from, to) => from + to.saturating_sub(from).mul_f64(lock(&self.draw).f64()),
        }
    }
}

/// Serves one request. Half of the latency passes before the service acts, half after.
pub(crate) async fn serve(service: &impl Service, mut request: Request) -> Result<Response, TransportError> {
    let front = service.front();
    let host = request.uri().authority().map_or_else(|| "simulator".to_owned(), ToString::to_string);
    let number = front.arrived(service, &request);
    request.extensions_mut().insert(RequestNumber(number));
    let (delay, fault) = front.faults.draw(front.service, &request);
    front.met(number, fault);
    let half = (front.latency() + delay) / 2;
    wait(half).await;
    let lost =
        || TransportError::Interrupted { host: host.clone(), reason: "connection reset by the simulator".into() };
    let act = || {
        let now = front.now();
        let mut response = service.answer(&request, now);
        answer::set_date(&mut response, now, service.date_offset());
        response
    };
    let mut response = match fault {
        None | Some(Fault::Delay(_)) => act(),
        Some(Fault::Status(status)) => answer::html(status, "Simulated failure"),
        Some(Fault::StatusAfter(status)) => {
            act();
            answer::html(status, "Simulated failure")
        }
        Some(Fault::ResetBefore) => return Err(lost()),
        Some(Fault::ResetAfter) => {
            act();
            wait(half).await;
            return Err(lost());
        }
        Some(Fault::CutBody) => {
            let whole = act();
            wait(half).await;
            let received = whole.body().slice(..whole.body().len() / 2);
            return Err(TransportError::Truncated { host, status: whole.status(), received });
        }
        Some(Fault::HtmlPage) => answer::html(200, "Simulated proxy page"),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::WrongJson) => {
            act();
            answer::json(200, &json!({"surprise": [1, {"two": null}]}))
        }
        Some(Fault::DropContinuation) => {
            let response = act();
            service.forget_continuation(&response);
            response
        }
        Some(Fault::Unavailable) => service.unavailable(),
        Some(Fault::Throttled { retry_after }) => service.throttled(retry_after),
    };
    if !response.headers().contains_key(http::header::DATE) {
        answer::set_date(&mut response, front.now(), service.date_offset());
    }
    wait(half).await;
    front.answered(number, &response);
    Ok(response)
}

/// Reads how long an answer tells its caller to wait.
fn told_to_wait(response: &Response) -> Option<Duration> {
    if let Some(header) = answer::header(response.headers(), "retry-after") {
        return header.parse().ok().map(Duration::from_secs);
    }
    let words = std::str::from_utf8(response.body()).ok()?;
    let (_, after) = words.split_once("Try again in ")?;
    after.split_once(' ')?.0.parse().ok().map(Duration::from_secs)
}

/// Sleeping for no time would still cost a turn of the timer.
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
