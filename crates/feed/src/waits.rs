//! Waits that the services ask a run to make.
//!
//! A service that says "not before" holds back every call to it, and a run keeps to that: for ten minutes in all for
//! each service. A wait beyond that ends what needs the service: reading for VMRay, sending for Sentinel. What can go on
//! goes on, and the run ends as one that was stopped early, with the reason.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Pacer, Pause};
use serde::{Serialize, Serializer};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a run waits for one service in all: one tick of the usual schedule. The next run asks again.
pub const LONGEST_WAITS: Duration = Duration::from_secs(10 * 60);

/// Who asks to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Service {
    /// VMRay.
    #[serde(rename = "VMRay")]
    Vmray,
    /// Sentinel's upload API.
    Sentinel,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vmray => "VMRay",
            Self::Sentinel => "Sentinel",
        })
    }
}

/// A wait that a service asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Who asked.
    pub service: Service,
    /// How long it asked for.
    #[serde(rename = "asked_s", serialize_with = "seconds")]
    pub asked: Duration,
    /// When that is over.
    pub until: Timestamp,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, asked, until } = self;
        write!(f, "{service} asks us to wait until {} ({} s)", until.strftime("%Y-%m-%d %H:%M:%S UTC"), asked.as_secs())
    }
}

fn seconds<S: Serializer>(asked: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(asked.as_secs())
}

/// A wait, and whether the run makes it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wait: Wait,
    /// How long it still lasts.
    pub(crate) left: Duration,
    /// It is longer than what the run still waits for this service.
    pub(crate) too_long: bool,
}

/// The waits of one run.
#[derive(Debug)]
pub(crate) struct Waits {
    vmray: Patience,
    sentinel: Patience,
}

impl Waits {
    /// Starts with all the patience that there is.
    pub(crate) fn new(vmray: &Pacer, sentinel: &Pacer) -> Self {
        Self { vmray: Patience::with(Service::Vmray, vmray), sentinel: Patience::with(Service::Sentinel, sentinel) }
    }

    /// Returns the next wait that is asked for; a wait that lasts when the run starts is the first. Cancel-safe.
    pub(crate) async fn next(&mut self, clock: &dyn Clock) -> Asked {
        tokio::select! {
            asked = self.vmray.next(clock) => asked,
            asked = self.sentinel.next(clock) => asked,
        }
    }
}

/// What is left of a run's patience with one service.
#[derive(Debug)]
struct Patience {
    service: Service,
    pauses: watch::Receiver<Option<Pause>>,
    left: Duration,
    /// Up to when waiting is paid for.
    paid_until: Option<Instant>,
}

impl Patience {
    fn with(service: Service, pacer: &Pacer) -> Self {
        Self { service, pauses: pacer.pauses(), left: LONGEST_WAITS, paid_until: None }
    }

    async fn next(&mut self, clock: &dyn Clock) -> Asked {
        loop {
            if self.pauses.changed().await.is_err() {
                // Nobody can ask any more.
                std::future::pending::<()>().await;
            }
            let Some(pause) = *self.pauses.borrow_and_update() else { continue };
            let now = Instant::now();
            if let Some(asked) = self.pay(pause, now, clock) {
                return asked;
            }
        }
    }

    fn pay(&mut self, pause: Pause, now: Instant, clock: &dyn Clock) -> Option<Asked> {
        let left = pause.until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let paid_until = self.paid_until.map_or(now, |until| until.max(now));
        let price = pause.until.saturating_duration_since(paid_until);
        let too_long = price > self.left;
        if !too_long {
            self.left -= price;
            self.paid_until = Some(pause.until);
        }
        let still = pause.asked.saturating_sub(now.duration_since(pause.asked_at));
        let still = SignedDuration::try_from(still).unwrap_or(SignedDuration::MAX);
        let until = clock.now().checked_add(still).unwrap_or(Timestamp::MAX);
        Some(Asked { wait: Wait { service: self.service, asked: pause.asked, until }, left, too_long })
    }
}

/// Makes a call to VMRay again that was answered with a wait. The pacer makes that wait, and [`Waits`] decides how much
/// of it a run takes; a call that is not to be made any more is dropped.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, vmray::Error>
where
    F: Future<Output = Result<T, vmray::Error>>,
{
    loop {
        match call().await {
            Err(error) if is_wait(&error) => tokio::time::sleep(BETWEEN_CALLS).await,
            outcome => return outcome,
        }
    }
}

/// What a call that is made again takes at least. The pacer makes the rest of the wait; without one that does, nothing
/// else would keep us from asking without end.
pub(crate) const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// Says whether VMRay only asked to wait, which the pacer does before the next call.
pub(crate) fn is_wait(error: &vmray::Error) -> bool {
    matches!(error, vmray::Error::Throttled { retry_after: Some(wait) } if !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use outbound::TokioClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_add_up_to_ten_minutes_and_a_longer_one_is_too_long() {
        let (vmray, sentinel) = (Pacer::unlimited(), Pacer::unlimited());
        let clock = TokioClock::new("2026-06-01T12:00:00Z".parse().unwrap());
        let mut waits = Waits::new(&vmray, &sentinel);
        for seconds in [300, 299] {
            vmray.pause(Duration::from_secs(seconds));
            let asked = waits.next(&clock).await;
            assert!(!asked.too_long && asked.left.as_secs() == seconds, "{asked:?}");
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        // Another service has its own.
        sentinel.pause(Duration::from_secs(600));
        assert!(!waits.next(&clock).await.too_long);
        vmray.pause(Duration::from_secs(2));
        let asked = waits.next(&clock).await;
        assert!(asked.too_long);
        assert_eq!(asked.wait.to_string(), "VMRay asks us to wait until 2026-06-01 12:10:01 UTC (2 s)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_grows_is_paid_once() {
        let vmray = Pacer::unlimited();
        let clock = TokioClock::new("2026-06-01T12:00:00Z".parse().unwrap());
        let mut waits = Waits::new(&vmray, &Pacer::unlimited());
        for seconds in [500, 600] {
            vmray.pause(Duration::from_secs(seconds));
            assert!(!waits.next(&clock).await.too_long);
        }
        vmray.pause(Duration::from_secs(999_999_999));
        let asked = waits.next(&clock).await;
        assert!(asked.too_long && asked.wait.until.to_string().starts_with("2058-"), "{asked:?}");
    }
}
