//! Requests that nobody asks about any more, and what is too old to keep.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use ledger::{Created, Entry, Objects};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Answer, Enrichment, Error, JobId};

/// How long jobs, requests and findings are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Requests that one sweep looks at, oldest first.
const AT_ONCE: usize = 50;
/// Objects that one sweep takes away.
const DELETED_AT_ONCE: usize = 5000;

/// What a sweep has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Requests that were looked at.
    pub looked_at: u64,
    /// Requests that have come to their end.
    pub finished: u64,
    /// Requests that could not be looked at now.
    pub failed: u64,
}

/// Where the next sweep goes on: the last request that was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<Mutex<String>>);

impl Turn {
    /// Returns the entries in turn: those after the last one first, so that requests which take all the time there is do
    /// not keep the others waiting for ever.
    fn order(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sort_by(|one, other| (one.name <= *last, &one.name).cmp(&(other.name <= *last, &other.name)));
        entries
    }

    fn is_at(&self, name: &str) {
        name.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Enrichment {
    /// Brings open requests on, so that their indicators are sent although nobody asks; once a day takes away what is
    /// older than thirty days. Meant to be called every few minutes at most,
    /// on as many instances as there are.
    ///
    /// Told to stop, it ends after the request that it looks at; the next call goes on with the one after it.
    pub async fn sweep(&self, stop: &CancellationToken) -> Result<Swept, Error> {
        // First, so that what takes all the time there is does not keep it from being done.
        self.forget().await?;
        let mut swept = Swept::default();
        let now = self.clock.now();
        for entry in self.turn.order(self.open.list("").await?).into_iter().take(AT_ONCE) {
            if stop.is_cancelled() {
                return Ok(swept);
            }
            let Ok(id) = entry.name.parse::<JobId>() else { continue };
            self.turn.is_at(&entry.name);
            swept.looked_at += 1;
            match Box::pin(self.whole_job(&id)).await {
                Ok(Answer::Done(report)) => swept.finished += u64::from(report.complete),
                Ok(Answer::Pending { .. }) => {}
                // Its process ended before it wrote the request down.
                Err(Error::NotFound) => {
                    if now.duration_since(entry.stored_at).abs() > SignedDuration::from_hours(1) {
                        self.open.delete(&entry.name).await?;
                    }
                }
                // One that is damaged keeps no other from its end.
                Err(error @ Error::State(_)) if !error.is_damage() => return Err(error),
                Err(error) => {
                    swept.failed += 1;
                    warn!(job = %id, %error, "an open request could not be looked at");
                }
            }
        }
        Ok(swept)
    }

    /// Takes away what is too old, once a day on one instance.
    async fn forget(&self) -> Result<(), Error> {
        let jobs = Objects::of(&self.storage, &format!("jobs/{}", self.settings.account));
        let now = self.clock.now();
        let day = now.strftime("%Y-%m-%d").to_string();
        let by = uuid::Uuid::new_v4().to_string();
        if jobs.create_value(&format!("forgotten/{day}"), &by).await? == Created::Exists {
            return Ok(());
        }
        let mut deleted = 0;
        for objects in [&jobs, self.dossiers().objects()] {
            for entry in objects.list("").await? {
                if now.duration_since(entry.stored_at) > KEPT && deleted < DELETED_AT_ONCE {
                    objects.delete(&entry.name).await?;
                    deleted += 1;
                }
            }
        }
        if deleted > 0 {
            info!(deleted, "forgot jobs older than thirty days");
        }
        Ok(())
    }
}
