//! How old a verdict may be that is answered without submitting (the setting `ReuseHours`).

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use vmray::Verdict;

/// Ten years. More would be a typing error.
const MAX_HOURS: u32 = 10 * 365 * 24;

/// Hours for which a verdict is reused: `malicious=168,url=24,file=720`.
///
/// `malicious` counts for every malicious verdict, `url` and `file` for the suspicious and clean ones. A verdict that
/// VMRay could not form is never reused. 0 never reuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReuseHours {
    malicious: u32,
    url: u32,
    file: u32,
}

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Url,
    File,
}

impl ReuseHours {
    /// Says whether a verdict of this age is answered as it is.
    pub(crate) fn allows(&self, verdict: Option<&Verdict>, subject: Subject, since: Timestamp, now: Timestamp) -> bool {
        let hours = match (verdict, subject) {
            (Some(Verdict::Malicious), _) => self.malicious,
            (Some(Verdict::Suspicious | Verdict::Clean), Subject::Url) => self.url,
            (Some(Verdict::Suspicious | Verdict::Clean), Subject::File) => self.file,
            (Some(Verdict::NotAvailable | Verdict::Other(_)) | None, _) => return false,
        };
        now.duration_since(since) < SignedDuration::from_hours(i64::from(hours))
    }
}

impl Default for ReuseHours {
    fn default() -> Self {
        Self { malicious: 168, url: 24, file: 720 }
    }
}

impl FromStr for ReuseHours {
    type Err = ReuseHoursError;

    fn from_str(text: &str) -> Result<Self, ReuseHoursError> {
        let mut hours = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let (name, number) = part.split_once('=').ok_or_else(|| ReuseHoursError::NotAPair(part.to_owned()))?;
            let name = name.trim().to_ascii_lowercase();
            let slot = match name.as_str() {
                "malicious" => &mut hours.malicious,
                "url" => &mut hours.url,
                "file" => &mut hours.file,
                _ => return Err(ReuseHoursError::UnknownName(name)),
            };
            *slot = number
                .trim()
                .parse()
                .ok()
                .filter(|hours| *hours <= MAX_HOURS)
                .ok_or_else(|| ReuseHoursError::NotHours(number.trim().to_owned()))?;
            if seen.contains(&name) {
                return Err(ReuseHoursError::Twice(name));
            }
            seen.push(name);
        }
        Ok(hours)
    }
}

impl fmt::Display for ReuseHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malicious={},url={},file={}", self.malicious, self.url, self.file)
    }
}

/// Why the setting cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReuseHoursError {
    /// Not `name=hours`.
    #[error("{0:?} is not of the form name=hours; expected something like malicious=168,url=24,file=720")]
    NotAPair(String),
    /// No such name.
    #[error("{0:?} is none of malicious, url and file")]
    UnknownName(String),
    /// Not a number of hours.
    #[error("{0:?} is not a number of hours from 0 to 87600")]
    NotHours(String),
    /// A name given twice.
    #[error("{0} is given twice")]
    Twice(String),
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some(Verdict::Malicious), Subject::Url, 167, true)]
    #[case(Some(Verdict::Malicious), Subject::File, 168, false)]
    #[case(Some(Verdict::Clean), Subject::Url, 23, true)]
    #[case(Some(Verdict::Suspicious), Subject::Url, 24, false)]
    #[case(Some(Verdict::Clean), Subject::File, 719, true)]
    #[case(Some(Verdict::NotAvailable), Subject::File, 0, false)]
    #[case(None, Subject::Url, 0, false)]
    fn reuses_a_verdict_by_what_it_says_and_its_age(
        #[case] verdict: Option<Verdict>,
        #[case] subject: Subject,
        #[case] hours: i64,
        #[case] allowed: bool,
    ) {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = since + SignedDuration::from_hours(hours);
        assert_eq!(ReuseHours::default().allows(verdict.as_ref(), subject, since, now), allowed);
    }

    #[test]
    fn reads_what_it_writes() {
        let hours: ReuseHours = "url=0, Malicious = 12".parse().unwrap();
        assert_eq!(hours.to_string(), "malicious=12,url=0,file=720");
        assert_eq!(hours.to_string().parse::<ReuseHours>().unwrap(), hours);
    }

    #[rstest]
    #[case("24", "not of the form")]
    #[case("mail=1", "none of")]
    #[case("url=-1", "not a number of hours")]
    #[case("url=99999999", "not a number of hours")]
    #[case("url=1,url=2", "given twice")]
    fn refuses(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<ReuseHours>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
