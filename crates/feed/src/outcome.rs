//! What a run is told, says and leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// What is asked of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Read from here instead of from the cursor.
    pub since: Option<Timestamp>,
    /// Change nothing, send nothing.
    pub dry_run: bool,
    /// Stop cleanly after this long.
    pub time_budget: Option<Duration>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Windows read whole.
    pub windows_done: u64,
    /// Windows there are.
    pub windows_total: u64,
    /// Samples read.
    pub samples_read: u64,
    /// Samples to be read, as far as listed.
    pub samples_total: u64,
    /// Indicators staged.
    pub indicators_staged: u64,
    /// Uploads sent.
    pub uploads: u64,
    /// Objects accepted.
    pub accepted: u64,
    /// Objects refused.
    pub refused: u64,
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it.
    Done,
    /// Its time was over or it was told to stop.
    StoppedEarly,
}

impl Outcome {
    /// Returns the ledger's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::StoppedEarly => "stopped_early",
        }
    }
}

/// What a run leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// How it ended.
    pub outcome: Outcome,
    /// Counts by name.
    pub counts: BTreeMap<String, u64>,
    /// Up to when VMRay has been read.
    pub cursor: Option<Timestamp>,
    /// Objects in quarantine.
    pub quarantine_open: u64,
    /// Samples that could not be read yet.
    pub samples_open: u64,
}
