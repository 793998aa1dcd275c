//! From VMRay's submissions to delivery.
//!
//! One run: apply what people asked for, send what the last run left, list the submissions that finished since the
//! cursor (`window`), read each distinct sample that the filter wants once (`read`), map, stage, send, settle.
//! The cursor moves in the batch that closes its window, after every sample of it is staged or open. A run that is
//! stopped or killed at any instant is continued by the next.

mod collect;
mod large;
mod open;
mod outcome;
mod read;
mod run;
mod run_clock;
mod waits;
mod window;
mod work;

use std::sync::Arc;

use indicators::{Rules, Style};
use jiff::SignedDuration;
use ledger::Storage;
use outbound::{AdaptiveLimit, Clock, LimitStatus};
use sentinel::UploadClient;

pub use delivery::{MOST_WAITING, Note, Notes};
pub use outcome::{AllDropped, Concurrency, ConcurrencyLimit, Failed, Outcome, Progress, RunOptions, RunSummary};
pub use waits::{LONGEST_WAITS, Service, Wait};

/// Bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Samples read at the same time; how many requests that makes, the client of VMRay bounds.
    pub vmray_concurrency: usize,
    /// Uploads on their way at the same time, at the most.
    pub uploads_in_flight: usize,
    /// Objects that wait in memory for their upload; what is beyond waits in the outbox only.
    pub most_waiting: usize,
    /// How far back the first run reads.
    pub initial_fetch: SignedDuration,
}

/// One account's verdicts on their way to one workspace.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Where verdicts come from.
    pub vmray: vmray::Client,
    /// Where indicators go.
    pub upload: UploadClient,
    /// What is sent.
    pub rules: Rules,
    /// How it is written.
    pub style: Style,
    /// Where the state is.
    pub storage: Storage,
    /// Name of the route.
    pub route: String,
    /// Bounds.
    pub limits: Limits,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Feed {
    /// Returns how the limits of VMRay and Sentinel stand.
    pub(crate) fn limits_now(&self) -> [Option<LimitStatus>; 2] {
        [self.vmray.limit(), self.upload.limit()].map(|limit| limit.map(AdaptiveLimit::status))
    }
}

/// Why a run failed. What was staged is safe; the next run continues.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state failed.
    #[error("using the state")]
    State(#[source] ledger::Error),
    /// VMRay could not be read.
    #[error("reading from VMRay")]
    Vmray(#[source] vmray::Error),
    /// Sentinel could not be written.
    #[error("uploading to Sentinel")]
    Upload(#[source] sentinel::UploadError),
    /// This machine and VMRay disagree about the time by more than an hour.
    #[error("the clock of this machine is {} VMRay's; nothing was decided by it", run_clock::in_words(*ahead))]
    Clock {
        /// How far our clock is ahead of VMRay's.
        ahead: SignedDuration,
    },
    /// An object could not be written as JSON.
    #[error("writing an indicator")]
    Serialise(#[source] serde_json::Error),
}

impl Error {
    /// Says what the operator does about it, where the services know; what the state's troubles want, its opener knows.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::State(_) => None,
            Self::Vmray(error) => Some(error.hint().to_owned()),
            Self::Upload(error) => Some(error.hint()),
            Self::Clock { .. } => Some(
                "set the clock of this machine (NTP: `timedatectl status`), or that of the VMRay server if that one is \
                 wrong; `vmray-sentinel doctor` compares them"
                    .to_owned(),
            ),
            Self::Serialise(_) => Some("this is an error of the program: report it with the log".to_owned()),
        }
    }
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        Self::State(error)
    }
}

impl From<vmray::Error> for Error {
    fn from(error: vmray::Error) -> Self {
        Self::Vmray(error)
    }
}

impl From<delivery::Error> for Error {
    fn from(error: delivery::Error) -> Self {
        match error {
            delivery::Error::State(error) => Self::State(error),
            delivery::Error::Serialise(error) => Self::Serialise(error),
        }
    }
}
