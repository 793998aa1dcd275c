//! When the feed runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use jiff::Timestamp;

/// A cron expression in UTC: five fields, or six with seconds first.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

/// Why a text is no schedule; continues the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("is `{0}`; cron has five fields (minute hour day month weekday), or six with seconds first")]
    Fields(String),
    #[error("is not a cron expression: {0}")]
    Unreadable(String),
    #[error("never comes")]
    Never,
}

impl Schedule {
    /// Returns the first time after `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = DateTime::<Utc>::from_timestamp(after.as_second(), 0)?;
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Timestamp::from_second(next.timestamp()).ok()
    }
}

impl Schedule {
    /// Returns how long somebody who looks at a run that began at `started` has to wait for the next one, at the most: until
    /// the next time, or between the two times after it, whichever is longer. So a run by hand shortly before its time
    /// and the last run before a night both say enough.
    pub fn longest_wait_from(&self, started: Timestamp) -> Option<Duration> {
        let next = self.next_after(started)?;
        let until_next = Duration::try_from(next.duration_since(started)).ok()?;
        let after_it = self.next_after(next).and_then(|later| Duration::try_from(later.duration_since(next)).ok());
        Some(until_next.max(after_it.unwrap_or_default()))
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let fields = text.split_whitespace().count();
        // croner also takes nicknames and a year; Azure Functions does not, and the setting is shared.
        if !(5..=6).contains(&fields) {
            return Err(ScheduleError::Fields(text.to_owned()));
        }
        let cron = Cron::from_str(text).map_err(|error| ScheduleError::Unreadable(error.to_string()))?;
        let schedule = Self { text: text.to_owned(), cron };
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*/10 * * * *", "2026-01-01T00:10:00Z")]
    #[case("0 */10 * * * *", "2026-01-01T00:10:00Z")]
    #[case("*/15 * * * * *", "2026-01-01T00:00:15Z")]
    #[case("0 6 * * *", "2026-01-01T06:00:00Z")]
    #[case("0 0 * * MON", "2026-01-05T00:00:00Z")]
    fn finds_the_next_time(#[case] text: &str, #[case] next: &str) {
        let schedule: Schedule = text.parse().unwrap();
        let after: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        assert_eq!(schedule.next_after(after), Some(next.parse().unwrap()));
    }

    #[rstest]
    #[case::on_time("*/10 * * * *", "2026-01-01T00:10:00Z", 600)]
    #[case::by_hand("0 * * * *", "2026-01-01T00:59:00Z", 3600)]
    #[case::before_a_night("*/10 8-17 * * *", "2026-01-01T17:50:00Z", 14 * 3600 + 600)]
    #[case::once_a_year("0 0 1 1 *", "2026-06-01T00:00:00Z", 365 * 24 * 3600)]
    fn knows_how_long_a_run_may_be_the_newest(#[case] text: &str, #[case] started: &str, #[case] seconds: u64) {
        let schedule: Schedule = text.parse().unwrap();
        let wait = schedule.longest_wait_from(started.parse().unwrap());
        assert_eq!(wait, Some(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("* * *", "is `* * *`; cron has five")]
    #[case("every 6 hours", "cron has five fields")]
    #[case("@hourly", "cron has five fields")]
    #[case("99 * * * *", "is not a cron expression")]
    #[case("0 0 30 2 *", "never comes")]
    fn refuses(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<Schedule>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
