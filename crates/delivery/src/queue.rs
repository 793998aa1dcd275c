//! What is durable and waits for its upload, in the order of staging, each id once.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use jiff::Timestamp;

/// Objects held in memory; beyond that only ids wait here and the outbox has the rest.
const HELD: usize = 20_000;

/// One version of an object, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) id: String,
    pub(crate) modified: Timestamp,
    pub(crate) object: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: VecDeque<String>,
    waiting: HashMap<String, Option<Ready>>,
    held: usize,
    /// On its way: a later version waits, so that the two cannot overtake each other.
    flying: BTreeSet<String>,
    /// Versions that were read from the outbox before they were told to be durable.
    ahead: HashMap<String, Timestamp>,
    /// Batches that were cut in two or came back; they go first, as they are.
    cut: VecDeque<Vec<Ready>>,
}

impl Queue {
    /// Adds an object that only the outbox holds.
    pub(crate) fn push_known(&mut self, id: String) {
        if !self.waiting.contains_key(&id) {
            self.waiting.insert(id.clone(), None);
            self.order.push_back(id);
        }
    }

    /// Adds a version; it takes the place of an older one of the same id.
    pub(crate) fn push(&mut self, ready: Ready) {
        if self.ahead.remove(&ready.id) == Some(ready.modified) {
            return;
        }
        let id = ready.id.clone();
        let room = self.held < HELD;
        let kept = room.then_some(ready);
        let added = usize::from(kept.is_some());
        match self.waiting.insert(id.clone(), kept) {
            None => self.order.push_back(id),
            Some(older) => self.held -= usize::from(older.is_some()),
        }
        self.held += added;
    }

    /// Adds a batch that goes before all others.
    pub(crate) fn push_cut(&mut self, batch: Vec<Ready>) {
        self.cut.push_back(batch);
    }

    pub(crate) fn pop_cut(&mut self) -> Option<Vec<Ready>> {
        self.cut.pop_front()
    }

    /// Takes the next id, with its object where that is held here.
    pub(crate) fn pop(&mut self) -> Option<(String, Option<Ready>)> {
        for _ in 0..self.order.len() {
            let id = self.order.pop_front()?;
            if self.flying.contains(&id) {
                self.order.push_back(id);
                continue;
            }
            let ready = self.waiting.remove(&id).flatten();
            self.held -= usize::from(ready.is_some());
            return Some((id, ready));
        }
        None
    }

    /// Notes a version that the outbox gave, so that it is not queued a second time.
    pub(crate) fn note_ahead(&mut self, ready: &Ready) {
        self.ahead.insert(ready.id.clone(), ready.modified);
    }

    pub(crate) fn take_off(&mut self, batch: &[Ready]) {
        self.flying.extend(batch.iter().map(|ready| ready.id.clone()));
    }

    pub(crate) fn land(&mut self, batch: &[Ready]) {
        for ready in batch {
            self.flying.remove(&ready.id);
        }
    }

    /// Returns how many objects wait and may be taken.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn has_cut(&self) -> bool {
        !self.cut.is_empty()
    }
}
