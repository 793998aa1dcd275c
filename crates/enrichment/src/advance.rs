//! Bringing a job as far as it can come now.
//!
//! Whoever asks for a job does what is next: states the intent, claims, submits, looks how VMRay is doing, writes the
//! end down. So no process has to live until the end, and a process may die anywhere in between:
//!
//! * before it claims: the next one claims;
//! * between claim and submission, or between submission and `submitted`: once the claim has expired, or its process
//!   is seen to have died, the next one claims, looks for the mark that every submission carries, and only if there is none submits again;
//! * after `submitted`: nothing of it is lost.
//!
//! VMRay's answer to a submit may be lost although it acted. The mark is looked for then too, and after the second
//! submission without an answer no third is made.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use ledger::Created;
use tracing::{info, warn};
use vmray::{Entry, Sample, SubmissionFilter, SubmitError, SubmitReply, SubmitRequest, readable};

use crate::facts::Facts;
use crate::job::{CLAIM_EXPIRES, Claim, End, How, JobName, Stage, Submitted, mark_of, marked};
use crate::record::{Outcome, SubmissionWishes, Thing};
use crate::trouble::{Trouble, TroubleKind};
use crate::{Enrichment, Error, FileItem, lookup, owner};

/// How far the clocks of the store and of VMRay may be apart.
const SKEW: SignedDuration = SignedDuration::from_hours(1);
/// Pages of submissions that are looked through for a mark.
const MAX_PAGES: usize = 20;
/// A submit that takes longer claims again, so that nobody takes it for dead.
const CLAIM_AGAIN: Duration = Duration::from_secs(60);
/// How long VMRay may take to show a submission whose answer was lost.
const SHOWS_LATE: Duration = Duration::from_secs(5);
/// Times that a thing may be sent.
const MAX_ATTEMPTS: u32 = 2;

/// What a job is told by the request that asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) job: &'a JobName,
    pub(crate) thing: &'a Thing,
    /// The file, where this process holds it.
    pub(crate) file: Option<&'a FileItem>,
    pub(crate) adopt: Option<&'a Facts>,
    pub(crate) fresh: bool,
    pub(crate) wishes: &'a SubmissionWishes,
    pub(crate) asked_at: Timestamp,
}

impl Order<'_> {
    fn has_password(&self) -> bool {
        self.file.is_some_and(|file| file.archive_password.is_some() || file.document_password.is_some())
    }
}

/// How a job stands, and whether this call was the one that submitted it.
#[derive(Debug)]
pub(crate) struct Advanced {
    pub(crate) outcome: Outcome,
    pub(crate) ours: bool,
}

/// What came of a submission.
enum Sent {
    Taken(Box<Submitted>),
    Failed(Trouble),
    /// Nobody knows whether VMRay acted.
    Lost(Trouble),
}

impl Enrichment {
    pub(crate) async fn advance(&self, mut order: Order<'_>) -> Result<Advanced, Error> {
        let job = order.job;
        let stage = self.jobs().stage(job).await?;
        if let Some(outcome) = self.standing(job, &stage).await? {
            self.held.drop(job);
            return Ok(Advanced { outcome, ours: false });
        }
        // One that came while another process had the claim.
        let held = if order.file.is_none() { self.held.get(job, self.clock.now()) } else { None };
        order.file = order.file.or(held.as_ref());
        if stage.intent.is_none() {
            self.jobs().intend(job, order.thing.value(), self.clock.now()).await?;
        }
        let claimed = match self.claimable(&order, &stage).await? {
            Some((number, claim)) if self.jobs().claim(job, number, &claim).await? == Created::New => (number, claim),
            _ => {
                if let Some(file) = order.file {
                    self.held.keep(job, file, self.clock.now());
                }
                return Ok(Advanced { outcome: being_submitted(), ours: false });
            }
        };
        let (number, claim) = claimed;
        let outcome = self.submit(&order, number, claim).await?;
        self.held.drop(job);
        Ok(Advanced { outcome, ours: true })
    }

    /// Returns how a job stands that is submitted or has failed.
    async fn standing(&self, job: &JobName, stage: &Stage) -> Result<Option<Outcome>, Error> {
        if stage.done
            && let Some(End { samples, not_done, missing, .. }) = self.jobs().done(job).await?
        {
            return Ok(Some(Outcome::Analysed { samples, not_done, missing }));
        }
        if stage.submitted
            && let Some(submitted) = self.jobs().submitted(job).await?
        {
            return self.follow(job, &submitted).await.map(Some);
        }
        if stage.failed
            && let Some(trouble) = self.jobs().failed(job).await?
        {
            return Ok(Some(Outcome::Failed { trouble }));
        }
        Ok(None)
    }

