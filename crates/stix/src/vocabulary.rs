//! Words and numbers that STIX fixes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `indicator-type-ov` of STIX 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndicatorType {
    /// Unexpected, not necessarily malicious.
    AnomalousActivity,
    /// A tool that hides who acts.
    Anonymization,
    /// Neither suspicious nor malicious.
    Benign,
    /// An asset that was taken over.
    Compromised,
    /// Malicious.
    MaliciousActivity,
    /// Points at an actor.
    Attribution,
    /// Not known.
    Unknown,
}

/// `identity-class-ov` of STIX 2.1, as far as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityClass {
    /// A person.
    Individual,
    /// A company or other body.
    Organization,
    /// A computer system.
    System,
    /// Not known.
    Unknown,
}

/// Version of STIX, and of its patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecVersion {
    /// STIX 2.1.
    #[default]
    #[serde(rename = "2.1")]
    V2_1,
}

/// `pattern-type-ov` of STIX 2.1, as far as used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PatternType {
    /// STIX patterning.
    #[default]
    #[serde(rename = "stix")]
    Stix,
}

/// How sure we are, 0 to 100. Always a number: the API says so, although the original sent text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Confidence(u8);

impl Confidence {
    /// Of something malicious.
    pub const MALICIOUS: Self = Self(100);
    /// Of something suspicious.
    pub const SUSPICIOUS: Self = Self(75);

    /// Returns the number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Confidence {
    type Error = NotAConfidence;

    fn try_from(value: u8) -> Result<Self, NotAConfidence> {
        if value <= 100 { Ok(Self(value)) } else { Err(NotAConfidence) }
    }
}

impl From<Confidence> for u8 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// The number is over 100.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a confidence is a number from 0 to 100")]
pub struct NotAConfidence;
