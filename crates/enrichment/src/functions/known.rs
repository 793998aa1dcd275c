//! What VMRay already knows of a thing that is to be submitted.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use stix::UrlText;
use vmray::{SampleHash, SampleId, SearchField, Submission, Verdict, readable};

use super::shape::Submitted;
use super::{Error, Functions, Resubmit};
use crate::job::is_of;
use crate::lookup::{Recent, submissions_of_url};

/// A submission that has run for longer will hardly end any more, and must not stand for an answer for ever.
const RUNS_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

impl Functions {
    /// Returns what VMRay knows of a URL in any of its forms, in one call where VMRay can be searched.
    pub(super) async fn known_url(&self, url: &str) -> Result<Option<Submitted>, Error> {
        let now = self.clock.now();
        let found = match UrlText::parse(url) {
            Ok(parsed) => submissions_of_url(&self.vmray, &parsed, &Recent::default(), now).await?.0,
            // What only VMRay can read is only what it is.
            Err(_) => match self.vmray.search_submissions(SearchField::Url, url).await {
                Ok(found) => readable(&found.items)
                    .filter(|made| made.original_url.as_deref().is_none_or(|found| found == url))
                    .cloned()
                    .collect(),
                Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Refused { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(self.best(found.iter()).map(|submission| {
            Submitted::of_submission(&as_json(submission), self.page_of(submission.sample_id).as_deref())
        }))
    }

    /// Returns what VMRay knows of a file. Where it came with a password, `only` is its key: what was analysed with another
    /// one or with none does not answer.
    pub(super) async fn known_file(&self, sha256: &SampleHash, only: Option<&str>) -> Result<Option<Submitted>, Error> {
        let raw = self.vmray.get_raw(&["sample", sha256.kind(), sha256.as_str()], &[]).await;
        let samples: Vec<Value> = match raw {
            Ok(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
            Err(vmray::Error::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let newest = samples.iter().max_by_key(|sample| sample_id(sample));
        match newest {
            Some(sample) => self.known_sample(sample, only).await,
            None => Ok(None),
        }
    }

    /// Returns a sample with the submission that stands for it, if there is one.
    pub(super) async fn known_sample(&self, sample: &Value, only: Option<&str>) -> Result<Option<Submitted>, Error> {
        let Some(id) = sample_id(sample) else { return Ok(None) };
        let found = match self.vmray.submissions_of_sample(id).await {
            Ok(found) => found,
            Err(vmray::Error::NotFound | vmray::Error::Forbidden) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let asked_for = |made: &&Submission| only.is_none_or(|key| is_of(made, key));
        let newest = self.best(readable(&found.items).filter(asked_for));
        Ok(newest.map(|submission| Submitted::of_known(sample, &as_json(submission))))
    }

    /// Returns the newest finished submission whose verdict is known, where that is enough, else the newest that is
    /// still running.
    fn best<'a>(&self, submissions: impl Iterator<Item = &'a Submission>) -> Option<&'a Submission> {
        let now = self.clock.now();
        let (mut finished, mut running) = (None, None);
        for submission in submissions {
            let place = match self.resubmit {
                Resubmit::Never if has_verdict(submission) => &mut finished,
                _ if is_running(submission, now) => &mut running,
                _ => continue,
            };
            if place.is_none_or(|present: &Submission| present.id < submission.id) {
                *place = Some(submission);
            }
        }
        finished.or(running)
    }

    fn page_of(&self, sample: SampleId) -> Option<String> {
        let base = self.style.vmray_base.as_deref()?.trim_end_matches('/');
        Some(format!("{base}/sample/{sample}#summary"))
    }
}

fn has_verdict(submission: &Submission) -> bool {
    let known = [Verdict::Malicious, Verdict::Suspicious, Verdict::Clean];
    submission.finished && submission.verdict.as_ref().is_some_and(|verdict| known.contains(verdict))
}

fn is_running(submission: &Submission, now: Timestamp) -> bool {
    let age = submission.created.map(|created| now.duration_since(created));
    !submission.finished && age.is_some_and(|age| age < RUNS_AT_MOST)
}

fn sample_id(sample: &Value) -> Option<SampleId> {
    sample.get("sample_id").and_then(Value::as_u64).map(SampleId)
}

/// Returns a submission by VMRay's names.
fn as_json(submission: &Submission) -> Value {
    serde_json::to_value(submission).unwrap_or_default()
}
