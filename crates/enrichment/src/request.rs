//! What is asked, and the name of the answer that is not there yet.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::Item;

/// Items of one request.
pub const MAX_ITEMS: usize = 100;
/// Characters of an incident's name.
const MAX_INCIDENT_CHARS: usize = 512;

/// Things to ask VMRay about, for one incident or for none.
#[derive(Debug, Clone)]
pub struct EnrichRequest {
    /// The things; the same thing twice is asked once.
    pub items: Vec<Item>,
    /// The incident that they are of.
    pub incident: Option<IncidentId>,
    /// Whether the indicators are to be uploaded.
    pub upload: bool,
    /// How to ask.
    pub options: EnrichOptions,
}

/// How to ask.
#[derive(Debug, Clone, Default)]
pub struct EnrichOptions {
    /// Analyse again although a verdict is known; `None` leaves it to the setting `Resubmit`.
    pub resubmit: Option<bool>,
    /// After this long the report says what is there; `None` is half an hour.
    pub deadline: Option<Duration>,
    /// Send links that work once (reset, unsubscribe) all the same.
    pub send_one_time_links: bool,
    /// Let VirusTotal learn the hash, where the privacy gates allow it.
    pub shareable: bool,
    /// Tags for the submissions.
    pub tags: Vec<String>,
    /// Upper bound on VMRay's jobs for a submission.
    pub max_jobs: Option<u32>,
}

/// Names an incident: its number, its ARM id, whatever the caller uses. Compared as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId(String);

/// Names an answer that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Ulid);

/// A text that names no incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of an incident; expected 1 to 512 printable characters")]
pub struct IncidentIdError;

/// A text that names no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a job; expected the 26 characters that the answer to the request gave")]
pub struct JobIdError;

impl EnrichRequest {
    /// Asks about things, with nothing special.
    pub fn new(items: Vec<Item>) -> Self {
        Self { items, incident: None, upload: false, options: EnrichOptions::default() }
    }
}

impl IncidentId {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IncidentId {
    type Err = IncidentIdError;

    fn from_str(text: &str) -> Result<Self, IncidentIdError> {
        let text = text.trim();
        let fits = (1..=MAX_INCIDENT_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(IncidentIdError) }
    }
}

impl TryFrom<String> for IncidentId {
    type Error = IncidentIdError;

    fn try_from(text: String) -> Result<Self, IncidentIdError> {
        text.parse()
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> Self {
        id.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JobId {
    pub(crate) fn ulid(&self) -> Ulid {
        self.0
    }

    pub(crate) fn at(now: Timestamp) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self(Ulid::from_parts(millis, uuid::Uuid::new_v4().as_u128()))
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        Ulid::from_string(text).map(Self).map_err(|_| JobIdError)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
