//! One run from beginning to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use delivery::{Bounds, Delivery, Fill, StagedSample};
use indicators::Rules;
use jiff::Timestamp;
use ledger::{Batch, Binding, Commands, Inbox, Ledger, RunRecord, Upkeep};
use outbound::{LimitStatus, mutant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, info, warn};

use crate::outcome::{AllDropped, Concurrency};
use crate::run_clock::RunClock;
use crate::waits::{Asked, Service, Wait, Waits};
use crate::{Error, Failed, Feed, Outcome, Progress, RunOptions, RunSummary};

/// How long a run that is told to stop waits for answers: as long as one attempt may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// A wait that is worth somebody's eye.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// How the ledger calls a run that only waits.
const WAITING: &str = "waiting";

impl Feed {
    /// Runs once.
    ///
    /// Dropping the future is what a kill does. `stop` and the time budget end it cleanly: answers on their way are
    /// waited for, everything else is left to the next run.
    pub async fn run(
        &self,
        options: &RunOptions,
        progress: &watch::Sender<Progress>,
        stop: &CancellationToken,
    ) -> Result<RunSummary, Failed> {
        let started = self.clock.now();
        let storage = if options.dry_run { self.storage.dry() } else { self.storage.clone() };
        let binding =
            Binding { vmray: self.vmray.base().host().to_owned(), workspace: self.upload.workspace().to_string() };
        let ledger = Ledger::open(&storage, &self.route, &binding, started, Upkeep::default()).await?;
        let uploads = (!options.dry_run).then(|| self.upload.clone());
        let clock = RunClock::new(Arc::clone(&self.clock));
        let stop = stop.child_token();
        let bounds = Bounds { in_flight: self.limits.uploads_in_flight, waiting: self.limits.most_waiting };
        let delivery = Delivery::begin(ledger, uploads, self.style.clone(), clock.clone(), bounds, &stop).await?;
        let mut run = Run {
            feed: self,
            delivery,
            progress,
            stop: stop.clone(),
            clock,
            waits: Waits::new(self.vmray.pacer(), self.upload.pacer()),
            gave_up: Vec::new(),
            needs_vmray: true,
            rules: Arc::new(self.rules.clone()),
            since: options.since.is_some(),
            started,
            limits_at_start: self.limits_now(),
            staged: HashMap::new(),
            values_remembered: 0,
            submissions_listed: 0,
            finished_without_verdict: 0,
            with_verdict: 0,
            samples_listed: 0,
            samples_read: 0,
            filtered_out: 0,
            troubles: 0,
        };
        let commands = Commands::of(&storage, &self.route);
        let budget = async {
            match options.time_budget {
                Some(budget) => tokio::time::sleep(budget).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(budget);
        let mut work = Box::pin(run.work(options, &commands));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = &mut budget, if !stop.is_cancelled() && !mutant!(BudgetIgnored) => stop.cancel(),
            }
        };
        drop(work);
        run.end(result).await
    }
}

pub(crate) struct Run<'a> {
    pub(crate) feed: &'a Feed,
    pub(crate) delivery: Delivery,
    pub(crate) progress: &'a watch::Sender<Progress>,
    pub(crate) stop: CancellationToken,
    /// What time it is, for everything that is decided by it.
    pub(crate) clock: Arc<RunClock>,
    pub(crate) waits: Waits,
    /// Waits that were too long.
    gave_up: Vec<Wait>,
    /// Whether VMRay is still to be asked.
    needs_vmray: bool,
    pub(crate) rules: Arc<Rules>,
    /// Whether a time was given to read from.
    pub(crate) since: bool,
    started: Timestamp,
    /// How many requests VMRay and Sentinel bore when it started.
    limits_at_start: [Option<LimitStatus>; 2],
    /// What was read in this run, for submissions that are listed later.
    pub(crate) staged: HashMap<u64, StagedSample>,
    pub(crate) values_remembered: usize,
    pub(crate) submissions_listed: u64,
    pub(crate) finished_without_verdict: u64,
    pub(crate) with_verdict: u64,
    /// Samples to be read, as far as listed.
    pub(crate) samples_listed: u64,
    pub(crate) samples_read: u64,
    pub(crate) filtered_out: u64,
    pub(crate) troubles: u32,
}

