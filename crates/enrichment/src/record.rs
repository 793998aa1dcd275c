//! What is kept of a request whose answer takes its time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::job::JobName;
use crate::report::{FileFacts, GateReport, ItemKind};
use crate::trouble::Trouble;
use crate::{IncidentId, Item};

/// A request, as it was asked and planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) incident: Option<IncidentId>,
    pub(crate) upload: bool,
    pub(crate) submission: SubmissionWishes,
    pub(crate) made_at: Timestamp,
    pub(crate) deadline_at: Timestamp,
    pub(crate) items: Vec<AskedItem>,
    /// Whether to analyse again what is known, for the items that are not looked up yet.
    #[serde(default)]
    pub(crate) resubmit: bool,
}

/// How the request wants its things submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubmissionWishes {
    pub(crate) tags: Vec<String>,
    pub(crate) max_jobs: Option<u32>,
    pub(crate) shareable: bool,
}

/// One thing and how it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskedItem {
    pub(crate) thing: Thing,
    pub(crate) gates: Vec<GateReport>,
    pub(crate) notes: Vec<String>,
    pub(crate) not_done: Vec<String>,
    pub(crate) place: Place,
}

/// A thing without its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Thing {
    Url { url: String, asked: String },
    Hash { hash: String },
    File { facts: FileFacts },
    Unreadable { meant: ItemKind, parameter: String },
}

/// Where the answer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub(crate) enum Place {
    /// Nowhere yet: VMRay is still to be asked.
    Open {
        /// The thing's key.
        key: String,
        /// Whether it may be submitted.
        may_submit: bool,
        /// Whether it came with a password, so that only an analysis with the same one answers.
        has_password: bool,
    },
    /// Here.
    Settled { outcome: Outcome },
    /// At a job.
    Job {
        job: JobName,
        /// A submission that was there before: one that runs, or a known one whose members run.
        adopt: Option<Box<Facts>>,
        /// Whether VMRay must not answer from its own cache.
        fresh: bool,
    },
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Known {
        facts: Box<Facts>,
        /// What came out of it.
        #[serde(default)]
        members: Vec<Facts>,
        not_done: Vec<String>,
        /// What was not seen of it, which keeps it from being called clean.
        #[serde(default)]
        missing: Vec<String>,
    },
    Analysed {
        samples: Vec<Facts>,
        not_done: Vec<String>,
        /// As of what is known.
        #[serde(default)]
        missing: Vec<String>,
    },
    Running {
        samples: Vec<Facts>,
        what: String,
        not_done: Vec<String>,
        trouble: Option<Trouble>,
    },
    Unknown {
        reason: String,
    },
    HeldBack {
        reason: String,
    },
    Refused {
        trouble: Trouble,
    },
    Failed {
        trouble: Trouble,
    },
}

impl Thing {
    pub(crate) fn of(item: &Item) -> Self {
        match item {
            Item::Url(item) => Self::Url { url: item.url.as_str().to_owned(), asked: item.asked.clone() },
            Item::Hash(hash) => Self::Hash { hash: hash.to_string() },
            Item::File(item) => Self::File {
                facts: FileFacts {
                    name: item.name.clone(),
                    size_bytes: item.file.size_bytes(),
                    md5: item.file.md5().to_string(),
                    sha1: item.file.sha1().to_string(),
                    sha256: item.file.sha256().to_string(),
                },
            },
            Item::Unreadable(item) => Self::Unreadable { meant: item.kind, parameter: item.parameter.clone() },
        }
    }

    pub(crate) fn kind(&self) -> ItemKind {
        match self {
            Self::Url { .. } => ItemKind::Url,
            Self::Hash { .. } => ItemKind::Hash,
            Self::File { .. } => ItemKind::File,
            Self::Unreadable { meant, .. } => *meant,
        }
    }

    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Url { url, .. } => url,
            Self::Hash { hash } => hash,
            Self::File { facts } => &facts.sha256,
            Self::Unreadable { parameter, .. } => parameter,
        }
    }

    pub(crate) fn asked(&self) -> &str {
        match self {
            Self::Url { asked, .. } => asked,
            Self::Hash { hash } => hash,
            Self::File { facts } => facts.name.as_deref().unwrap_or(&facts.sha256),
            Self::Unreadable { parameter, .. } => parameter,
        }
    }
}

impl Outcome {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Returns how an item stands that VMRay has not answered yet.
    pub(crate) fn unanswered() -> Self {
        Self::Running {
            samples: Vec::new(),
            what: "VMRay has not answered yet".to_owned(),
            not_done: Vec::new(),
            trouble: None,
        }
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &Facts> + Clone {
        let (first, further): (Option<&Facts>, &[Facts]) = match self {
            Self::Known { facts, members, .. } => (Some(facts), members),
            Self::Analysed { samples, .. } | Self::Running { samples, .. } => (None, samples),
            Self::Unknown { .. } | Self::HeldBack { .. } | Self::Refused { .. } | Self::Failed { .. } => (None, &[]),
        };
        first.into_iter().chain(further)
    }

    /// Returns what was not seen of it.
    pub(crate) fn missing(&self) -> &[String] {
        match self {
            Self::Known { missing, .. } | Self::Analysed { missing, .. } => missing,
            _ => &[],
        }
    }
}
