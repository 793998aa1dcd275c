//! Changes that happen together or not at all.

use serde::Serialize;
use slatedb::WriteBatch;

use crate::record::{Collected, Format, encode};
use crate::{
    Binding, Cursor, Error, IndicatorRecord, OpenSample, OutboxRecord, QuarantineRecord, ReceiptRecord, RunRecord,
    SampleRecord, SubmissionRecord, key,
};

/// A set of changes, applied atomically by [`crate::Ledger::commit`].
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) writes: WriteBatch,
    pub(crate) size_bytes: usize,
}

impl Batch {
    /// Returns an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns roughly how many bytes it writes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.size_bytes == 0
    }

    fn put<R: Serialize>(&mut self, key: &str, record: &R) -> Result<(), Error> {
        let value = encode(record)?;
        self.size_bytes += key.len() + value.len();
        self.writes.put(key.as_bytes(), value);
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        self.size_bytes += key.len();
        self.writes.delete(key.as_bytes());
    }

    pub(crate) fn put_format(&mut self, format: Format) -> Result<(), Error> {
        self.put(&key::of_text(key::ABOUT, "format"), &format)
    }

    pub(crate) fn put_collected(&mut self, collected: Collected) -> Result<(), Error> {
        self.put(&key::of_text(key::ABOUT, "collected"), &collected)
    }

    pub(crate) fn put_binding(&mut self, binding: &Binding) -> Result<(), Error> {
        self.put(&key::of_text(key::ABOUT, "binding"), binding)
    }

    /// Moves the cursor.
    pub fn put_cursor(&mut self, cursor: Cursor) -> Result<(), Error> {
        self.put(&key::of_text(key::ABOUT, "cursor"), &cursor)
    }

    /// Remembers a submission.
    pub fn put_submission(&mut self, id: u64, record: &SubmissionRecord) -> Result<(), Error> {
        self.put(&key::of_number(key::SUBMISSION, id), record)
    }

    /// Remembers that a sample was read.
    pub fn put_sample(&mut self, id: u64, record: &SampleRecord) -> Result<(), Error> {
        self.put(&key::of_number(key::SAMPLE, id), record)
    }

    /// Remembers a sample that could not be read.
    pub fn put_open_sample(&mut self, record: &OpenSample) -> Result<(), Error> {
        self.put(&key::of_number(key::OPEN, record.sample_id), record)
    }

    /// Forgets that a sample could not be read.
    pub fn delete_open_sample(&mut self, sample_id: u64) {
        self.delete(&key::of_number(key::OPEN, sample_id));
    }

    /// Remembers an indicator.
    pub fn put_indicator(&mut self, id: &str, record: &IndicatorRecord) -> Result<(), Error> {
        self.put(&key::of_text(key::INDICATOR, id), record)
    }

    /// Remembers what one sample says of an indicator. The facts are the caller's.
    pub fn put_evidence<F: Serialize>(&mut self, indicator: &str, sample_id: u64, facts: &F) -> Result<(), Error> {
        self.put(&key::evidence(indicator, sample_id), facts)
    }

    /// Stages an object.
    pub fn put_outbox(&mut self, id: &str, record: &OutboxRecord) -> Result<(), Error> {
        self.put(&key::of_text(key::OUTBOX, id), record)
    }

    /// Takes an object out of the outbox.
    pub fn delete_outbox(&mut self, id: &str) {
        self.delete(&key::of_text(key::OUTBOX, id));
    }

    /// Puts an object into quarantine.
    pub fn put_quarantine(&mut self, id: &str, record: &QuarantineRecord) -> Result<(), Error> {
        self.put(&key::of_text(key::QUARANTINE, id), record)
    }

    /// Takes an object out of quarantine.
    pub fn delete_quarantine(&mut self, id: &str) {
        self.delete(&key::of_text(key::QUARANTINE, id));
    }

    /// Remembers why something was not sent. The same sample, value and reason again is the same receipt.
    pub fn put_receipt(&mut self, record: &ReceiptRecord) -> Result<(), Error> {
        self.put(&key::receipt(record), record)
    }

    /// Remembers a run.
    pub fn put_run(&mut self, record: &RunRecord) -> Result<(), Error> {
        self.put(&key::run(record.started), record)
    }

    pub(crate) fn delete_key(&mut self, key: &[u8]) {
        self.size_bytes += key.len();
        self.writes.delete(key);
    }
}
