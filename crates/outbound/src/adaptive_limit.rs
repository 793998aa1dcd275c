//! How many requests may be under way at the same time, found out by trying.
//!
//! What a service bears differs from server to server and from hour to hour, so the operator's number is a bound and the
//! limit below it adapts, as TCP does and as Vector's adaptive request concurrency does for requests (its RFC 1858):
//!
//! * It starts at [`START`] and grows by one with each answer, that is to the double in a round trip, until the first
//!   sign that the service bears no more. After that it grows by a sixteenth of the bound in a round trip. It never grows
//!   on less than its use: only while requests wait for a place.
//! * It is halved, to one at the least, when a request is refused (a 429, a 5xx, no answer in time) and when a round of
//!   answers takes much longer than the rounds before it. What was sent before a decrease says nothing about the limit
//!   after it, so one burst of refusals counts once.
//!
//! A round is as many answers as the limit allows; the rounds before are an exponentially weighted moving average with
//! its deviation. So one slow answer among many changes nothing.
//!
//! The pace stays the [`Pacer`](crate::Pacer)'s: a limit says how many wait for an answer, never how often may be asked.
//!
//! Time is tokio's and nothing is drawn by chance: on paused time the same answers give the same limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Where a limit starts: what every service we speak to has been seen to bear.
const START: usize = 16;
/// What the limit grows by in a round, as a part of its bound.
const STEPS: usize = 16;
/// Weight of the newest round in the average of the past.
const NEWEST: f64 = 0.25;
/// Deviations of the past that a round may be slower and say nothing.
const DEVIATIONS: f64 = 2.5;
/// The same as a part of the past's mean, for services that answer evenly.
const SLOWER: f64 = 0.5;
/// And the same in seconds: less than this is as likely our own machine's doing as the service's.
const SLOWER_SECONDS: f64 = 0.05;
/// Up to this part of the past's mean a round is as fast as before.
const AS_BEFORE: f64 = 0.1;

/// A shared limit of requests that are under way.
#[derive(Debug, Clone)]
pub struct AdaptiveLimit {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bound: usize,
    /// Fair: who asks first is first.
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Places that exist, the taken ones too: after a decrease more than the limit, until some are given back.
    places: usize,
    taken: usize,
    decreases: u64,
    /// Nothing has been too much yet.
    starting: bool,
    /// Answers to what was sent earlier say nothing about this limit.
    since: Option<Instant>,
    past: Option<Past>,
    round: Round,
}

/// Answers since the limit was last looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    size: usize,
    answers: usize,
    time: Duration,
    /// Somebody had to wait for a place.
    is_full: bool,
}

/// The rounds before, in seconds.
#[derive(Debug, Clone, Copy)]
struct Past {
    mean: f64,
    variance: f64,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// Requests that may be under way now.
    pub limit: usize,
    /// What that never goes beyond.
    pub bound: usize,
    /// Requests that are under way.
    pub taken: usize,
    /// How often the limit was decreased since the process started.
    pub decreases: u64,
}

impl AdaptiveLimit {
    /// Returns a limit that never goes beyond `bound`; a bound of zero is one.
    pub fn at_most(bound: usize) -> Self {
        let bound = bound.clamp(1, Semaphore::MAX_PERMITS);
        let limit = bound.min(START);
        let state = State {
            limit,
            places: limit,
            taken: 0,
            decreases: 0,
            starting: true,
            since: None,
            past: None,
            round: Round { size: limit, ..Round::default() },
        };
        Self { inner: Arc::new(Inner { bound, places: Arc::new(Semaphore::new(limit)), state: Mutex::new(state) }) }
    }

    /// Waits for a place among the requests that are under way. Cancel-safe.
    pub async fn acquire(&self) -> Place {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.inner.places).acquire_owned().await.ok();
        let mut state = self.inner.lock();
        state.taken += 1;
        state.round.is_full |= state.taken >= state.limit;
        drop(state);
        Place { inner: Arc::clone(&self.inner), permit, sent: Instant::now() }
    }

    /// Returns how the limit stands.
    pub fn status(&self) -> LimitStatus {
        let state = self.inner.lock();
        LimitStatus { limit: state.limit, bound: self.inner.bound, taken: state.taken, decreases: state.decreases }
    }
}

/// A request's place. Dropped, it is given back and has said nothing.
#[derive(Debug)]
pub struct Place {
    inner: Arc<Inner>,
    permit: Option<OwnedSemaphorePermit>,
    sent: Instant,
}

