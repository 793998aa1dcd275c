//! How often one principal may ask.
//!
//! A service that allows N requests in any rolling minute counts a request somewhere between the moment we
//! send it and the moment its answer arrives. A slot is therefore taken when a request is sent and given back
//! one window after its answer: whichever instant the server counts, no window of its own ever holds more
//! than N. A server's "not before" pauses everybody who shares the pacer, for an hour at most: then one request asks
//! again, so that one odd answer does not silence a process for years.
//!
//! An allowance can be divided: a [`Pacer::share`] has requests of its own, so that one user cannot starve the other, and
//! every pause is one of all shares, because the server refuses the principal and not the part of us that asked.
//!
//! Runs on tokio's time, so that paused tests see the real behaviour.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::mutant;

/// The window that service limits are stated for.
const WINDOW: Duration = Duration::from_secs(60);

/// The longest that one answer makes us wait before we ask again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// A wait that a server asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long a wait it asked for,
    pub asked: Duration,
    /// and when.
    pub asked_at: Instant,
    /// When we ask again: then, or after an hour.
    pub until: Instant,
}

/// A shared allowance of requests a minute.
#[derive(Debug, Clone)]
pub struct Pacer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    per_window: Option<usize>,
    state: Mutex<State>,
    freed: Notify,
    /// Of all shares: the longest pause that was asked for.
    pauses: Arc<watch::Sender<Option<Pause>>>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// When the answers of the last window came, oldest first.
    answered: VecDeque<Instant>,
}

impl Pacer {
    /// Returns a pacer that allows `per_minute` requests in any rolling minute, at least one.
    pub fn per_minute(per_minute: usize) -> Self {
        Self::with(Some(per_minute.max(1)), Arc::new(watch::Sender::new(None)))
    }

    /// Returns a pacer that only obeys pauses.
    pub fn unlimited() -> Self {
        Self::with(None, Arc::new(watch::Sender::new(None)))
    }

    /// Returns a share of the same principal's allowance: `per_minute` requests of its own, at least one, and the pauses of
    /// all shares.
    #[must_use]
    pub fn share(&self, per_minute: usize) -> Self {
        Self::with(Some(per_minute.max(1)), Arc::clone(&self.inner.pauses))
    }

    fn with(per_window: Option<usize>, pauses: Arc<watch::Sender<Option<Pause>>>) -> Self {
        Self { inner: Arc::new(Inner { per_window, state: Mutex::default(), freed: Notify::new(), pauses }) }
    }

    /// Waits until a request may be sent.
    ///
    /// Cancel-safe: a dropped wait takes nothing.
    pub async fn acquire(&self) -> Permit {
        loop {
            let freed = self.inner.freed.notified();
            match self.inner.try_take(Instant::now()) {
                Next::Go => return Permit { inner: self.inner.clone(), done: false },
                Next::At(when) => tokio::time::sleep_until(when).await,
                Next::WhenAnswered => freed.await,
            }
        }
    }

    /// Returns how long a request that comes now waits for its turn, at the least a window where only an answer that
    /// is still out can tell.
    pub fn turn_in(&self) -> Duration {
        let now = Instant::now();
        match self.inner.next(&mut self.inner.lock(), now) {
            Next::Go => Duration::ZERO,
            Next::At(when) => when.saturating_duration_since(now),
            Next::WhenAnswered => WINDOW,
        }
    }

    /// Lets nobody send for `wait` from now. A shorter pause never shortens a longer one.
    pub fn pause(&self, wait: Duration) {
        if mutant!(WaitIgnored) {
            return;
        }
        let asked_at = Instant::now();
        let until = asked_at + wait.min(LONGEST_PAUSE);
        self.inner.pauses.send_if_modified(|longest| {
            let longer = longest.is_none_or(|present| present.until < until);
            if longer {
                *longest = Some(Pause { asked: wait, asked_at, until });
            }
            longer
        });
    }

