//! Following what was submitted to its end: the submissions, and what came out of them.

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::SignedDuration;
use vmray::SubmissionId;

use crate::dossier::Reading;
use crate::facts::Facts;
use crate::job::{End, How, JobName, Submitted};
use crate::members::Followed;
use crate::record::Outcome;
use crate::{Enrichment, Error};

/// VMRay gathers findings for a while after the end; longer than this it is not waited for.
const GATHERS_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

impl Enrichment {
    /// Reads how VMRay is doing; whoever first sees the end writes it down.
    pub(crate) async fn follow(&self, job: &JobName, submitted: &Submitted) -> Result<Outcome, Error> {
        let not_done = way_there(submitted);
        let samples = match self.refreshed(&submitted.samples).await {
            Ok(samples) => samples,
            Err(error) => {
                let what = "VMRay is analysing it, but its progress cannot be read".to_owned();
                let samples = submitted.samples.clone();
                return Ok(Outcome::Running { samples, what, not_done, trouble: Some(error.into()) });
            }
        };
        if samples.iter().any(|facts| facts.running) {
            let what = "VMRay is analysing it".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        let Followed { samples, mut missing } = match self.with_members(samples.clone()).await {
            Ok(followed) => followed,
            Err(error) => {
                let what = "what came out of it cannot be asked for now".to_owned();
                return Ok(Outcome::Running { samples, what, not_done, trouble: Some(error.into()) });
            }
        };
        if samples.iter().any(|facts| facts.running) {
            let what = "VMRay is analysing what came out of it".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        if self.is_gathering(&samples).await? {
            let what = "VMRay is gathering what it found".to_owned();
            return Ok(Outcome::Running { samples, what, not_done, trouble: None });
        }
        missing.extend(submitted.refusals.iter().map(|words| format!("VMRay refused a part of it: {words}")));
        let done = End { at: self.clock.now(), samples, not_done, missing };
        self.jobs().put_done(job, &done).await?;
        Ok(Outcome::Analysed { samples: done.samples, not_done: done.not_done, missing: done.missing })
    }

    /// Asks for the submissions that were running, side by side.
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
                        reason: Some("VMRay no longer has it: the submission was deleted".to_owned()),
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
        join_all(asked).await.into_iter().collect()
    }

    /// Says whether VMRay has not yet put together what it found.
    async fn is_gathering(&self, samples: &[Facts]) -> Result<bool, Error> {
        let now = self.clock.now();
        let is_young = |facts: &&Facts| facts.finished_at.is_some_and(|at| now.duration_since(at) < GATHERS_AT_MOST);
        let young = samples.iter().filter(|facts| facts.is_bad() && !facts.locked).filter(is_young);
        let read = join_all(young.map(|facts| self.dossiers().read(&self.vmray, facts).boxed())).await;
        let read: Vec<Reading> = read.into_iter().collect::<Result<_, _>>()?;
        Ok(read.iter().any(|reading| matches!(reading, Reading::Waiting(_))))
    }
}

/// Returns what the report must say of the way to these submissions.
fn way_there(submitted: &Submitted) -> Vec<String> {
    let mut told = Vec::new();
    match submitted.how {
        How::Made => {}
        How::Adopted => {
            told.push("nothing was submitted: somebody else had submitted it just before".to_owned());
        }
        How::Known => told.push(
            "nothing was submitted: VMRay knows it, and had not yet analysed everything that came out of it".to_owned(),
        ),
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
