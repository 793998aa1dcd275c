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
    pub async fn stage(&mut self, sample: SampleFindings) -> Result<(), Error> {
        let now = self.clock.now();
        let mut batch = Batch::new();
        let mut receipts = sample.receipts;
        let mut staged = Vec::new();
        let mut supporting = 0;
        for finding in sample.findings {
            let id = finding.id.to_string();
            let merged =
                Known::read(self.ledger.records(), &id, sample.sample_id).await?.merge(finding, &self.style, now);
            let Merged { change, finding, .. } = &merged;
            if *change == Change::Expired {
                let value = finding.observable.value().into_owned();
                receipts.push(Receipt::new(
                    finding.observable.kind(),
                    &value,
                    ReceiptReason::Expired,
                    sample.sample_id,
                ));
                continue;
            }
            trace!(id, change = ?change, "compared with what Sentinel has");
            supporting += 1;
            batch.put_evidence(&id, sample.sample_id, &finding.support)?;
            match change {
                Change::New => self.tally.new += 1,
                Change::Changed => self.tally.changed += 1,
                Change::Refresh => self.tally.refreshed += 1,
                Change::Unchanged | Change::Expired => self.tally.unchanged += 1,
            }
            let mut record = merged.record.clone();
            if change.is_sent() {
                record.state = IndicatorState::Staged;
                let others = supports(self.ledger.records(), &id).await?;
                let object = merged.object(&others, &self.style)?;
                batch.put_outbox(&id, &OutboxRecord { modified: record.modified, object: object.clone() })?;
                batch.delete_quarantine(&id);
                staged.push(Ready { id: id.clone(), modified: record.modified, object: Bytes::from(object) });
            }
            batch.put_indicator(&id, &record)?;
        }
        self.tally.receipts += receipts.len() as u64;
        for receipt in &receipts {
            self.notes.receipt(receipt.reason.code());
        }
        for receipt in receipts.iter().filter(|_| !mutant!(ReceiptsLost)) {
            batch.put_receipt(&record_of(receipt, now))?;
        }
        for (id, record) in &sample.submissions {
            batch.put_submission(*id, record)?;
        }
        debug!(
            sample = sample.sample_id,
            supporting,
            staged = staged.len(),
            receipts = receipts.len(),
            "decided about a sample"
        );
        let newest = sample.submissions.iter().map(|(id, _)| *id).max().unwrap_or(0);
        let read =
            SampleRecord { read_at: now, submission_id: newest, findings: supporting, receipts: receipts.len() as u64 };
        batch.put_sample(sample.sample_id, &read)?;
        batch.delete_open_sample(sample.sample_id);
        self.commit(batch).await?;
        self.unflushed.extend(staged);
        if self.unflushed_bytes >= FLUSH_BYTES {
            self.start_flush();
        }
        Ok(())
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
