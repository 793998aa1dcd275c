//! Following what was submitted to its end: the submissions, what they make of an archive or a mail, and the samples
//! that come out of a sample. Cycle-safe: a sample is looked at once. Bounded: so many samples, so deep.

use std::collections::BTreeSet;

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::SignedDuration;
use vmray::{SampleId, SubmissionFilter, SubmissionId, readable};

use crate::dossier::Reading;
use crate::facts::Facts;
use crate::job::{End, How, JobName, Submitted};
use crate::record::Outcome;
use crate::{Enrichment, Error};

/// Samples of one job that are looked at.
const MAX_SAMPLES: usize = 50;
/// How deep one sample may lie in another.
const MAX_DEPTH: u32 = 4;
/// VMRay gathers findings for a while after the end; longer than this it is not waited for.
const GATHERS_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

impl Enrichment {
    /// Reads how VMRay is doing; whoever first sees the end writes it down.
    pub(crate) async fn follow(&self, job: &JobName, submitted: &Submitted) -> Result<Outcome, Error> {
        let mut not_done = told(submitted);
        let mut samples = match self.refreshed(&submitted.samples).await {
            Ok(samples) => samples,
            Err(error) => {
                let what = "VMRay is at it, but cannot be asked how it is doing".to_owned();
                let samples = submitted.samples.clone();
                return Ok(Outcome::Running { samples, what, not_done, trouble: Some(error.into()) });
            }
        };
        if samples.iter().any(|facts| facts.running) {
            let what = "VMRay is analysing it".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        match self.descend(&mut samples).await {
            Ok(cut) if cut => not_done.push(format!(
                "only {MAX_SAMPLES} of the samples in it were followed, {MAX_DEPTH} levels deep; see VMRay for the others"
            )),
            Ok(_) => {}
            Err(error) => {
                let what = "what it holds cannot be asked for now".to_owned();
                return Ok(Outcome::Running { samples, what, not_done, trouble: Some(error.into()) });
            }
        }
        if samples.iter().any(|facts| facts.running) {
            let what = "VMRay is analysing what came out of it".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        if self.is_gathering(&samples).await? {
            let what = "VMRay is gathering what it found".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        let done = End { at: self.clock.now(), samples, not_done };
        self.jobs().put_done(job, &done).await?;
        Ok(Outcome::Analysed { samples: done.samples, not_done: done.not_done })
    }

    /// Asks for the submissions that were running.
    async fn refreshed(&self, samples: &[Facts]) -> Result<Vec<Facts>, vmray::Error> {
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let asked = samples.iter().map(|facts| {
            let asked = async move {
                let Some(id) = facts.submission_id.filter(|_| facts.running || facts.finished_at.is_none()) else {
                    return Ok(facts.clone());
                };
                match self.vmray.submission(SubmissionId(id)).await {
                    Ok(submission) => Ok(Facts { depth: facts.depth, ..Facts::of_submission(&submission) }),
                    Err(vmray::Error::NotFound) => Ok(Facts {
                        running: false,
                        reason: Some("VMRay has it no more: the submission was deleted".to_owned()),
                        ..facts.clone()
                    }),
                    Err(vmray::Error::Forbidden) => Ok(Facts {
                        running: false,
                        reason: Some("VMRay does not show it to this key".to_owned()),
                        ..facts.clone()
                    }),
                    Err(error) => Err(error),
                }
            };
            asked.boxed()
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = stream::iter(asked).buffered(self.settings.concurrency.max(1));
        let mut refreshed = Vec::with_capacity(samples.len());
        while let Some(facts) = answers.next().await {
            refreshed.push(facts?);
        }
        Ok(refreshed)
    }

    /// Adds what came out of the samples, level by level; says whether something was left out.
    async fn descend(&self, samples: &mut Vec<Facts>) -> Result<bool, vmray::Error> {
        let mut seen: BTreeSet<u64> = samples.iter().map(|facts| facts.sample_id).collect();
        let mut cut = false;
        let mut at = 0;
        while let Some(parent) = samples.get(at).cloned() {
            at += 1;
            let mut children = Vec::new();
            if let Some(id) = parent.submission_id {
                let filter = SubmissionFilter { parent: Some(SubmissionId(id)), ..SubmissionFilter::default() };
                let listing = match self.vmray.submissions(&filter).await {
                    Ok(listing) => listing,
                    // A server that does not know the filter has nothing to tell.
                    Err(vmray::Error::Refused { .. } | vmray::Error::NotFound | vmray::Error::Forbidden) => {
                        vmray::Listing::default()
                    }
                    Err(error) => return Err(error),
                };
                cut |= listing.more;
                // A server that ignores the filter lists everybody's.
                let own = readable(&listing.items)
                    .filter(|child| child.parent_submission_id.is_some_and(|parent| parent.0 == id));
                children.extend(own.map(Facts::of_submission));
            }
            for id in self.children_of(parent.sample_id).await? {
                if seen.contains(&id) || children.iter().any(|child| child.sample_id == id) {
                    continue;
                }
                if samples.len() + children.len() >= MAX_SAMPLES || parent.depth >= MAX_DEPTH {
                    cut = true;
                    break;
                }
                match self.vmray.sample(SampleId(id)).await {
                    Ok(sample) => children.push(Facts::of_sample(&sample)),
                    Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Unreadable { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            for child in children {
                if !seen.insert(child.sample_id) {
                    continue;
                }
                if samples.len() >= MAX_SAMPLES || parent.depth >= MAX_DEPTH {
                    cut = true;
                    continue;
                }
                samples.push(Facts { parent_sample_id: Some(parent.sample_id), depth: parent.depth + 1, ..child });
            }
        }
        Ok(cut)
    }

    async fn children_of(&self, sample: u64) -> Result<Vec<u64>, vmray::Error> {
        match self.vmray.sample(SampleId(sample)).await {
            Ok(sample) => Ok(sample.child_sample_ids.iter().map(|id| id.0).collect()),
            Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Unreadable { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Says whether VMRay has not yet put together what it found.
    async fn is_gathering(&self, samples: &[Facts]) -> Result<bool, Error> {
        let now = self.clock.now();
        for facts in samples.iter().filter(|facts| facts.is_bad() && !facts.locked) {
            let is_young = facts.finished_at.is_some_and(|at| now.duration_since(at) < GATHERS_AT_MOST);
            if is_young && matches!(self.dossiers().read(&self.vmray, facts).await?, Reading::Waiting(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns what the report must say of the way to these submissions.
fn told(submitted: &Submitted) -> Vec<String> {
    let mut told: Vec<String> =
        submitted.refusals.iter().map(|words| format!("VMRay refused a part of it: {words}")).collect();
    match submitted.how {
        How::Made => {}
        How::Adopted => {
            told.push("nothing was submitted: somebody else had submitted it just before".to_owned());
        }
        How::Recovered => told.push("the submission of a process that ended early was taken over".to_owned()),
        How::Reused => told.push(
            "nothing was analysed: VMRay created no jobs because it knows the sample; its setting Analysis Caching \
             decides that"
                .to_owned(),
        ),
    }
    if submitted.repeated {
        told.push("it may have been submitted twice: VMRay's first answer was lost".to_owned());
    }
    told
}
