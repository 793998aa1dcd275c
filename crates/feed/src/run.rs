//! One run from beginning to end.

use std::sync::Arc;
use std::time::Duration;

use delivery::{Delivery, Fill};
use indicators::Rules;
use jiff::Timestamp;
use ledger::{Batch, Binding, Commands, Cursor, Inbox, Ledger, ReceiptRecord, RunRecord, Upkeep};
use outbound::mutant;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug, warn};

use crate::open::{self, Left};
use crate::read::{Read, supporting};
use crate::window::{Listed, list, news, plan, record_of};
use crate::work::{Done, Work};
use crate::{Error, Failed, Feed, Outcome, Progress, RunOptions, RunSummary};

/// Samples in a row that VMRay could not serve before we ask whether it can serve anything.
const TROUBLES_IN_A_ROW: u32 = 5;
/// How long a run that is told to stop waits for answers: as long as one attempt may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// Pages that listing may be ahead of reading.
const PAGES_AHEAD: usize = 4;

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
        let delivery =
            Delivery::begin(ledger, uploads, self.style.clone(), self.clock.clone(), self.limits.uploads_in_flight)
                .await?;
        let mut run = Run {
            feed: self,
            delivery,
            progress,
            stop: stop.child_token(),
            rules: Arc::new(self.rules.clone()),
            submissions_listed: 0,
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
        let over = run.stop.clone();
        let mut work = Box::pin(run.work(options, &commands));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = &mut budget, if !over.is_cancelled() && !mutant!(BudgetIgnored) => over.cancel(),
            }
        };
        drop(work);
        run.end(started, result).await
    }
}

struct Run<'a> {
    feed: &'a Feed,
    delivery: Delivery,
    progress: &'a watch::Sender<Progress>,
    stop: CancellationToken,
    rules: Arc<Rules>,
    submissions_listed: u64,
    samples_read: u64,
    filtered_out: u64,
    troubles: u32,
}