impl Run<'_> {
    async fn work(&mut self, options: &RunOptions, commands: &Commands) -> Result<(), Error> {
        let inbox = Inbox::of(&self.feed.storage, &self.feed.route);
        // Asked for beside the listing, so that the first upload has it. A dry run needs none.
        let upload = self.feed.upload.clone();
        let token = async move { upload.fetch_token().await };
        let _token = (!options.dry_run).then(|| AbortOnDropHandle::new(tokio::spawn(token.in_current_span())));
        self.delivery.start_uploads(Fill::Any).await?;
        let mut listing = self.start_listing(options).await?;
        let collected = match self.compare_clocks(&mut listing).await {
            Ok(true) => {
                if !options.dry_run {
                    self.delivery.apply(commands).await?;
                    self.delivery.fold(&inbox).await?;
                }
                self.delivery.introduce_ourselves().await?;
                self.delivery.start_uploads(Fill::Any).await?;
                self.collect(listing, (!options.dry_run).then_some(&inbox)).await
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        self.needs_vmray = false;
        // What was staged is sent even where VMRay failed half-way; the first error is the one to report.
        if self.stop.is_cancelled() || matches!(collected, Err(Error::State(_) | Error::Clock { .. })) {
            return collected;
        }
        let drained = self.drain().await;
        collected.and(drained)?;
        if !options.dry_run && !self.stop.is_cancelled() {
            // What this run sent may have replaced what an enrichment sent meanwhile, with a label that we did not know of.
            self.delivery.fold(&inbox).await?;
            self.drain().await?;
        }
        // A damaged request is left out, and told when everything else is done.
        commands.left_out().or_else(|| inbox.left_out()).map_or(Ok(()), |damage| Err(damage.into()))
    }

    /// Sends until nothing is left that could be sent.
    async fn drain(&mut self) -> Result<(), Error> {
        self.delivery.flush().await?;
        loop {
            self.delivery.start_uploads(Fill::Any).await?;
            self.publish_progress();
            if self.delivery.is_idle() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                asked = self.waits.next(self.clock.as_ref()) => self.asked_to_wait(&asked).await?,
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
            }
        }
    }

    /// Makes a wait that a service asks for, or gives up what needs the service in this run. Either is told.
    pub(crate) async fn asked_to_wait(&mut self, asked: &Asked) -> Result<(), Error> {
        let wait = asked.wait;
        self.progress.send_modify(|progress| match wait.service {
            Service::Vmray => progress.vmray_wait = Some(wait),
            Service::Sentinel => progress.sentinel_wait = Some(wait),
        });
        if asked.too_long {
            match wait.service {
                Service::Vmray if !self.needs_vmray => return Ok(()),
                Service::Vmray => warn!("{wait}, longer than a run waits; the next run continues reading"),
                Service::Sentinel => {
                    self.delivery.stop_sending();
                    warn!("{wait}, longer than a run waits; the next run sends what is left");
                }
            }
            self.gave_up.push(wait);
            return Ok(());
        }
        if asked.left < LONG_WAIT {
            info!("{wait}");
            return Ok(());
        }
        warn!("{wait}; the run continues then");
        // Who reads the state meanwhile shall see it.
        let mut batch = Batch::new();
        batch.put_run(&self.record(WAITING, Some(wait.to_string())))?;
        self.delivery.commit(batch).await?;
        self.delivery.start_flush();
        Ok(())
    }

    /// Says whether VMRay asked for a wait that is too long for this run.
    pub(crate) fn reading_is_over(&self) -> bool {
        self.gave_up.iter().any(|wait| wait.service == Service::Vmray)
    }

    pub(crate) fn publish_progress(&self) {
        let tally = self.delivery.tally();
        let (read, samples_total) = (self.samples_read, self.samples_listed);
        let objects_left = self.delivery.objects_left();
        let stopping = self.stop.is_cancelled();
        let [vmray_limit, sentinel_limit] = self.feed.limits_now();
        self.progress.send_modify(|progress| {
            progress.samples_read = read;
            progress.samples_total = samples_total.max(read);
            progress.objects_left = objects_left;
            progress.uploads = tally.uploads;
            progress.accepted = tally.accepted;
            progress.refused = tally.refused;
            progress.vmray_limit = vmray_limit;
            progress.sentinel_limit = sentinel_limit;
            progress.stopping = stopping;
        });
    }

    /// Settles what is on its way, writes the run down and closes the ledger.
    async fn end(mut self, result: Result<(), Error>) -> Result<RunSummary, Failed> {
        if let Err(error @ Error::State(_)) = result {
            // The state itself failed; writing to it again could only hide the first error.
            self.delivery.abandon().await;
            return Err(error.into());
        }
        if result.is_err() {
            self.delivery.stop_sending();
        }
        let stopped = self.stop.clone();
        let patience = async {
            stopped.cancelled().await;
            tokio::time::sleep(ANSWERS_WITHIN).await;
        };
        tokio::pin!(patience);
        while self.delivery.is_sending() {
            self.publish_progress();
            let event = tokio::select! {
                biased;
                event = self.delivery.next_event() => event,
                // Whether Sentinel took it is not known; the next run sends it again, which the id makes harmless.
                () = &mut patience => break,
            };
            if let Err(error) = self.delivery.handle(event).await {
                self.delivery.abandon().await;
                return Err(result.err().unwrap_or(error.into()).into());
            }
        }
        self.publish_progress();
        let result = match (result, self.delivery.take_halted()) {
            (Ok(()), Some(error)) => Err(Error::Upload(error)),
            (result, _) => result,
        };
        let summary = match self.write_summary(result.as_ref().err()).await {
            Ok(summary) => summary,
            // What ended the run comes first; that it cannot be written down either is no news then.
            Err(error) => return Err(result.err().unwrap_or(error).into()),
        };
        let closed = match self.delivery.finish().await {
            Ok(ledger) => ledger.close().await.map_err(Error::from),
            Err(error) => Err(error.into()),
        };
        match result.and(closed) {
            Ok(()) => Ok(summary),
            Err(error) => Err(Failed { error, summary: Some(Box::new(summary)) }),
        }
    }

    /// Writes down what became of the run, and returns it.
    async fn write_summary(&mut self, failed: Option<&Error>) -> Result<RunSummary, Error> {
        let records = self.delivery.records().clone();
        let outbox_left = records.count_outbox().await? as u64;
        // Sentinel may have asked when there was nothing left to send.
        let gave_up = self.gave_up.iter().find(|wait| wait.service == Service::Vmray || outbox_left > 0).copied();
        let outcome = if self.stop.is_cancelled() || gave_up.is_some() { Outcome::StoppedEarly } else { Outcome::Done };
        let word = if failed.is_some() { "failed" } else { outcome.as_str() };
        let why = failed.map(chain).or_else(|| gave_up.map(|wait| wait.to_string()));
        let record = RunRecord { next_step: failed.and_then(Error::hint), ..self.record(word, why) };
        let counts = record.counts.clone();
        let mut batch = Batch::new();
        batch.put_run(&record)?;
        self.delivery.commit(batch).await?;
        let notes = std::mem::take(self.delivery.notes_mut());
        Ok(RunSummary {
            all_dropped: AllDropped::of_submissions(self.finished_without_verdict, self.with_verdict)
                .or_else(|| AllDropped::of_values(&self.delivery.tally(), self.filtered_out, &notes)),
            outcome,
            counts,
            concurrency: Concurrency::since(self.limits_at_start, self.feed),
            submissions_listed: self.submissions_listed,
            cursor: records.cursor().await?.map(|cursor| cursor.until),
            quarantine_open: records.count_quarantine().await? as u64,
            samples_open: records.count_open_samples().await? as u64,
            outbox_left,
            gave_up_waiting: gave_up,
            notes,
        })
    }

    fn record(&self, outcome: &str, error: Option<String>) -> RunRecord {
        let mut counts = self.delivery.tally().counts();
        counts.insert("samples_read".to_owned(), self.samples_read);
        counts.insert("filtered_out".to_owned(), self.filtered_out);
        let (started, ended) = (self.started, self.feed.clock.now());
        RunRecord { started, ended, outcome: outcome.to_owned(), error, next_step: None, counts }
    }
}

pub(crate) async fn sleep_until(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
