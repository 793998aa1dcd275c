//! What a run is told, says and leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use delivery::{Notes, Tally};
use jiff::Timestamp;
use outbound::LimitStatus;
use serde::Serialize;

use crate::{Error, Feed, Wait};

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
    /// Objects that are still to be sent, those on the wire too.
    pub objects_left: u64,
    /// Upload requests sent, repeats included.
    pub uploads: u64,
    /// Objects accepted.
    pub accepted: u64,
    /// Objects refused.
    pub refused: u64,
    /// The last wait that VMRay asked for.
    pub vmray_wait: Option<Wait>,
    /// The last wait that Sentinel asked for.
    pub sentinel_wait: Option<Wait>,
    /// How many requests VMRay bears at the same time.
    pub vmray_limit: Option<LimitStatus>,
    /// How many uploads Sentinel bears at the same time.
    pub sentinel_limit: Option<LimitStatus>,
    /// It was told to stop, or its time is over.
    pub stopping: bool,
}

impl Progress {
    /// Returns the waits that are not over, the longest first.
    pub fn waits(&self, now: Timestamp) -> Vec<Wait> {
        let mut waits: Vec<Wait> = [self.vmray_wait, self.sentinel_wait].into_iter().flatten().collect();
        waits.retain(|wait| wait.until > now);
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.until));
        waits
    }
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it.
    Done,
    /// Its time was over, it was told to stop, or a service asked for a wait that is longer than a run waits.
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
    #[serde(serialize_with = "ledger::serialize_counts")]
    pub counts: BTreeMap<String, u64>,
    /// Submissions that VMRay listed, those of the overlap with the last run too.
    pub submissions_listed: u64,
    /// Up to when VMRay has been read.
    pub cursor: Option<Timestamp>,
    /// Objects in quarantine.
    pub quarantine_open: u64,
    /// Samples that could not be read yet.
    pub samples_open: u64,
    /// Objects that wait to be sent by the next run.
    pub outbox_left: u64,
    /// The wait that was too long for the run, if that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gave_up_waiting: Option<Wait>,
    /// How many requests may be under way to each service.
    pub concurrency: Concurrency,
    /// Why nothing of what was read could be sent, when it is one reason for all of it.
    pub all_dropped: Option<AllDropped>,
    /// What is worth telling besides.
    #[serde(skip)]
    pub notes: Notes,
}

/// How many requests may be under way to each service, at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Concurrency {
    /// Requests to VMRay.
    pub vmray: Option<ConcurrencyLimit>,
    /// Uploads to Sentinel.
    pub sentinel: Option<ConcurrencyLimit>,
}

/// The adaptive limit of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConcurrencyLimit {
    /// Requests at the same time, at the end of the run.
    pub limit: usize,
    /// The bound that is set.
    pub at_most: usize,
    /// How often the run had to ask for less.
    pub decreases: u64,
}

impl Concurrency {
    /// Returns what became of the limits since a run started with these limits.
    pub(crate) fn since(started: [Option<LimitStatus>; 2], feed: &Feed) -> Self {
        let limit_since = |started: Option<LimitStatus>, now: Option<LimitStatus>| {
            now.map(|LimitStatus { limit, bound, decreases, .. }| ConcurrencyLimit {
                limit,
                at_most: bound,
                decreases: decreases - started.map_or(0, |started| started.decreases),
            })
        };
        let ([vmray_before, sentinel_before], [vmray, sentinel]) = (started, feed.limits_now());
        Self { vmray: limit_since(vmray_before, vmray), sentinel: limit_since(sentinel_before, sentinel) }
    }
}

/// A run that dropped all that it read, for one reason: something is wrong with the server, the key or the settings,
/// and not with one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllDropped {
    /// The code of the reason, as receipts have it.
    pub reason: String,
    /// How many values; of submissions without a verdict, how many of these.
    pub count: u64,
}

impl AllDropped {
    /// Fewer receipts than this may be one odd sample.
    const LEAST: u64 = 10;

    /// The reason of a run to which VMRay listed finished submissions, none of which has a verdict.
    pub const NO_SUBMISSION_VERDICT: &str = "no_submission_verdict";

    /// Looks at what was listed.
    pub(crate) fn of_submissions(finished_without_verdict: u64, with_verdict: u64) -> Option<Self> {
        (with_verdict == 0 && finished_without_verdict >= Self::LEAST)
            .then(|| Self { reason: Self::NO_SUBMISSION_VERDICT.to_owned(), count: finished_without_verdict })
    }

    /// Looks at what became of the values that were read.
    pub(crate) fn of_values(tally: &Tally, filtered_out: u64, notes: &Notes) -> Option<Self> {
        if tally.staged() + tally.unchanged + filtered_out > 0 {
            return None;
        }
        let mut reasons = notes.dropped().iter();
        let (reason, count) = reasons.next().filter(|(_, count)| **count >= Self::LEAST)?;
        reasons.next().is_none().then(|| Self { reason: reason.clone(), count: *count })
    }
}

/// A run that failed. What was staged is safe; the next run continues.
#[derive(Debug, thiserror::Error)]
#[error("the run failed")]
pub struct Failed {
    /// Why.
    #[source]
    pub error: Error,
    /// What it did before; `None` where it did not begin or where the state itself failed.
    pub summary: Option<Box<RunSummary>>,
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), summary: None }
    }
}

impl Failed {
    /// Returns the reason alone.
    pub fn into_error(self) -> Error {
        self.error
    }
}