impl Place {
    /// Says that the request goes out now; what was waited for before is not the service's.
    pub fn sent(&mut self) {
        self.sent = Instant::now();
    }

    /// Says that the service did what it was asked for.
    pub fn answered(self) {
        self.inner.answered(self.sent, Instant::now());
    }

    /// Says that the service could not: it refused, broke off or did not answer in time.
    pub fn refused(self) {
        self.inner.refused(self.sent, Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.taken -= 1;
        if state.places > state.limit
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.places -= 1;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, sent: Instant, now: Instant) {
        let mut state = self.lock();
        if state.is_stale(sent) {
            return;
        }
        state.round.answers += 1;
        state.round.time += now.duration_since(sent);
        if state.starting && state.round.is_full {
            let limit = state.limit + 1;
            self.set(&mut state, limit);
        }
        if state.round.answers < state.round.size {
            return;
        }
        let round = std::mem::take(&mut state.round);
        let seconds = round.mean();
        match state.past {
            Some(past) if past.is_much_slower(seconds) => self.decrease(&mut state, now),
            Some(past) if !state.starting && round.is_full && past.is_as_fast(seconds) => {
                let limit = state.limit + self.bound.div_ceil(STEPS);
                self.set(&mut state, limit);
            }
            _ => {}
        }
        state.past = Some(Past::and(state.past, seconds));
        state.round.size = state.limit;
    }

    fn refused(&self, sent: Instant, now: Instant) {
        let mut state = self.lock();
        if !state.is_stale(sent) {
            self.decrease(&mut state, now);
            state.round = Round { size: state.limit, ..Round::default() };
        }
    }

    fn decrease(&self, state: &mut State, now: Instant) {
        let limit = state.limit / 2;
        self.set(state, limit);
        state.decreases += 1;
        state.starting = false;
        state.since = Some(now);
    }

    fn set(&self, state: &mut State, limit: usize) {
        state.limit = limit.clamp(1, self.bound);
        if let Some(more) = state.limit.checked_sub(state.places) {
            self.places.add_permits(more);
            state.places += more;
        } else {
            // Those that are taken go when they are given back.
            state.places -= self.places.forget_permits(state.places - state.limit);
        }
    }
}

impl State {
    fn is_stale(&self, sent: Instant) -> bool {
        self.since.is_some_and(|since| sent < since)
    }
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "a round has as many answers as there are places")]
    fn mean(&self) -> f64 {
        self.time.as_secs_f64() / self.answers as f64
    }
}

impl Past {
    /// Takes a round in.
    fn and(past: Option<Self>, seconds: f64) -> Self {
        let Some(Self { mean, variance }) = past else { return Self { mean: seconds, variance: 0.0 } };
        let apart = seconds - mean;
        let step = NEWEST * apart;
        Self { mean: mean + step, variance: (1.0 - NEWEST) * (variance + apart * step) }
    }

    fn is_much_slower(&self, seconds: f64) -> bool {
        let unremarkable = (DEVIATIONS * self.variance.sqrt()).max(SLOWER * self.mean).max(SLOWER_SECONDS);
        seconds > self.mean + unremarkable
    }

