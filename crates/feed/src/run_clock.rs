//! The time of a run: the earlier of this machine's clock and VMRay's.
//!
//! VMRay tells its own in the `Date` of every answer. What is judged by time (which window ends where, whose life is
//! over) is judged on the earlier of the two, so that a fast clock costs a repeat and never a value. Further apart than
//! an hour, nothing is judged at all: the run ends and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use outbound::Clock;

/// How far apart the clocks may be: the overlap of two runs, in which nothing that finished late is missed.
const MOST_MINUTES_APART: i64 = 60;

/// The earlier of two clocks.
#[derive(Debug)]
pub(crate) struct RunClock {
    ours: Arc<dyn Clock>,
    ahead_ms: AtomicI64,
}

impl RunClock {
    /// Returns this machine's clock, as long as VMRay's is not known.
    pub(crate) fn new(ours: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { ours, ahead_ms: AtomicI64::new(0) })
    }

    /// Takes in how far our clock is ahead of VMRay's, or returns that as an error where it is more than an hour.
    pub(crate) fn compare(&self, ahead: SignedDuration) -> Result<(), SignedDuration> {
        if ahead.as_mins().abs() > MOST_MINUTES_APART {
            return Err(ahead);
        }
        let ahead_ms = i64::try_from(ahead.as_millis()).unwrap_or_default();
        self.ahead_ms.store(ahead_ms.max(0), Ordering::Relaxed);
        Ok(())
    }
}

impl Clock for RunClock {
    fn now(&self) -> Timestamp {
        let now = self.ours.now();
        now.checked_sub(SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed))).unwrap_or(now)
    }
}

/// `1 day 2 h 5 min ahead of`: how one clock stands to another.
pub(crate) fn in_words(ahead: SignedDuration) -> String {
    let minutes = ahead.as_mins().unsigned_abs();
    let parts = [(minutes / 1440, "day"), (minutes / 60 % 24, "h"), (minutes % 60, "min")];
    let shown: Vec<_> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| match (*unit, *amount) {
            ("day", 2..) => format!("{amount} days"),
            _ => format!("{amount} {unit}"),
        })
        .collect();
    format!("{} {}", shown.join(" "), if ahead.is_negative() { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2026-06-01T12:00:00Z".parse().unwrap()
        }
    }

    #[test]
    fn the_earlier_clock_counts_and_an_hour_is_the_most() {
        let clock = RunClock::new(Arc::new(Noon));
        clock.compare(SignedDuration::from_mins(40)).unwrap();
        assert_eq!(clock.now().to_string(), "2026-06-01T11:20:00Z");
        clock.compare(SignedDuration::from_mins(-40)).unwrap();
        assert_eq!(clock.now(), Noon.now());
        for hours in [2, -2] {
            let apart = SignedDuration::from_hours(hours);
            assert_eq!(clock.compare(apart), Err(apart));
        }
        assert_eq!(clock.now(), Noon.now());
    }

    #[test]
    fn a_difference_is_told_in_words() {
        let told = |minutes| in_words(SignedDuration::from_mins(minutes));
        assert_eq!(told(61), "1 h 1 min ahead of");
        assert_eq!(told(-1440), "1 day behind");
        assert_eq!(told(400 * 1440 + 30), "400 days 30 min ahead of");
    }
}
