//! What the ledger holds, for people: `status`, `quarantine` and the status page show the same.

use std::collections::BTreeMap;

use config::ROUTE;
use jiff::Timestamp;
use ledger::{Command, Commands, OpenSample, QuarantineRecord, Reader, Records, RunRecord, Storage};
use serde::Serialize;

/// Runs that are shown.
const RUNS: usize = 10;

/// What is known of the route.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    /// The VMRay server that is read.
    pub(crate) vmray: Option<String>,
    /// The workspace that is written.
    pub(crate) workspace: Option<String>,
    /// Up to when VMRay has been read.
    pub(crate) read_until: Option<Timestamp>,
    /// Indicators that are known.
    pub(crate) indicators: usize,
    /// Indicators that are staged and not yet accepted.
    pub(crate) outbox: usize,
    /// What Sentinel refused.
    pub(crate) quarantine: Vec<Refused>,
    /// Samples that could not be read yet.
    pub(crate) open_samples: Vec<Open>,
    /// Past runs, newest first.
    pub(crate) runs: Vec<RunRecord>,
}

/// A record in quarantine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refused {
    /// Id of the indicator.
    pub(crate) id: String,
    /// Kind of value.
    pub(crate) kind: String,
    /// The value.
    pub(crate) value: String,
    /// What we make of the refusal.
    pub(crate) reason: String,
    /// The server's words.
    pub(crate) server: Vec<String>,
    /// When it was first refused.
    pub(crate) first_attempt: Timestamp,
    /// When it was last refused.
    pub(crate) last_attempt: Timestamp,
    /// How often.
    pub(crate) attempts: u64,
    /// `replay` or `drop`, when that waits for the next run.
    pub(crate) next_run: Option<&'static str>,
}

/// A sample that VMRay did not give yet.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Open {
    /// VMRay's id of it.
    pub(crate) sample_id: u64,
    /// When reading it first failed.
    pub(crate) since: Timestamp,
    /// When it was last tried.
    pub(crate) last_attempt: Timestamp,
    /// How often it was tried.
    pub(crate) attempts: u64,
    /// VMRay's words.
    pub(crate) reason: String,
    /// Since when VMRay says, each time, that there is no such sample.
    pub(crate) not_found_since: Option<Timestamp>,
    /// `replay` or `drop`, when that waits for the next run.
    pub(crate) next_run: Option<&'static str>,
}

impl View {
    /// Reads it all. A ledger that does not exist reads as empty.
    pub(crate) async fn read(storage: &Storage) -> Result<Self, ledger::Error> {
        let reader = Reader::open(storage, ROUTE).await?;
        let records = reader.records();
        let binding = records.binding().await?;
        let (quarantine, open_samples) = held(storage, records).await?;
        Ok(Self {
            vmray: binding.as_ref().map(|binding| binding.vmray.clone()),
            workspace: binding.map(|binding| binding.workspace),
            read_until: records.cursor().await?.map(|cursor| cursor.until),
            indicators: records.count_indicators().await?,
            outbox: records.count_outbox().await?,
            quarantine,
            open_samples,
            runs: records.newest_runs(RUNS).await?,
        })
    }

    /// Returns the newest run.
    pub(crate) fn last_run(&self) -> Option<&RunRecord> {
        self.runs.first()
    }
}

/// Returns what is in quarantine and which samples are open, with what waits to be done about them.
pub(crate) async fn held(storage: &Storage, records: &Records) -> Result<(Vec<Refused>, Vec<Open>), ledger::Error> {
    let (mut of_records, mut of_samples) = (BTreeMap::new(), BTreeMap::new());
    for waiting in Commands::of(storage, ROUTE).waiting().await? {
        match waiting.command {
            Command::ReplayQuarantine { ids } => of_records.extend(ids.into_iter().map(|id| (id, REPLAY))),
            Command::DropQuarantine { ids } => of_records.extend(ids.into_iter().map(|id| (id, DROP))),
            Command::RetrySamples { ids } => of_samples.extend(ids.into_iter().map(|id| (id, REPLAY))),
            Command::DropSamples { ids } => of_samples.extend(ids.into_iter().map(|id| (id, DROP))),
        }
    }
    let refused = records.quarantine().await?.into_iter();
    let refused = refused.map(|(id, record)| Refused::new(of_records.get(&id).copied(), id, record)).collect();
    let open = records.open_samples().await?.into_iter();
    let open = open.map(|sample| Open::new(of_samples.get(&sample.sample_id).copied(), sample)).collect();
    Ok((refused, open))
}

/// What waits for the next run.
const REPLAY: &str = "replay";
const DROP: &str = "drop";

impl Refused {
    fn new(next_run: Option<&'static str>, id: String, record: QuarantineRecord) -> Self {
        let QuarantineRecord { kind, value, reason, server, first_attempt, last_attempt, attempts, .. } = record;
        Self { id, kind, value, reason, server, first_attempt, last_attempt, attempts, next_run }
    }
}

impl Open {
    fn new(next_run: Option<&'static str>, sample: OpenSample) -> Self {
        let OpenSample { sample_id, since, last_attempt, attempts, reason, not_found_since } = sample;
        Self { sample_id, since, last_attempt, attempts, reason, not_found_since, next_run }
    }
}