    /// Returns how long a pause still lasts.
    pub fn paused_for(&self) -> Duration {
        let now = Instant::now();
        self.inner.paused_until(now).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Returns the pauses as they are asked for, the present one or the last first.
    pub fn pauses(&self) -> watch::Receiver<Option<Pause>> {
        let mut pauses = self.inner.pauses.subscribe();
        pauses.mark_changed();
        pauses
    }

    /// Returns how the allowance stands.
    pub fn allowance(&self) -> Allowance {
        let now = Instant::now();
        let mut state = self.inner.lock();
        state.forget_before(now);
        let pause = self.inner.paused_until(now).map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let free_in = state.answered.iter().map(|answered| (*answered + WINDOW).duration_since(now)).collect();
        Allowance { limit: self.inner.per_window, in_flight: state.in_flight, free_in, pause }
    }
}

/// How much of an allowance is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Requests of a rolling minute.
    pub limit: Option<usize>,
    /// Requests whose answers have not come.
    pub in_flight: usize,
    /// How long a pause still lasts that a server asked for.
    pub pause: Duration,
    /// When the slots of answered requests come back, soonest first.
    free_in: Vec<Duration>,
}

impl Allowance {
    /// Returns how many requests of the last minute count.
    pub fn used(&self) -> usize {
        self.in_flight + self.free_in.len()
    }

    /// Returns after how long `requests` more can have been sent, the first of them as soon as it may.
    pub fn time_for(&self, requests: u64) -> Duration {
        let Some(limit) = self.limit else { return self.pause };
        let requests = usize::try_from(requests).unwrap_or(usize::MAX);
        let free = limit.saturating_sub(self.used());
        let Some(waiting) = requests.checked_sub(free).filter(|waiting| *waiting > 0) else { return self.pause };
        // What is in flight is answered about now; every slot comes back once a minute.
        let place = waiting - 1;
        let rounds = u32::try_from(place / limit).unwrap_or(u32::MAX);
        let slot = self.free_in.get(place % limit).copied().unwrap_or(WINDOW);
        self.pause.max(slot.saturating_add(WINDOW.saturating_mul(rounds)))
    }
}

enum Next {
    Go,
    At(Instant),
    WhenAnswered,
}

impl State {
    /// Gives the slots back whose window has passed.
    fn forget_before(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|answered| *answered + WINDOW <= now) {
            self.answered.pop_front();
        }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the end of the pause that is on.
    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pauses.borrow().map(|pause| pause.until).filter(|until| *until > now)
    }

    fn try_take(&self, now: Instant) -> Next {
        let mut state = self.lock();
        let next = self.next(&mut state, now);
        if matches!(next, Next::Go) {
            state.in_flight += 1;
        }
        next
    }

    fn next(&self, state: &mut State, now: Instant) -> Next {
        if let Some(until) = self.paused_until(now) {
            return Next::At(until);
        }
        let Some(limit) = self.per_window.filter(|_| !mutant!(PaceIgnored)) else {
            return Next::Go;
        };
        state.forget_before(now);
        if state.in_flight + state.answered.len() < limit {
            return Next::Go;
        }
        // All slots in flight: only an answer starts the window after which one comes back.
        state.answered.front().map_or(Next::WhenAnswered, |oldest| Next::At(*oldest + WINDOW))
    }

    fn give_back(&self) {
        let mut state = self.lock();
        state.in_flight -= 1;
        if self.per_window.is_some() {
            state.answered.push_back(Instant::now());
            drop(state);
            self.freed.notify_waiters();
        }
    }

    fn take_back(&self) {
        self.lock().in_flight -= 1;
        self.freed.notify_waiters();
    }
}

/// Leave to send one request. Counts as answered when told so, or when dropped.
#[derive(Debug)]
pub struct Permit {
    inner: Arc<Inner>,
    done: bool,
}

impl Permit {
    /// Says that the answer has arrived, or that none will.
    pub fn answered(mut self) {
        self.done = true;
        self.inner.give_back();
    }

