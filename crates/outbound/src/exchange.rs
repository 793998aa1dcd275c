//! One call with its repeats.
//!
//! [`Exchange`] bundles what every client needs around a request: the transport, the policy, the pacer of the
//! principal it speaks for and a source of jitter. A client supplies two closures: one builds the request
//! (afresh for each attempt, so that a renewed token is used), one turns the outcome into its own result.
//!
//! Cancel-safe: dropping the call abandons it; at most one request is then in an unknown state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::answer_bound::AnswerBound;
use crate::transport::host_of;
use crate::{
    AdaptiveLimit, CallLog, Decision, Pacer, Permit, Place, Request, Response, Retry, RetryPolicy, StreamedRequest,
    Transport, TransportError,
};

/// May a request be sent twice without harm?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// A repeat has no further effect (reads, puts, uploads keyed by id).
    Repeatable,
    /// A repeat would act twice: one attempt, whatever happens.
    Once,
}

/// How one principal talks to one service.
#[derive(Debug, Clone)]
pub struct Exchange {
    transport: Arc<dyn Transport>,
    policy: RetryPolicy,
    pacer: Pacer,
    limit: Option<AdaptiveLimit>,
    jitter: Arc<Mutex<fastrand::Rng>>,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
}

impl Exchange {
    /// Returns an exchange without a pace.
    pub fn new(transport: Arc<dyn Transport>, policy: RetryPolicy) -> Self {
        Self {
            transport,
            policy,
            pacer: Pacer::unlimited(),
            limit: None,
            jitter: Arc::new(Mutex::new(fastrand::Rng::new())),
            stop: CancellationToken::new(),
            sent: Arc::default(),
        }
    }

    /// Returns the same exchange for the length of a run: once `stop` is cancelled, a call that waits for its turn, for
    /// a token or for its next attempt ends with [`TransportError::NotSent`]; a request that is on the wire goes on. Its
    /// requests are counted from zero.
    #[must_use]
    pub fn until(&self, stop: CancellationToken) -> Self {
        Self { stop, sent: Arc::default(), ..self.clone() }
    }

    /// Returns how many requests can have reached a server.
    pub fn requests_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sets the pace, which may be shared with other exchanges of the same principal.
    #[must_use]
    pub fn with_pacer(mut self, pacer: Pacer) -> Self {
        self.pacer = pacer;
        self
    }

    /// Sets how many requests may be under way at the same time at the most; all clones of this exchange share them.
    #[must_use]
    pub fn with_requests_at_once(mut self, bound: usize) -> Self {
        self.limit = Some(AdaptiveLimit::at_most(bound));
        self
    }

    /// Returns the limit of requests that are under way, where there is one.
    pub fn limit(&self) -> Option<&AdaptiveLimit> {
        self.limit.as_ref()
    }

