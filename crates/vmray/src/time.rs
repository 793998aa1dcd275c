//! VMRay's times: UTC, written without zone and fraction.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a time of a reply. A zone is obeyed where there is one; what is no time is `None`.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()
}

/// Writes a time as VMRay does; a fraction of a second is cut off.
pub(crate) fn write(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2021-02-17T15:07:51", Some("2021-02-17T15:07:51Z"))]
    #[case("2021-02-17 15:07:51", Some("2021-02-17T15:07:51Z"))]
    #[case("2021-02-17T15:07:51.25", Some("2021-02-17T15:07:51.25Z"))]
    #[case("2021-02-17T15:07:51Z", Some("2021-02-17T15:07:51Z"))]
    #[case("2021-02-17T15:07:51+01:00", Some("2021-02-17T14:07:51Z"))]
    #[case("0000-00-00T00:00:00", None)]
    #[case("", None)]
    #[case("yesterday", None)]
    fn reads(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(read(text), expected.map(|time| time.parse().unwrap()));
    }

    #[test]
    fn writes_without_zone_and_fraction() {
        assert_eq!(write("2021-02-17T15:07:51.9Z".parse().unwrap()), "2021-02-17T15:07:51");
    }
}
