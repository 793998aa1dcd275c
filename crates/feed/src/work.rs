//! What is to be read, being read, and to be closed, in one order.
//!
//! The end of a window stands in the same queue as its samples, so it comes out after all of them are read and the
//! cursor cannot overtake one.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use indicators::Rules;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug_span};

use crate::Feed;
use crate::read::{Read, read};
use crate::window::Group;

/// Samples that may wait; listing pauses while there are more.
const ROOM: usize = 2000;

/// Samples that may be read and wait for an earlier one, as a multiple of those being read.
const READ_AHEAD: usize = 4;

/// Something that comes out of the queue.
#[derive(Debug)]
pub(crate) enum Done {
    /// A sample was read, or could not be.
    Read(Box<Read>),
    /// All before it belongs to a window that reaches this far.
    Closed(Timestamp),
}

#[derive(Debug)]
enum Item {
    Sample(Group),
    Close(Timestamp),
}

pub(crate) struct Work {
    waiting: VecDeque<Item>,
    reading: FuturesOrdered<BoxFuture<'static, Done>>,
    in_order: usize,
    most_in_order: usize,
    turns: Arc<Semaphore>,
    /// Samples seen so far.
    pub(crate) total: u64,
}

impl Work {
    /// Returns an empty queue that reads `concurrency` samples at the same time.
    pub(crate) fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            waiting: VecDeque::new(),
            reading: FuturesOrdered::new(),
            in_order: 0,
            most_in_order: concurrency * READ_AHEAD,
            turns: Arc::new(Semaphore::new(concurrency)),
            total: 0,
        }
    }

    /// Adds a sample. One that still waits is read once for all its submissions.
    pub(crate) fn add(&mut self, group: Group) {
        let waiting = self.waiting.iter_mut().rev().take_while(|item| matches!(item, Item::Sample(_)));
        for item in waiting {
            if let Item::Sample(earlier) = item
                && earlier.sample_id == group.sample_id
            {
                earlier.submissions.extend(group.submissions);
                return;
            }
        }
        self.total += 1;
        self.waiting.push_back(Item::Sample(group));
    }

    /// Marks the end of a window.
    pub(crate) fn close(&mut self, until: Timestamp) {
        self.waiting.push_back(Item::Close(until));
    }

    /// Begins to read as many samples as may be read at the same time.
    pub(crate) fn start(&mut self, feed: &Feed, rules: &Arc<Rules>, now: Timestamp) {
        while self.in_order < self.most_in_order
            && let Some(item) = self.waiting.pop_front()
        {
            let next = match item {
                Item::Sample(group) => {
                    self.in_order += 1;
                    let (client, rules, turns) = (feed.vmray.clone(), Arc::clone(rules), Arc::clone(&self.turns));
                    let (sample_id, submissions) = (group.sample_id, group.submissions.clone());
                    let task = AbortOnDropHandle::new(tokio::spawn(
                        async move {
                            // Never closed, so there is always a turn.
                            let _turn = turns.acquire().await.ok();
                            read(&client, &rules, group, now).await
                        }
                        .instrument(debug_span!("sample", id = sample_id)),
                    ));
                    async move {
                        let sample = task.await.unwrap_or_else(|error| Read::Open {
                            sample_id,
                            submissions,
                            reason: format!("reading it ended without an outcome ({error})"),
                            not_found: false,
                        });
                        Done::Read(Box::new(sample))
                    }
                    .boxed()
                }
                Item::Close(until) => std::future::ready(Done::Closed(until)).boxed(),
            };
            self.reading.push_back(next);
        }
    }

    /// Returns what comes out next; waits for ever when nothing is being read. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Done {
        let Some(done) = self.reading.next().await else { std::future::pending().await };
        if matches!(done, Done::Read(_)) {
            self.in_order -= 1;
        }
        done
    }

    pub(crate) fn is_reading(&self) -> bool {
        !self.reading.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < ROOM
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_empty()
    }
}
