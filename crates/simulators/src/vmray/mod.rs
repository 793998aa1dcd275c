//! The REST API of VMRay, as far as the product uses it and a little further.
//!
//! Everything below `/rest` wants the key. Lists have filters in query and path, an order, a page size, a maximum
//! and continuations that work once. What the references leave open is a switch in [`VmrayOptions`].

mod act;
mod container;
mod control;
mod fields;
mod filter;
mod findings;
mod list;
mod log;
mod options;
mod refusal;
mod render;
mod route;
mod search;
mod select;
mod set;
mod submit;
mod url_form;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use http::header::RETRY_AFTER;
use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Request, Response, Transport, TransportError};
use serde_json::Value;

pub use fields::FieldSet;
pub use log::Taken;
pub use options::{
    AnalysisCaching, ArchiveAction, Bound, ChildrenEnd, DefaultOrder, MetadataText, QuotaRefusal, SubmitOutcome,
    TruncatedFlag, UnknownParameter, VmrayOptions,
};

pub use url_form::UrlForm;

use crate::answer;
use crate::faults::{Faults, ServiceName};
use crate::front::{Front, Seen, Service, serve};
use crate::lock::lock;
use crate::throttle::{Passed, announced};
use crate::world::World;
use list::Continuations;
use refusal::Refusal;

/// VMRay.
#[derive(Debug)]
pub struct VmraySimulator {
    front: Front,
    state: Mutex<State>,
}

/// What the server holds between requests.
#[derive(Debug)]
struct State {
    world: World,
    options: VmrayOptions,
    continuations: Continuations,
    passed: Passed,
    taken: Vec<Taken>,
}

impl VmraySimulator {
    /// Returns a server that knows a world.
    pub fn new(world: World, options: VmrayOptions, clock: Arc<dyn Clock>, faults: Arc<Faults>, seed: u64) -> Self {
        let front = Front::new(ServiceName::Vmray, clock, faults, options.latency, seed);
        let state = State {
            world,
            options,
            continuations: Continuations::default(),
            passed: Passed::default(),
            taken: Vec::new(),
        };
        Self { front, state: Mutex::new(state) }
    }

    /// Changes the world while the server runs.
    pub fn edit<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.state().world)
    }

    /// Changes the options while the server runs.
    pub fn edit_options<T>(&self, change: impl FnOnce(&mut VmrayOptions) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state.options);
        self.front.set_latency(state.options.latency);
        changed
    }

    /// Returns the world as it is.
    pub fn world(&self) -> World {
        self.state().world.clone()
    }

    /// Returns every request, up to the newest 200,000.
    pub fn requests(&self) -> Vec<Seen> {
        self.front.seen()
    }

    /// Returns how many requests came.
    pub fn request_count(&self) -> u64 {
        self.front.seen_count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Result<Value, Refusal> {
        let expected = format!("api_key {}", self.options.api_key);
        if answer::header(request.headers(), "authorization") != Some(expected.as_str()) {
            return Err(Refusal::unauthorized());
        }
        if let Some(throttle) = self.options.throttle {
            self.passed.admit(throttle, now).map_err(throttled)?;
        }
        self.route(request, now)
    }
}

impl Service for VmraySimulator {
    fn front(&self) -> &Front {
        &self.front
    }

    fn answer(&self, request: &Request, now: Timestamp) -> Response {
        if !request.uri().path().starts_with("/rest/") {
            return answer::html(404, "404 Not Found");
        }
        let mut state = self.state();
        match state.handle(request, now) {
            Ok(body) => answer::json(200, &body),
            Err(refusal) => with_retry_after(&refusal, state.options.retry_after_header),
        }
    }

    fn throttled(&self, wait: Duration) -> Response {
        with_retry_after(&throttled(wait), self.state().options.retry_after_header)
    }

    fn forget_continuation(&self, answer: &Response) {
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if let Some(id) = body.get("continuation_id").and_then(Value::as_u64) {
            self.state().continuations.forget(id);
        }
    }

    fn date_offset(&self) -> SignedDuration {
        self.state().options.date_offset
    }
}

#[async_trait]
impl Transport for VmraySimulator {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        serve(self, request).await
    }
}

fn throttled(wait: Duration) -> Refusal {
    let seconds = announced(wait);
    Refusal {
        retry_after: Some(seconds),
        ..Refusal::new(429, format!("Request was throttled. Expected available in {seconds} seconds."))
    }
}

fn with_retry_after(refusal: &Refusal, wanted: bool) -> Response {
    let mut response = refusal.response();
    if let Some(seconds) = refusal.retry_after.filter(|_| wanted) {
        answer::set_header(&mut response, RETRY_AFTER, &seconds.to_string());
    }
    response
}
