//! How an indicator gets to Sentinel exactly as often as needed.
//!
//! One value, [`Delivery`], owns the ledger for the length of a run; nobody else writes. What a sample says is
//! compared with what is known (`diff`), written in one atomic batch ([`stage`](Delivery::stage)), made durable,
//! and only then queued for sending. Answers are settled record by record: accepted leaves the outbox, refused goes to
//! quarantine, unknown stays and is sent again, which the id makes harmless.
//!
//! # Crash points
//!
//! * before the batch is durable: nothing was sent, the sample is read again;
//! * after it is durable, before or during the upload: the next run finds the object in the outbox and sends it;
//! * after Sentinel accepted, before that is durable: it is sent once more with the same id and content.
//!
//! An object staged again while its older version is on its way stays in the outbox: an answer settles only the
//! version that was sent.

mod diff;
mod event;
mod fold;
mod letter;
mod merge;
mod notes;
mod post;
mod queue;
mod replay;
mod restage;
mod send;
mod settle;
mod stage;
mod standing;
mod tally;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use indicators::Style;
use ledger::{Batch, Ledger, Records};
use outbound::{Clock, mutant};
use sentinel::UploadClient;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use diff::Change;
pub use event::Event;
pub use letter::{Letter, LetterEntry, Sent, SentObject};
pub use merge::Merged;
pub use notes::{Note, Notes};
pub use post::{Posted, post};
pub use restage::StagedSample;
pub use send::{Answer, Fill};
pub use stage::{SampleFindings, is_introduced};
pub use standing::{Effect, Standing};
pub use tally::Tally;

pub use queue::MOST_WAITING;
use queue::{Queue, Ready};

/// Why delivery cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed.
    #[error(transparent)]
    State(#[from] ledger::Error),
    /// An object cannot be written as JSON.
    #[error("an object cannot be serialised")]
    Serialise(#[from] serde_json::Error),
}

/// How much of a delivery is in memory.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Uploads on their way at the same time.
    pub in_flight: usize,
    /// Objects that wait for theirs.
    pub waiting: usize,
}

/// The way of one route's objects to its workspace, for one run.
pub struct Delivery {
    ledger: Ledger,
    /// Absent in a dry run: everything is staged and nothing sent.
    uploads: Option<UploadClient>,
    style: Style,
    clock: Arc<dyn Clock>,
    max_in_flight: usize,
    queue: Queue,
    unflushed: Vec<Ready>,
    unflushed_bytes: usize,
    unflushed_since: Option<Instant>,
    flushing: Option<AbortOnDropHandle<Result<Vec<Ready>, ledger::Error>>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Answer>>,
    failures_in_a_row: u32,
    throttles_in_a_row: u32,
    refused_whole_in_a_row: u32,
    halted: Option<sentinel::UploadError>,
    /// Cancelled when this run sends nothing more.
    sending: CancellationToken,
    /// Objects in the outbox.
    objects_left: u64,
    tally: Tally,
    notes: Notes,
    /// Incidents that letters name which are not folded in yet, by indicator, and when the inbox was last looked at.
    unfolded: HashMap<String, Vec<String>>,
    noticed: Option<Instant>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Delivery {
    /// Takes the ledger over, with everything that its outbox holds. Once `stop` is cancelled, nothing is sent that is
    /// not on the wire by then.
    pub async fn begin(
        ledger: Ledger,
        uploads: Option<UploadClient>,
        style: Style,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let sending = stop.child_token();
        let mut delivery = Self {
            ledger,
            uploads: uploads.map(|client| client.until(sending.clone())),
            style,
            clock,
            max_in_flight: bounds.in_flight.max(1),
            queue: Queue::of_at_most(bounds.waiting),
            unflushed: Vec::new(),
            unflushed_bytes: 0,
            unflushed_since: None,
            flushing: None,
            in_flight: FuturesUnordered::new(),
            failures_in_a_row: 0,
            throttles_in_a_row: 0,
            refused_whole_in_a_row: 0,
            halted: None,
            sending,
            objects_left: 0,
            tally: Tally::default(),
            notes: Notes::default(),
            unfolded: HashMap::new(),
            noticed: None,
        };
        delivery.objects_left = delivery.ledger.records().count_outbox().await? as u64;
        if delivery.objects_left > 0 && !mutant!(OutboxNotDrained) {
            delivery.queue.leave_in_outbox();
        }
        Ok(delivery)
    }

    /// Returns what is known.
    pub fn records(&self) -> &Records {
        self.ledger.records()
    }

    /// Returns what has happened so far.
    pub fn tally(&self) -> Tally {
        let uploads = self.uploads.as_ref().map_or(0, UploadClient::requests_sent);
        Tally { uploads, ..self.tally }
    }

    /// Returns what is worth telling so far, to add to it.
    pub fn notes_mut(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// Returns the error that ended sending, if one did. What is staged stays staged.
    pub fn halted(&self) -> Option<&sentinel::UploadError> {
        self.halted.as_ref()
    }

    /// Takes the error that ended sending.
    pub fn take_halted(&mut self) -> Option<sentinel::UploadError> {
        self.halted.take()
    }

    /// Commits records that are not about objects (submissions, cursor, runs).
    pub async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.unflushed_bytes += batch.size_bytes();
        self.unflushed_since.get_or_insert_with(Instant::now);
        self.ledger.commit(batch).await?;
        Ok(())
    }

    /// Lets go of a ledger that failed. What was flushed is there for the next run.
    pub async fn abandon(self) {
        self.ledger.abandon().await;
    }

    /// Gives the ledger back at the end of the run. Answers that are still out are lost, which is harmless.
    pub async fn finish(mut self) -> Result<Ledger, Error> {
        self.flush().await?;
        Ok(self.ledger)
    }
}
