//! Filters of lists: a field equals a value or lies in a range `a~b` with open ends.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::options::{Bound, VmrayOptions};
use super::refusal::Refusal;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    Int,
    Time,
    Text,
    Bool,
    Verdict,
}

/// The value of a field; `None` inside is null.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    Int(Option<u64>),
    Time(Option<Timestamp>),
    Text(Option<&'a str>),
    Bool(Option<bool>),
}

/// A filter that was understood.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) field: &'static str,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Null,
    Int(u64),
    IntRange(Option<u64>, Option<u64>, Bounds),
    Time(Timestamp),
    TimeRange(Option<Timestamp>, Option<Timestamp>, Bounds),
    Text(String),
    Bool(bool),
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    lower: Bound,
    upper: Bound,
}

impl Bounds {
    fn hold<T: Ord>(self, value: &T, from: Option<&T>, to: Option<&T>) -> bool {
        from.is_none_or(|from| value > from || (self.lower == Bound::Inclusive && value == from))
            && to.is_none_or(|to| value < to || (self.upper == Bound::Inclusive && value == to))
    }
}

impl Filter {
    /// Reads a filter on a field of a type; `name` is what the caller called it.
    pub(super) fn parse(
        field: &'static str,
        kind: FieldType,
        name: &str,
        value: &str,
        options: &VmrayOptions,
    ) -> Result<Self, Refusal> {
        let bad = || Refusal::bad_parameter(name);
        let bounds = Bounds { lower: options.lower_bound, upper: options.upper_bound };
        let test = match kind {
            _ if value == "null" => Test::Null,
            FieldType::Int => match ends(value, integer).ok_or_else(bad)? {
                Ends::One(wanted) => Test::Int(wanted),
                Ends::Range(from, to) => Test::IntRange(from, to, bounds),
            },
            FieldType::Time => match ends(value, time).ok_or_else(bad)? {
                Ends::One(wanted) => Test::Time(wanted),
                Ends::Range(from, to) => Test::TimeRange(from, to, bounds),
            },
            FieldType::Bool => Test::Bool(boolean(value).ok_or_else(bad)?),
            FieldType::Verdict if crate::world::Verdict::from_word(value).is_none() => return Err(bad()),
            FieldType::Text | FieldType::Verdict => Test::Text(value.to_owned()),
        };
        Ok(Self { field, test })
    }

    /// Says whether a value passes.
    pub(super) fn passes(&self, cell: &Cell<'_>) -> bool {
        match (&self.test, cell) {
            (Test::Null, Cell::Int(None) | Cell::Time(None) | Cell::Text(None) | Cell::Bool(None)) => true,
            (Test::Int(wanted), Cell::Int(Some(value))) => wanted == value,
            (Test::IntRange(from, to, bounds), Cell::Int(Some(value))) => {
                bounds.hold(value, from.as_ref(), to.as_ref())
            }
            (Test::Time(wanted), Cell::Time(Some(value))) => wanted == value,
            (Test::TimeRange(from, to, bounds), Cell::Time(Some(value))) => {
                bounds.hold(value, from.as_ref(), to.as_ref())
            }
            (Test::Text(wanted), Cell::Text(Some(value))) => wanted == value,
            (Test::Bool(wanted), Cell::Bool(Some(value))) => wanted == value,
            _ => false,
        }
    }
}

enum Ends<T> {
    One(T),
    Range(Option<T>, Option<T>),
}

/// Reads `a`, `a~b`, `a~` or `~b`; a lone `~` is nothing.
fn ends<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Ends<T>> {
    let Some((from, to)) = text.split_once('~') else { return read(text).map(Ends::One) };
    let end = |text: &str| if text.is_empty() { Some(None) } else { read(text).map(Some) };
    match (end(from)?, end(to)?) {
        (None, None) => None,
        (from, to) => Some(Ends::Range(from, to)),
    }
}

/// Reads an integer without a sign.
pub(super) fn integer(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Reads `True`, `true`, `False`, `false`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, or with a space as Python prints it; UTC, without zone and fraction.
fn time(text: &str) -> Option<Timestamp> {
    let shape = text.len() == 19 && matches!(text.as_bytes().get(10), Some(b'T' | b' '));
    let civil: DateTime = text.parse().ok().filter(|_| shape)?;
    Offset::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn passes(kind: FieldType, text: &str, cell: &Cell<'_>, options: &VmrayOptions) -> bool {
        Filter::parse("f", kind, "submission_f", text, options).unwrap().passes(cell)
    }

    #[rstest]
    #[case("5~7", [false, true, true, true, false])]
    #[case("5~", [false, true, true, true, true])]
    #[case("~7", [true, true, true, true, false])]
    #[case("6", [false, false, true, false, false])]
    #[case("null", [false; 5])]
    fn a_range_has_both_ends_by_default(#[case] text: &str, #[case] expected: [bool; 5]) {
        let found =
            [4, 5, 6, 7, 8].map(|n| passes(FieldType::Int, text, &Cell::Int(Some(n)), &VmrayOptions::default()));
        assert_eq!(found, expected);
    }

    #[test]
    fn either_end_can_be_switched_off() {
        let options =
            VmrayOptions { lower_bound: Bound::Exclusive, upper_bound: Bound::Exclusive, ..VmrayOptions::default() };
        let found = [5, 6, 7].map(|n| passes(FieldType::Int, "5~7", &Cell::Int(Some(n)), &options));
        assert_eq!(found, [false, true, false]);
    }

    #[rstest]
    #[case("2026-01-02T03:04:05", true)]
    #[case("2026-01-02 03:04:05", true)]
    #[case("2026-01-02T03:04:05Z", false)]
    #[case("2026-01-02T03:04:05.5", false)]
    #[case("2026-01-02T03:04", false)]
    #[case("2026-13-02T03:04:05", false)]
    #[case("2026-01-02", false)]
    fn times_have_neither_zone_nor_fraction(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(time(text).is_some(), valid);
    }

    #[rstest]
    #[case(FieldType::Int, "~")]
    #[case(FieldType::Int, "-5")]
    #[case(FieldType::Int, "1~2~3")]
    #[case(FieldType::Int, "")]
    #[case(FieldType::Verdict, "Malicious")]
    #[case(FieldType::Verdict, "malicious,suspicious")]
    #[case(FieldType::Bool, "1")]
    fn refuses_what_it_does_not_understand(#[case] kind: FieldType, #[case] text: &str) {
        assert!(Filter::parse("f", kind, "x", text, &VmrayOptions::default()).is_err());
    }

    #[test]
    fn null_lies_in_no_range_and_equals_null() {
        let options = VmrayOptions::default();
        assert!(!passes(FieldType::Time, "~2030-01-01T00:00:00", &Cell::Time(None), &options));
        assert!(passes(FieldType::Verdict, "null", &Cell::Text(None), &options));
    }
}
