//! Files that were sent again while the claim of another process on them was young.
//!
//! Whoever claimed first may have died, and then the file that came again is the only one there is. It is kept by the
//! process that received it until the job is submitted, so that the claim's end finds somebody who can send it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::FileItem;
use crate::job::JobName;

/// How long a file is kept; a claim is over long before.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// Files that are kept, each on disk without a name.
const MAX_FILES: usize = 200;

/// The files that one process keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldFiles(Arc<Mutex<BTreeMap<JobName, (Timestamp, FileItem)>>>);

impl HeldFiles {
    /// Keeps a file for a job.
    pub(crate) fn keep(&self, job: &JobName, file: &FileItem, now: Timestamp) {
        let mut files = self.current(now);
        if files.len() < MAX_FILES || files.contains_key(job) {
            files.insert(job.clone(), (now, file.clone()));
        }
    }

    /// Returns the file of a job.
    pub(crate) fn get(&self, job: &JobName, now: Timestamp) -> Option<FileItem> {
        self.current(now).get(job).map(|(_, file)| file.clone())
    }

    /// Lets go of the file of a job that needs none any more.
    pub(crate) fn drop(&self, job: &JobName) {
        self.lock().remove(job);
    }

    fn current(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<JobName, (Timestamp, FileItem)>> {
        let mut files = self.lock();
        files.retain(|_, (since, _)| now.duration_since(*since) < KEPT);
        files
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobName, (Timestamp, FileItem)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