    /// Says that nothing was sent after all: the turn is another's.
    pub fn unused(mut self) {
        self.done = true;
        self.inner.take_back();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.done {
            self.inner.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` requests of `latency` each through `pacer`; the server counts at a random instant of each.
    async fn counted_by_server(pacer: &Pacer, count: usize, in_flight: usize, seed: u64) -> Vec<Instant> {
        use futures::StreamExt as _;
        let rng = Mutex::new(fastrand::Rng::with_seed(seed));
        let mut counted: Vec<Instant> = futures::stream::iter(0..count)
            .map(|_| async {
                let permit = pacer.acquire().await;
                let (before, after) = {
                    let mut rng = rng.lock().unwrap();
                    (rng.u64(0..3000), rng.u64(0..3000))
                };
                tokio::time::sleep(Duration::from_millis(before)).await;
                let instant = Instant::now();
                tokio::time::sleep(Duration::from_millis(after)).await;
                permit.answered();
                instant
            })
            .buffer_unordered(in_flight)
            .collect()
            .await;
        counted.sort();
        counted
    }

    #[tokio::test(start_paused = true)]
    async fn no_rolling_minute_of_the_server_holds_more_than_the_limit() {
        for seed in 0..20 {
            let counted = counted_by_server(&Pacer::per_minute(10), 55, 6, seed).await;
            for window in counted.windows(11) {
                assert!(window[10] - window[0] >= WINDOW, "seed {seed}: eleven within {:?}", window[10] - window[0]);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wastes_no_slot() {
        let started = Instant::now();
        counted_by_server(&Pacer::per_minute(10), 30, 10, 1).await;
        // Three windows' worth: two full waits, plus the latency of each round.
        assert!(started.elapsed() < 2 * WINDOW + Duration::from_secs(18), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_never_shrinks() {
        let pacer = Pacer::unlimited();
        pacer.pause(Duration::from_secs(30));
        pacer.pause(Duration::from_secs(3));
        let started = Instant::now();
        pacer.clone().acquire().await.answered();
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn shares_have_turns_of_their_own_and_every_pause_in_common() {
        let whole = Pacer::unlimited();
        let (feed, enrichment) = (whole.share(1), whole.share(1));
        feed.acquire().await.answered();
        assert_eq!((feed.turn_in(), enrichment.turn_in()), (WINDOW, Duration::ZERO), "one does not starve the other");
        let mut pauses = feed.pauses();
        enrichment.pause(Duration::from_secs(90));
        let until = pauses.borrow_and_update().map(|pause| pause.until);
        assert_eq!(until, Some(Instant::now() + Duration::from_secs(90)), "the other hears of it");
        let started = Instant::now();
        feed.acquire().await.answered();
        assert_eq!(started.elapsed(), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn more_requests_than_slots_in_flight_do_not_hang() {
        let pacer = Pacer::per_minute(2);
        let started = Instant::now();
        counted_by_server(&pacer, 7, 7, 3).await;
        assert!(started.elapsed() < 4 * WINDOW, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_turn_is_told_without_taking_it() {
        let pacer = Pacer::per_minute(2);
        assert_eq!(pacer.turn_in(), Duration::ZERO);
        let (first, second) = (pacer.acquire().await, pacer.acquire().await);
        assert_eq!(pacer.turn_in(), WINDOW, "nobody knows when an answer comes");
        first.answered();
        tokio::time::advance(Duration::from_secs(20)).await;
        second.answered();
        assert_eq!(pacer.turn_in(), Duration::from_secs(40));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(pacer.turn_in(), Duration::ZERO);
        pacer.pause(Duration::from_secs(5));
        assert_eq!(pacer.turn_in(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_permit_counts_as_sent() {
        let pacer = Pacer::per_minute(1);
        drop(pacer.acquire().await);
        let started = Instant::now();
        pacer.acquire().await.answered();
        assert_eq!(started.elapsed(), WINDOW);
    }
}