    /// Returns the claim that may be made, if one may.
    async fn claimable(&self, order: &Order<'_>, stage: &Stage) -> Result<Option<(u32, Claim)>, Error> {
        let owner = owner::this_process();
        let can_send = order.file.is_some() || order.adopt.is_some() || !matches!(order.thing, Thing::File { .. });
        let Some((number, claimed_at)) = stage.claim else {
            // Who holds the file may be about to claim.
            let began = stage.intent.unwrap_or(order.asked_at).max(order.asked_at);
            let is_late = || self.clock.now().duration_since(began) >= CLAIM_EXPIRES;
            return Ok((can_send || is_late()).then_some((1, Claim { owner, attempt: 1 })));
        };
        let claimed = self.jobs().claimed(order.job, number).await?;
        let age = self.jobs().store_time().await?.duration_since(claimed_at);
        // Another process may hold the file, and gets the time to send it.
        let expires = if can_send { CLAIM_EXPIRES } else { CLAIM_EXPIRES + CLAIM_EXPIRES };
        if age < expires {
            if !can_send || !claimed.as_ref().is_some_and(|claim| owner::has_died(&claim.owner)) {
                return Ok(None);
            }
            // VMRay may have taken what the dead process sent, and does not show it at once.
            let shown_in = SignedDuration::try_from(SHOWS_LATE).unwrap_or_default() - age;
            tokio::time::sleep(Duration::try_from(shown_in).unwrap_or_default()).await;
        }
        let before = claimed.map_or(1, |claim| claim.attempt);
        Ok(Some((number + 1, Claim { owner, attempt: before + 1 })))
    }

    /// Submits, with the claim in hand.
    async fn submit(&self, order: &Order<'_>, mut number: u32, mut claim: Claim) -> Result<Outcome, Error> {
        let job = order.job;
        let mut lost: Option<Trouble> = None;
        loop {
            if claim.attempt > 1 {
                match self.find_marked(job, order.asked_at).await {
                    Ok(samples) if !samples.is_empty() => {
                        info!(job = job.mark(), "found the submission of an earlier process");
                        let how = How::Recovered;
                        let repeated = claim.attempt > MAX_ATTEMPTS;
                        return self.taken(job, how, samples, Vec::new(), repeated).await;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Without knowing, nothing is sent; the claim expires and the next one looks again.
                        let what = "its submission is in doubt, and VMRay cannot be asked for it now".to_owned();
                        let trouble = Some(error.into());
                        return Ok(Outcome::Running { samples: Vec::new(), what, not_done: Vec::new(), trouble });
                    }
                }
            }
            if claim.attempt > MAX_ATTEMPTS {
                let trouble = lost.take().unwrap_or_else(never_answered);
                self.jobs().put_failed(job, &trouble).await?;
                return Ok(Outcome::Failed { trouble });
            }
            let sent = match order.adopt {
                Some(facts) => {
                    let how = if facts.running { How::Adopted } else { How::Known };
                    return self.taken(job, how, vec![facts.clone()], Vec::new(), false).await;
                }
                None => self.send(order, &mut number, &claim).await?,
            };
            match sent {
                Sent::Taken(submitted) => {
                    self.jobs().put_submitted(job, &submitted).await?;
                    return self.read_back(job).await;
                }
                Sent::Failed(trouble) => {
                    self.jobs().put_failed(job, &trouble).await?;
                    return Ok(Outcome::Failed { trouble });
                }
                Sent::Lost(trouble) => {
                    warn!(job = job.mark(), reason = trouble.message, "the answer to a submit was lost");
                    lost = Some(trouble);
                    tokio::time::sleep(SHOWS_LATE).await;
                    number += 1;
                    claim.attempt += 1;
                    if self.jobs().claim(job, number, &claim).await? == Created::Exists {
                        return Ok(being_submitted());
                    }
                }
            }
        }
    }

    async fn taken(
        &self,
        job: &JobName,
        how: How,
        samples: Vec<Facts>,
        refusals: Vec<String>,
        repeated: bool,
    ) -> Result<Outcome, Error> {
        let submitted = Submitted { at: self.clock.now(), how, samples, refusals, repeated };
        self.jobs().put_submitted(job, &submitted).await?;
        self.read_back(job).await
    }

    /// Follows what is written down as submitted, which may be another's.
    async fn read_back(&self, job: &JobName) -> Result<Outcome, Error> {
        match self.jobs().submitted(job).await? {
            Some(submitted) => self.follow(job, &submitted).await,
            None => Ok(being_submitted()),
        }
    }

    /// Sends the thing once, claiming again for as long as it takes.
    async fn send(&self, order: &Order<'_>, number: &mut u32, claim: &Claim) -> Result<Sent, Error> {
        let Some(request) = request_of(order) else {
            let message = "the file was not sent to VMRay before the process that had it ended";
            return Ok(Sent::Failed(Trouble::new(TroubleKind::FileLost, message, "send the file again")));
        };
        let sending = Box::pin(self.vmray.submit(&request));
        tokio::pin!(sending);
        let answer = loop {
            tokio::select! {
                answer = &mut sending => break answer,
                () = tokio::time::sleep(CLAIM_AGAIN) => {
                    *number += 1;
                    // Taken over all the same: what VMRay makes of this submission is found by its mark.
                    self.jobs().claim(order.job, *number, claim).await?;
                }
            }
        };
        let repeated = claim.attempt > 1;
        Ok(match answer {
            Ok(reply) => self.sent(order, &reply, repeated).await,
            Err(error) if error.may_have_acted() => Sent::Lost(error.into()),
            Err(error) => Sent::Failed(error.into()),
        })
    }

