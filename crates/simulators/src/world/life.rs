//! What a test does to the life of a submission: end it, let it fail, hold it back, delete it.

use jiff::Timestamp;

use super::{Job, Submission, Verdict, World};

/// Why an analysis has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `analysis_result_code`; 1 would be a success.
    pub code: u32,
    /// `analysis_result_str`.
    pub text: String,
}

impl Failure {
    /// Returns the recorded failure of a worker that crashed.
    pub fn worker_crashed() -> Self {
        Self { code: 7_340_034, text: "Worker crashed or Worker daemon was restarted during analysis.".to_owned() }
    }

    /// Returns the failure of something that needs another password. Code and words are ours: no recording shows it.
    pub fn wrong_password() -> Self {
        Self { code: 7_340_101, text: "The sample is protected and none of the passwords opens it.".to_owned() }
    }
}

/// How a submission ends when it is told to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All analyses succeed.
    Success(Option<Verdict>),
    /// The first analysis fails, the others give this verdict.
    Warning(Option<Verdict>),
    /// All analyses fail.
    Error(Failure),
}

impl Ending {
    /// Returns the failure of the job at a place, if it fails.
    pub(crate) fn failure(&self, place: usize) -> Option<Failure> {
        match self {
            Self::Success(_) => None,
            Self::Warning(_) => (place == 0).then(Failure::worker_crashed),
            Self::Error(failure) => Some(failure.clone()),
        }
    }

    /// Returns the verdict.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Success(verdict) | Self::Warning(verdict) => *verdict,
            Self::Error(_) => None,
        }
    }

    /// Says whether anything fails.
    pub(crate) fn has_errors(&self) -> bool {
        !matches!(self, Self::Success(_))
    }
}

impl World {
    /// Ends a submission now, with its children that have appeared or were to appear; `None` keeps what it would
    /// have ended with. Says whether there is one that was running.
    pub fn finish_now(&mut self, id: u64, now: Timestamp, ending: Option<&Ending>) -> bool {
        let running = self.submissions.get(&id).is_some_and(|made| !made.is_finished(now));
        if !running {
            return false;
        }
        for child in self.children_of_submission(id) {
            let sample = self.submissions.get(&child).map(|made| made.sample_id);
            if let Some(sample) = sample.and_then(|id| self.samples.get_mut(&id)) {
                sample.created = sample.created.min(now);
            }
            if let Some(child) = self.submissions.get_mut(&child) {
                child.created = child.created.min(now);
            }
            self.finish_now(child, now, None);
        }
        let Some(made) = self.submissions.get_mut(&id) else { return false };
        let mut jobs: Vec<Job> = (0..made.job_count()).filter_map(|place| made.job(place)).collect();
        for (place, job) in jobs.iter_mut().enumerate().filter(|(_, job)| job.ends_at.is_none_or(|end| end > now)) {
            job.starts_at = job.starts_at.min(now);
            job.ends_at = Some(now);
            if let Some(ending) = ending {
                job.failure = ending.failure(place);
            }
        }
        made.jobs = Some(jobs);
        made.finished_at = Some(now);
        if let Some(ending) = ending {
            made.verdict = ending.verdict();
            made.has_errors = ending.has_errors();
        }
        let ended = made.clone();
        for id in self.by_sample.get(&ended.sample_id).cloned().unwrap_or_default() {
            let shares = |made: &&mut Submission| made.used_cache && !made.is_finished(now) && shares(made, ended.id);
            if let Some(sharer) = self.submissions.get_mut(&id).filter(|made| shares(made)) {
                sharer.finished_at = Some(now);
                sharer.verdict = ended.verdict;
                sharer.has_errors = ended.has_errors;
            }
        }
        true
    }

    /// Keeps a running submission from ending until [`World::finish_now`]. Says whether there is one.
    pub fn hold(&mut self, id: u64, now: Timestamp) -> bool {
        let Some(made) = self.submissions.get_mut(&id).filter(|made| !made.is_finished(now)) else { return false };
        let mut jobs: Vec<Job> = (0..made.job_count()).filter_map(|place| made.job(place)).collect();
        for job in jobs.iter_mut().filter(|job| job.ends_at.is_none_or(|end| end > now)) {
            job.ends_at = None;
        }
        made.jobs = Some(jobs);
        made.finished_at = None;
        true
    }

    /// Removes a submission; its sample goes with the last of them. Says whether there was one.
    pub fn remove_submission(&mut self, id: u64) -> bool {
        let Some(made) = self.submissions.remove(&id) else { return false };
        if let Some(siblings) = made.parent.and_then(|parent| self.by_parent.get_mut(&parent)) {
            siblings.retain(|other| *other != id);
        }
        let left = self.by_sample.entry(made.sample_id).or_default();
        left.retain(|other| *other != id);
        if left.is_empty() {
            self.by_sample.remove(&made.sample_id);
            self.samples.remove(&made.sample_id);
            self.relations.remove(made.sample_id);
        }
        true
    }

    /// Returns the submissions that a submission's analyses made.
    pub fn children_of_submission(&self, id: u64) -> Vec<u64> {
        self.by_parent.get(&id).cloned().unwrap_or_default()
    }
}

/// Says whether a submission waits for the jobs of another.
fn shares(made: &Submission, other: u64) -> bool {
    made.cached.iter().any(|analysis| analysis / 10 == other)
}
