//! A clock for the engine that never goes back.
//!
//! The engine stamps each write, each file and each merge, and refuses a stamp older than the newest it knows. A
//! machine whose clock was an hour fast and is then set right would be locked out of its own state for that hour, so
//! the engine gets a clock that stands still until the machine has caught up. We use no stamp of the engine for
//! anything but the age of its files.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use slatedb::admin::Admin;
use slatedb_common::clock::{SystemClock, SystemClockTicker};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct EngineClock {
    start: DateTime<Utc>,
    origin: Instant,
    floor: AtomicI64,
}

impl EngineClock {
    /// Returns a clock that reads `now`, or what its files say if that is later, and goes on with tokio's time.
    pub(crate) fn new(now: Timestamp) -> Self {
        let start = DateTime::from_timestamp_millis(now.as_millisecond()).unwrap_or_default();
        Self { start, origin: Instant::now(), floor: AtomicI64::new(i64::MIN) }
    }

    /// Never returns an instant before the newest stamp of the engine's files again.
    pub(crate) async fn not_before_files(&self, admin: &Admin) -> Result<(), slatedb::Error> {
        let newest = |stamps: &mut dyn Iterator<Item = u64>| {
            stamps.max().and_then(|newest| i64::try_from(newest).ok()).unwrap_or(i64::MIN)
        };
        if let Some(manifest) = admin.read_manifest(None).await? {
            self.not_before(manifest.last_l0_clock_tick());
            let files = manifest.all_sst_views().map(|view| view.sst.id.value().timestamp_ms());
            let merged = manifest.last_compacted_l0_sst_id().map(|id| id.timestamp_ms());
            self.not_before(newest(&mut files.chain(merged)));
        }
        if let Some(merges) = admin.read_compactions(None).await? {
            for merge in merges.recent_compactions() {
                let outputs = merge.output_ssts();
                let files = outputs.iter().map(|file| file.id.value().timestamp_ms());
                self.not_before(newest(&mut files.chain([merge.id().timestamp_ms()])));
            }
        }
        Ok(())
    }

    /// Never returns an instant before this one again.
    pub(crate) fn not_before(&self, millis: i64) {
        self.floor.fetch_max(millis, Ordering::SeqCst);
    }
}

impl SystemClock for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        let now = self.start + self.origin.elapsed();
        let floor = DateTime::from_timestamp_millis(self.floor.load(Ordering::SeqCst));
        floor.map_or(now, |floor| floor.max(now))
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn ticker(&self, duration: Duration) -> SystemClockTicker<'_> {
        SystemClockTicker::new(self, duration)
    }
}

/// Returns the newest stamp that the engine names when it refuses an older one.
pub(crate) fn newest_stamp(error: &slatedb::Error) -> Option<i64> {
    // The engine has no kind of its own for this; its words are stable within the pinned version.
    let text = error.to_string();
    let (_, after) = text.split_once("last_tick=`")?;
    after.split_once('`')?.0.parse().ok()
}
