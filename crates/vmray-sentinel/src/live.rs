//! What the process is doing now, for the page and the health checks.

use jiff::Timestamp;

/// The daemon's own state; the ledger knows the rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// The run that is on.
    pub(crate) running: Option<Running>,
    /// When the next run begins.
    pub(crate) next_run: Option<Timestamp>,
    /// Why the last run failed, if it did.
    pub(crate) last_error: Option<String>,
}

/// A run that is on.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// When it began.
    pub(crate) since: Timestamp,
    /// How far it is.
    pub(crate) bars: Vec<Bar>,
}

/// One measure of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    /// What is counted.
    pub(crate) name: &'static str,
    /// How much is done.
    pub(crate) done: u64,
    /// Of how much; it may still grow.
    pub(crate) of: u64,
}
