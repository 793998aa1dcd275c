//! The rows, with exactly the columns that the template declares (`azure/parts/runs-columns.json`, `events-columns.json`).

use feed::{Note, RunSummary};
use jiff::Timestamp;
use sentinel::LogRow;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::failure::Failure;

/// What all rows of a run share.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// Names the run in all its rows.
    pub(super) run_id: &'a str,
    pub(super) route: &'a str,
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    /// How long until the next run is due, at the most.
    pub(super) schedule: Option<std::time::Duration>,
    pub(super) secret_expires: Option<Timestamp>,
    pub(super) host: Option<&'a str>,
}

/// A row of `VMRayFeedRuns_CL`. What is not known is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RunRow<'a> {
    /// When the run ended.
    #[serde(serialize_with = "time")]
    time_generated: Timestamp,
    run_id: &'a str,
    route: &'a str,
    #[serde(serialize_with = "time")]
    started_at: Timestamp,
    duration_ms: i64,
    /// `done`, `stopped_early`, `failed`, as in the ledger.
    outcome: &'a str,
    /// Whether it reached its end, or stopped early and is continued.
    good: bool,
    schedule_seconds: Option<i64>,
    #[serde(serialize_with = "maybe_time")]
    read_up_to: Option<Timestamp>,
    submissions: Option<i64>,
    samples: Option<i64>,
    staged: Option<i64>,
    accepted: Option<i64>,
    unchanged: Option<i64>,
    refused: Option<i64>,
    receipts: Option<i64>,
    outbox_left: Option<i64>,
    quarantine_open: Option<i64>,
    samples_open: Option<i64>,
    /// Zero: this version retracts nothing.
    retractions_held: i64,
    #[serde(serialize_with = "maybe_time")]
    secret_expires_at: Option<Timestamp>,
    error: Option<String>,
    version: &'a str,
    host: Option<&'a str>,
}

/// A row of `VMRayFeedEvents_CL`. What its kind does not have is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventRow<'a> {
    #[serde(serialize_with = "time")]
    time_generated: Timestamp,
    run_id: &'a str,
    route: &'a str,
    /// `quarantined`, `open`, `dropped`, `left_out`.
    kind: &'a str,
    reason: Option<&'a str>,
    count: i64,
    indicator_id: Option<&'a str>,
    value: Option<&'a str>,
    sample_id: Option<i64>,
    message: Option<&'a str>,
}

/// Returns the row of a run.
pub(super) fn run(about: &About<'_>, did: Option<&RunSummary>, failed: Option<&Failure>) -> LogRow {
    let count = |names: &[&str]| {
        did.map(|did| whole(names.iter().map(|name| did.counts.get(*name).copied().unwrap_or_default()).sum()))
    };
    let outcome = match (failed, did) {
        (None, Some(did)) => did.outcome.as_str(),
        _ => "failed",
    };
    row(&RunRow {
        time_generated: about.ended,
        run_id: about.run_id,
        route: about.route,
        started_at: about.started,
        duration_ms: i64::try_from(about.ended.duration_since(about.started).as_millis()).unwrap_or(i64::MAX),
        outcome,
        good: outcome != "failed",
        schedule_seconds: about.schedule.map(|schedule| whole(schedule.as_secs())),
        read_up_to: did.and_then(|did| did.cursor),
        submissions: did.map(|did| whole(did.submissions_listed)),
        samples: count(&["samples_read"]),
        staged: count(&["new", "changed", "refreshed"]),
        accepted: count(&["accepted"]),
        unchanged: count(&["unchanged"]),
        refused: count(&["refused"]),
        receipts: count(&["receipts"]),
        outbox_left: did.map(|did| whole(did.outbox_left)),
        quarantine_open: did.map(|did| whole(did.quarantine_open)),
        samples_open: did.map(|did| whole(did.samples_open)),
        retractions_held: 0,
        secret_expires_at: about.secret_expires,
        error: failed.map(Failure::one_line),
        version: env!("CARGO_PKG_VERSION"),
        host: about.host,
    })
}

/// Returns the rows of what needs an eye: each refused object, each sample that is open for a new reason, one row for each
/// reason why something was dropped, and one for each kind that was more than is kept.
pub(super) fn events(about: &About<'_>, did: Option<&RunSummary>) -> Vec<LogRow> {
    let Some(notes) = did.map(|did| &did.notes) else { return Vec::new() };
    let event = |kind| EventRow {
        time_generated: about.ended,
        run_id: about.run_id,
        route: about.route,
        kind,
        reason: None,
        count: 1,
        indicator_id: None,
        value: None,
        sample_id: None,
        message: None,
    };
    let kept = notes.kept().iter().map(|note| match note {
        Note::Quarantined { id, value, server } => EventRow {
            reason: Some("refused"),
            indicator_id: Some(id),
            value: Some(value),
            message: Some(server),
            ..event("quarantined")
        },
        Note::Open { sample_id, reason } => {
            EventRow { sample_id: i64::try_from(*sample_id).ok(), message: Some(reason), ..event("open") }
        }
    });
    let dropped = notes.dropped().iter().map(|(reason, count)| EventRow {
        reason: Some(reason),
        count: whole(*count),
        ..event("dropped")
    });
    let left_out = [("quarantined", notes.quarantined_left_out()), ("open", notes.open_left_out())]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| EventRow {
            reason: Some(kind),
            count: whole(count),
            message: Some("More than one run tells one by one; `vmray-sentinel quarantine list` has all."),
            ..event("left_out")
        });
    kept.chain(dropped).chain(left_out).map(|event| row(&event)).collect()
}

fn row(columns: &impl Serialize) -> LogRow {
    match serde_json::to_value(columns) {
        Ok(Value::Object(row)) => row,
        // Structs with names for keys are objects.
        _ => LogRow::new(),
    }
}

/// The tables count in signed numbers.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Kusto counts in tenths of microseconds; more digits than milliseconds tell nobody anything.
fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

#[expect(clippy::ref_option, reason = "serde hands the field over like this")]
fn maybe_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => self::time(time, serializer),
        None => serializer.serialize_none(),
    }
}
