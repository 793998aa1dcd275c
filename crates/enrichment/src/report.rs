//! The report. Its names are stable: later versions add fields and remove none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmray::Verdict;

use crate::{IncidentId, JobId};

/// What is known about the things that were asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of this answer.
    pub job: JobId,
    /// Whether nothing is running any more.
    pub complete: bool,
    /// The worst verdict of all items.
    pub verdict: OverallVerdict,
    /// One line that stands alone, such as `VMRay: MALICIOUS: 1 of 3 URLs`.
    pub summary: String,
    /// The incident that was named.
    pub incident: Option<IncidentId>,
    /// When this report was made.
    pub made_at: Timestamp,
    /// Until when a running item is waited for; it is still followed afterwards.
    pub deadline_at: Option<Timestamp>,
    /// One entry for each distinct thing, in the order of the request.
    pub items: Vec<ItemReport>,
    /// What became of the indicators.
    pub upload: UploadReport,
}

/// The worst verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverallVerdict {
    /// VMRay has formed none.
    Unknown,
    /// Nothing harmful found.
    Clean,
    /// Perhaps harmful.
    Suspicious,
    /// Harmful.
    Malicious,
}

/// What is known about one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemReport {
    /// What it is.
    pub kind: ItemKind,
    /// The thing as it was looked up: a URL, a hash, the SHA-256 of a file.
    pub value: String,
    /// The thing as it was given: a URL's text, a file's name.
    pub asked: String,
    /// The file's hashes and size.
    pub file: Option<FileFacts>,
    /// How far it has come.
    pub state: ItemState,
    /// VMRay's verdict.
    pub verdict: Option<Verdict>,
    /// Why: VMRay's reason for a verdict or for having none, or ours for not asking.
    pub reason: String,
    /// When the verdict was formed.
    pub verdict_at: Option<Timestamp>,
    /// Its age in seconds.
    pub age_seconds: Option<i64>,
    /// For a verdict that was known: that nothing was submitted, and how to force it.
    pub reused: Option<String>,
    /// The samples behind it, the thing's own first, then what came out of it.
    pub samples: Vec<SampleReport>,
    /// What VMRay saw.
    pub iocs: Section<IocReport>,
    /// What becomes of it in Sentinel.
    pub indicators: Section<IndicatorReport>,
    /// Privacy gates that acted.
    pub gates: Vec<GateReport>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// What was not done, and why.
    pub not_done: Vec<String>,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A URL.
    Url,
    /// A hash without its file.
    Hash,
    /// A file.
    File,
    /// What was sent names none of them.
    Unknown,
}

/// How far a thing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// VMRay knew it; nothing was submitted.
    Known,
    /// It was analysed for this request or one that asked the same.
    Analysed,
    /// VMRay is at it.
    Running,
    /// VMRay does not know it, and it cannot be submitted.
    Unknown,
    /// A privacy gate kept it from VMRay.
    HeldBack,
    /// A limit kept it from being submitted.
    Refused,
    /// It could not be looked up or analysed.
    Failed,
}

/// A file's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its name.
    pub name: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// MD5.
    pub md5: String,
    /// SHA-1.
    pub sha1: String,
    /// SHA-256.
    pub sha256: String,
}

/// A sample of VMRay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleReport {
    /// Its id.
    pub sample_id: u64,
    /// The submission whose verdict this is.
    pub submission_id: Option<u64>,
    /// The sample that it came out of.
    pub parent_sample_id: Option<u64>,
    /// 0 for the thing itself, 1 for what it holds, and so on.
    pub depth: u32,
    /// Its name.
    pub name: Option<String>,
    /// VMRay's type.
    pub sample_type: Option<String>,
    /// Its SHA-256.
    pub sha256: Option<String>,
    /// Its verdict.
    pub verdict: Option<Verdict>,
    /// Why it has none, in VMRay's words.
    pub reason: Option<String>,
    /// When its analyses ended.
    pub finished_at: Option<Timestamp>,
    /// Whether it is still being analysed.
    pub running: bool,
    /// Its page in VMRay.
    pub link: Option<String>,
    /// Names of malware.
    pub threat_names: Vec<String>,
    /// Kinds of malware.
    pub classifications: Vec<String>,
}

