//! Listing, reading and staging: everything of a run that needs VMRay.

use std::collections::HashSet;
use std::sync::Arc;

use delivery::{Fill, StagedSample};
use jiff::Timestamp;
use ledger::{Batch, Cursor, Inbox, ReceiptRecord};
use outbound::{Clock as _, mutant};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug, warn};
use vmray::Verdict;

use crate::open::{self, Left};
use crate::read::{Read, supporting};
use crate::run::{Run, sleep_until};
use crate::window::{Group, Listed, list, news, plan, record_of};
use crate::work::{Done, Work};
use crate::{Error, RunOptions};

/// Samples in a row that VMRay could not serve before we ask whether it can serve anything.
const TROUBLES_IN_A_ROW: u32 = 5;
/// Pages that listing may be ahead of reading.
const PAGES_AHEAD: usize = 4;
/// Values of read samples that are remembered for submissions of theirs that are listed later: some 40 MB. Samples
/// beyond that are read again.
const VALUES_REMEMBERED: usize = 1_000_000;
/// Characters of an unreadable element that its receipt keeps.
const RAW_CHARS: usize = 500;
/// Characters of an unknown verdict that its receipt keeps.
const VERDICT_CHARS: usize = 100;

/// The submissions as they are listed, in a task of its own that ends with this.
pub(crate) struct Listing {
    pages: mpsc::Receiver<Listed>,
    lister: AbortOnDropHandle<Result<(), vmray::Error>>,
    /// Whether it ended before VMRay answered anything.
    unanswered: bool,
}

impl Listing {
    /// Returns how listing ended, once its pages have.
    async fn outcome(self) -> Result<(), Error> {
        // A task that panicked has listed nothing more; the cursor has not moved past what it did list.
        Ok(self.lister.await.map_err(|error| Error::State(ledger::Error::Storage(Box::new(error))))??)
    }
}

