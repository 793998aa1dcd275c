//! Uploads: up to a hundred objects each, several at a time, at the pace of the upload client.

use bytes::Bytes;
use futures::FutureExt as _;
use jiff::Timestamp;
use ledger::OutboxRecord;
use outbound::mutant;
use sentinel::{MAX_OBJECTS, UploadError, Uploaded};
use stix::Indicator;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::queue::Ready;
use crate::{Delivery, Error};

/// The answer to one upload.
#[derive(Debug)]
pub struct Answer {
    pub(crate) batch: Vec<Ready>,
    pub(crate) outcome: Result<Uploaded, UploadError>,
}

/// Whether an upload may go out that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// More is coming: wait for a hundred.
    Full,
    /// Nothing more is coming.
    Any,
}

impl Delivery {
    /// Starts as many uploads as may be on their way.
    pub async fn start_uploads(&mut self, fill: Fill) -> Result<(), Error> {
        let Some(client) = self.uploads.clone() else { return Ok(()) };
        let limit = client.limit().map_or(usize::MAX, |limit| limit.status().limit);
        let most = self.max_in_flight.min(limit);
        while !self.sending.is_cancelled() && self.in_flight.len() < most {
            let batch = if let Some(batch) = self.queue.pop_cut() {
                batch
            } else {
                self.take_back().await?;
                if fill == Fill::Full && self.queue.len() < MAX_OBJECTS {
                    break;
                }
                self.next_batch().await?
            };
            if batch.is_empty() {
                break;
            }
            self.queue.take_off(&batch);
            let client = client.clone();
            let objects: Vec<Bytes> = batch.iter().map(|ready| ready.object.clone()).collect();
            let upload = async move { client.upload(&objects).await };
            let task = AbortOnDropHandle::new(tokio::spawn(upload.in_current_span()));
            self.in_flight.push(
                async move {
                    // A task that panicked has no answer: what it sent is sent again.
                    let ended = |error| UploadError::Unreadable { reason: format!("the upload ended early ({error})") };
                    let outcome = task.await.unwrap_or_else(|error| Err(ended(error)));
                    Answer { batch, outcome }
                }
                .boxed(),
            );
        }
        Ok(())
    }

    /// Takes objects back into memory that only the outbox holds, when there is room for them.
    async fn take_back(&mut self) -> Result<(), Error> {
        if self.queue.reads_outbox() && (self.unflushed_since.is_some() || self.flushing.is_some()) {
            // What is read there is durable then, and what is durable is queued once.
            self.flush().await?;
        }
        while let Some((after, limit)) = self.queue.next_page() {
            let rows = self.ledger.records().outbox_after(after, limit).await?;
            let is_last = rows.len() < limit;
            let page = rows.into_iter().map(|(id, record)| self.ready(id, record)).collect();
            self.queue.take_page(page, is_last);
        }
        Ok(())
    }

    async fn next_batch(&mut self) -> Result<Vec<Ready>, Error> {
        let mut batch = Vec::new();
        while batch.len() < MAX_OBJECTS
            && let Some((id, held)) = self.queue.pop()
        {
            let ready = match held {
                Some(ready) => Some(ready),
                // None there: settled in the meantime, nothing to send.
                None => self.ledger.records().outbox(&id).await?.map(|record| self.ready(id, record)),
            };
            batch.extend(ready);
        }
        Ok(batch)
    }

    fn ready(&self, id: String, OutboxRecord { modified, object }: OutboxRecord) -> Ready {
        let object = if mutant!(LostAnswerSentAsNew) { as_new(object, self.clock.now()) } else { object };
        Ready { id, modified, object: Bytes::from(object) }
    }

    /// Sends nothing more in this run. Uploads that wait for their turn are taken back; those on the wire go on.
    pub fn stop_sending(&mut self) {
        self.sending.cancel();
    }

    /// Returns how many objects are still to be sent, those on the wire too.
    pub fn objects_left(&self) -> u64 {
        self.objects_left
    }

    /// Says whether an answer, or an upload that was taken back, is still to come.
    pub fn is_sending(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Says whether nothing is left that this run could send.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
            && self.flushing.is_none()
            && (self.sending.is_cancelled()
                || self.uploads.is_none()
                || (self.queue.is_empty() && self.unflushed.is_empty()))
    }
}

/// A deliberate mistake, see [`outbound::mutant`].
fn as_new(object: String, now: Timestamp) -> String {
    let Ok(mut indicator) = serde_json::from_str::<Indicator>(&object) else { return object };
    (indicator.created, indicator.modified, indicator.valid_from) = (now, now, now);
    serde_json::to_string(&indicator).unwrap_or(object)
}
