//! Writing down what is to be sent, before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use indicators::{Finding, Receipt, ReceiptReason};
use jiff::Timestamp;
use ledger::{Batch, IndicatorState, OutboxRecord, ReceiptRecord, Records, SampleRecord, SubmissionRecord};
use outbound::mutant;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug, trace};

use crate::diff::Change;
use crate::merge::{Known, Merged, supports};
use crate::queue::Ready;
use crate::restage::StagedSample;
use crate::{Delivery, Error};

/// Batches share a flush for at most this long,
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// or until they are this large.
const FLUSH_BYTES: usize = 1024 * 1024;
/// What one reading of a sample gave.
#[derive(Debug)]
pub struct SampleFindings {
    /// The sample.
    pub sample_id: u64,
    /// Its submissions that this reading covers.
    pub submissions: Vec<(u64, SubmissionRecord)>,
    /// What supports an indicator, distinct by value.
    pub findings: Vec<Finding>,
    /// What was not sent, and why.
    pub receipts: Vec<Receipt>,
}

impl Delivery {
    /// Stages a sample in one atomic batch: indicators, evidence, outbox, receipts and the sample itself.
    pub async fn stage(&mut self, sample: SampleFindings) -> Result<StagedSample, Error> {
        self.stage_with(sample, StagedSample::default()).await
    }

    /// Stages a part of a sample that is too large for one batch. The sample itself is written with its last part, so
    /// that a run that ends before leaves it to be read again.
    pub async fn stage_part(
        &mut self,
        sample_id: u64,
        findings: Vec<Finding>,
        receipts: Vec<Receipt>,
        staged: &mut StagedSample,
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        let objects = self.stage_values(sample_id, findings, receipts, staged, &mut batch).await?;
        self.commit(batch).await?;
        self.unflushed.extend(objects);
        self.flush().await
    }

    /// The last part: the rest of the findings, and the sample with all of them.
    pub async fn stage_with(
        &mut self,
        sample: SampleFindings,
        mut staged: StagedSample,
    ) -> Result<StagedSample, Error> {
        let SampleFindings { sample_id, submissions, findings, receipts } = sample;
        let mut batch = Batch::new();
        let objects = self.stage_values(sample_id, findings, receipts, &mut staged, &mut batch).await?;
        for (id, record) in &submissions {
            batch.put_submission(*id, record)?;
        }
        let newest = submissions.iter().map(|(id, _)| *id).max().unwrap_or(0);
        let read = SampleRecord {
            read_at: self.clock.now(),
            submission_id: newest,
            findings: staged.ids.len() as u64,
            receipts: staged.receipts,
        };
        debug!(sample = sample_id, supporting = read.findings, receipts = read.receipts, "decided about a sample");
        batch.put_sample(sample_id, &read)?;
        batch.delete_open_sample(sample_id);
        self.commit(batch).await?;
        self.unflushed.extend(objects);
        if self.unflushed_bytes >= FLUSH_BYTES {
            self.start_flush();
        }
        Ok(staged)
    }

    /// Writes findings and receipts of a sample into a batch, and returns the objects that it puts into the outbox.
    async fn stage_values(
        &mut self,
        sample_id: u64,
        findings: Vec<Finding>,
        mut receipts: Vec<Receipt>,
        staged: &mut StagedSample,
        batch: &mut Batch,
    ) -> Result<Vec<Ready>, Error> {
        let now = self.clock.now();
        let mut objects = Vec::new();
        for finding in findings {
            let stix_id = finding.id;
            let id = stix_id.to_string();
            let known = Known::read(self.ledger.records(), &id, sample_id).await?;
            let mut merged = known.merge(finding, &self.style, now);
            if let Some(incidents) = self.unfolded.get(&id) {
                merged.record.add_incidents(incidents);
            }
            let Merged { change, finding, .. } = &merged;
            if *change == Change::Expired {
                let value = finding.observable.value().into_owned();
                receipts.push(Receipt::new(finding.observable.kind(), &value, ReceiptReason::Expired, sample_id));
                staged.expired.push(finding.clone());
                continue;
            }
            trace!(id, change = ?change, "compared with what Sentinel has");
            staged.ids.push(stix_id);
            batch.put_evidence(&id, sample_id, &finding.support)?;
            match change {
                Change::New => self.tally.new += 1,
                Change::Changed => self.tally.changed += 1,
                Change::Refresh => self.tally.refreshed += 1,
                Change::Unchanged | Change::Expired => self.tally.unchanged += 1,
            }
            let change = *change;
            if change.is_sent() {
                merged.record.state = IndicatorState::Staged;
                // Of a new one nothing is kept yet, and a scan of nothing costs as much as one of something.
                let others = match change {
                    Change::New => Vec::new(),
                    _ => supports(self.ledger.records(), &id).await?,
                };
                merged.take_in(&others, &self.style);
                let modified = merged.record.modified;
                let object = merged.object(&others, &self.style)?;
                batch.put_outbox(&id, &OutboxRecord { modified, object: object.clone() })?;
                batch.delete_quarantine(&id);
                self.objects_left += u64::from(!known.is_staged());
                let observable = &merged.finding.observable;
                self.notes.staged(observable.kind().as_str(), &observable.value());
                objects.push(Ready { id: id.clone(), modified, object: Bytes::from(object) });
            }
            batch.put_indicator(&id, &merged.record)?;
        }
        staged.receipts += receipts.len() as u64;
        for receipt in &receipts {
            let record = record_of(receipt, now);
            // A sample that is read again says the same again.
            if !self.records().has_receipt(&record).await? {
                self.tally.receipts += 1;
                self.notes.receipt(&record.reason);
            }
            if !mutant!(ReceiptsLost) {
                batch.put_receipt(&record)?;
            }
        }
        Ok(objects)
    }

