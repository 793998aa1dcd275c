//! What VMRay knows: samples, their submissions, their findings, each visible when its time has come.
//!
//! A world is generated from a seed ([`World::generate`]), written by hand ([`World::add_sample`],
//! [`World::add_submission`]), or both; a simulator lets it be changed while it runs. Findings of generated samples
//! are derived from the seed when they are asked for, so that a world of 100,000 samples is made in a moment.

mod entry;
mod generate;
mod invent;
mod ioc;
mod options;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use entry::{Entry, EntryKind};
pub(crate) use ioc::hex;
pub use ioc::{Hashes, Ioc, IocKind};
pub use options::WorldOptions;

use invent::Recipe;

/// A verdict of VMRay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// `malicious`
    Malicious,
    /// `suspicious`
    Suspicious,
    /// `clean`
    Clean,
    /// `not_available`
    NotAvailable,
}

impl Verdict {
    /// Returns VMRay's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malicious => "malicious",
            Self::Suspicious => "suspicious",
            Self::Clean => "clean",
            Self::NotAvailable => "not_available",
        }
    }

    /// Reads VMRay's word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Malicious, Self::Suspicious, Self::Clean, Self::NotAvailable]
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }

    /// Returns the older word for the same.
    pub(crate) fn severity(self) -> &'static str {
        match self {
            Self::Malicious => "malicious",
            Self::Suspicious => "suspicious",
            Self::Clean => "not_suspicious",
            Self::NotAvailable => "unknown",
        }
    }
}

/// What happens to a caller who asks for a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// It is shown.
    #[default]
    Open,
    /// 403.
    Forbidden,
    /// 404, as after its deletion.
    Missing,
    /// Its findings have the status `waiting`.
    Waiting,
    /// Only its verdict is paid for: 403 on findings, analyses are `locked`.
    Locked,
}

/// Where the findings of a sample come from.
#[derive(Debug, Clone)]
pub enum IocSource {
    /// Derived from this seed by the world's recipe.
    Seeded(u64),
    /// As listed.
    Listed(Vec<Ioc>),
    /// A recorded value of `data.iocs`, served as it is.
    Recorded(Value),
}

/// A sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its id.
    pub id: u64,
    /// When it was first seen.
    pub created: Timestamp,
    /// File name; `sample.url` for a URL.
    pub filename: String,
    /// The URL when it is one.
    pub url: Option<String>,
    /// Its hashes.
    pub hashes: Hashes,
    /// Size.
    pub filesize: u64,
    /// VMRay's type, e.g. `Windows Exe (x86-32)`.
    pub kind: String,
    /// Classifications.
    pub classifications: Vec<String>,
    /// Threat names.
    pub threat_names: Vec<String>,
    /// Who may see it.
    pub access: Access,
    /// Its findings.
    pub iocs: IocSource,
    /// Its VTIs as served; `None`: drawn from its id.
    pub vtis: Option<Vec<Value>>,
    /// Its ATT&CK techniques as served; `None`: drawn from its id.
    pub techniques: Option<Vec<Value>>,
}

impl Sample {
    /// Returns a file without findings, with invented hashes.
    pub fn file(id: u64, created: Timestamp, filename: &str) -> Self {
        Self {
            id,
            created,
            filename: filename.to_owned(),
            url: None,
            hashes: Hashes::invented(id),
            filesize: 4096 + id % 100_000,
            kind: "Windows Exe (x86-32)".to_owned(),
            classifications: Vec::new(),
            threat_names: Vec::new(),
            access: Access::Open,
            iocs: IocSource::Listed(Vec::new()),
            vtis: None,
            techniques: None,
        }
    }

    /// Returns a URL without findings.
    pub fn url(id: u64, created: Timestamp, url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            kind: "URL".to_owned(),
            filesize: u64::try_from(url.len()).unwrap_or(u64::MAX),
            ..Self::file(id, created, "sample.url")
        }
    }

    /// Sets the findings.
    #[must_use]
    pub fn with_iocs(mut self, iocs: Vec<Ioc>) -> Self {
        self.iocs = IocSource::Listed(iocs);
        self
    }
}

/// A submission of a sample.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its id.
    pub id: u64,
    /// Its sample.
    pub sample_id: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it finishes; `None` never.
    pub finished_at: Option<Timestamp>,
    /// Whether a finished one tells its finish time; some servers leave it null.
    pub tells_finish_time: bool,
    /// Verdict once finished.
    pub verdict: Option<Verdict>,
    /// Why.
    pub verdict_reason: Option<String>,
    /// Whether parts of it failed.
    pub has_errors: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// Who submitted it.
    pub user_email: String,
    /// `api`, `webif`, `ir_mailbox`, ...
    pub kind: String,
    /// `report` or `verdict`.
    pub quota_type: String,
    /// The submission that it is a child of.
    pub parent: Option<u64>,
    /// Metadata, a text holding JSON.
    pub metadata: String,
    /// Comment.
    pub comment: Option<String>,
}

impl Submission {
    /// Returns a finished submission made three minutes before its end.
    pub fn finished(id: u64, sample_id: u64, finished_at: Timestamp, verdict: Option<Verdict>) -> Self {
        let created = finished_at.checked_sub(SignedDuration::from_secs(180)).unwrap_or(finished_at);
        Self { finished_at: Some(finished_at), verdict, ..Self::unfinished(id, sample_id, created) }
    }