impl Run<'_> {
    /// Begins to list what the cursor and the options ask for.
    pub(crate) async fn start_listing(&mut self, options: &RunOptions) -> Result<Listing, Error> {
        let cursor = self.delivery.records().cursor().await?;
        let windows = plan(options.since, cursor, self.feed.limits.initial_fetch, self.clock.now());
        self.progress.send_modify(|progress| progress.windows_total = windows.len() as u64);
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let clock = Arc::clone(&self.feed.clock);
        let lister = list(self.feed.vmray.clone(), windows, clock, sender);
        let lister = AbortOnDropHandle::new(tokio::spawn(lister.in_current_span()));
        Ok(Listing { pages, lister, unanswered: false })
    }

    /// Compares the clocks at the first answer, and says whether the run goes on. Until then nothing is decided: not even
    /// what enrichments left is looked at.
    pub(crate) async fn compare_clocks(&mut self, listing: &mut Listing) -> Result<bool, Error> {
        match self.meanwhile(listing.pages.recv()).await? {
            Some(Some(Listed::Clock { ahead })) => {
                if let Some(ahead) = ahead {
                    self.clock.compare(ahead).map_err(|ahead| Error::Clock { ahead })?;
                }
                Ok(true)
            }
            Some(Some(_)) => Ok(true),
            // There is no first answer, and why is what the listing ends with.
            Some(None) => {
                listing.unanswered = true;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Reads and stages what is listed. Listing runs ahead by a few pages; reading keeps the order of listing.
    /// What enrichments leave in the inbox meanwhile is taken note of.
    pub(crate) async fn collect(&mut self, mut listing: Listing, inbox: Option<&Inbox>) -> Result<(), Error> {
        if listing.unanswered {
            // Open samples would only meet the same, and lose the reason that VMRay gave for them.
            return listing.outcome().await;
        }
        let now = self.clock.now();
        let mut work = Work::new(self.feed.limits.vmray_concurrency, now);
        self.open_samples(now, &mut work).await?;
        let mut is_listing = true;
        while is_listing || !work.is_empty() {
            if self.reading_is_over() {
                return Ok(());
            }
            if let Some(inbox) = inbox {
                self.delivery.notice(inbox).await?;
            }
            work.start(self.feed, &self.rules, now);
            self.delivery.start_uploads(Fill::Full).await?;
            self.samples_listed = work.total;
            self.publish_progress();
            let flush_due = self.delivery.flush_due();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                asked = self.waits.next(self.clock.as_ref()) => self.asked_to_wait(&asked).await?,
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
                () = sleep_until(flush_due) => self.delivery.start_flush(),
                done = work.next(), if work.is_reading() => self.done(done, &mut work).await?,
                page = listing.pages.recv(), if is_listing && work.has_room() => match page {
                    Some(page) => self.listed(page, now, &mut work).await?,
                    None => is_listing = false,
                },
            }
        }
        listing.outcome().await?;
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
            // It comes once, before the first page, and was dealt with.
            Listed::Clock { .. } => return Ok(()),
            Listed::End { until } => {
                work.close(until);
                return Ok(());
            }
        };
        self.submissions_listed += submissions.len() as u64;
        let has_verdict = submissions.iter().filter(|submission| submission.verdict.is_some()).count() as u64;
        let finished = submissions.iter().filter(|submission| submission.finished).count() as u64;
        self.with_verdict += has_verdict;
        self.finished_without_verdict += finished.saturating_sub(has_verdict);
        let mut aside = Batch::new();
        self.note_unreadable(unreadable, now, &mut aside).await?;
        if mutant!(CursorBeforeStaging) {
            aside.put_cursor(Cursor { until: now })?;
        }
        let verdicts = self.feed.rules.verdicts;
        let groups = news(self.delivery.records(), submissions, |one| verdicts.wants(&one.verdict), self.since).await?;
        for group in groups {
            if self.is_wanted(&group.submissions, now) {
                work.add(group);
            } else {
                for submission in &group.submissions {
                    if let Some(Verdict::Other(word)) = &submission.verdict {
                        self.note_unknown_verdict(submission, word, now, &mut aside).await?;
                    }
                    aside.put_submission(submission.id.0, &record_of(submission))?;
                }
            }
        }
        self.delivery.commit(aside).await?;
        Ok(())
    }

    /// Leaves receipts for elements of a list that are no submission, one for each, in however many pages, windows and
    /// runs it is listed.
    async fn note_unreadable(
        &mut self,
        unreadable: Vec<(String, String)>,
        now: Timestamp,
        aside: &mut Batch,
    ) -> Result<(), Error> {
        let mut told = HashSet::new();
        for (raw, reason) in unreadable {
            let receipt = ReceiptRecord {
                at: now,
                sample_id: 0,
                kind: "submission".to_owned(),
                value: raw.chars().take(RAW_CHARS).collect(),
                reason: "unreadable".to_owned(),
                text: format!("VMRay listed a submission that cannot be read: {reason}"),
            };
            if !told.insert(receipt.value.clone()) || self.delivery.records().has_receipt(&receipt).await? {
                continue;
            }
            warn!(reason, "VMRay listed something that is no submission");
            self.delivery.notes_mut().receipt(&receipt.reason);
            aside.put_receipt(&receipt)?;
        }
        Ok(())
    }

    /// Leaves a receipt for a submission whose verdict this version does not know: it may be a bad one.
    async fn note_unknown_verdict(
        &mut self,
        submission: &vmray::Submission,
        word: &str,
        now: Timestamp,
        aside: &mut Batch,
    ) -> Result<(), Error> {
        let word: String = word.chars().take(VERDICT_CHARS).collect();
        let receipt = ReceiptRecord {
            at: now,
            sample_id: submission.sample_id.0,
            kind: "submission".to_owned(),
            value: submission.id.to_string(),
            reason: "unknown_verdict".to_owned(),
            text: format!("VMRay's verdict on this submission is {word:?}, which is none that is known"),
        };
        if self.delivery.records().has_receipt(&receipt).await? {
            return Ok(());
        }
        warn!(submission.id = submission.id.0, verdict = word, "VMRay gave a verdict that is not known");
        self.delivery.notes_mut().receipt(&receipt.reason);
        aside.put_receipt(&receipt)?;
        Ok(())
    }

    async fn done(&mut self, done: Done, work: &mut Work) -> Result<(), Error> {
        match done {
            Done::Read(sample) => self.stage(*sample).await,
            Done::Known(group) => self.known(group, work).await,
            Done::Closed(until) => {
                let known = self.delivery.records().cursor().await?;
                let mut close = Batch::new();
                // A cursor that a wrong clock put ahead comes back.
                let now = self.clock.now();
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

    pub(crate) async fn stage(&mut self, sample: Read) -> Result<(), Error> {
        self.samples_read += 1;
        match sample {
            Read::Found { mut findings, filtered_out, _room } => {
                if mutant!(FailureSpreads) && self.troubles > 0 {
                    findings.findings.clear();
                }
                self.troubles = 0;
                self.filtered_out += filtered_out as u64;
                let sample_id = findings.sample_id;
                let staged = self.delivery.stage(findings).await?;
                self.remember(sample_id, staged);
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
            Read::Large { group } => {
                // It is counted when it has been read.
                self.samples_read -= 1;
                return Box::pin(self.read_large(group)).await;
            }
            Read::Fatal(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(crate) fn remember(&mut self, sample_id: u64, staged: StagedSample) {
        if self.values_remembered + staged.values() <= VALUES_REMEMBERED {
            self.values_remembered += staged.values();
            self.staged.insert(sample_id, staged);
        }
    }

    /// Takes more submissions of a sample in that was read in this run.
    async fn known(&mut self, group: Group, work: &mut Work) -> Result<(), Error> {
        let Group { sample_id, submissions, .. } = &group;
        let records = submissions.iter().map(|submission| (submission.id.0, record_of(submission)));
        if self.delivery.records().open_sample(*sample_id).await?.is_some() {
            let mut aside = Batch::new();
            for (id, record) in records {
                aside.put_submission(id, &record)?;
            }
            return Ok(self.delivery.commit(aside).await?);
        }
        let Some(staged) = self.staged.get_mut(sample_id) else {
            work.read(group);
            return Ok(());
        };
        let supporting = supporting(&self.feed.rules, submissions, self.clock.now());
        Ok(self.delivery.stage_again(*sample_id, staged, &supporting, records.collect()).await?)
    }

    /// Waits for an answer of VMRay, and settles answers of Sentinel meanwhile; `None` when the run is to stop or
    /// VMRay asks for too long a wait.
    pub(crate) async fn meanwhile<T>(&mut self, answer: impl Future<Output = T>) -> Result<Option<T>, Error> {
        tokio::pin!(answer);
        loop {
            let flush_due = self.delivery.flush_due();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                asked = self.waits.next(self.clock.as_ref()) => {
                    self.asked_to_wait(&asked).await?;
                    if self.reading_is_over() {
                        return Ok(None);
                    }
                }
                event = self.delivery.next_event() => self.delivery.handle(event).await?,
                () = sleep_until(flush_due) => self.delivery.start_flush(),
                answer = &mut answer => return Ok(Some(answer)),
            }
        }
    }

    fn is_wanted(&self, submissions: &[vmray::Submission], now: Timestamp) -> bool {
        !supporting(&self.feed.rules, submissions, now).is_empty()
    }

    pub(crate) async fn leave_open(
        &mut self,
        sample_id: u64,
        submissions: &[vmray::Submission],
        reason: &str,
        not_found: bool,
    ) -> Result<(), Error> {
        let now = self.clock.now();
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
}
