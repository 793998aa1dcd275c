//! What is to be read, being read, and to be closed, in one order.
//!
//! The end of a window stands in the same queue as its samples, so it comes out after all of them are read and the
//! cursor cannot overtake one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use indicators::Rules;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug_span};
use vmray::Submission;

use crate::Feed;
use crate::read::{Read, read};
use crate::window::Group;

/// Samples that may wait; listing pauses while there are more.
const ROOM: usize = 2000;

/// No analysis of VMRay takes longer.
const LONGEST_ANALYSIS: SignedDuration = SignedDuration::from_hours(24);

/// Values of large samples that may be read and wait for an earlier sample; some 20 MB.
const VALUES_READ_AHEAD: usize = 20_000;

/// Samples that may be read and wait for an earlier one, as a multiple of those being read.
const READ_AHEAD: usize = 4;

/// Something that comes out of the queue.
#[derive(Debug)]
pub(crate) enum Done {
    /// A sample was read, or could not be.
    Read(Box<Read>),
    /// More submissions of a sample that was read in this run, after they had finished: its reading holds for them too.
    Known(Group),
    /// All before it belongs to a window that reaches this far.
    Closed(Timestamp),
}

#[derive(Debug)]
enum Item {
    Sample(Group),
    Known(Group),
    Close(Timestamp),
}

/// Where a sample of this run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Taken,
}

pub(crate) struct Work {
    waiting: VecDeque<Item>,
    reading: FuturesOrdered<BoxFuture<'static, Done>>,
    in_order: usize,
    most_in_order: usize,
    turns: Arc<Semaphore>,
    values_read_ahead: Arc<Semaphore>,
    places: HashMap<u64, Place>,
    began: Timestamp,
    /// Samples seen so far.
    pub(crate) total: u64,
}

impl Work {
    /// Returns an empty queue that reads `concurrency` samples at the same time, of a run that began at `began`.
    pub(crate) fn new(concurrency: usize, began: Timestamp) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            waiting: VecDeque::new(),
            reading: FuturesOrdered::new(),
            in_order: 0,
            most_in_order: concurrency * READ_AHEAD,
            turns: Arc::new(Semaphore::new(concurrency)),
            values_read_ahead: Arc::new(Semaphore::new(VALUES_READ_AHEAD)),
            places: HashMap::new(),
            began,
            total: 0,
        }
    }

    /// Adds a sample. It is read once, however its submissions are spread over pages and windows: one that still waits
    /// is read for all of them, and what was read in this run holds for those that had finished before.
    pub(crate) fn add(&mut self, group: Group) {
        match self.places.get(&group.sample_id) {
            Some(Place::Waiting) => {
                for item in self.waiting.iter_mut().rev() {
                    if let Item::Sample(waiting) = item
                        && waiting.sample_id == group.sample_id
                    {
                        waiting.submissions.extend(group.submissions);
                        return;
                    }
                }
            }
            Some(Place::Taken) if group.submissions.iter().all(|submission| self.had_finished(submission)) => {
                self.waiting.push_back(Item::Known(group));
                return;
            }
            Some(Place::Taken) | None => {}
        }
        self.read(group);
    }

    /// Has a sample read, whether that was done before or not.
    pub(crate) fn read(&mut self, group: Group) {
        self.total += 1;
        self.places.insert(group.sample_id, Place::Waiting);
        self.waiting.push_back(Item::Sample(group));
    }

    /// Says whether a submission had finished when this run began, so that whatever the run read of its sample holds for
    /// it. One that does not say when is taken for as old as its making is, where that is long ago.
    fn had_finished(&self, submission: &Submission) -> bool {
        match (submission.finish_time, submission.created) {
            (Some(finished), _) => finished < self.began,
            (None, Some(created)) => self.began.duration_since(created) > LONGEST_ANALYSIS,
            (None, None) => false,
        }
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
                    self.places.insert(group.sample_id, Place::Taken);
                    let (client, rules, turns) = (feed.vmray.clone(), Arc::clone(rules), Arc::clone(&self.turns));
                    let room = Arc::clone(&self.values_read_ahead);
                    let (sample_id, submissions) = (group.sample_id, group.submissions.clone());
                    let task = AbortOnDropHandle::new(tokio::spawn(
                        async move {
                            // Never closed, so there is always a turn.
                            let _turn = turns.acquire().await.ok();
                            read(&client, &rules, group, now, &room).await
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
                Item::Known(group) => std::future::ready(Done::Known(group)).boxed(),
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
