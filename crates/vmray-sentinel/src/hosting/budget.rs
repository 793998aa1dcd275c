//! How long a timer run may take: what the host allows, less what ending takes.
//!
//! The host stops an invocation that outlives `functionTimeout` and restarts the handler, so a run asks itself to
//! stop before: no new call is begun, those in flight are settled, the state is closed, and the next run continues.

use std::path::Path;
use std::time::Duration;

use config::Environment;
use serde_json::Value;
use tracing::warn;

/// The folder that holds `host.json`, as the host names it.
const APP_ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";
/// The app setting that wins over `host.json`.
const OVERRIDE: &str = "AzureFunctionsJobHost__functionTimeout";
/// What the host allows when nothing is set (Premium, Dedicated and Flex Consumption plans).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// What ending may take: answers that are on their way are waited for (30 s), the state is closed, the health tables are
/// told ([`Budget::last_rows`]).
const MARGIN: Duration = Duration::from_secs(90);
/// What answering takes after a run that could not be stopped.
const LAST_WORD: Duration = Duration::from_secs(5);
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What the host allows for one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// This long: `functionTimeout`.
    Within(Duration),
    /// As long as it takes.
    Unbounded,
}

impl Budget {
    /// Reads the app setting, else `host.json`, else takes the host's default.
    pub(super) fn read(environment: &Environment) -> Self {
        let of = |name| environment.get(name).ok().flatten().map(|(_, value)| value.trim().to_owned());
        let setting = of(OVERRIDE).map(|text| (OVERRIDE.to_owned(), text));
        let found = setting.or_else(|| {
            let path = Path::new(&of(APP_ROOT)?).join("host.json");
            Some((path.display().to_string(), from_host_json(&path)?))
        });
        let Some((place, text)) = found else { return Self::Within(DEFAULT_TIMEOUT) };
        time_span(&text).unwrap_or_else(|| {
            warn!("the functionTimeout `{text}` of {place} is no time span such as 00:30:00; 30 minutes are assumed");
            Self::Within(DEFAULT_TIMEOUT)
        })
    }

    /// After how long a run stops by itself.
    pub(super) fn run(self) -> Option<Duration> {
        // A short limit leaves two thirds for work.
        self.less(MARGIN, 3)
    }

    /// How long a run's rows for the health tables may take, which are written after it: a third of what is left then.
    pub(super) fn last_rows(self) -> Option<Duration> {
        match self {
            Self::Within(timeout) => Some(MARGIN.min(timeout / 3) / 3),
            Self::Unbounded => None,
        }
    }

    /// After how long we answer whatever the run does.
    pub(super) fn answer(self) -> Option<Duration> {
        self.less(LAST_WORD, 20)
    }

    /// The limit less a margin, or less that part of it when it is short.
    fn less(self, margin: Duration, part: u32) -> Option<Duration> {
        match self {
            Self::Within(timeout) => Some(timeout.saturating_sub(margin.min(timeout / part))),
            Self::Unbounded => None,
        }
    }
}

/// Returns the text of `functionTimeout`, if the file is there and has one.
fn from_host_json(path: &Path) -> Option<String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(%error, "{} cannot be read; the functionTimeout is taken to be 30 minutes", path.display());
            return None;
        }
    };
    match serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
        Ok(host) => match host.get("functionTimeout")? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        },
        Err(error) => {
            warn!(%error, "{} is not JSON; the functionTimeout is taken to be 30 minutes", path.display());
            None
        }
    }
}

/// Reads a .NET time span, `[-][days.]hours:minutes[:seconds[.fraction]]` or whole days. A negative one is the host's
/// way to say "no limit".
fn time_span(text: &str) -> Option<Budget> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (days, clock) = match text.split_once(':') {
        None => (text, None),
        Some((head, rest)) => match head.split_once('.') {
            Some((days, hours)) => (days, Some((hours, rest))),
            None => ("0", Some((head, rest))),
        },
    };
    let mut seconds = number(days)?.checked_mul(DAY_SECONDS)?;
    if let Some((hours, rest)) = clock {
        let (minutes, second) = rest.split_once(':').unwrap_or((rest, "0"));
        // A fraction of a second is no time for work.
        let second = second.split_once('.').map_or(second, |(whole, _)| whole);
        for (part, unit, most) in [(hours, 3600, 23), (minutes, 60, 59), (second, 1, 59)] {
            let part = number(part).filter(|part| *part <= most)?;
            seconds = seconds.checked_add(part * unit)?;
        }
    }
    if negative {
        return Some(Budget::Unbounded);
    }
    (seconds > 0).then(|| Budget::Within(Duration::from_secs(seconds)))
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn minutes(count: u64) -> Budget {
        Budget::Within(Duration::from_secs(count * 60))
    }

    #[rstest]
    #[case("00:30:00", Some(minutes(30)))]
    #[case("01:00:00", Some(minutes(60)))]
    #[case("00:05", Some(minutes(5)))]
    #[case("00:00:30.5000000", Some(Budget::Within(Duration::from_secs(30))))]
    #[case("1.02:00:00", Some(minutes(26 * 60)))]
    #[case("1", Some(minutes(24 * 60)))]
    #[case("-1", Some(Budget::Unbounded))]
    #[case("-00:00:00.0010000", Some(Budget::Unbounded))]
    #[case("00:00:00", None)]
    #[case("25:00:00", None)]
    #[case("half an hour", None)]
    #[case("", None)]
    fn reads_time_spans_of_the_host(#[case] text: &str, #[case] expected: Option<Budget>) {
        assert_eq!(time_span(text), expected);
    }

    #[test]
    fn the_setting_wins_over_the_file_and_the_file_over_the_default() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        assert_eq!(Budget::read(&Environment::from([(APP_ROOT, path)])), minutes(30));
        let write = |text| std::fs::write(root.path().join("host.json"), text).unwrap();
        write(r#"{"version":"2.0","functionTimeout":"00:10:00"}"#);
        assert_eq!(Budget::read(&Environment::from([(APP_ROOT, path)])), minutes(10));
        let both = Environment::from([(APP_ROOT, path), ("AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT", "-1")]);
        assert_eq!(Budget::read(&both), Budget::Unbounded);
        write("not json");
        assert_eq!(Budget::read(&Environment::from([(APP_ROOT, path)])), minutes(30));
        assert_eq!(Budget::read(&Environment::default()), minutes(30));
        assert_eq!(Budget::read(&Environment::from([(OVERRIDE, "soon")])), minutes(30));
    }

    #[test]
    fn a_run_ends_before_we_must_answer_and_we_answer_before_the_host_gives_up() {
        for timeout in [6, 60, 300, 600, 1800, 86_400] {
            let timeout = Duration::from_secs(timeout);
            let budget = Budget::Within(timeout);
            let (run, answer) = (budget.run().unwrap(), budget.answer().unwrap());
            let rows = Budget::Within(timeout).last_rows().unwrap();
            assert!(run + 2 * rows < answer && rows <= Duration::from_secs(30), "{timeout:?}: {rows:?}");
            assert!(run >= timeout / 3 * 2 && run < answer && answer < timeout, "{timeout:?}: {run:?}, {answer:?}");
        }
        assert_eq!(minutes(30).run(), Some(Duration::from_secs(28 * 60 + 30)));
        assert_eq!(minutes(30).last_rows(), Some(Duration::from_secs(30)));
        assert_eq!((Budget::Unbounded.run(), Budget::Unbounded.last_rows()), (None, None));
    }
}
