//! The writer: opened by a run, closed at its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use slatedb::Db;
use slatedb::config::{CompactorOptions, FlushOptions, FlushType, Settings};
use slatedb::db_cache::moka::{MokaCache, MokaCacheOptions};
use tracing::warn;

use crate::checked_store::CheckedStore;
use crate::clock::{EngineClock, newest_stamp};
use crate::integrity::{self, Places};
use crate::record::{Collected, FORMAT, Format};
use crate::records::Source;
use crate::storage::WriterLock;
use crate::upkeep::{self, Upkeep};
use crate::{Batch, Binding, Error, Reader, Records, Storage, key};

/// The engine holds this much in memory before a write waits for the disk.
const MAX_UNFLUSHED_BYTES: usize = 8 * 1024 * 1024;
/// Size of a sorted file; the engine's default of 64 MiB is for servers.
const SST_BYTES: usize = 4 * 1024 * 1024;
/// Blocks, indexes and filters kept in memory. Measured: a point read takes 45 µs with it and 700 µs without.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// A storage operation that keeps failing is reported after this many repeats (about four seconds).
const STORE_RETRIES: u32 = 5;
/// With so many files written ahead they are moved into a sorted file: it bounds what is read again after a kill, and the
/// list of checksums, which is written with each of them.
const MAX_WAL_FILES: usize = 128;

/// One route's ledger, open for writing.
///
/// Dropping it without [`close`](Self::close) is what a kill does: what was flushed stays.
pub struct Ledger {
    db: Db,
    clock: Arc<EngineClock>,
    records: Records,
    path: String,
    store: Arc<CheckedStore>,
    upkeep: Upkeep,
    collect: bool,
    // Held until upkeep is over: files are collected by the one writer only.
    _lock: Option<WriterLock>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger of a route, making it when absent.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when another process has it open, [`Error::WrongBinding`] when it belongs to another server or
    /// workspace, [`Error::NewerFormat`] when a newer version wrote it, [`Error::Damaged`] when something of it is gone or
    /// altered; nothing is written then.
    pub async fn open(
        storage: &Storage,
        route: &str,
        binding: &Binding,
        now: Timestamp,
        upkeep: Upkeep,
    ) -> Result<Self, Error> {
        let lock = storage.lock(route)?;
        let path = ledger_path(route);
        let clock = Arc::new(EngineClock::new(now));
        let store = checked(storage, route).await?;
        clock.not_before_files(&upkeep::admin(&path, store.clone(), &clock)).await?;
        let db = open_engine(&path, store.clone(), &clock).await?;
        let records = Records::new(Source::Writer(db.clone()));
        let mut ledger = Self { db, clock, records, path, store, upkeep, collect: false, _lock: lock };
        if let Err(error) = ledger.introduce(route, binding, now).await {
            // Nothing was written; an engine left open would keep its tasks running.
            drop(ledger.db.close().await);
            return Err(error);
        }
        Ok(ledger)
    }

    /// Checks that the ledger is ours, or makes it so.
    async fn introduce(&mut self, route: &str, binding: &Binding, now: Timestamp) -> Result<(), Error> {
        let mut batch = Batch::new();
        match self.records.get::<Format>(&key::of_text(key::ABOUT, "format")).await? {
            Some(Format { version, .. }) if version > FORMAT => {
                return Err(Error::NewerFormat { found: version, known: FORMAT });
            }
            Some(Format { checked: true, .. }) => {}
            // Opening the engine has written files, and so the list.
            _ => batch.put_format(Format { version: FORMAT, checked: true })?,
        }
        match self.records.binding().await? {
            None => batch.put_binding(binding)?,
            Some(bound) if bound != *binding => {
                return Err(Error::WrongBinding {
                    route: route.to_owned(),
                    bound_vmray: bound.vmray,
                    bound_workspace: bound.workspace,
                    vmray: binding.vmray.clone(),
                    workspace: binding.workspace.clone(),
                });
            }
            Some(_) => {}
        }
        let collected = self.records.get::<Collected>(&key::of_text(key::ABOUT, "collected")).await?;
        self.collect = collected.is_some_and(|last| now.duration_since(last.at) >= self.upkeep.collect_every);
        if self.collect || collected.is_none() {
            batch.put_collected(Collected { at: now })?;
            let mut expired = upkeep::Expired::of(&self.records, now).await?;
            loop {
                let old = expired.next_batch().await?;
                if old.is_empty() {
                    break;
                }
                self.commit(old).await?;
            }
        }
        self.commit(batch).await
    }

    /// Returns what is known, uncommitted changes of this writer excluded, committed ones included.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Applies a batch. It is visible at once and durable after the next [`flush`](Self::flush).
    pub async fn commit(&self, batch: Batch) -> Result<(), Error> {
        if !batch.is_empty() {
            Box::pin(self.db.write(batch.writes)).await?;
        }
        Ok(())
    }

