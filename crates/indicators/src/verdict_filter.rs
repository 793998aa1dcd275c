//! Which verdicts are wanted, and what they weigh.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stix::{Confidence, IndicatorType};
use thiserror::Error;
use vmray::Verdict;

/// The setting `VmraySampleVerdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictFilter {
    /// Whether malicious is wanted.
    pub malicious: bool,
    /// Whether suspicious is wanted.
    pub suspicious: bool,
}

impl VerdictFilter {
    /// Says whether a verdict is wanted. No verdict never is.
    pub fn wants(&self, verdict: &Option<Verdict>) -> bool {
        verdict.as_ref().and_then(Severity::of).is_some_and(|severity| self.wants_severity(severity))
    }

    pub(crate) fn wants_severity(self, severity: Severity) -> bool {
        match severity {
            Severity::Malicious => self.malicious,
            Severity::Suspicious => self.suspicious,
        }
    }
}

impl Default for VerdictFilter {
    /// The original's default: malicious only.
    fn default() -> Self {
        Self { malicious: true, suspicious: false }
    }
}

impl FromStr for VerdictFilter {
    type Err = UnknownVerdictFilter;

    fn from_str(text: &str) -> Result<Self, UnknownVerdictFilter> {
        let mut filter = Self { malicious: false, suspicious: false };
        for word in text.split('&') {
            match word.trim() {
                word if word.eq_ignore_ascii_case("malicious") => filter.malicious = true,
                word if word.eq_ignore_ascii_case("suspicious") => filter.suspicious = true,
                _ => return Err(UnknownVerdictFilter),
            }
        }
        Ok(filter)
    }
}

impl fmt::Display for VerdictFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.malicious, self.suspicious) {
            (true, true) => "Malicious & Suspicious",
            (true, false) => "Malicious",
            (false, true) => "Suspicious",
            (false, false) => "none",
        })
    }
}

/// The text is none of the three spellings.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected Malicious, Suspicious or Malicious & Suspicious")]
pub struct UnknownVerdictFilter;

/// A verdict that can make an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Perhaps harmful.
    Suspicious,
    /// Harmful.
    Malicious,
}

impl Severity {
    /// Returns what a verdict weighs; nothing unless it is malicious or suspicious.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        match verdict {
            Verdict::Malicious => Some(Self::Malicious),
            Verdict::Suspicious => Some(Self::Suspicious),
            Verdict::Clean | Verdict::NotAvailable | Verdict::Other(_) => None,
        }
    }

    /// Returns the original's confidence: 100 or 75.
    pub fn confidence(self) -> Confidence {
        match self {
            Self::Malicious => Confidence::MALICIOUS,
            Self::Suspicious => Confidence::SUSPICIOUS,
        }
    }

    /// Returns the word of STIX' vocabulary.
    pub fn indicator_type(self) -> IndicatorType {
        match self {
            Self::Malicious => IndicatorType::MaliciousActivity,
            Self::Suspicious => IndicatorType::AnomalousActivity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_spellings() {
        for text in ["Malicious", "Suspicious", "Malicious & Suspicious"] {
            assert_eq!(text.parse::<VerdictFilter>().unwrap().to_string(), text);
        }
        assert_eq!("suspicious&MALICIOUS".parse::<VerdictFilter>().unwrap().to_string(), "Malicious & Suspicious");
        assert_eq!("Malicious, Suspicious".parse::<VerdictFilter>(), Err(UnknownVerdictFilter));
        assert_eq!("".parse::<VerdictFilter>(), Err(UnknownVerdictFilter));
    }

    #[test]
    fn wants_what_it_names() {
        let filter = VerdictFilter::default();
        assert!(filter.wants(&Some(Verdict::Malicious)));
        assert!(!filter.wants(&Some(Verdict::Suspicious)));
        assert!(!filter.wants(&Some(Verdict::Other("malicious!".to_owned()))));
        assert!(!filter.wants(&None));
    }
}