/// A part of the report that can fail without the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section<T> {
    /// How it went.
    pub state: SectionState,
    /// Why it is not whole.
    pub reason: Option<String>,
    /// What is there.
    pub entries: Vec<T>,
    /// Entries that are left out to keep the report readable.
    pub left_out: u64,
}

/// How a part of the report went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionState {
    /// It is whole.
    Ok,
    /// There is nothing to read, or no reason to.
    NotRead,
    /// VMRay is still gathering it.
    Waiting,
    /// It could not be read; what is there is what could.
    Failed,
}

/// Something that VMRay saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IocReport {
    /// `domain`, `ip`, `url`, `file`, ...
    pub kind: String,
    /// The value, as VMRay gives it; the SHA-256 of a file.
    pub value: String,
    /// A file's name.
    pub name: Option<String>,
    /// VMRay's verdict on it.
    pub verdict: Option<Verdict>,
    /// The sample that showed it.
    pub sample_id: u64,
}

/// An indicator, or the value that did not become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndicatorReport {
    /// STIX id; none for a value that is held back.
    pub id: Option<String>,
    /// `domain`, `ip`, `url`, `file`, ...
    pub kind: String,
    /// The value.
    pub value: String,
    /// What it is to Sentinel.
    pub state: IndicatorState,
    /// Why it is held back.
    pub reason: Option<String>,
    /// Until when it counts.
    pub valid_until: Option<Timestamp>,
    /// The STIX object.
    pub stix: Option<Value>,
}

/// What an indicator is to Sentinel, as far as our state knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorState {
    /// It was not there before.
    New,
    /// It is there, and this adds to it.
    Changed,
    /// It is there as it is.
    Live,
    /// It is not sent.
    HeldBack,
}

/// A privacy gate that acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// Which.
    pub gate: String,
    /// Why, and what to do if it should be sent all the same.
    pub reason: String,
}

/// What became of the indicators of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReport {
    /// How it went.
    pub state: UploadState,
    /// Why not, or what is still to come.
    pub reason: Option<String>,
    /// Indicators that Sentinel accepted.
    pub accepted: u64,
    /// Indicators that Sentinel has already.
    pub unchanged: u64,
    /// Indicators that the next run of the feed sends.
    pub handed_over: u64,
}

/// How an upload went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Nobody asked for it.
    NotAsked,
    /// It waits for verdicts.
    Pending,
    /// All is with Sentinel.
    Done,
    /// Some of it is left to the next run of the feed, which is certain to send it.
    HandedOver,
    /// There is no state or workspace to do it with.
    Refused,
}

impl<T> Section<T> {
    /// Returns a part that is whole.
    pub(crate) fn ok(entries: Vec<T>) -> Self {
        Self { state: SectionState::Ok, reason: None, entries, left_out: 0 }
    }

    /// Returns a part that there was no reason to read.
    pub(crate) fn not_read(reason: &str) -> Self {
        Self { state: SectionState::NotRead, reason: Some(reason.to_owned()), entries: Vec::new(), left_out: 0 }
    }
}

impl OverallVerdict {
    /// Returns what a verdict of VMRay weighs.
    pub fn of(verdict: Option<&Verdict>) -> Self {
        match verdict {
            Some(Verdict::Malicious) => Self::Malicious,
            Some(Verdict::Suspicious) => Self::Suspicious,
            Some(Verdict::Clean) => Self::Clean,
            Some(Verdict::NotAvailable | Verdict::Other(_)) | None => Self::Unknown,
        }
    }

    /// Returns its word in capitals.
    pub(crate) fn capitals(self) -> &'static str {
        match self {
            Self::Malicious => "MALICIOUS",
            Self::Suspicious => "SUSPICIOUS",
            Self::Clean => "CLEAN",
            Self::Unknown => "UNKNOWN",
        }
    }
}
