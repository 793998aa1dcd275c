//! Durations as operators write them: `90s`, `15m`, `24h`, `7d`, and `0`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("is not a duration; write a whole number and a unit, as in 90s, 15m, 24h or 7d")]
    Unreadable,
    #[error("has no unit; write {0}s, {0}m, {0}h or {0}d")]
    NoUnit(u64),
    #[error("is longer than a hundred years")]
    TooLong,
}

/// No duration of ours is meant to be longer, and dates would overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(DurationError::Unreadable)?;
    if number.is_empty() {
        return Err(DurationError::Unreadable);
    }
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "" if number == 0 => 1,
        "" => return Err(DurationError::NoUnit(number)),
        _ => return Err(DurationError::Unreadable),
    };
    number.checked_mul(seconds).map(Duration::from_secs).filter(|d| *d <= LONGEST).ok_or(DurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", 90)]
    #[case("15m", 900)]
    #[case("24h", 86_400)]
    #[case("7d", 604_800)]
    #[case("0", 0)]
    #[case("0s", 0)]
    #[case(" 1h ", 3600)]
    fn reads(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("90", DurationError::NoUnit(90))]
    #[case("", DurationError::Unreadable)]
    #[case("h", DurationError::Unreadable)]
    #[case("-5m", DurationError::Unreadable)]
    #[case("1.5h", DurationError::Unreadable)]
    #[case("5 m", DurationError::Unreadable)]
    #[case("1h30m", DurationError::Unreadable)]
    #[case("٣d", DurationError::Unreadable)]
    #[case("99999999999999999999d", DurationError::TooLong)]
    #[case("40000d", DurationError::TooLong)]
    fn refuses(#[case] text: &str, #[case] error: DurationError) {
        assert_eq!(parse(text), Err(error));
    }
}
