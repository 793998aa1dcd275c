//! The service: what it is made of, and its calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use indicators::{Rules, Style};
use jiff::{SignedDuration, Timestamp};
use ledger::{Objects, Storage};
use outbound::Clock;
use sentinel::UploadClient;

use crate::advance::{Advanced, Order};
use crate::dossier::Dossiers;
use crate::gate::Gates;
use crate::job::Jobs;
use crate::limit::{Allowance, Slot};
use crate::link::Links;
use crate::plan::distinct;
use crate::record::{Asked, Outcome, Place, SubmissionWishes};
use crate::sweep::Turn;
use crate::{EnrichRequest, Error, FileItem, JobId, LinkError, MAX_ITEMS, Report, ReuseHours, store};

/// Bounds and habits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the VMRay account, a folder of the state.
    pub account: String,
    /// Name of the route whose feed shares the state.
    pub route: String,
    /// How old a verdict may be that is answered.
    pub reuse: ReuseHours,
    /// Whether to analyse again although a verdict is known, where the request does not say.
    pub resubmit: bool,
    /// Share of the quota that is left alone, in percent.
    pub quota_reserve_percent: u8,
    /// Submissions made for one incident, over all requests.
    pub max_submissions_per_incident: u32,
    /// What is kept from VMRay.
    pub gates: Gates,
    /// How long a request waits where it does not say.
    pub deadline: SignedDuration,
    /// Calls to VMRay at the same time for one request.
    pub concurrency: usize,
}

/// Where indicators go that a request wants uploaded.
#[derive(Debug, Clone)]
pub enum Uploads {
    /// Nowhere, for this reason.
    Refused {
        /// What is missing, and what to set.
        reason: String,
    },
    /// To a workspace.
    To {
        /// The workspace, at the pace that the feed leaves over.
        client: Box<UploadClient>,
    },
}

/// What the service is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Whom to ask.
    pub vmray: vmray::Client,
    /// Which findings become indicators.
    pub rules: Rules,
    /// How they are written.
    pub style: Style,
    /// Where jobs are kept.
    pub storage: Storage,
    /// Where indicators go.
    pub uploads: Uploads,
    /// Bounds and habits.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Answers what VMRay knows and has analysed what it does not know. Clones share everything.
///
/// Every call may be dropped at any await: what was begun is taken up by the next one. A dropped call may leave a
/// submission whose answer is lost, which costs two minutes; a server that outlives its callers lets it finish.
#[derive(Clone)]
pub struct Enrichment {
    pub(crate) vmray: vmray::Client,
    pub(crate) rules: Arc<Rules>,
    pub(crate) style: Style,
    pub(crate) storage: Storage,
    pub(crate) uploads: Uploads,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    jobs: Jobs,
    dossiers: Dossiers,
    requests: Objects,
    pub(crate) open: Objects,
    pub(crate) turn: Turn,
    links: Links,
}

/// A report, or the promise of one.
#[derive(Debug, Clone)]
pub enum Answer {
    /// All is known, or the deadline is over.
    Done(Box<Report>),
    /// Something is running.
    Pending {
        /// The name to ask for.
        job: JobId,
        /// When to ask.
        retry_after: Duration,
        /// What is there.
        report_so_far: Box<Report>,
    },
}

impl Enrichment {
    /// Returns the service.
    pub fn new(parts: Parts) -> Self {
        let Parts { vmray, rules, style, storage, uploads, settings, clock } = parts;
        let account = &settings.account;
        Self {
            jobs: Jobs::of(&storage, account),
            dossiers: Dossiers::of(&storage, account),
            requests: Objects::of(&storage, &format!("jobs/{account}/requests")),
            open: Objects::of(&storage, &format!("jobs/{account}/open")),
            links: Links::of(&storage),
            turn: Turn::default(),
            vmray,
            rules: Arc::new(rules),
            style,
            storage,
            uploads,
            settings: Arc::new(settings),
            clock,
        }
    }

