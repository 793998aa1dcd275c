//! How records are addressed.
//!
//! A key is one letter for the kind of record, a slash and the record's own key. Numbers are written in twenty
//! digits, so that byte order is numeric order. Letters are never reused for another kind.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::ReceiptRecord;

/// What the ledger knows of itself: format, binding, cursor, last upkeep.
pub(crate) const ABOUT: &str = "a/";
/// Indicators by id.
pub(crate) const INDICATOR: &str = "i/";
/// Evidence: which sample supports an indicator.
pub(crate) const EVIDENCE: &str = "e/";
/// Samples by id.
pub(crate) const SAMPLE: &str = "s/";
/// Submissions by id.
pub(crate) const SUBMISSION: &str = "u/";
/// Samples that could not be read yet.
pub(crate) const OPEN: &str = "n/";
/// Objects staged and not yet settled.
pub(crate) const OUTBOX: &str = "o/";
/// Objects that Sentinel refused.
pub(crate) const QUARANTINE: &str = "q/";
/// Why something was not sent.
pub(crate) const RECEIPT: &str = "r/";
/// Past runs.
pub(crate) const RUN: &str = "w/";

/// What each letter stands for, for people.
const KINDS: [(&str, &str); 10] = [
    (ABOUT, "about"),
    (INDICATOR, "indicator"),
    (EVIDENCE, "evidence"),
    (SAMPLE, "sample"),
    (SUBMISSION, "submission"),
    (OPEN, "open_sample"),
    (OUTBOX, "outbox"),
    (QUARANTINE, "quarantine"),
    (RECEIPT, "receipt"),
    (RUN, "run"),
];

/// Returns the kind of a key for people, and what follows it.
pub(crate) fn kind_of(key: &str) -> Option<(&'static str, &str)> {
    KINDS.iter().find_map(|(prefix, kind)| Some((*kind, key.strip_prefix(prefix)?)))
}

pub(crate) fn of_number(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}")
}

pub(crate) fn of_text(prefix: &str, text: &str) -> String {
    format!("{prefix}{text}")
}

pub(crate) fn evidence_of(indicator: &str) -> String {
    format!("{EVIDENCE}{indicator}/")
}

pub(crate) fn evidence(indicator: &str, sample: u64) -> String {
    format!("{EVIDENCE}{indicator}/{sample:020}")
}

pub(crate) fn receipt(record: &ReceiptRecord) -> String {
    let mut hash = Sha256::new();
    for part in [&record.kind, &record.value, &record.reason] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize().iter().take(8).fold(0_u64, |digest, byte| digest << 8 | u64::from(*byte));
    format!("{RECEIPT}{:020}/{digest:016x}", record.sample_id)
}

pub(crate) fn run(started: Timestamp) -> String {
    // Before 1970 there were no runs.
    of_number(RUN, u64::try_from(started.as_millisecond()).unwrap_or(0))
}

/// The first key after all keys that start with `prefix`, which is ASCII.
pub(crate) fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
