//! What tests ask and do beside the API.

use std::collections::BTreeMap;

use super::{Taken, VmraySimulator, log};
use crate::world::{Ending, Failure};

impl VmraySimulator {
    /// Returns every thing submitted, taken or refused, in order.
    pub fn submits(&self) -> Vec<Taken> {
        self.state().taken.clone()
    }

    /// Returns how many submissions were made by submits of a value: a URL, or the SHA-256 of a file.
    pub fn submission_count(&self, value: &str) -> usize {
        self.state().taken.iter().filter(|taken| taken.value == value && taken.submission_id.is_some()).count()
    }

    /// Returns how often each endpoint was called, such as `GET /sample/{id}/iocs`.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        log::calls(&self.requests())
    }

    /// Ends a submission now; `None` lets it end as it would have. Says whether it was running.
    pub fn finish_now(&self, submission: u64, ending: Option<&Ending>) -> bool {
        let now = self.front.now();
        self.edit(|world| world.finish_now(submission, now, ending))
    }

    /// Lets a submission fail now: all of its analyses crash. Says whether it was running.
    pub fn fail(&self, submission: u64) -> bool {
        self.finish_now(submission, Some(&Ending::Error(Failure::worker_crashed())))
    }

    /// Keeps a submission from ending. Says whether it was running.
    pub fn hold(&self, submission: u64) -> bool {
        let now = self.front.now();
        self.edit(|world| world.hold(submission, now))
    }

    /// Sets the quota.
    pub fn set_quota(&self, limit: u64, used: u64) {
        self.edit_options(|options| options.quota = (limit, used));
    }
}
