//! What the process is doing now, for the page and the health checks.

use std::time::Duration;

use feed::Wait;
use jiff::Timestamp;
use outbound::LimitStatus;

/// What [`Live::long_wait`] takes for long.
const LONG_WAIT: Duration = Duration::from_secs(60);

/// The daemon's own state; the ledger knows the rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// The run that is on.
    pub(crate) running: Option<Running>,
    /// When the next run begins.
    pub(crate) next_run: Option<Timestamp>,
    /// Why the last run failed, if it did.
    pub(crate) last_error: Option<String>,
    /// Waits that services asked the run for that is on, or the last one; those that are over count for nothing.
    pub(crate) waits: Vec<Wait>,
    /// How many requests VMRay and Sentinel bear at the same time, as the run that is on knows it, or the last one.
    pub(crate) limits: [(&'static str, Option<LimitStatus>); 2],
}

impl Live {
    /// Returns the longest wait that is not over.
    pub(crate) fn wait(&self, now: Timestamp) -> Option<&Wait> {
        self.waits.iter().filter(|wait| wait.until > now).max_by_key(|wait| wait.until)
    }

    /// Returns a wait that makes us not ready; shorter ones are part of the work.
    pub(crate) fn long_wait(&self, now: Timestamp) -> Option<&Wait> {
        self.wait(now).filter(|wait| wait.asked >= LONG_WAIT)
    }
}

/// A run that is on.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// When it began.
    pub(crate) since: Timestamp,
    /// How far it is.
    pub(crate) bars: Vec<Bar>,
}

/// One measure of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    /// What is counted.
    pub(crate) name: &'static str,
    /// How much is done.
    pub(crate) done: u64,
    /// Of how much; it may still grow.
    pub(crate) of: u64,
}

#[cfg(test)]
mod tests {
    use feed::Service;

    use super::*;

    #[test]
    fn a_feed_that_is_told_to_wait_is_not_ready_until_that_is_over() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let wait = |service, seconds, until| Wait { service, asked: Duration::from_secs(seconds), until: at(until) };
        let long = wait(Service::Vmray, 400, "2026-01-01T12:06:40Z");
        let short = wait(Service::Sentinel, 7, "2026-01-01T12:00:07Z");
        let live = Live { waits: vec![short, long], ..Live::default() };
        assert_eq!(live.long_wait(at("2026-01-01T12:00:00Z")), Some(&long));
        assert_eq!(live.long_wait(at("2026-01-01T12:06:40Z")), None);
        let live = Live { waits: vec![short], ..Live::default() };
        assert_eq!(live.long_wait(at("2026-01-01T12:00:00Z")), None);
        assert_eq!(live.wait(at("2026-01-01T12:00:00Z")), Some(&short));
    }
}