    /// Reads VMRay's answer to a submit, in which refusals stand beside successes and what is known beside what is new.
    async fn sent(&self, order: &Order<'_>, reply: &SubmitReply, repeated: bool) -> Sent {
        let mut samples: Vec<Facts> = readable(&reply.submissions).map(Facts::of_submission).collect();
        let how = if samples.is_empty() { How::Reused } else { How::Made };
        let made = samples.len();
        // What VMRay knows was perhaps analysed without the password, and then is no answer.
        let reused = if order.has_password() { Vec::new() } else { self.reused(reply, &samples).await };
        let is_answered = |entry: &Entry<SubmitError>| match entry {
            Entry::Read(error) => {
                let name = error.submission_filename.as_deref();
                error.is_no_jobs_created() && reused.iter().any(|(of, _)| name.is_none() || of.as_deref() == name)
            }
            Entry::Unreadable { .. } => false,
        };
        let refusals = reply.errors.iter().zip(reply.refusals()).filter(|(entry, _)| !is_answered(entry));
        let refusals: Vec<String> = refusals.map(|(_, words)| words).collect();
        samples.extend(reused.into_iter().map(|(_, facts)| facts));
        if !samples.is_empty() {
            info!(job = order.job.mark(), submissions = made, samples = samples.len(), "submitted");
            let submitted = Submitted { at: self.clock.now(), how, samples, refusals, repeated };
            return Sent::Taken(Box::new(submitted));
        }
        let words = if refusals.is_empty() { "no reason given".to_owned() } else { refusals.join("; ") };
        let kind = if readable(&reply.errors).any(vmray::SubmitError::is_quota) {
            TroubleKind::Quota
        } else {
            TroubleKind::Refused
        };
        Sent::Failed(Trouble::new(kind, words, "read VMRay's message; VMRay shows quotas under the key's account"))
    }

    /// Returns what VMRay knows of the samples for which it created no jobs, under their names in the answer: of an archive there may be several, beside
    /// others that it analyses.
    async fn reused(&self, reply: &SubmitReply, made: &[Facts]) -> Vec<(Option<String>, Facts)> {
        let no_jobs = || readable(&reply.errors).filter(|error| error.is_no_jobs_created());
        let is_meant = |sample: &&Sample| {
            let name = sample.submission_filename.as_ref();
            !made.iter().any(|facts| facts.sample_id == sample.id.0)
                && no_jobs()
                    .any(|error| error.submission_filename.is_none() || error.submission_filename.as_ref() == name)
        };
        let samples: Vec<&Sample> = readable(&reply.samples).filter(is_meant).collect();
        let now = self.clock.now();
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let found = join_all(samples.iter().map(|sample| lookup::sample(&self.vmray, sample.id, now).boxed())).await;
        let facts = found.into_iter().zip(samples).map(|(found, sample)| {
            let found = found.unwrap_or_default();
            let facts = found.known.or(found.running).unwrap_or_else(|| Facts::of_sample(sample));
            (sample.submission_filename.clone(), facts)
        });
        facts.collect()
    }

    /// Returns the submissions that carry a job's mark.
    async fn find_marked(&self, job: &JobName, since: Timestamp) -> Result<Vec<Facts>, vmray::Error> {
        let from = since.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
        let filter = SubmissionFilter { created: Some((Some(from), None)), ..SubmissionFilter::default() };
        let mut pages = self.vmray.submission_pages(filter);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = pages.next().await? else { break };
            let mark = job.mark();
            let ours = readable(&page.items).filter(|made| mark_of(made).is_some_and(|given| given == mark));
            found.extend(ours.map(Facts::of_submission));
        }
        Ok(found)
    }
}

fn request_of(order: &Order<'_>) -> Option<SubmitRequest> {
    let mut request = match (order.thing, order.file) {
        (Thing::Url { url, .. }, _) => SubmitRequest::url(url),
        (Thing::File { .. }, Some(item)) => item.submit_request(),
        (Thing::File { .. }, None) | (Thing::Hash { .. } | Thing::Unreadable { .. }, _) => return None,
    };
    let options = &mut request.options;
    options.tags.clone_from(&order.wishes.tags);
    options.max_jobs = order.wishes.max_jobs;
    options.shareable = Some(order.wishes.shareable);
    options.submission_metadata = Some(marked(&order.job.mark()));
    if order.fresh {
        options.analyse_again();
    }
    Some(request)
}

fn being_submitted() -> Outcome {
    Outcome::Running {
        samples: Vec::new(),
        what: "it is being submitted".to_owned(),
        not_done: Vec::new(),
        trouble: None,
    }
}

fn never_answered() -> Trouble {
    Trouble::new(
        TroubleKind::Vmray,
        "it was submitted twice, VMRay's answers were lost and it lists no submission of ours",
        "look in VMRay for a submission of it before you ask again",
    )
}
