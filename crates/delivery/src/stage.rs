//! Writing down what is to be sent, before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use indicators::{Finding, Parts, Receipt, ReceiptReason, Severity, Support, compose, name_of};
use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, IndicatorRecord, IndicatorState, OutboxRecord, ReceiptRecord, SampleRecord, SubmissionRecord};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::diff::{Change, compare, confidence, content};
use crate::queue::Ready;
use crate::{Delivery, Error};

/// Batches share a flush for at most this long,
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// or until they are this large.
const FLUSH_BYTES: usize = 1024 * 1024;
/// Samples that labels can name.
const NAMED_SAMPLES: usize = 10;

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
        for mut finding in sample.findings {
            let id = finding.id.to_string();
            let records = self.ledger.records();
            let known = records.indicator(&id).await?;
            let before: Option<Support> = match &known {
                Some(_) => records.evidence(&id, sample.sample_id).await?,
                None => None,
            };
            if let Some(before) = &before {
                finding.support.first_seen = finding.support.first_seen.min(before.first_seen);
                finding.support.last_seen = finding.support.last_seen.max(before.last_seen);
                finding.support.submission_id = finding.support.submission_id.max(before.submission_id);
            }
            let change = compare(known.as_ref(), before.as_ref(), &finding, &self.style, now);
            if change == Change::Expired {
                let value = finding.observable.value().into_owned();
                receipts.push(Receipt::new(
                    finding.observable.kind(),
                    &value,
                    ReceiptReason::Expired,
                    sample.sample_id,
                ));
                continue;
            }
            supporting += 1;
            batch.put_evidence(&id, sample.sample_id, &finding.support)?;
            let mut record = self.next_record(known, &finding, change, now);
            match change {
                Change::New => self.tally.new += 1,
                Change::Changed => self.tally.changed += 1,
                Change::Refresh => self.tally.refreshed += 1,
                Change::Unchanged | Change::Expired => self.tally.unchanged += 1,
            }
            if change != Change::Unchanged {
                record.state = IndicatorState::Staged;
                let object = self.object(&id, &record, &finding).await?;
                batch.put_outbox(&id, &OutboxRecord { modified: record.modified, object: object.clone() })?;
                batch.delete_quarantine(&id);
                staged.push(Ready { id: id.clone(), modified: record.modified, object: Bytes::from(object) });
            }
            batch.put_indicator(&id, &record)?;
        }
        self.tally.receipts += receipts.len() as u64;
        for receipt in &receipts {
            batch.put_receipt(&record_of(receipt, now))?;
        }
        for (id, record) in &sample.submissions {
            batch.put_submission(*id, record)?;
        }
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

    fn next_record(
        &self,
        known: Option<IndicatorRecord>,
        finding: &Finding,
        change: Change,
        now: Timestamp,
    ) -> IndicatorRecord {
        let kind = finding.observable.kind();
        let until = self.style.expiry.valid_until(kind, finding.support.last_seen);
        let confidence = confidence(known.as_ref(), finding);
        let Some(mut record) = known else {
            return IndicatorRecord {
                kind: kind.as_str().to_owned(),
                value: finding.observable.value().into_owned(),
                name: name_of(finding),
                created: finding.support.first_seen,
                modified: finding.support.first_seen,
                valid_until: until,
                last_seen: finding.support.last_seen,
                confidence,
                content: content(confidence, &self.style),
                state: IndicatorState::Staged,
                accepted_at: None,
            };
        };
        record.last_seen = record.last_seen.max(finding.support.last_seen);
        if change != Change::Unchanged {
            record.confidence = confidence;
            record.content = content(confidence, &self.style);
            record.valid_until = record.valid_until.max(until);
            record.modified = later(record.modified, now);
        }
        record
    }

    async fn object(&self, id: &str, record: &IndicatorRecord, finding: &Finding) -> Result<String, Error> {
        let mut supports: Vec<Support> = self.ledger.records().newest_evidence(id, NAMED_SAMPLES).await?;
        supports.retain(|support| support.sample_id != finding.support.sample_id);
        supports.push(finding.support.clone());
        supports.sort_by_key(|support| std::cmp::Reverse(support.sample_id));
        let parts = Parts {
            observable: &finding.observable,
            name: &record.name,
            created: record.created,
            modified: record.modified,
            valid_until: record.valid_until,
            supports: &supports,
        };
        let mut indicator = compose(&parts, &self.style);
        if record.confidence == 100 {
            // The malicious evidence may be older than the samples that are named.
            indicator.confidence = Some(Severity::Malicious.confidence());
            indicator.indicator_types = vec![Severity::Malicious.indicator_type()];
        }
        Ok(serde_json::to_string(&indicator)?)
    }

    /// Stages the identity that all indicators refer to, once.
    pub(crate) async fn introduce_ourselves(&mut self) -> Result<(), Error> {
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
        self.flushing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            flush.await?;
            Ok(staged)
        })));
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

/// Where the ledger notes that our identity was accepted.
pub(crate) const IDENTITY: &str = "identity";

/// A time after `before`, now where possible: STIX orders versions by it.
pub(crate) fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    before.checked_add(SignedDuration::from_millis(1)).map_or(now, |next| next.max(now))
}

/// A receipt as the ledger keeps it.
fn record_of(receipt: &Receipt, at: Timestamp) -> ReceiptRecord {
    ReceiptRecord {
        at,
        sample_id: receipt.sample_id,
        kind: receipt.kind.as_str().to_owned(),
        value: receipt.value.clone(),
        reason: receipt.reason.code().to_owned(),
        text: receipt.reason.to_string(),
    }
}
