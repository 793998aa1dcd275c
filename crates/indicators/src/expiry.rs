//! How long an indicator lives after VMRay last saw it.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use stix::Kind;
use thiserror::Error;

/// The original's default.
const DEFAULT_DAYS: u16 = 30;
/// Ten years. A longer life would be a typing error.
const MAX_DAYS: u16 = 3650;

/// The setting `IndicatorExpirationInDays`: `30`, or by kind `ip=14,url=30,domain=30,file=180`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Days, in the order of [`Kind::ALL`].
    days: [u16; Kind::ALL.len()],
}

impl Expiry {
    /// Gives every kind the same life.
    pub fn days(days: u16) -> Result<Self, ExpiryError> {
        if (1..=MAX_DAYS).contains(&days) {
            Ok(Self { days: [days; Kind::ALL.len()] })
        } else {
            Err(ExpiryError::NotDays(days.to_string()))
        }
    }

    /// Returns the life of a kind.
    pub fn for_kind(&self, kind: Kind) -> SignedDuration {
        let days = Kind::ALL.iter().zip(self.days).find_map(|(known, days)| (*known == kind).then_some(days));
        SignedDuration::from_hours(24 * i64::from(days.unwrap_or(DEFAULT_DAYS)))
    }

    /// Returns when a value that was last seen at `last_seen` stops being valid.
    pub fn valid_until(&self, kind: Kind, last_seen: Timestamp) -> Timestamp {
        last_seen.checked_add(self.for_kind(kind)).unwrap_or(Timestamp::MAX)
    }
}

impl Default for Expiry {
    fn default() -> Self {
        Self { days: [DEFAULT_DAYS; Kind::ALL.len()] }
    }
}

impl FromStr for Expiry {
    type Err = ExpiryError;

    fn from_str(text: &str) -> Result<Self, ExpiryError> {
        if !text.contains('=') {
            return Self::days(read_days(text)?);
        }
        let mut expiry = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let (name, days) = part.split_once('=').ok_or_else(|| ExpiryError::NotAPair(part.trim().to_owned()))?;
            let kind: Kind = name.trim().parse().map_err(|_| ExpiryError::UnknownKind(name.trim().to_owned()))?;
            if seen.contains(&kind) {
                return Err(ExpiryError::Twice(kind));
            }
            seen.push(kind);
            let days = read_days(days)?;
            for (known, slot) in Kind::ALL.iter().zip(&mut expiry.days) {
                if *known == kind {
                    *slot = days;
                }
            }
        }
        Ok(expiry)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, ..] = self.days;
        if self.days == [first; Kind::ALL.len()] {
            return write!(f, "{first}");
        }
        for (at, (kind, days)) in Kind::ALL.iter().zip(self.days).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{kind}={days}")?;
        }
        Ok(())
    }
}

fn read_days(text: &str) -> Result<u16, ExpiryError> {
    let text = text.trim();
    match text.parse() {
        Ok(days) if (1..=MAX_DAYS).contains(&days) => Ok(days),
        _ => Err(ExpiryError::NotDays(text.to_owned())),
    }
}

/// Why the setting cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExpiryError {
    /// Not a whole number of days in range.
    #[error("{0:?} is not a number of days from 1 to 3650")]
    NotDays(String),
    /// Neither a number nor `kind=days`.
    #[error("{0:?} is not of the form kind=days")]
    NotAPair(String),
    /// No such kind.
    #[error("{0:?} is not a type of IOC (domain, ip, url, file, email, registry, mutex, process)")]
    UnknownKind(String),
    /// A kind named twice.
    #[error("{0} is given twice")]
    Twice(Kind),
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn one_number_is_for_all() {
        let expiry: Expiry = " 14 ".parse().unwrap();
        assert!(Kind::ALL.iter().all(|kind| expiry.for_kind(*kind) == SignedDuration::from_hours(14 * 24)));
        assert_eq!(expiry.to_string(), "14");
    }

    #[test]
    fn kinds_not_named_keep_the_default() {
        let expiry: Expiry = "ip=14, FILE=180".parse().unwrap();
        assert_eq!(expiry.for_kind(Kind::Ip), SignedDuration::from_hours(14 * 24));
        assert_eq!(expiry.for_kind(Kind::File), SignedDuration::from_hours(180 * 24));
        assert_eq!(expiry.for_kind(Kind::Url), SignedDuration::from_hours(30 * 24));
        assert_eq!(expiry.to_string().parse(), Ok(expiry));
    }

    #[rstest]
    #[case("", ExpiryError::NotDays(String::new()))]
    #[case("0", ExpiryError::NotDays("0".to_owned()))]
    #[case("-1", ExpiryError::NotDays("-1".to_owned()))]
    #[case("3651", ExpiryError::NotDays("3651".to_owned()))]
    #[case("ip=", ExpiryError::NotDays(String::new()))]
    #[case("ip=1,2", ExpiryError::NotAPair("2".to_owned()))]
    #[case("hash=1", ExpiryError::UnknownKind("hash".to_owned()))]
    #[case("ip=1,ip=1", ExpiryError::Twice(Kind::Ip))]
    fn names_what_is_wrong(#[case] text: &str, #[case] error: ExpiryError) {
        assert_eq!(text.parse::<Expiry>(), Err(error));
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        assert_eq!(Expiry::default().valid_until(Kind::Ip, Timestamp::MAX), Timestamp::MAX);
    }
}
