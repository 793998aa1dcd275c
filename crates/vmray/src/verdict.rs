//! What VMRay thinks of a thing.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A verdict. VMRay's null (not known yet) is the `None` of an `Option<Verdict>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Harmful.
    Malicious,
    /// Perhaps harmful.
    Suspicious,
    /// Nothing harmful found.
    Clean,
    /// VMRay could not form one.
    NotAvailable,
    /// One that this version does not know, as sent.
    Other(String),
}

impl Verdict {
    /// Returns the word VMRay uses.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Malicious => "malicious",
            Self::Suspicious => "suspicious",
            Self::Clean => "clean",
            Self::NotAvailable => "not_available",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Verdict {
    fn from(text: &str) -> Self {
        for known in [Self::Malicious, Self::Suspicious, Self::Clean, Self::NotAvailable] {
            if known.as_str().eq_ignore_ascii_case(text.trim()) {
                return known;
            }
        }
        Self::Other(text.to_owned())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
    }
}