    /// Stages the identity that all indicators refer to, once. What enrichments left is folded in before, since one of
    /// them may have sent it.
    pub async fn introduce_ourselves(&mut self) -> Result<(), Error> {
        let identity = indicators::identity();
        let id = identity.id.to_string();
        let records = self.ledger.records();
        let published: Option<String> = records.evidence(IDENTITY, 0).await?;
        if published.as_deref() == Some(id.as_str())
            || records.outbox(&id).await?.is_some()
            || records.quarantined(&id).await?.is_some()
        {
            return Ok(());
        }
        let object = serde_json::to_string(&identity)?;
        let mut batch = Batch::new();
        batch.put_outbox(&id, &OutboxRecord { modified: identity.modified, object: object.clone() })?;
        self.objects_left += 1;
        self.commit(batch).await?;
        self.unflushed.push(Ready { id, modified: identity.modified, object: Bytes::from(object) });
        self.flush().await
    }

    /// Returns when what is staged must be made durable; never while the disk is at it.
    pub fn flush_due(&self) -> Option<Instant> {
        self.unflushed_since.filter(|_| self.flushing.is_none()).map(|since| since + FLUSH_AFTER)
    }

    /// Begins to make durable what is staged, unless the disk is at it; [`next_event`](Self::next_event) tells when.
    pub fn start_flush(&mut self) {
        if self.flushing.is_some() {
            return;
        }
        let staged = std::mem::take(&mut self.unflushed);
        self.unflushed_since = None;
        self.unflushed_bytes = 0;
        let flush = self.ledger.flush_aside();
        self.flushing = Some(AbortOnDropHandle::new(tokio::spawn(
            async move {
                flush.await?;
                Ok(staged)
            }
            .in_current_span(),
        )));
    }

    /// Makes what is staged durable and queues it for sending.
    pub async fn flush(&mut self) -> Result<(), Error> {
        if let Some(flushing) = self.flushing.take() {
            let durable = flushing.await.map_err(|error| ledger::Error::Storage(Box::new(error)))??;
            for ready in durable {
                self.queue.push(ready);
            }
        }
        self.ledger.flush().await?;
        self.unflushed_since = None;
        self.unflushed_bytes = 0;
        for ready in self.unflushed.drain(..) {
            self.queue.push(ready);
        }
        Ok(())
    }
}

/// Says whether the identity that all indicators refer to is with Sentinel.
pub async fn is_introduced(records: &Records) -> Result<bool, Error> {
    let published: Option<String> = records.evidence(IDENTITY, 0).await?;
    Ok(published.is_some_and(|id| id == indicators::identity().id.to_string()))
}

/// Where the ledger notes that our identity was accepted.
pub(crate) const IDENTITY: &str = "identity";

/// A receipt as the ledger keeps it.
pub(crate) fn record_of(receipt: &Receipt, at: Timestamp) -> ReceiptRecord {
    ReceiptRecord {
        at,
        sample_id: receipt.sample_id,
        kind: receipt.kind.as_str().to_owned(),
        value: receipt.value.clone(),
        reason: receipt.reason.code().to_owned(),
        text: receipt.reason.to_string(),
    }
}
