//! Options by name, for command lines and scripts that drive a simulator in another process.
//!
//! Each service sets its own with [`Switches`]. Times are milliseconds (`analysis_time_ms`), differences of clocks seconds,
//! enumerations their words, lists are separated by commas.

use std::time::Duration;

use jiff::SignedDuration;

use crate::front::Latency;
use crate::throttle::Throttle;

/// Why an option was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value} is no option with a value that it can have")]
pub struct OptionError {
    /// Name as given.
    pub name: String,
    /// Value as given.
    pub value: String,
}

/// Options that can be set by name.
pub trait Switches {
    /// The names.
    const NAMES: &'static [&'static str];

    /// Sets one; `None` when there is no such option or it has no such value.
    #[doc(hidden)]
    fn try_set(&mut self, name: &str, value: &str) -> Option<()>;

    /// Sets one.
    fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        self.try_set(name, value).ok_or_else(|| OptionError { name: name.to_owned(), value: value.to_owned() })
    }
}

pub(crate) fn integer<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

pub(crate) fn boolean(value: &str) -> Option<bool> {
    value.parse().ok()
}

/// A share from 0 to 1.
pub(crate) fn share(value: &str) -> Option<f64> {
    value.parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

pub(crate) fn milliseconds(value: &str) -> Option<Duration> {
    integer(value).map(Duration::from_millis)
}

pub(crate) fn signed_seconds(value: &str) -> Option<SignedDuration> {
    value.parse().ok().map(SignedDuration::from_secs)
}

pub(crate) fn word<T: Copy>(value: &str, known: &[(&str, T)]) -> Option<T> {
    known.iter().find(|(word, _)| *word == value).map(|(_, meant)| *meant)
}

/// Texts separated by commas; an empty value is no text.
pub(crate) fn list<L: FromIterator<String>>(value: &str) -> L {
    value.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// `none`, or requests and the milliseconds of the window: `100/60000`.
#[expect(clippy::option_option, reason = "the outer one is whether the value can be read")]
pub(crate) fn throttle(value: &str) -> Option<Option<Throttle>> {
    if value == "none" {
        return Some(None);
    }
    let (requests, window) = value.split_once('/')?;
    Some(Some(Throttle { requests: integer(requests)?, window: milliseconds(window)? }))
}

/// Milliseconds: `0`, `20`, or the bounds of a draw, `20-500`.
pub(crate) fn latency(value: &str) -> Option<Latency> {
    match value.split_once('-') {
        Some((from, to)) => Some(Latency::Uniform(milliseconds(from)?, milliseconds(to)?)),
        None => milliseconds(value).map(|wait| if wait.is_zero() { Latency::None } else { Latency::Fixed(wait) }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;

    use super::*;

    /// Says which fields of options no name begins with: those could not be set.
    pub(crate) fn fields_without_a_name<T: Switches + Debug>(options: &T) -> Vec<String> {
        let shown = format!("{options:#?}");
        let fields = shown.lines().filter_map(|line| line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')));
        let fields = fields.filter_map(|rest| Some(rest.split_once(": ")?.0.to_owned()));
        fields.filter(|field| !T::NAMES.iter().any(|name| name.starts_with(field.as_str()))).collect()
    }

    /// Tries each name with each of some values: one must do.
    pub(crate) fn names_that_take_nothing<T: Switches + Default>() -> Vec<&'static str> {
        let values = [
            "1",
            "true",
            "none",
            "a",
            "0.5",
            "2026.2.1",
            "2026-01-01T00:00:00Z",
            "default",
            "drawn",
            "report",
            "1/1000",
        ];
        let words = [
            "ascending",
            "exclusive",
            "never",
            "refuse",
            "enabled",
            "sample",
            "denied",
            "warning",
            "after_parent",
            "respaced",
            "2.1",
            "errorMessages",
            "listed",
            "append",
            "success",
            "verbatim",
        ];
        let takes = |name: &&&str| values.iter().chain(&words).any(|value| T::default().set(name, value).is_ok());
        T::NAMES.iter().filter(|name| !takes(name)).copied().collect()
    }

    #[test]
    fn values_are_read_strictly() {
        assert_eq!(throttle("100/60000"), Some(Some(Throttle { requests: 100, window: Duration::from_secs(60) })));
        assert_eq!((throttle("none"), throttle("100"), throttle("a/b")), (Some(None), None, None));
        assert_eq!(latency("20-500"), Some(Latency::Uniform(Duration::from_millis(20), Duration::from_millis(500))));
        assert_eq!((latency("0"), latency("-5"), latency("1s")), (Some(Latency::None), None, None));
        assert_eq!((share("0.5"), share("1.5"), share("NaN")), (Some(0.5), None, None));
        assert_eq!(list::<Vec<_>>("a,,b"), ["a", "b"]);
        assert_eq!(signed_seconds("-90"), Some(SignedDuration::from_secs(-90)));
    }
}
