//! A submission: one request to analyse a sample, and the jobs that it is made of.

use jiff::{SignedDuration, Timestamp};

use super::{Failure, Verdict};

/// A submission of a sample.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the server's own fields")]
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
    /// Why; it then has a code, too.
    pub verdict_reason: Option<String>,
    /// Whether parts of it failed.
    pub has_errors: bool,
    /// Whether a finished one tells that; some servers leave it null.
    pub tells_errors: bool,
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
    /// Name as submitted; of a member of an archive its path there. `None`: the sample's.
    pub filename: Option<String>,
    /// Its jobs; `None`: as many as its id says, the last ending with the submission.
    pub jobs: Option<Vec<Job>>,
    /// What older analyses and running jobs answer it, when it made no jobs of its own.
    pub cached: Vec<u64>,
    /// Whether it made no jobs of its own.
    pub used_cache: bool,
    /// Units of quota that it took, without those of its children.
    pub consumed_quota: u64,
    /// Whether VirusTotal may learn the hash.
    pub shareable: bool,
    /// `disabled`, `enabled`, `smart` or `legacy`.
    pub caching: String,
    /// `sample`, `compound_sample` or `separate_samples`.
    pub archive_action: String,
}

/// Jobs that a submission can have.
pub const MAX_JOBS: u64 = 5;

/// A job and the analysis that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// When a machine takes it up; before, it is queued.
    pub starts_at: Timestamp,
    /// When it vanishes and its analysis appears; `None` never.
    pub ends_at: Option<Timestamp>,
    /// Whether it is a static analysis.
    pub is_static: bool,
    /// Why its analysis has no result.
    pub failure: Option<Failure>,
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
            tells_errors: true,
            tags: Vec::new(),
            user_email: "analyst@soc.example".to_owned(),
            kind: "api".to_owned(),
            quota_type: "report".to_owned(),
            parent: None,
            metadata: "{}".to_owned(),
            comment: None,
            filename: None,
            jobs: None,
            cached: Vec::new(),
            used_cache: false,
            consumed_quota: 1,
            shareable: false,
            caching: "disabled".to_owned(),
            archive_action: "sample".to_owned(),
        }
    }

    /// Says whether it has finished by then.
    pub fn is_finished(&self, now: Timestamp) -> bool {
        self.finished_at.is_some_and(|end| end <= now)
    }

    /// Returns how many jobs it made.
    pub fn job_count(&self) -> u64 {
        match &self.jobs {
            Some(jobs) => u64::try_from(jobs.len()).unwrap_or(MAX_JOBS).min(MAX_JOBS),
            None => 1 + self.id % 2,
        }
    }

    /// Returns a job by its place, from 0.
    pub(crate) fn job(&self, place: u64) -> Option<Job> {
        let count = self.job_count();
        if place >= count {
            return None;
        }
        if let Some(jobs) = &self.jobs {
            return jobs.get(usize::try_from(place).ok()?).cloned();
        }
        // Jobs that nobody wrote down begin at once and end one after the other.
        let ends_at = self.finished_at.map(|end| {
            let whole = end.duration_since(self.created).as_secs();
            let part = whole * i64::try_from(place + 1).unwrap_or(1) / i64::try_from(count).unwrap_or(1);
            self.created.checked_add(SignedDuration::from_secs(part)).unwrap_or(end)
        });
        Some(Job { starts_at: self.created, ends_at, is_static: false, failure: None })
    }

    /// Returns the jobs that have not ended by then, with their ids.
    pub(crate) fn running(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = (u64, Job)> + '_ {
        (0..self.job_count())
            .filter_map(move |place| Some((self.job_id(place), self.job(place)?)))
            .filter(move |(_, job)| self.created <= now && job.ends_at.is_none_or(|end| end > now))
    }

    /// Returns the analyses of the jobs that have ended by then, with their ids.
    pub(crate) fn analyses(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = (u64, Job)> + '_ {
        (0..self.job_count())
            .filter_map(move |place| Some((self.id * 10 + place, self.job(place)?)))
            .filter(move |(_, job)| job.ends_at.is_some_and(|end| end <= now))
    }

    /// Returns the ids of its analyses: its own, each of which exists once its job has ended, or the cached ones.
    pub fn analysis_ids(&self) -> Vec<u64> {
        if self.used_cache {
            return self.cached.clone();
        }
        (0..self.job_count()).map(|place| self.id * 10 + place).collect()
    }

    /// Returns the id of a job, which exists until it has ended.
    pub fn job_id(&self, place: u64) -> u64 {
        self.id * 10 + MAX_JOBS + place
    }
}