    /// Sets how often and how long a call is tried.
    #[must_use]
    pub fn with_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the seed of the jitter, so that a run can be repeated.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.jitter = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self
    }

    /// Returns the pace.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// Sends the request that `build` makes until `read` is satisfied, says never, or the policy ends it.
    ///
    /// `build` may wait (for a token); its time counts against the call's total, but not against an attempt. It is
    /// called when it is our turn, so that what it gives is fresh however long the turn took.
    /// `read` returns what the caller wants or an error, and `retry` says what that error means. A server's
    /// "not before" ([`Retry::After`]) holds back every call that shares the pacer.
    pub async fn call<T, E, B, F>(
        &self,
        idempotency: Idempotency,
        mut build: B,
        read: impl Fn(Result<Response, TransportError>) -> Result<T, E>,
        retry: impl Fn(&E) -> Retry,
    ) -> Result<T, E>
    where
        B: FnMut() -> F,
        F: Future<Output = Result<Request, E>>,
    {
        let mut attempt = 0;
        let mut started = None;
        let mut failed: Option<E> = None;
        loop {
            // Held for an attempt and not for the waits between them, which are no work for the server.
            let Some((mut place, permit)) = self.stop.run_until_cancelled(self.turn()).await else {
                return read(Err(TransportError::NotSent));
            };
            let request = match self.stop.run_until_cancelled(build()).await {
                Some(Ok(request)) => request,
                Some(Err(error)) => {
                    permit.unused();
                    return Err(error);
                }
                None => {
                    permit.unused();
                    return read(Err(TransportError::NotSent));
                }
            };
            if !self.pacer.paused_for().is_zero() {
                // A wait was asked for while we built.
                permit.unused();
                continue;
            }
            // Waiting for the first turn is pacing, not retrying; waiting for a later one counts.
            let started = *started.get_or_insert_with(Instant::now);
            let limit = if attempt == 0 {
                self.policy.attempt
            } else {
                self.policy.attempt.min(self.policy.total.saturating_sub(started.elapsed()))
            };
            if let Some(error) = failed.take().filter(|_| limit.is_zero()) {
                return Err(error);
            }
            if let Some(place) = &mut place {
                place.sent();
            }
            let outcome = self.attempt(request, attempt + 1, limit).await;
            permit.answered();
            let error = match read(outcome) {
                Ok(value) => {
                    if let Some(place) = place {
                        place.answered();
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            let verdict = retry(&error);
            // What is wrong with one request says nothing about how many the service bears.
            if let Some(place) = place.filter(|_| verdict.is_about_the_service()) {
                place.refused();
            }
            if let Retry::After(wait) = verdict {
                debug!(wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "the service asks to wait");
                self.pacer.pause(wait);
            }
            if idempotency == Idempotency::Once {
                return Err(error);
            }
            match self.policy.decide(verdict, attempt, started.elapsed(), self.draw()) {
                Decision::GiveUp => return Err(error),
                Decision::Wait(wait) => {
                    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    debug!(attempt = attempt + 1, wait_ms, "trying again");
                    if self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                        return read(Err(TransportError::NotSent));
                    }
                }
            }
            failed = Some(error);
            attempt += 1;
        }
    }

    /// Sends a request with a streamed body, once, within `limit`.
    ///
    /// `read` and `retry` are as in [`Exchange::call`]; a server's "not before" holds back the others here too.
    pub async fn call_streamed<T, E>(
        &self,
        request: StreamedRequest,
        limit: Duration,
        read: impl Fn(Result<Response, TransportError>) -> Result<T, E>,
        retry: impl Fn(&E) -> Retry,
    ) -> Result<T, E> {
        let Some((place, permit)) = self.stop.run_until_cancelled(self.turn()).await else {
            return read(Err(TransportError::NotSent));
        };
        let (host, bound) = (host_of(request.uri()), AnswerBound::of(request.extensions()));
        let log = CallLog::start(&request, 1);
        let outcome = self.counted(host, limit, bound, self.transport.send_streamed(request)).await;
        log.end(&outcome, self.transport.as_ref());
        permit.answered();
        let outcome = read(outcome);
        if let Err(error) = &outcome
            && let Retry::After(wait) = retry(error)
        {
            self.pacer.pause(wait);
            if let Some(place) = place {
                place.refused();
            }
        }
        outcome
    }

    /// Waits until a request may be sent.
    async fn turn(&self) -> (Option<Place>, Permit) {
        let place = match &self.limit {
            Some(limit) => Some(limit.acquire().await),
            None => None,
        };
        (place, self.pacer.acquire().await)
    }

    async fn attempt(&self, request: Request, attempt: u32, limit: Duration) -> Result<Response, TransportError> {
        let (host, bound) = (host_of(request.uri()), AnswerBound::of(request.extensions()));
        let log = CallLog::start(&request, attempt);
        let outcome = self.counted(host, limit, bound, self.transport.send(request)).await;
        log.end(&outcome, self.transport.as_ref());
        outcome
    }

    async fn counted(
        &self,
        host: String,
        limit: Duration,
        AnswerBound(limit_bytes): AnswerBound,
        sending: impl Future<Output = Result<Response, TransportError>>,
    ) -> Result<Response, TransportError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let outcome = match tokio::time::timeout(limit, sending).await {
            // A transport that answers in the process has it whole.
            Ok(Ok(answer)) if answer.body().len() > limit_bytes => {
                Err(TransportError::TooLarge { host, limit_bytes, size_bytes: Some(answer.body().len()) })
            }
            Ok(outcome) => outcome,
            Err(_) => Err(TransportError::Timeout { host, after: limit }),
        };
        if outcome.as_ref().is_err_and(|error| !error.may_have_arrived()) {
            self.sent.fetch_sub(1, Ordering::Relaxed);
        }
        outcome
    }

    fn draw(&self) -> f64 {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;

    /// Answers from a script; `None` hangs.
    #[derive(Debug, Default)]
    struct Script {
        answers: Mutex<VecDeque<Option<Result<u16, TransportError>>>>,
        seen: Mutex<Vec<tokio::time::Instant>>,
    }

    #[async_trait]
    impl Transport for Script {
        async fn send(&self, _request: Request) -> Result<Response, TransportError> {
            self.seen.lock().unwrap().push(tokio::time::Instant::now());
            let next = self.answers.lock().unwrap().pop_front().expect("an answer in the script");
            match next {
                None => std::future::pending().await,
                Some(Ok(status)) => Ok(http::Response::builder().status(status).body(Bytes::new()).unwrap()),
                Some(Err(error)) => Err(error),
            }
        }
    }

    fn scripted(answers: impl IntoIterator<Item = Option<Result<u16, TransportError>>>) -> (Arc<Script>, Exchange) {
        let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
        let exchange = Exchange::new(script.clone(), RetryPolicy::default()).with_seed(7);
        (script, exchange)
    }

    async fn call(exchange: &Exchange, idempotency: Idempotency) -> Result<u16, String> {
        exchange
            .call(
                idempotency,
                || async { Ok(http::Request::get("http://h/").body(Bytes::new()).unwrap()) },
                |outcome| match outcome {
                    Ok(answer) if answer.status() == 200 => Ok(200),
                    Ok(answer) => Err(answer.status().as_str().to_owned()),
                    Err(error) => Err(error.to_string()),
                },
                |error| match error.as_str() {
                    "400" => Retry::Never,
                    "429" => Retry::After(Duration::from_secs(10)),
                    _ => Retry::Backoff,
                },
            )
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_until_it_passes() {
        let reset = TransportError::Interrupted { host: "h".into(), reason: "reset".into() };
        let (script, exchange) = scripted([Some(Ok(503)), Some(Err(reset)), Some(Ok(200))]);
        assert_eq!(call(&exchange, Idempotency::Repeatable).await, Ok(200));
        assert_eq!(script.seen.lock().unwrap().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn never_repeats_what_may_act_twice() {
        let (script, exchange) = scripted([Some(Ok(503))]);
        assert_eq!(call(&exchange, Idempotency::Once).await, Err("503".to_owned()));
        assert_eq!(script.seen.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn never_repeats_a_refusal() {
        let (script, exchange) = scripted([Some(Ok(400))]);
        assert_eq!(call(&exchange, Idempotency::Repeatable).await, Err("400".to_owned()));
        assert_eq!(script.seen.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_server_says() {
        let (script, exchange) = scripted([Some(Ok(429)), Some(Ok(200))]);
        assert_eq!(call(&exchange, Idempotency::Repeatable).await, Ok(200));
        let seen = script.seen.lock().unwrap();
        assert!(seen[1] - seen[0] >= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_server_ends_within_the_total() {
        let (_, exchange) = scripted(std::iter::repeat_n(None, 50));
        let started = tokio::time::Instant::now();
        let error = call(&exchange, Idempotency::Repeatable).await.unwrap_err();
        assert!(error.contains("no answer"), "{error}");
        assert!(started.elapsed() <= RetryPolicy::default().total, "{:?}", started.elapsed());
        assert!(started.elapsed() >= RetryPolicy::default().attempt);
    }

    /// Takes a second for each answer and counts how many wait at the same time.
    #[derive(Debug, Default)]
    struct Busy {
        now: Mutex<(usize, usize)>,
    }

    #[async_trait]
    impl Transport for Busy {
        async fn send(&self, _request: Request) -> Result<Response, TransportError> {
            {
                let mut now = self.now.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.now.lock().unwrap().0 -= 1;
            Ok(http::Response::builder().status(200).body(Bytes::new()).unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_are_under_way_than_the_account_allows() {
        let busy = Arc::new(Busy::default());
        let exchange = Exchange::new(busy.clone(), RetryPolicy::default()).with_requests_at_once(4);
        let clones: Vec<Exchange> = (0..20).map(|_| exchange.clone()).collect();
        let started = tokio::time::Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for clone in clones {
            calls.spawn(async move { call(&clone, Idempotency::Repeatable).await });
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
        assert_eq!((busy.now.lock().unwrap().1, started.elapsed()), (4, Duration::from_secs(5)));
    }
}
