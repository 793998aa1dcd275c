//! The service: what it is made of, and its calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use indicators::{Rules, Style};
use jiff::{SignedDuration, Timestamp};
use ledger::{Objects, Storage};
use outbound::Clock;
use sentinel::UploadClient;

use crate::dossier::Dossiers;
use crate::gate::Gates;
use crate::held_file::HeldFiles;
use crate::job::Jobs;
use crate::link::Links;
use crate::plan::distinct;
use crate::progress::{Question, Reply, Shared, Work, asked_name, received_name};
use crate::record::{Asked, SubmissionWishes};
use crate::sweep::Turn;
use crate::{EnrichRequest, Error, Item, JobId, LinkError, MAX_ITEMS, Report, ReuseHours, UnreadableItem};

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
    pub(crate) held: HeldFiles,
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
            held: HeldFiles::default(),
            vmray,
            rules: Arc::new(rules),
            style,
            storage,
            uploads,
            settings: Arc::new(settings),
            clock,
        }
    }

    /// Answers a request, or begins what it takes to answer it. Work that is not done when the answer is due is dropped;
    /// [`Enrichment::begin`] is for those who can let it go on.
    pub async fn enrich(&self, request: EnrichRequest) -> Result<Answer, Error> {
        let (work, reply) = self.begin(request)?;
        reply.while_working(work).await
    }

    /// Returns what it takes to answer a request, and the answer, which is there within the deadline and within the time
    /// that callers wait. The work must be polled, best in a task of its own; it ends by itself.
    pub fn begin(&self, request: EnrichRequest) -> Result<(Work, Reply), Error> {
        let EnrichRequest { items, incident, upload, options } = request;
        if items.is_empty() || items.len() > MAX_ITEMS {
            return Err(Error::BadRequest {
                parameter: "items".to_owned(),
                reason: format!("holds {} things; send 1 to {MAX_ITEMS}", items.len()),
            });
        }
        if let Some(unreadable) = all_unreadable(&items) {
            let (parameter, reason) = (unreadable.parameter.clone(), unreadable.reason.clone());
            return Err(Error::BadRequest { parameter, reason });
        }
        let items = distinct(items);
        let now = self.clock.now();
        let job = JobId::at(now);
        let may_share = options.shareable && self.settings.gates.lets_share();
        let deadline = options.deadline.and_then(|deadline| SignedDuration::try_from(deadline).ok());
        let deadline = deadline.unwrap_or(self.settings.deadline);
        let mut received: Vec<_> = items.iter().map(|item| self.received(item, &options)).collect();
        if options.shareable && !may_share {
            for item in &mut received {
                item.gates.push(Gates::shareable_gate());
            }
        }
        let asked = Asked {
            incident,
            upload,
            submission: SubmissionWishes { tags: options.tags, max_jobs: options.max_jobs, shareable: may_share },
            made_at: now,
            deadline_at: now.checked_add(deadline).unwrap_or(Timestamp::MAX),
            items: received,
            resubmit: options.resubmit.unwrap_or(self.settings.resubmit),
        };
        let file = |item| match item {
            Item::File(file) => Some(file),
            Item::Url(_) | Item::Hash(_) | Item::Unreadable(_) => None,
        };
        let files = items.into_iter().map(file).collect();
        let shared = Shared::new(asked.clone());
        let (reply, tell) = Reply::new(self.clone(), job, shared.clone(), Question::First);
        let service = self.clone();
        let work = async move {
            let answer = Box::pin(service.work(job, asked, files, &shared)).await;
            // Whoever waited has had another answer, or is gone.
            drop(tell.send(answer));
        };
        Ok((work.boxed(), reply))
    }

    /// Answers a request that was made before.
    pub async fn job(&self, id: &JobId) -> Result<Answer, Error> {
        let (work, reply) = self.begin_job(id).await?;
        reply.while_working(work).await
    }

    /// As [`Enrichment::begin`], for a request that was made before.
    pub async fn begin_job(&self, id: &JobId) -> Result<(Work, Reply), Error> {
        let asked = match self.requests.read_value(&asked_name(id)).await? {
            Some(asked) => asked,
            None => self.requests.read_value(&received_name(id)).await?.ok_or(Error::NotFound)?,
        };
        let shared = Shared::new(asked);
        let (reply, tell) = Reply::new(self.clone(), *id, shared.clone(), Question::Later);
        let (service, id) = (self.clone(), *id);
        let work = async move {
            let answer = Box::pin(service.work_on(&id, &shared)).await;
            // Whoever waited has had another answer, or is gone.
            drop(tell.send(answer));
        };
        Ok((work.boxed(), reply))
    }

    /// Answers a request that was made before, however long it takes.
    pub(crate) async fn whole_job(&self, id: &JobId) -> Result<Answer, Error> {
        let asked = match self.requests.read_value(&asked_name(id)).await? {
            Some(asked) => asked,
            None => self.requests.read_value(&received_name(id)).await?.ok_or(Error::NotFound)?,
        };
        Box::pin(self.work_on(id, &Shared::new(asked))).await
    }

    /// Returns the token of a link to a job; it works for a week.
    pub async fn sign(&self, job: &JobId) -> Result<String, Error> {
        Ok(self.links.sign(job, self.clock.now()).await?)
    }

    /// Checks the token of a link.
    pub async fn verify(&self, job: &JobId, token: &str) -> Result<(), LinkError> {
        self.links.verify(job, token, self.clock.now()).await
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
        }
    }
}

/// Returns the first item of a request in which nothing can be read.
fn all_unreadable(items: &[Item]) -> Option<&UnreadableItem> {
    let unreadable = items.iter().map(|item| match item {
        Item::Unreadable(item) => Some(item),
        Item::Url(_) | Item::Hash(_) | Item::File(_) => None,
    });
    unreadable.collect::<Option<Vec<_>>>()?.into_iter().next()
}
