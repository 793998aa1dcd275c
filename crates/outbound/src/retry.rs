//! Whether and when a call is tried again, as a value that a test can read.
//!
//! An error answers [`Retry`]; the policy turns that into a [`Decision`] from the attempt number and the time
//! already spent. The wait is drawn from the whole interval below the exponential bound (full jitter), so that
//! many callers that failed together do not come back together.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request would fail the same way.
    Never,
    /// It may pass later; nobody said when.
    Backoff,
    /// The server said when.
    After(Duration),
}

impl Retry {
    /// Says whether the service as a whole bears no more, or is in trouble. Asked again at once, a call was only made with
    /// the wrong token.
    pub(crate) fn is_about_the_service(self) -> bool {
        match self {
            Self::Never => false,
            Self::Backoff => true,
            Self::After(wait) => !wait.is_zero(),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Report the error.
    GiveUp,
    /// Try again after this long.
    Wait(Duration),
}

/// Bounds of one call with its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper bound of the first wait.
    pub base: Duration,
    /// Upper bound of any wait that the server did not ask for.
    pub cap: Duration,
    /// One call, repeats and waits included, ends within this.
    pub total: Duration,
    /// One attempt ends within this.
    pub attempt: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(15),
            total: Duration::from_secs(60),
            attempt: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Returns a policy that tries once.
    pub fn once(attempt: Duration) -> Self {
        Self { base: Duration::ZERO, cap: Duration::ZERO, total: Duration::ZERO, attempt }
    }

    /// Decides after attempt number `attempt` (the first is 0) failed with `spent` behind us.
    ///
    /// `draw` is a random number from 0 to 1; it scales the wait.
    pub fn decide(&self, retry: Retry, attempt: u32, spent: Duration, draw: f64) -> Decision {
        let wait = match retry {
            Retry::Never => return Decision::GiveUp,
            Retry::After(wait) => wait,
            Retry::Backoff => {
                let bound = self.base.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(self.cap);
                bound.mul_f64(draw.clamp(0.0, 1.0))
            }
        };
        if spent.saturating_add(wait) >= self.total { Decision::GiveUp } else { Decision::Wait(wait) }
    }
}

/// Reads `Retry-After`, in seconds or as an HTTP date (RFC 9110, section 10.2.3).
///
/// A date in the past is zero. An unreadable value is `None`.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(15),
        total: Duration::from_secs(60),
        attempt: Duration::from_secs(30),
    };

    #[rstest]
    #[case::never(Retry::Never, 0, 0, 1.0, Decision::GiveUp)]
    #[case::first_wait_is_at_most_the_base(Retry::Backoff, 0, 0, 1.0, Decision::Wait(Duration::from_millis(500)))]
    #[case::full_jitter_reaches_down_to_zero(Retry::Backoff, 3, 0, 0.0, Decision::Wait(Duration::ZERO))]
    #[case::doubles(Retry::Backoff, 3, 0, 1.0, Decision::Wait(Duration::from_secs(4)))]
    #[case::is_capped(Retry::Backoff, 40, 0, 1.0, Decision::Wait(Duration::from_secs(15)))]
    #[case::obeys_the_server(Retry::After(Duration::from_secs(37)), 0, 1, 0.0, Decision::Wait(Duration::from_secs(37)))]
    #[case::never_waits_past_the_total(Retry::After(Duration::from_secs(37)), 0, 30, 0.0, Decision::GiveUp)]
    #[case::gives_up_at_the_total(Retry::Backoff, 9, 60, 0.0, Decision::GiveUp)]
    fn decides(
        #[case] retry: Retry,
        #[case] attempt: u32,
        #[case] spent_s: u64,
        #[case] draw: f64,
        #[case] expected: Decision,
    ) {
        assert_eq!(POLICY.decide(retry, attempt, Duration::from_secs(spent_s), draw), expected);
    }

    #[rstest]
    #[case("120", Some(120))]
    #[case(" 1 ", Some(1))]
    #[case("Thu, 01 Jan 2026 00:02:00 GMT", Some(120))]
    #[case("Wed, 31 Dec 2025 23:00:00 GMT", Some(0))]
    #[case("soon", None)]
    #[case("-5", None)]
    fn reads_retry_after(#[case] value: &str, #[case] expected_s: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retry_after(&headers, now), expected_s.map(Duration::from_secs));
    }
}
