//! What is durable and waits for its upload, in the order of staging, each id once.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use jiff::Timestamp;

/// Objects held in memory; beyond that only ids wait here and the outbox has the rest.
const HELD: usize = 5_000;

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

    /// Returns how many objects wait or are on their way.
    pub(crate) fn objects(&self) -> usize {
        self.order.len() + self.cut.iter().map(Vec::len).sum::<usize>() + self.flying.len()
    }

    pub(crate) fn has_cut(&self) -> bool {
        !self.cut.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        PushKnown(u8),
        Take(usize),
        Land,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..12_u8).prop_map(Step::Push),
            1 => (0..12_u8).prop_map(Step::PushKnown),
            2 => (1..8_usize).prop_map(Step::Take),
            1 => Just(Step::Land),
        ];
        prop::collection::vec(step, 0..80)
    }

    fn version(id: &str, number: i64) -> Ready {
        Ready { id: id.to_owned(), modified: Timestamp::constant(number, 0), object: Bytes::new() }
    }

    /// Takes a batch as an upload does, and checks it against what must be waiting.
    fn take(queue: &mut Queue, waiting: &mut BTreeMap<String, Option<i64>>, flying: &mut Vec<Ready>, most: usize) {
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some((id, ready)) = queue.pop()
        {
            assert!(flying.iter().all(|other| other.id != id), "{id} overtakes itself");
            let expected = waiting.remove(&id).expect("only what waits is taken");
            assert_eq!(ready.as_ref().map(|ready| ready.modified.as_second()), expected, "{id}: not the newest");
            batch.push(ready.unwrap_or_else(|| version(&id, 0)));
        }
        queue.take_off(&batch);
        flying.extend(batch);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_between_the_newest_version_of_each_goes_once(steps in steps()) {
            let mut queue = Queue::default();
            let (mut waiting, mut flying, mut number) = (BTreeMap::new(), Vec::new(), 0);
            for step in steps {
                match step {
                    Step::Push(id) => {
                        number += 1;
                        let id = format!("indicator--{id}");
                        queue.push(version(&id, number));
                        waiting.insert(id, Some(number));
                    }
                    Step::PushKnown(id) => {
                        let id = format!("indicator--{id}");
                        queue.push_known(id.clone());
                        waiting.entry(id).or_insert(None);
                    }
                    Step::Take(most) => take(&mut queue, &mut waiting, &mut flying, most),
                    Step::Land => {
                        queue.land(&flying);
                        flying.clear();
                    }
                }
                prop_assert_eq!(queue.len(), waiting.len());
                prop_assert_eq!(queue.held, waiting.values().flatten().count());
            }
            queue.land(&flying);
            flying.clear();
            take(&mut queue, &mut waiting, &mut flying, usize::MAX);
            prop_assert!(waiting.is_empty(), "left behind: {:?}", waiting);
        }
    }
}
