//! What is kept of each thing: fields, not objects.
//!
//! A value is one byte of format version followed by JSON. Within a version fields may be added when they have
//! a default; anything else raises the version of the whole ledger ([`FORMAT`]).

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Version of everything the ledger writes.
pub(crate) const FORMAT: u32 = 1;

/// First byte of each value.
pub(crate) const VALUE_VERSION: u8 = 1;

pub(crate) fn encode<R: Serialize>(record: &R) -> Result<Bytes, Error> {
    let mut bytes = vec![VALUE_VERSION];
    serde_json::to_writer(&mut bytes, record).map_err(|error| Error::Storage(Box::new(error)))?;
    Ok(bytes.into())
}

pub(crate) fn decode<R: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<R, Error> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, json)) => serde_json::from_slice(json).map_err(|error| Error::Damaged {
            what: String::from_utf8_lossy(key).into_owned(),
            reason: error.to_string(),
        }),
        Some((&found, _)) => Err(Error::NewerFormat { found: found.into(), known: FORMAT }),
        None => {
            Err(Error::Damaged { what: String::from_utf8_lossy(key).into_owned(), reason: "empty value".to_owned() })
        }
    }
}

/// The version of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) version: u32,
    /// Whether there is a list of checksums, which was not so from the beginning.
    #[serde(default)]
    pub(crate) checked: bool,
}

/// When old files were last collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) at: Timestamp,
}

/// Which server and workspace a ledger belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Host of the VMRay server.
    pub vmray: String,
    /// Id of the workspace.
    pub workspace: String,
}

/// Up to when VMRay has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Submissions that finished before this instant have been seen.
    pub until: Timestamp,
}

/// A submission that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRecord {
    /// Its sample.
    pub sample_id: u64,
    /// Its verdict as VMRay spells it.
    pub verdict: Option<String>,
    /// When it finished.
    pub finish_time: Option<Timestamp>,
}

/// A sample whose findings were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// When its findings were last read.
    pub read_at: Timestamp,
    /// Newest submission known then.
    pub submission_id: u64,
    /// Findings that support an indicator.
    pub findings: u64,
    /// Findings that left a receipt.
    pub receipts: u64,
}

/// A sample that could not be read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSample {
    /// The sample.
    pub sample_id: u64,
    /// When reading it first failed.
    pub since: Timestamp,
    /// When it was last tried.
    pub last_attempt: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
    /// VMRay's words.
    pub reason: String,
    /// Since when VMRay says, each time, that there is no such sample.
    #[serde(default)]
    pub not_found_since: Option<Timestamp>,
}

/// How far an indicator has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorState {
    /// In the outbox.
    Staged,
    /// Sentinel has the version that we know.
    Accepted,
    /// Sentinel refused the version that we know.
    Quarantined,
}

/// An indicator as it was last staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorRecord {
    /// Kind of value (`domain`, `file`, ...).
    pub kind: String,
    /// Normalised value.
    pub value: String,
    /// Shown name, fixed at first staging.
    pub name: String,
    /// Fixed at first staging.
    pub created: Timestamp,
    /// Of the version last staged.
    pub modified: Timestamp,
    /// Of the version last staged.
    pub valid_until: Timestamp,
    /// Newest finish time of a supporting submission, staged or not.
    pub last_seen: Timestamp,
    /// Highest confidence of its evidence.
    pub confidence: u8,
    /// Hash of what a change of would be worth an upload.
    pub content: String,
    /// How far it has come.
    pub state: IndicatorState,
    /// When Sentinel last accepted it.
    pub accepted_at: Option<Timestamp>,
    /// Incidents that led to it, oldest first: they stay however many samples come after theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<String>,
}

impl IndicatorRecord {
    /// Adds incidents that led to it.
    pub fn add_incidents(&mut self, incidents: &[String]) {
        for incident in incidents {
            if !self.incidents.contains(incident) {
                self.incidents.push(incident.clone());
            }
        }
        let surplus = self.incidents.len().saturating_sub(MAX_INCIDENTS);
        self.incidents.drain(..surplus);
    }
}

/// Incidents kept of an indicator, the newest. A value of more is in everybody's incidents, and every one of them is
/// sent with each version of the object.
const MAX_INCIDENTS: usize = 200;

/// An object on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// `modified` of the staged version, to tell it from a later one.
    pub modified: Timestamp,
    /// The whole object, serialised: what was staged is what is sent, also by a later version of this program.
    pub object: String,
}

/// An object that Sentinel refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// Kind of value.
    pub kind: String,
    /// Value.
    pub value: String,
    /// What we make of it, for people.
    pub reason: String,
    /// The server's words.
    pub server: Vec<String>,
    /// When it was first refused.
    pub first_attempt: Timestamp,
    /// When it was last refused.
    pub last_attempt: Timestamp,
    /// How often.
    pub attempts: u64,
    /// What was refused.
    pub refused: OutboxRecord,
}

/// Why something that VMRay reported was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// When it was written.
    pub at: Timestamp,
    /// The sample it was found in.
    pub sample_id: u64,
    /// Kind of value.
    pub kind: String,
    /// The value, shortened.
    pub value: String,
    /// Machine-readable reason.
    pub reason: String,
    /// The reason in a sentence.
    pub text: String,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// `done`, `stopped_early`, `failed`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about that; runs of earlier versions do not say.
    #[serde(default)]
    pub next_step: Option<String>,
    /// Counts by name.
    #[serde(serialize_with = "crate::counts::serialize_counts")]
    pub counts: std::collections::BTreeMap<String, u64>,
}
