//! A limit over a rolling window.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// So many requests in any window of this length. What was refused does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Requests.
    pub requests: u32,
    /// Length of the window.
    pub window: Duration,
}

/// The requests of one principal that still count.
#[derive(Debug, Default)]
pub(crate) struct Passed(VecDeque<Timestamp>);

impl Passed {
    /// Lets a request pass, or says how long until one would.
    pub(crate) fn admit(&mut self, throttle: Throttle, now: Timestamp) -> Result<(), Duration> {
        let window = SignedDuration::try_from(throttle.window).unwrap_or(SignedDuration::MAX);
        while self.0.front().is_some_and(|first| now.duration_since(*first) >= window) {
            self.0.pop_front();
        }
        if self.0.len() < usize::try_from(throttle.requests).unwrap_or(usize::MAX) {
            self.0.push_back(now);
            return Ok(());
        }
        let since = self.0.front().map_or(SignedDuration::ZERO, |first| now.duration_since(*first));
        Err(Duration::try_from(window - since).unwrap_or(throttle.window))
    }
}

/// Whole seconds, rounded up and at least one, as a server announces them.
pub(crate) fn announced(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_a_rolling_window_and_says_when_the_next_may_come() {
        let throttle = Throttle { requests: 2, window: Duration::from_secs(60) };
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut passed = Passed::default();
        assert_eq!(passed.admit(throttle, at(0)), Ok(()));
        assert_eq!(passed.admit(throttle, at(50)), Ok(()));
        assert_eq!(passed.admit(throttle, at(59)), Err(Duration::from_secs(1)));
        assert_eq!(passed.admit(throttle, at(60)), Ok(()));
        assert_eq!(passed.admit(throttle, at(61)), Err(Duration::from_secs(49)));
    }

    #[test]
    fn announces_whole_seconds_and_never_zero() {
        assert_eq!(announced(Duration::from_millis(1)), 1);
        assert_eq!(announced(Duration::from_millis(36_001)), 37);
        assert_eq!(announced(Duration::ZERO), 1);
    }
}