impl Run<'_> {
    async fn work(&mut self, options: &RunOptions, commands: &Commands) -> Result<(), Error> {
        let inbox = Inbox::of(&self.feed.storage, &self.feed.route);
        if !options.dry_run {
            self.delivery.apply(commands).await?;
            self.delivery.fold(&inbox).await?;
        }
        self.delivery.introduce_ourselves().await?;
        self.delivery.start_uploads(Fill::Any).await?;
        let collected = self.collect(options).await;
        // What was staged is sent even where VMRay failed half-way; the first error is the one to report.
        if self.stop.is_cancelled() || matches!(collected, Err(Error::State(_))) {
            return collected;
        }
        let drained = self.drain().await;
        collected.and(drained)?;
        // A damaged request is left out, and told when everything else is done.
        commands.left_out().or_else(|| inbox.left_out()).map_or(Ok(()), |damage| Err(damage.into()))
    }

    /// Lists, reads and stages. Listing runs ahead by a few pages; reading keeps the order of listing.
    async fn collect(&mut self, options: &RunOptions) -> Result<(), Error> {
        let now = self.feed.clock.now();
        let cursor = self.delivery.records().cursor().await?;
        let windows = plan(options.since, cursor, self.feed.limits.initial_fetch, now);
        self.progress.send_modify(|progress| progress.windows_total = windows.len() as u64);
        let mut work = Work::new(self.feed.limits.vmray_concurrency);
        self.open_samples(now, &mut work).await?;
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
        let lister = list(self.feed.vmray.clone(), windows, now, sender);
        let lister = AbortOnDropHandle::new(tokio::spawn(lister.in_current_span()));
        let mut listing = true;
        while listing || !work.is_empty() {
            work.start(self.feed, &self.rules, now);
            self.delivery.start_uploads(Fill::Full).await?;
            self.show(work.total);
            let flush_due = self.delivery.flush_due();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
                () = until(flush_due) => self.delivery.start_flush(),
                done = work.next(), if work.is_reading() => self.done(done).await?,
                page = pages.recv(), if listing && work.has_room() => match page {
                    Some(page) => self.listed(page, now, &mut work).await?,
                    None => listing = false,
                },
            }
        }
        // A task that panicked has listed nothing more; the cursor has not moved past what it did list.
        lister.await.map_err(|error| Error::State(ledger::Error::Storage(Box::new(error))))??;
        self.delivery.flush().await?;
        Ok(())
    }

    /// Takes up the samples again that could not be read before.
    async fn open_samples(&mut self, now: Timestamp, work: &mut Work) -> Result<(), Error> {
        for sample in self.delivery.records().open_samples().await? {
            if self.stop.is_cancelled() || !open::is_due(&sample, now) {
                continue;
            }
            let Some(reopened) = self.meanwhile(open::reopen(&self.feed.vmray, &sample)).await? else {
                return Ok(());
            };
            match reopened {
                Ok(reopened) if !reopened.is_complete && !self.is_wanted(&reopened.group.submissions, now) => {
                    let reason = "VMRay lists no submission of it that has a verdict we send";
                    self.leave_open(sample.sample_id, &[], reason, false).await?;
                }
                Ok(reopened) => work.add(reopened.group),
                Err(error @ vmray::Error::Unauthorized) => return Err(error.into()),
                Err(error) => {
                    let not_found = matches!(error, vmray::Error::NotFound);
                    self.leave_open(sample.sample_id, &[], &error.to_string(), not_found).await?;
                }
            }
        }
        Ok(())
    }

    /// Sorts what was listed: samples to read, submissions to remember, elements that are no submission.
    async fn listed(&mut self, listed: Listed, now: Timestamp, work: &mut Work) -> Result<(), Error> {
        let (submissions, unreadable) = match listed {
            Listed::Page { submissions, unreadable } => (submissions, unreadable),
            Listed::End { until } => {
                work.close(until);
                return Ok(());
            }
        };
        self.submissions_listed += submissions.len() as u64;
        let mut aside = Batch::new();
        for (raw, reason) in &unreadable {
            warn!(reason, "VMRay listed something that is no submission");
            self.delivery.notes_mut().receipt("unreadable");
            aside.put_receipt(&ReceiptRecord {
                at: now,
                sample_id: 0,
                kind: "submission".to_owned(),
                value: raw.chars().take(500).collect(),
                reason: "unreadable".to_owned(),
                text: format!("VMRay listed a submission that cannot be read: {reason}"),
            })?;
        }
        if mutant!(CursorBeforeStaging) {
            aside.put_cursor(Cursor { until: now })?;
        }
        let verdicts = self.feed.rules.verdicts;
        let groups = news(self.delivery.records(), submissions, |one| verdicts.wants(&one.verdict)).await?;
        for group in groups {
            if self.is_wanted(&group.submissions, now) {
                work.add(group);
            } else {
                for submission in &group.submissions {
                    aside.put_submission(submission.id.0, &record_of(submission))?;
                }
            }
        }
        self.delivery.commit(aside).await?;
        Ok(())
    }

    async fn done(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Read(sample) => self.stage(*sample).await,
            Done::Closed(until) => {
                let known = self.delivery.records().cursor().await?;
                let mut close = Batch::new();
                // A cursor that a wrong clock put ahead comes back.
                let now = self.feed.clock.now();
                let ahead = |known: &Cursor| known.until > until && known.until <= now;
                let until = known.filter(ahead).map_or(until, |known| known.until);
                debug!(%until, "a window is read; the cursor moves");
                close.put_cursor(Cursor { until })?;
                self.delivery.commit(close).await?;
                self.progress.send_modify(|progress| progress.windows_done += 1);
                Ok(())
            }
        }
    }

    async fn stage(&mut self, sample: Read) -> Result<(), Error> {
        self.samples_read += 1;
        match sample {
            Read::Found { mut findings, filtered_out } => {
                if mutant!(FailureSpreads) && self.troubles > 0 {
                    findings.findings.clear();
                }
                self.troubles = 0;
                self.filtered_out += filtered_out as u64;
                self.delivery.stage(findings).await?;
            }
            Read::Open { sample_id, submissions, reason, not_found } => {
                self.troubles = u32::from(mutant!(FailureSpreads));
                self.leave_open(sample_id, &submissions, &reason, not_found).await?;
            }
            Read::Trouble { sample_id, submissions, error } => {
                self.troubles += 1;
                if self.troubles >= TROUBLES_IN_A_ROW {
                    // Is it VMRay, or only these samples?
                    if let Some(Err(_)) = self.meanwhile(self.feed.vmray.system_info()).await? {
                        return Err(error.into());
                    }
                    self.troubles = 0;
                }
                self.leave_open(sample_id, &submissions, &error.to_string(), false).await?;
            }
            Read::Fatal(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits for an answer of VMRay, and settles answers of Sentinel meanwhile; `None` when the run is to stop.
    async fn meanwhile<T>(&mut self, answer: impl Future<Output = T>) -> Result<Option<T>, Error> {
        tokio::pin!(answer);
        loop {
            let flush_due = self.delivery.flush_due();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
                () = until(flush_due) => self.delivery.start_flush(),
                answer = &mut answer => return Ok(Some(answer)),
            }
        }
    }

    fn is_wanted(&self, submissions: &[vmray::Submission], now: Timestamp) -> bool {
        !supporting(&self.feed.rules, submissions, now).is_empty()
    }

    async fn leave_open(
        &mut self,
        sample_id: u64,
        submissions: &[vmray::Submission],
        reason: &str,
        not_found: bool,
    ) -> Result<(), Error> {
        let now = self.feed.clock.now();
        let (batch, left) =
            open::leave(self.delivery.records(), sample_id, submissions, reason, not_found, now).await?;
        match left {
            Left::AsBefore => {}
            Left::Newly => self.delivery.notes_mut().open(sample_id, reason),
            Left::GivenUp(code) => self.delivery.notes_mut().receipt(code),
        }
        self.delivery.commit(batch).await?;
        Ok(())
    }

    /// Sends until nothing is left that could be sent.
    async fn drain(&mut self) -> Result<(), Error> {
        self.delivery.flush().await?;
        loop {
            self.delivery.start_uploads(Fill::Any).await?;
            self.show(self.samples_read);
            if self.delivery.is_idle() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
            }
        }
    }

    fn show(&self, samples: u64) {
        let tally = *self.delivery.tally();
        let read = self.samples_read;
        self.progress.send_modify(|progress| {
            progress.samples_read = read;
            progress.samples_total = samples.max(read);
            progress.indicators_staged = tally.staged();
            progress.uploads = tally.uploads;
            progress.accepted = tally.accepted;
            progress.refused = tally.refused;
        });
    }

    /// Settles what is on its way, writes the run down and closes the ledger.
    async fn end(mut self, started: Timestamp, result: Result<(), Error>) -> Result<RunSummary, Failed> {
        if let Err(error @ Error::State(_)) = result {
            // The state itself failed; writing to it again could only hide the first error.
            self.delivery.abandon().await;
            return Err(error.into());
        }
        let stopped = self.stop.clone();
        let patience = async {
            stopped.cancelled().await;
            tokio::time::sleep(ANSWERS_WITHIN).await;
        };
        tokio::pin!(patience);
        while self.delivery.is_sending() {
            let event = tokio::select! {
                biased;
                event = self.delivery.next_event() => event,
                // What is left waits for its turn, which may be long in coming; it is sent by the next run.
                () = &mut patience => break,
            };
            if let Err(error) = self.delivery.handle(event).await {
                self.delivery.abandon().await;
                return Err(result.err().unwrap_or(error.into()).into());
            }
        }
        self.show(self.samples_read);
        let result = match (result, self.delivery.take_halted()) {
            (Ok(()), Some(error)) => Err(Error::Upload(error)),
            (result, _) => result,
        };
        let summary = match self.told(started, result.as_ref().err()).await {
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
    async fn told(&mut self, started: Timestamp, failed: Option<&Error>) -> Result<RunSummary, Error> {
        let outcome = if self.stop.is_cancelled() { Outcome::StoppedEarly } else { Outcome::Done };
        let mut counts = self.delivery.tally().counts();
        counts.insert("samples_read".to_owned(), self.samples_read);
        counts.insert("filtered_out".to_owned(), self.filtered_out);
        let records = self.delivery.records().clone();
        let record = RunRecord {
            started,
            ended: self.feed.clock.now(),
            outcome: if failed.is_some() { "failed" } else { outcome.as_str() }.to_owned(),
            error: failed.map(chain),
            next_step: failed.and_then(Error::hint),
            counts: counts.clone(),
        };
        let mut batch = Batch::new();
        batch.put_run(&record)?;
        self.delivery.commit(batch).await?;
        Ok(RunSummary {
            outcome,
            counts,
            submissions_listed: self.submissions_listed,
            cursor: records.cursor().await?.map(|cursor| cursor.until),
            quarantine_open: records.count_quarantine().await? as u64,
            samples_open: records.count_open_samples().await? as u64,
            outbox_left: records.outbox_ids().await?.len() as u64,
            notes: std::mem::take(self.delivery.notes_mut()),
        })
    }
}

async fn until(instant: Option<tokio::time::Instant>) {
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