    /// Makes everything committed so far durable.
    ///
    /// Cancel-safe: a dropped flush leaves what was committed either durable or not, never torn.
    pub async fn flush(&self) -> Result<(), Error> {
        Box::pin(flush(&self.db, &self.store)).await
    }

    /// Makes everything committed so far durable, while the caller goes on.
    pub fn flush_aside(&self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (db, store) = (self.db.clone(), self.store.clone());
        async move { Box::pin(flush(&db, &store)).await }
    }

    /// Lets go of a ledger that failed: what was flushed stays, and the engine's tasks end.
    pub async fn abandon(self) {
        // It has failed already; its error was told where it happened.
        drop(Box::pin(self.db.close()).await);
    }

    /// Flushes, closes and does the upkeep that is due.
    pub async fn close(self) -> Result<(), Error> {
        Box::pin(self.db.close()).await?;
        let admin = upkeep::admin(&self.path, self.store.clone(), &self.clock);
        match upkeep::tend(&admin, &self.upkeep, self.collect).await {
            // A file that is there and does not read. One that is gone may have been merged away by a run that took over;
            // if not, the next run finds it missing.
            Err(Error::Damaged { what, reason }) if self.store.head(&what.as_str().into()).await.is_ok() => {
                return Err(Error::Damaged { what, reason });
            }
            // Everything is durable by now; what was not merged or collected is done by a later run.
            Err(error) => warn!(%error, "the state was not tidied up"),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Checks what is there, and returns the store that keeps the checks going.
async fn checked(storage: &Storage, route: &str) -> Result<Arc<CheckedStore>, Error> {
    let places = Places::of(route);
    let store = storage.store();
    let found = integrity::check(&store, &places).await?;
    if found.exists && !found.has_list {
        // It is one of an earlier version, or it has lost its list; only what is in it can tell.
        Reader::open(storage, route).await?;
    }
    Ok(Arc::new(CheckedStore::new(store, places.engine, places.list, found.checksums)))
}

/// Makes everything committed so far durable.
async fn flush(db: &Db, store: &CheckedStore) -> Result<(), Error> {
    db.flush().await?;
    if store.wal_files() >= MAX_WAL_FILES {
        db.flush_with_options(FlushOptions { flush_type: FlushType::MemTable }).await?;
        store.forget_wal(db.manifest().replay_after_wal_id());
    }
    Ok(())
}

/// Opens the engine. It is told that the machine's clock is behind the newest write by a first write, which means
/// nothing; that write ends the engine, so it is opened once more with a clock that has caught up.
async fn open_engine(path: &str, store: Arc<CheckedStore>, clock: &Arc<EngineClock>) -> Result<Db, Error> {
    let open = || {
        Db::builder(path, store.clone())
            .with_settings(settings())
            .with_system_clock(clock.clone())
            .with_db_cache(cache(), 0)
            .build()
    };
    let probe = async |db: &Db| Box::pin(db.delete(key::of_text(key::ABOUT, "probe"))).await;
    let db = Box::pin(open()).await?;
    let Err(error) = probe(&db).await else { return Ok(db) };
    drop(Box::pin(db.close()).await);
    let Some(newest) = newest_stamp(&error) else { return Err(error.into()) };
    clock.not_before(newest);
    let db = Box::pin(open()).await?;
    match probe(&db).await {
        Ok(_) => Ok(db),
        Err(error) => {
            drop(Box::pin(db.close()).await);
            Err(error.into())
        }
    }
}

pub(crate) fn ledger_path(route: &str) -> String {
    format!("v1/{route}/ledger")
}

pub(crate) fn cache() -> Arc<MokaCache> {
    Arc::new(MokaCache::new_with_opts(MokaCacheOptions {
        max_capacity: CACHE_BYTES,
        time_to_live: None,
        time_to_idle: None,
    }))
}

fn settings() -> Settings {
    Settings {
        // Settling does not wait for the disk; a second is what a crash may have to send again.
        flush_interval: Some(Duration::from_secs(1)),
        l0_sst_size_bytes: SST_BYTES,
        max_unflushed_bytes: MAX_UNFLUSHED_BYTES,
        // A long back-fill may run ahead of compaction; a short run is compacted when it ends.
        l0_max_ssts: 64,
        l0_max_ssts_per_key: 64,
        compactor_options: Some(CompactorOptions {
            worker: Some(upkeep::merging_worker()),
            ..CompactorOptions::default()
        }),
        // Collected on purpose at the end of a run, see `upkeep`.
        garbage_collector_options: None,
        object_store_max_retries: Some(STORE_RETRIES),
        ..Settings::default()
    }
}
