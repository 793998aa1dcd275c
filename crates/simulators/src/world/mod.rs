//! What VMRay knows: samples, their submissions, their findings, each visible when its time has come.
//!
//! A world is generated from a seed ([`World::generate`]), written by hand ([`World::add_sample`],
//! [`World::add_submission`]), or both; a simulator lets it be changed while it runs. Findings of generated samples
//! are derived from the seed when they are asked for, so that a world of 100,000 samples is made in a moment.

mod description;
mod entry;
mod generate;
mod invent;
mod ioc;
mod life;
mod options;
mod relation;
mod sample;
mod set;
mod submission;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub use description::Inside;
pub use entry::{Entry, EntryKind};
pub use ioc::{Hashes, Ioc, IocKind};
pub(crate) use ioc::{REASON_CODE, hex};
pub use life::{Ending, Failure};
pub use options::WorldOptions;
pub use relation::RelationKind;
pub use sample::{Access, IocSource, Sample};
pub use submission::{Job, MAX_JOBS, Submission};

use invent::Recipe;
use relation::Relations;

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

/// Everything VMRay knows.
#[derive(Debug, Clone, Default)]
pub struct World {
    samples: BTreeMap<u64, Sample>,
    submissions: BTreeMap<u64, Submission>,
    by_sample: BTreeMap<u64, Vec<u64>>,
    by_parent: BTreeMap<u64, Vec<u64>>,
    relations: Relations,
    insides: BTreeMap<String, Inside>,
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
        if let Some(parent) = submission.parent {
            let children = self.by_parent.entry(parent).or_default();
            if !children.contains(&submission.id) {
                children.push(submission.id);
            }
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

    /// Returns a submission to change; its id, its sample and its parent stay.
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

    /// Says what is inside of the file with this SHA-256, should it be submitted.
    pub fn describe(&mut self, sha256: &str, inside: Inside) {
        self.insides.insert(sha256.to_owned(), inside);
    }

    /// Returns what was said of a file.
    pub(crate) fn inside(&self, sha256: &str) -> Option<&Inside> {
        self.insides.get(sha256)
    }

    /// Records that a sample was found in another.
    pub fn relate(&mut self, parent: u64, child: u64, kind: RelationKind) {
        self.relations.add(parent, child, kind);
    }

    /// Returns the samples that were found in a sample by then.
    pub fn children(&self, sample: u64, now: Timestamp) -> impl Iterator<Item = (u64, RelationKind)> + '_ {
        self.relations.children(sample).filter(move |(id, _)| self.exists(*id, now))
    }

    /// Returns the samples that a sample was found in.
    pub fn parents(&self, sample: u64, now: Timestamp) -> impl Iterator<Item = (u64, RelationKind)> + '_ {
        self.relations.parents(sample).filter(move |(id, _)| self.exists(*id, now))
    }

    fn exists(&self, sample: u64, now: Timestamp) -> bool {
        self.samples.get(&sample).is_some_and(|sample| sample.created <= now)
    }

    /// Says whether an analysis was there by then.
    pub(crate) fn analysis_ended(&self, analysis: u64, now: Timestamp) -> bool {
        let maker = self.submissions.get(&(analysis / 10));
        maker.is_some_and(|made| made.analyses(now).any(|(id, _)| id == analysis))
    }

    /// Returns the submissions that an analysis of another one answered.
    pub(crate) fn answered_by(&self, analysis: u64) -> impl Iterator<Item = u64> + '_ {
        let maker = self.submissions.get(&(analysis / 10));
        let others = maker.map(|made| self.submissions_of(made.sample_id)).into_iter().flatten();
        others.filter(move |made| made.used_cache && made.cached.contains(&analysis)).map(|made| made.id)
    }

    /// Returns the verdict of a sample: that of its submission that finished last, failed ones without verdict aside.
    pub fn verdict_of(&self, sample: u64, now: Timestamp) -> Option<Verdict> {
        self.submissions_of(sample)
            .filter(|submission| submission.is_finished(now))
            .filter(|submission| submission.verdict.is_some() || !submission.has_errors)
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
    pub fn next_id(&self) -> u64 {
        let last = |key: Option<&u64>| key.copied().unwrap_or(1000);
        last(self.samples.last_key_value().map(|(id, _)| id))
            .max(last(self.submissions.last_key_value().map(|(id, _)| id)))
            + 1
    }
}
