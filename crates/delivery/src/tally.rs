//! What a run has done, counted.

use std::collections::BTreeMap;

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Indicators staged for the first time.
    pub new: u64,
    /// Indicators staged because their content changed.
    pub changed: u64,
    /// Indicators staged because they were seen again and half of their life is over.
    pub refreshed: u64,
    /// Findings that change nothing.
    pub unchanged: u64,
    /// Findings that left a receipt.
    pub receipts: u64,
    /// Requests to the upload API.
    pub uploads: u64,
    /// Objects that Sentinel accepted.
    pub accepted: u64,
    /// Objects that Sentinel refused.
    pub refused: u64,
}

impl Tally {
    /// Returns how many indicators were staged.
    pub fn staged(&self) -> u64 {
        self.new + self.changed + self.refreshed
    }

    /// Returns the counts by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        [
            ("new", self.new),
            ("changed", self.changed),
            ("refreshed", self.refreshed),
            ("unchanged", self.unchanged),
            ("receipts", self.receipts),
            ("uploads", self.uploads),
            ("accepted", self.accepted),
            ("refused", self.refused),
        ]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
    }
}