    fn is_as_fast(&self, seconds: f64) -> bool {
        seconds <= self.mean + self.variance.sqrt().max(AS_BEFORE * self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// What a server does with a request, from how many it has at the same time and how many it had before.
    type Behaviour = fn(under_way: usize, before: usize) -> (Duration, bool);

    /// Sends `count` requests, all of which want to go at once, and returns how the limit stood at each answer and the
    /// most requests that the server had at the same time.
    async fn limits(limit: &AdaptiveLimit, count: usize, server: Behaviour) -> (Vec<usize>, usize) {
        let under_way = Arc::new(Mutex::new((0, 0)));
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..count {
            let (limit, under_way) = (limit.clone(), Arc::clone(&under_way));
            requests.spawn(async move {
                let mut place = limit.acquire().await;
                place.sent();
                let now = {
                    let mut under_way = under_way.lock().unwrap();
                    under_way.0 += 1;
                    under_way.1 = under_way.1.max(under_way.0);
                    under_way.0
                };
                let (latency, takes) = server(now, number);
                tokio::time::sleep(latency).await;
                under_way.lock().unwrap().0 -= 1;
                if takes {
                    place.answered();
                } else {
                    place.refused();
                }
                limit.status().limit
            });
        }
        let mut seen = Vec::new();
        while let Some(stood) = requests.join_next().await {
            seen.push(stood.unwrap());
        }
        let most = under_way.lock().unwrap().1;
        (seen, most)
    }

    #[tokio::test(start_paused = true)]
    async fn grows_to_its_bound_in_two_round_trips_while_latency_is_flat() {
        let limit = AdaptiveLimit::at_most(64);
        assert_eq!(limit.status().limit, 16);
        let started = Instant::now();
        // 16, 32, 64 and 64 requests.
        let (seen, most) = limits(&limit, 176, |_, _| (RTT, true)).await;
        assert_eq!((started.elapsed(), most), (4 * RTT, 64));
        assert!(seen.is_sorted(), "{seen:?}");
        assert_eq!(limit.status(), LimitStatus { limit: 64, bound: 64, taken: 0, decreases: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn stays_within_its_bound_whatever_that_is() {
        for bound in [0, 1, 2, 3, 15, 16, 17, 40, 256] {
            let limit = AdaptiveLimit::at_most(bound);
            let (seen, most) = limits(&limit, 2_000, |_, number| (RTT, number % 97 != 0)).await;
            assert!(most <= bound.max(1), "{most} of {bound}");
            assert!(seen.iter().all(|stood| (1..=bound.max(1)).contains(stood)), "{bound}: {seen:?}");
            assert_eq!(limit.status().taken, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_burst_of_refusals_halves_it_once_and_it_grows_again_by_addition() {
        let limit = AdaptiveLimit::at_most(64);
        limits(&limit, 176, |_, _| (RTT, true)).await;
        limits(&limit, 64, |_, _| (RTT, false)).await;
        assert_eq!((limit.status().limit, limit.status().decreases), (32, 1));
        let (mut grown, _) = limits(&limit, 32 + 36 + 40, |_, _| (RTT, true)).await;
        grown.dedup();
        assert_eq!(grown, [32, 36, 40, 44], "four more in a round trip");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_that_go_on_leave_one_at_a_time() {
        let limit = AdaptiveLimit::at_most(40);
        let (seen, _) = limits(&limit, 100, |_, _| (Duration::from_secs(30), false)).await;
        assert_eq!(seen.last(), Some(&1));
        assert_eq!(limit.status().decreases, 4 + 100 - 16 - 8 - 4 - 2, "16, 8, 4, 2, and each one alone after that");
    }

    #[tokio::test(start_paused = true)]
    async fn latency_that_rises_halves_it() {
        let limit = AdaptiveLimit::at_most(64);
        limits(&limit, 176, |_, _| (RTT, true)).await;
        let slower: Behaviour = |_, _| (2 * RTT, true);
        limits(&limit, 64, slower).await;
        assert_eq!((limit.status().limit, limit.status().decreases), (32, 1));
        // What is the same for long is the new usual.
        limits(&limit, 640, slower).await;
        assert_eq!((limit.status().limit, limit.status().decreases), (64, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_queues_is_not_asked_for_all_that_the_bound_allows() {
        // It works on ten at the same time; whoever is behind them waits for those before it.
        let limit = AdaptiveLimit::at_most(200);
        let queues: Behaviour = |under_way, _| (RTT * u32::try_from(under_way.div_ceil(10)).unwrap(), true);
        let (seen, most) = limits(&limit, 3_000, queues).await;
        assert!(most < 200 && limit.status().decreases > 0, "{most}: {seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_answer_among_many_says_nothing() {
        let limit = AdaptiveLimit::at_most(64);
        limits(&limit, 176, |_, _| (RTT, true)).await;
        limits(&limit, 640, |_, number| (if number == 5 { 10 * RTT } else { RTT }, true)).await;
        assert_eq!((limit.status().limit, limit.status().decreases), (64, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_milliseconds_say_nothing() {
        let limit = AdaptiveLimit::at_most(64);
        let uneven: Behaviour = |_, number| (Duration::from_millis(if number < 176 { 1 } else { 40 }), true);
        limits(&limit, 640, uneven).await;
        assert_eq!((limit.status().limit, limit.status().decreases), (64, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_grow_on_less_than_its_use() {
        let limit = AdaptiveLimit::at_most(64);
        for _ in 0..100 {
            limits(&limit, 5, |_, _| (RTT, true)).await;
        }
        assert_eq!(limit.status().limit, 16);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_place_and_a_dropped_wait_leave_nothing() {
        let limit = AdaptiveLimit::at_most(1);
        let place = limit.acquire().await;
        assert!(tokio::time::timeout(RTT, limit.acquire()).await.is_err());
        drop(place);
        let place = limit.acquire().await;
        assert_eq!(limit.status(), LimitStatus { limit: 1, bound: 1, taken: 1, decreases: 0 });
        drop(place);
    }
}