    /// Returns a submission that never finishes.
    pub fn unfinished(id: u64, sample_id: u64, created: Timestamp) -> Self {
        Self {
            id,
            sample_id,
            created,
            finished_at: None,
            tells_finish_time: true,
            verdict: None,
            verdict_reason: None,
            has_errors: false,
            tags: Vec::new(),
            user_email: "analyst@soc.example".to_owned(),
            kind: "api".to_owned(),
            quota_type: "report".to_owned(),
            parent: None,
            metadata: "{}".to_owned(),
            comment: None,
        }
    }

    /// Says whether it has finished by then.
    pub fn is_finished(&self, now: Timestamp) -> bool {
        self.finished_at.is_some_and(|end| end <= now)
    }

    /// Returns the ids of its analyses, which exist once it has finished.
    pub fn analysis_ids(&self) -> Vec<u64> {
        let count = 1 + self.id % 2;
        (0..count).map(|n| self.id * 10 + n).collect()
    }

    /// Returns the id of its job, which exists until it has finished.
    pub fn job_id(&self) -> u64 {
        self.id * 10 + 5
    }
}

/// Everything VMRay knows.
#[derive(Debug, Clone, Default)]
pub struct World {
    samples: BTreeMap<u64, Sample>,
    submissions: BTreeMap<u64, Submission>,
    by_sample: BTreeMap<u64, Vec<u64>>,
    recipe: Recipe,
}

impl World {
    /// Returns an empty world.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a world made from a seed. The same options give the same world.
    pub fn generate(options: &WorldOptions) -> Self {
        generate::generate(options)
    }

    /// Adds a sample, or replaces the one with its id.
    pub fn add_sample(&mut self, sample: Sample) {
        self.samples.insert(sample.id, sample);
    }

    /// Adds a submission, or replaces the one with its id.
    pub fn add_submission(&mut self, submission: Submission) {
        let ids = self.by_sample.entry(submission.sample_id).or_default();
        if !ids.contains(&submission.id) {
            ids.push(submission.id);
            ids.sort_unstable();
        }
        self.submissions.insert(submission.id, submission);
    }

    /// Returns a sample.
    pub fn sample(&self, id: u64) -> Option<&Sample> {
        self.samples.get(&id)
    }

    /// Returns a sample to change.
    pub fn sample_mut(&mut self, id: u64) -> Option<&mut Sample> {
        self.samples.get_mut(&id)
    }

    /// Returns a submission.
    pub fn submission(&self, id: u64) -> Option<&Submission> {
        self.submissions.get(&id)
    }

    /// Returns a submission to change; its id and its sample stay.
    pub fn submission_mut(&mut self, id: u64) -> Option<&mut Submission> {
        self.submissions.get_mut(&id)
    }

    /// Returns all samples by id.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.values()
    }

    /// Returns all submissions by id.
    pub fn submissions(&self) -> impl DoubleEndedIterator<Item = &Submission> {
        self.submissions.values()
    }

    /// Returns the submissions with an id in the range, by id.
    pub(crate) fn submissions_from(&self, min: u64, max: u64) -> impl DoubleEndedIterator<Item = &Submission> {
        // A range that ends before it begins panics.
        self.submissions.range(min..=max.max(min)).map(|(_, submission)| submission).filter(move |_| max >= min)
    }

    /// Returns the submissions of a sample by id.
    pub fn submissions_of(&self, sample: u64) -> impl DoubleEndedIterator<Item = &Submission> {
        self.by_sample.get(&sample).into_iter().flatten().filter_map(|id| self.submissions.get(id))
    }

    /// Returns the verdict of a sample: that of its submission that finished last.
    pub fn verdict_of(&self, sample: u64, now: Timestamp) -> Option<Verdict> {
        self.submissions_of(sample)
            .filter(|submission| submission.is_finished(now))
            .max_by_key(|submission| (submission.finished_at, submission.id))?
            .verdict
    }

    /// Returns the findings of a sample, whoever asks and whenever.
    pub fn iocs(&self, sample: u64) -> Vec<Ioc> {
        let Some(sample) = self.samples.get(&sample) else { return Vec::new() };
        let mut iocs = match &sample.iocs {
            IocSource::Listed(iocs) => iocs.clone(),
            IocSource::Recorded(recorded) => return ioc::from_recording(recorded),
            IocSource::Seeded(seed) => {
                let verdict = self.submissions_of(sample.id).find_map(|submission| submission.verdict);
                self.recipe.invent(*seed, verdict)
            }
        };
        let analyses = self.submissions_of(sample.id).next().map(Submission::analysis_ids).unwrap_or_default();
        for ioc in iocs.iter_mut().filter(|ioc| ioc.analysis_ids.is_empty()) {
            ioc.analysis_ids.clone_from(&analyses);
        }
        iocs
    }

    /// Returns the findings of a sample as the value of `data.iocs`, unfiltered.
    pub fn iocs_json(&self, sample: u64) -> Value {
        match self.samples.get(&sample).map(|sample| &sample.iocs) {
            Some(IocSource::Recorded(recorded)) => recorded.clone(),
            _ => ioc::lists(&self.iocs(sample)),
        }
    }

    /// Returns every finding of every submission with its value: what a test computes its expectations from.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.submissions.values().flat_map(|submission| entry::entries_of(submission, &self.iocs(submission.sample_id)))
    }

    /// Returns an id that no sample and no submission has yet.
    pub(crate) fn next_id(&self) -> u64 {
        let last = |key: Option<&u64>| key.copied().unwrap_or(1000);
        last(self.samples.last_key_value().map(|(id, _)| id))
            .max(last(self.submissions.last_key_value().map(|(id, _)| id)))
            + 1
    }
}