    /// Answers a request, or begins what it takes to answer it.
    pub async fn enrich(&self, request: EnrichRequest) -> Result<Answer, Error> {
        let EnrichRequest { items, incident, upload, options } = request;
        if items.is_empty() || items.len() > MAX_ITEMS {
            return Err(Error::BadRequest {
                parameter: "items".to_owned(),
                reason: format!("holds {} things; send 1 to {MAX_ITEMS}", items.len()),
            });
        }
        let items = distinct(items);
        let now = self.clock.now();
        let job = JobId::at(now);
        let mut planned = Box::pin(self.plan(&items, &options)).await;
        let resubmit = options.resubmit.unwrap_or(self.settings.resubmit);
        let limit = self.settings.max_submissions_per_incident;
        let name = job.to_string();
        let allowance = Allowance::of(&self.storage, &self.settings.account, incident.as_ref(), &name, limit);
        self.place(&mut planned, &allowance, resubmit, &name).await?;

        let may_share = options.shareable && self.settings.gates.lets_share();
        let deadline = options.deadline.and_then(|deadline| SignedDuration::try_from(deadline).ok());
        let deadline = deadline.unwrap_or(self.settings.deadline);
        let mut asked = Asked {
            incident,
            upload,
            submission: SubmissionWishes { tags: options.tags, max_jobs: options.max_jobs, shareable: may_share },
            made_at: now,
            deadline_at: now.checked_add(deadline).unwrap_or(Timestamp::MAX),
            items: Vec::with_capacity(planned.len()),
        };
        let mut files = Vec::with_capacity(planned.len());
        let mut slots = Vec::with_capacity(planned.len());
        for mut item in planned {
            if options.shareable && !may_share {
                item.asked.gates.push(Gates::shareable_gate());
            }
            asked.items.push(item.asked);
            files.push(item.file);
            slots.push(item.slot);
        }
        let waits = asked.items.iter().any(|item| matches!(item.place, Place::Job { .. }));
        if waits {
            // First the request, then what it asks for: whoever finds a job finds out what it is for.
            store::create(&self.open, &name, &()).await?;
            store::create(&self.requests, &asked_name(&job), &asked).await?;
        }
        let advanced = self.advance_all(&asked, &files).await?;
        self.give_back(&allowance, slots, &advanced).await?;
        let outcomes: Vec<Outcome> = advanced.into_iter().map(|advanced| advanced.outcome).collect();
        if let Some(error) = only_trouble(&outcomes, true) {
            return Err(error);
        }
        Box::pin(self.answer(&job, &asked, &outcomes, waits)).await
    }

    /// Answers a request that was made before.
    pub async fn job(&self, id: &JobId) -> Result<Answer, Error> {
        let asked: Asked = store::read(&self.requests, &asked_name(id)).await?.ok_or(Error::NotFound)?;
        let files = vec![None; asked.items.len()];
        let advanced = self.advance_all(&asked, &files).await?;
        let outcomes: Vec<Outcome> = advanced.into_iter().map(|advanced| advanced.outcome).collect();
        if let Some(error) = only_trouble(&outcomes, false) {
            return Err(error);
        }
        let is_open = store::read::<()>(&self.requests, &ended_name(id)).await?.is_none();
        Box::pin(self.answer(id, &asked, &outcomes, is_open)).await
    }

    /// Returns the token of a link to a job; it works for a week.
    pub async fn sign(&self, job: &JobId) -> Result<String, Error> {
        Ok(self.links.sign(job, self.clock.now()).await?)
    }

    /// Checks the token of a link.
    pub async fn verify(&self, job: &JobId, token: &str) -> Result<(), LinkError> {
        self.links.verify(job, token, self.clock.now()).await
    }

