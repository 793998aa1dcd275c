//! A request that is being worked on, and the answer to whoever waits for it.
//!
//! VMRay may take its time for a look-up as well as for an analysis, and callers give up: Logic Apps after 120 s, the front
//! of Azure Functions after 230 s. So work and answer are two things. [`Work`] runs to its end, in a task that outlives the
//! caller where there is one. [`Reply`] waits for it within the request's deadline and within [`ANSWERS_WITHIN`], and then
//! answers with what is there and the name under which the rest is asked for.
//!
//! Work that is dropped is taken up again: before such an answer is given, the request is written down as it came in
//! (`received`), and whoever asks later than [`TAKES_OVER`] plans it anew. Only a file that was not sent yet is gone then,
//! which the report says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::dossier::Ask;
use crate::record::{Asked, AskedItem, Outcome, Place};
use crate::{Answer, Enrichment, Error, JobId};

/// How long a caller waits at most for an answer (Logic Apps: 120 s for a call, sending and receiving included).
const ANSWERS_WITHIN: Duration = Duration::from_secs(96);
/// What it takes at most to put an answer together from what is there, and to write the request down.
const ANSWERING: Duration = Duration::from_secs(1);
/// When a request that was received and not planned is taken for one of a dead process: no look-up lasts as long.
pub(crate) const TAKES_OVER: SignedDuration = SignedDuration::from_mins(5);
/// When to ask again where the deadline is over or about to be.
const SOON: Duration = Duration::from_secs(1);

/// What it takes to answer; to be run to its end.
pub type Work = BoxFuture<'static, ()>;

/// The answer to come.
#[derive(Debug)]
pub struct Reply {
    service: Enrichment,
    job: JobId,
    shared: Shared,
    whole: oneshot::Receiver<Result<Answer, Error>>,
    until: Instant,
    question: Question,
}

/// Which question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The request itself: what is not done is promised, so that the caller gets the link.
    First,
    /// The link of a job: once the deadline is over, what is there is the answer.
    Later,
}

/// How far a request has come.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Progress>>);

#[derive(Debug)]
struct Progress {
    asked: Asked,
    /// How each item stands that has come to that.
    outcomes: Vec<Option<Outcome>>,
    /// Whether all items have their place.
    is_planned: bool,
    /// Whether somebody was told to ask again.
    is_promised: bool,
}

impl Reply {
    pub(crate) fn new(
        service: Enrichment,
        job: JobId,
        shared: Shared,
        question: Question,
    ) -> (Self, oneshot::Sender<Result<Answer, Error>>) {
        let now = service.clock.now();
        let deadline = shared.lock().asked.deadline_at;
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        // Whoever asks again after the deadline wants to know what has become of it since.
        let wait =
            if left.is_zero() && question == Question::Later { ANSWERS_WITHIN } else { left.min(ANSWERS_WITHIN) };
        let wait = wait.saturating_sub(ANSWERING.min(wait / 10));
        let (tell, whole) = oneshot::channel();
        (Self { service, job, shared, whole, until: Instant::now() + wait, question }, tell)
    }

    /// Waits for the whole answer as long as the caller does, then answers with what is there.
    pub async fn wait(mut self) -> Result<Answer, Error> {
        match tokio::time::timeout_at(self.until, &mut self.whole).await {
            Ok(Ok(answer)) => answer,
            // The work goes on, or was dropped and will be taken up by whoever asks next.
            Ok(Err(_)) | Err(_) => Box::pin(self.so_far()).await,
        }
    }

