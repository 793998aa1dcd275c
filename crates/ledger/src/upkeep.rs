//! Keeping the number of objects bounded although runs are short.
//!
//! The engine compacts and collects on clocks made for servers; a run that lasts a second never hears them tick.
//! So a run ends with both on purpose: compaction when enough small files have come together, collection once a
//! day. Both may be killed at any instant: the engine's manifest decides what counts.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStore;
use slatedb::admin::Admin;
use slatedb::config::{
    CompactionWorkerOptions, CompactorOptions, GarbageCollectorDirectoryOptions, GarbageCollectorOptions,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::EngineClock;
use crate::{Batch, Error, Export, ReceiptRecord, Records, RunRecord, key};

/// The engine's own threshold: it merges from this many files on.
const COMPACT_FROM: usize = 4;
/// Merging at the end of a run may take this long; what is left is done by the next run.
const COMPACT_WITHIN: Duration = Duration::from_secs(20);
/// Receipts and runs are kept this long.
const KEEP: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Bytes of keys that one batch deletes.
const DELETED_AT_ONCE: usize = 64 * 1024;

/// How often old files are collected, and how old they must be.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// Time between two collections.
    pub collect_every: SignedDuration,
    /// A file younger than this may still be in a reader's hands.
    pub keep_files: Duration,
    /// What a merge reads is protected this long from its start, in case the merge dies.
    pub keep_merging: Duration,
    /// A fence younger than this may still hold back a writer that was taken over.
    pub keep_fences: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            collect_every: SignedDuration::from_hours(24),
            keep_files: Duration::from_secs(3600),
            keep_merging: Duration::from_secs(900),
            keep_fences: Duration::from_secs(48 * 3600),
        }
    }
}

/// However many runs there are, those of so many days are kept.
const KEEP_RUNS_AT_LEAST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Older ones are kept while there are no more than this: 90 days of a run every ten minutes.
const MOST_RUNS: usize = 13_000;

/// Receipts and runs that are too old, in batches: a quarter of a year of receipts is more than memory should hold.
pub(crate) struct Expired {
    old: Timestamp,
    recent: Timestamp,
    receipts: Export,
    runs: Export,
    /// Of the oldest runs, how many are more than are kept.
    too_many_runs: usize,
}

impl Expired {
    pub(crate) async fn of(records: &Records, now: Timestamp) -> Result<Self, Error> {
        let back = |by| now.checked_sub(by).unwrap_or(Timestamp::MIN);
        Ok(Self {
            old: back(KEEP),
            recent: back(KEEP_RUNS_AT_LEAST),
            receipts: records.rows(key::RECEIPT).await?,
            runs: records.rows(key::RUN).await?,
            too_many_runs: records.count(key::RUN).await?.saturating_sub(MOST_RUNS),
        })
    }

    /// Returns the next batch that deletes some of them; an empty one is the last.
    pub(crate) async fn next_batch(&mut self) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        while batch.size_bytes() < DELETED_AT_ONCE
            && let Some((key, receipt)) = self.receipts.next_as::<ReceiptRecord>().await?
        {
            if receipt.at < self.old {
                batch.delete_key(&key);
            }
        }
        while batch.size_bytes() < DELETED_AT_ONCE
            && let Some((key, run)) = self.runs.next_as::<RunRecord>().await?
        {
            let is_too_many = self.too_many_runs > 0;
            self.too_many_runs = self.too_many_runs.saturating_sub(1);
            if run.started < self.old || (is_too_many && run.started < self.recent) {
                batch.delete_key(&key);
            }
        }
        Ok(batch)
    }
}

/// Returns the engine's back office, on the clock that its files are stamped with.
pub(crate) fn admin(path: &str, store: Arc<dyn ObjectStore>, clock: &Arc<EngineClock>) -> Admin {
    Admin::builder(path, store).with_system_clock(clock.clone()).build()
}

/// Merges files when there are many, and collects old ones when told so. The ledger is closed by now.
pub(crate) async fn tend(admin: &Admin, upkeep: &Upkeep, collect: bool) -> Result<(), Error> {
    if files(admin).await? >= COMPACT_FROM {
        merge(admin, upkeep.keep_merging).await?;
    }
    if collect {
        Box::pin(admin.run_gc_once(collection(upkeep))).await?;
    }
    Ok(())
}

async fn files(admin: &Admin) -> Result<usize, Error> {
    Ok(admin.read_manifest(None).await?.map_or(0, |manifest| manifest.l0().len()))
}

/// How files are merged: one set of files at a time, each read a little ahead. The engine's defaults hold 8 MiB of each of
/// eight files, four times over.
pub(crate) fn merging_worker() -> CompactionWorkerOptions {
    CompactionWorkerOptions {
        max_concurrent_compactions: 1,
        max_subcompactions: 1,
        max_fetch_tasks: 1,
        bytes_to_fetch: 256 * 1024,
        ..CompactionWorkerOptions::default()
    }
}

async fn merge(admin: &Admin, keep_merging: Duration) -> Result<(), Error> {
    let tick = Duration::from_millis(20);
    let options = CompactorOptions {
        poll_interval: tick,
        commit_compacted_interval: tick,
        checkpoint_lifetime: keep_merging,
        worker: Some(CompactionWorkerOptions { compactions_poll_interval: tick, ..merging_worker() }),
        ..CompactorOptions::default()
    };
    let enough = CancellationToken::new();
    let watch = async {
        let started = Instant::now();
        while started.elapsed() < COMPACT_WITHIN {
            tokio::time::sleep(tick).await;
            if files(admin).await? < COMPACT_FROM {
                break;
            }
        }
        enough.cancel();
        Ok::<(), Error>(())
    };
    let compact =
        async { Box::pin(admin.run_compactor_with_options(enough.clone(), options)).await.map_err(Error::from) };
    tokio::try_join!(compact, watch)?;
    Ok(())
}

fn collection(upkeep: &Upkeep) -> GarbageCollectorOptions {
    let older_than = |min_age| Some(GarbageCollectorDirectoryOptions { interval: None, min_age, dry_run: false });
    GarbageCollectorOptions {
        manifest_options: older_than(upkeep.keep_files),
        wal_options: older_than(upkeep.keep_files),
        wal_fence_options: older_than(upkeep.keep_fences),
        compacted_options: older_than(upkeep.keep_files),
        compactions_options: older_than(upkeep.keep_files),
        detach_options: None,
        ..GarbageCollectorOptions::default()
    }
}