    async fn advance_all(&self, asked: &Asked, files: &[Option<FileItem>]) -> Result<Vec<Advanced>, Error> {
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let advancing = asked.items.iter().zip(files).map(|(item, file)| {
            let advancing = async move {
                match &item.place {
                    Place::Settled { outcome } => Ok(Advanced { outcome: outcome.clone(), ours: false }),
                    Place::Job { job, adopt, fresh } => {
                        Box::pin(self.advance(Order {
                            job,
                            thing: &item.thing,
                            file: file.as_ref(),
                            adopt: adopt.as_deref(),
                            fresh: *fresh,
                            wishes: &asked.submission,
                            asked_at: asked.made_at,
                        }))
                        .await
                    }
                }
            };
            advancing.boxed()
        });
        let advancing: Vec<_> = advancing.collect();
        let mut answers = stream::iter(advancing).buffered(self.settings.concurrency.max(1));
        let mut advanced = Vec::with_capacity(files.len());
        while let Some(answer) = answers.next().await {
            advanced.push(answer?);
        }
        Ok(advanced)
    }

    /// Gives back what was counted for submissions that another request made.
    async fn give_back(
        &self,
        allowance: &Allowance,
        slots: Vec<Option<Slot>>,
        advanced: &[Advanced],
    ) -> Result<(), Error> {
        for (slot, advanced) in slots.into_iter().zip(advanced) {
            if let Some(slot) = slot.filter(|_| !advanced.ours) {
                allowance.give_back(slot).await?;
            }
        }
        Ok(())
    }

    async fn answer(&self, job: &JobId, asked: &Asked, outcomes: &[Outcome], is_open: bool) -> Result<Answer, Error> {
        let report = Box::new(self.report(job, asked, outcomes).await?);
        let now = self.clock.now();
        if !report.complete && now < asked.deadline_at {
            let retry_after = retry_after(now.duration_since(asked.made_at));
            return Ok(Answer::Pending { job: *job, retry_after, report_so_far: report });
        }
        if report.complete && is_open && report.upload.state != crate::report::UploadState::Pending {
            store::create(&self.requests, &ended_name(job), &()).await?;
            self.open.delete(&job.to_string()).await?;
        }
        Ok(Answer::Done(report))
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn dossiers(&self) -> &Dossiers {
        &self.dossiers
    }

    pub(crate) fn requests(&self) -> &Objects {
        &self.requests
    }
}

impl fmt::Debug for Enrichment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrichment").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: "default".to_owned(),
            route: "default".to_owned(),
            reuse: ReuseHours::default(),
            resubmit: false,
            quota_reserve_percent: 10,
            max_submissions_per_incident: 20,
            gates: Gates::default(),
            deadline: SignedDuration::from_mins(30),
            concurrency: 8,
        }
    }
}

/// Returns the error of a request all of whose items are in trouble.
fn only_trouble(outcomes: &[Outcome], is_new: bool) -> Option<Error> {
    let trouble = |outcome: &Outcome| match outcome {
        Outcome::Running { trouble, .. } => trouble.clone(),
        // One that was told before stays in the report.
        Outcome::Failed { trouble } | Outcome::Refused { trouble } => Some(trouble.clone()).filter(|_| is_new),
        Outcome::Known { .. } | Outcome::Analysed { .. } | Outcome::Unknown { .. } | Outcome::HeldBack { .. } => None,
    };
    let troubles: Option<Vec<_>> = outcomes.iter().map(trouble).collect();
    troubles?.into_iter().next()?.into_error()
}

/// Returns when to ask again: often at first, since most is done within minutes.
fn retry_after(waited: SignedDuration) -> Duration {
    match waited.as_secs() {
        ..120 => Duration::from_secs(15),
        120..600 => Duration::from_secs(30),
        _ => Duration::from_secs(60),
    }
}

fn asked_name(job: &JobId) -> String {
    format!("{job}/asked")
}

fn ended_name(job: &JobId) -> String {
    format!("{job}/ended")
}
