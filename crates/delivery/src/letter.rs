//! What an enrichment leaves for the feed: findings, and the objects that it has sent of them itself.

use indicators::{Finding, Support};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stix::{Kind, Observable};

/// The findings of one item, left in the inbox before anything is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Something of its own, so that of two who leave the same only one has left it.
    pub nonce: String,
    /// The findings.
    pub entries: Vec<LetterEntry>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LetterEntry {
    /// Kind of the value.
    pub kind: Kind,
    /// The value, normalised.
    pub value: String,
    /// What the sample says of it.
    pub support: Support,
}

/// What was sent of a letter: the mark beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// When Sentinel accepted it.
    pub at: Timestamp,
    /// What it accepted.
    pub objects: Vec<SentObject>,
    /// Whether it accepted the identity that all of them refer to with them.
    #[serde(default)]
    pub introduced: bool,
}

/// An object that Sentinel accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentObject {
    /// Its id.
    pub id: String,
    /// When its content was made.
    pub modified: Timestamp,
    /// The object.
    pub object: String,
}

impl LetterEntry {
    /// Writes a finding down.
    pub fn of(finding: &Finding) -> Self {
        Self {
            kind: finding.observable.kind(),
            value: finding.observable.value().into_owned(),
            support: finding.support.clone(),
        }
    }

    /// Returns the finding, if its value is still one to us.
    pub fn finding(&self) -> Option<Finding> {
        let observable = Observable::of_kind(self.kind, &self.value).ok()?;
        Some(Finding { id: observable.id(), observable, support: self.support.clone() })
    }
}