    /// Runs the work for as long as the answer is waited for.
    pub(crate) async fn while_working(self, work: Work) -> Result<Answer, Error> {
        let waiting = std::pin::pin!(self.wait());
        match select(waiting, work).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), waiting)) => waiting.await,
        }
    }

    /// Answers with what is there, without asking VMRay.
    async fn so_far(&self) -> Result<Answer, Error> {
        let Self { service, job, shared, question, .. } = self;
        let (asked, is_planned) = shared.promise();
        let is_kept = service.requests().read_value::<Asked>(&asked_name(job)).await?.is_some();
        if !is_kept {
            service.open.create_value(&job.to_string(), &()).await?;
            let name = if is_planned { asked_name(job) } else { received_name(job) };
            service.requests().create_value(&name, &asked).await?;
        }
        let report = Box::new(service.report(job, &asked, &shared.outcomes(), Ask::State).await?);
        Ok(answer_of(*job, report, &asked, service.clock.now(), *question))
    }
}

impl Shared {
    /// Begins a request as it came in.
    pub(crate) fn new(asked: Asked) -> Self {
        let outcomes = asked.items.iter().map(AskedItem::settled).collect();
        let is_planned = asked.items.iter().all(|item| !matches!(item.place, Place::Open { .. }));
        Self(Arc::new(Mutex::new(Progress { asked, outcomes, is_planned, is_promised: false })))
    }

    /// Takes in what is known of one item; one that is to be analysed stays open until all have their place.
    pub(crate) fn note_planned(&self, item: usize, planned: &AskedItem) {
        let mut progress = self.lock();
        if let Some(place) = progress.asked.items.get_mut(item) {
            place.clone_from(planned);
        }
        if let Some(place) = progress.outcomes.get_mut(item) {
            *place = planned.settled();
        }
    }

    /// Takes in the places of all items; says whether somebody was told to ask again.
    pub(crate) fn note_placed(&self, asked: &Asked) -> bool {
        let mut progress = self.lock();
        progress.outcomes = asked.items.iter().map(AskedItem::settled).collect();
        progress.asked = asked.clone();
        progress.is_planned = true;
        progress.is_promised
    }

    /// Takes in how an item stands.
    pub(crate) fn note_outcome(&self, item: usize, outcome: &Outcome) {
        if let Some(place) = self.lock().outcomes.get_mut(item) {
            *place = Some(outcome.clone());
        }
    }

    /// Returns the request as far as it is known.
    pub(crate) fn asked(&self) -> Asked {
        self.lock().asked.clone()
    }

    /// Returns how the items stand.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let outcomes = self.lock().outcomes.clone();
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(Outcome::unanswered)).collect()
    }

    /// Says whether somebody was told to ask again.
    pub(crate) fn is_promised(&self) -> bool {
        self.lock().is_promised
    }

    /// Notes that somebody is told to ask again; returns the request, and whether all items have their place.
    fn promise(&self) -> (Asked, bool) {
        let mut progress = self.lock();
        progress.is_promised = true;
        (progress.asked.clone(), progress.is_planned)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AskedItem {
    fn settled(&self) -> Option<Outcome> {
        match &self.place {
            Place::Settled { outcome } => Some(outcome.clone()),
            Place::Open { .. } | Place::Job { .. } => None,
        }
    }
}

/// Returns a report as an answer, or as the promise of one.
pub(crate) fn answer_of(
    job: JobId,
    report: Box<crate::Report>,
    asked: &Asked,
    now: Timestamp,
    question: Question,
) -> Answer {
    let is_over = now >= asked.deadline_at;
    if report.complete || (is_over && question == Question::Later) {
        return Answer::Done(report);
    }
    let left = Duration::try_from(asked.deadline_at.duration_since(now)).unwrap_or_default();
    let retry_after = retry_after(now.duration_since(asked.made_at)).min(left).max(SOON);
    Answer::Pending { job, retry_after, report_so_far: report }
}

/// Returns when to ask again: often at first, since most is done within minutes.
fn retry_after(waited: SignedDuration) -> Duration {
    match waited.as_secs() {
        ..120 => Duration::from_secs(15),
        120..600 => Duration::from_secs(30),
        _ => Duration::from_secs(60),
    }
}

pub(crate) fn asked_name(job: &JobId) -> String {
    format!("{job}/asked")
}

pub(crate) fn received_name(job: &JobId) -> String {
    format!("{job}/received")
}
