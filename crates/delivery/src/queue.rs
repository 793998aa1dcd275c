//! What is durable and waits for its upload: the first of it in memory, in the order of staging, each id once. What has no
//! room here waits in the outbox, which has all of it, and is taken back from there page by page.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use jiff::Timestamp;
use sentinel::MAX_OBJECTS;

/// Objects that usually wait in memory: twenty uploads.
pub const MOST_WAITING: usize = 2_000;
/// Bytes that they have at most. An object has about one kilobyte; one with many labels has more.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// One version of an object, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) id: String,
    pub(crate) modified: Timestamp,
    pub(crate) object: Bytes,
}

#[derive(Debug)]
pub(crate) struct Queue {
    order: VecDeque<String>,
    /// Without an object where only the outbox has it.
    waiting: HashMap<String, Option<Ready>>,
    held: usize,
    held_bytes: usize,
    most_objects: usize,
    most_bytes: usize,
    /// On its way, or in a batch that goes again: a later version waits, so that the two cannot overtake each other.
    flying: HashSet<String>,
    /// Batches that were cut in two or came back; they go first, as they are.
    cut: VecDeque<Vec<Ready>>,
    rest: Option<Rest>,
}

/// What waits in the outbox only: somewhere after this id, and again from its beginning if something was left there since.
#[derive(Debug, Default)]
struct Rest {
    after: Option<String>,
    again: bool,
}

impl Queue {
    pub(crate) fn of_at_most(objects: usize) -> Self {
        Self::bounded(objects.max(1), MOST_BYTES)
    }

    fn bounded(most_objects: usize, most_bytes: usize) -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
            held: 0,
            held_bytes: 0,
            most_objects,
            most_bytes,
            flying: HashSet::new(),
            cut: VecDeque::new(),
            rest: None,
        }
    }

    /// Notes that the outbox holds objects which are not here.
    pub(crate) fn leave_in_outbox(&mut self) {
        match &mut self.rest {
            Some(rest) => rest.again |= rest.after.is_some(),
            None => self.rest = Some(Rest::default()),
        }
    }

    /// Adds an object that only the outbox holds.
    pub(crate) fn push_known(&mut self, id: String) {
        if self.waiting.contains_key(&id) {
            return;
        }
        if self.has_room() || self.flying.contains(&id) {
            self.enqueue(id, None);
        } else {
            self.leave_in_outbox();
        }
    }

    /// Adds a version; it takes the place of an older one of the same id.
    pub(crate) fn push(&mut self, ready: Ready) {
        let id = ready.id.clone();
        if let Some(older) = self.waiting.get_mut(&id).and_then(Option::take) {
            self.held -= 1;
            self.held_bytes -= older.object.len();
        }
        if self.has_room() {
            self.enqueue(id, Some(ready));
        } else if self.waiting.contains_key(&id) || self.flying.contains(&id) {
            // The outbox is not looked through for what is here or on its way, so its id stays.
            self.enqueue(id, None);
        } else {
            self.leave_in_outbox();
        }
    }

    fn enqueue(&mut self, id: String, ready: Option<Ready>) {
        if let Some(ready) = &ready {
            self.held += 1;
            self.held_bytes += ready.object.len();
        }
        if self.waiting.insert(id.clone(), ready).is_none() {
            self.order.push_back(id);
        }
    }

    fn has_room(&self) -> bool {
        self.order.len() < self.most_objects && self.held_bytes < self.most_bytes
    }

    /// Returns after which id the next page of the outbox begins, when one is to be taken in, and how many rows it has.
    pub(crate) fn next_page(&self) -> Option<(Option<&str>, usize)> {
        let rest = self.rest.as_ref().filter(|_| self.order.len() < MAX_OBJECTS.min(self.most_objects))?;
        Some((rest.after.as_deref(), self.most_objects.div_ceil(4)))
    }

    /// Takes in what one page of the outbox holds. It must have been read when all of the outbox was durable and pushed.
    pub(crate) fn take_page(&mut self, page: Vec<Ready>, is_last: bool) {
        let Some(rest) = &mut self.rest else { return };
        if !is_last {
            rest.after = page.last().map(|ready| ready.id.clone());
        } else if rest.again {
            *rest = Rest::default();
        } else {
            self.rest = None;
        }
        for ready in page {
            if !self.waiting.contains_key(&ready.id) && !self.flying.contains(&ready.id) {
                self.enqueue(ready.id.clone(), Some(ready));
            }
        }
    }

    /// Says whether there are objects that only the outbox has.
    pub(crate) fn reads_outbox(&self) -> bool {
        self.held < self.waiting.len() || self.next_page().is_some()
    }

    /// Adds a batch that goes before all others.
    pub(crate) fn push_cut(&mut self, batch: Vec<Ready>) {
        self.take_off(&batch);
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
            if let Some(ready) = &ready {
                self.held -= 1;
                self.held_bytes -= ready.object.len();
            }
            return Some((id, ready));
        }
        None
    }

    pub(crate) fn take_off(&mut self, batch: &[Ready]) {
        self.flying.extend(batch.iter().map(|ready| ready.id.clone()));
    }

    pub(crate) fn land(&mut self, batch: &[Ready]) {
        for ready in batch {
            self.flying.remove(&ready.id);
        }
    }

    /// Returns how many objects wait here and may be taken.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Says whether nothing waits, neither here nor in the outbox.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.cut.is_empty() && self.rest.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 8;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        PushKnown(u8),
        Take(usize),
        Land,
        ComeBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..40_u8).prop_map(Step::Push),
            1 => (0..40_u8).prop_map(Step::PushKnown),
            2 => (1..8_usize).prop_map(Step::Take),
            1 => Just(Step::Land),
            1 => Just(Step::ComeBack),
        ];
        prop::collection::vec(step, 0..120)
    }

    /// A queue with the outbox behind it, and what was sent.
    struct World {
        queue: Queue,
        outbox: BTreeMap<String, i64>,
        flying: Vec<Ready>,
        sent: BTreeMap<String, Vec<i64>>,
        most_in_flight: usize,
    }

    fn version(id: &str, number: i64) -> Ready {
        Ready { id: id.to_owned(), modified: Timestamp::constant(number, 0), object: Bytes::from_static(b"{}") }
    }

    impl World {
        fn new(queue: Queue) -> Self {
            Self { queue, outbox: BTreeMap::new(), flying: Vec::new(), sent: BTreeMap::new(), most_in_flight: 0 }
        }

        fn push(&mut self, id: u8, number: i64) {
            let id = format!("indicator--{id:02}");
            self.outbox.insert(id.clone(), number);
            self.queue.push(version(&id, number));
        }

        /// Takes a batch as an upload does.
        fn take(&mut self, most: usize) -> usize {
            if let Some(batch) = self.queue.pop_cut() {
                self.queue.take_off(&batch);
                self.flying.extend(batch);
                return 1;
            }
            while let Some((after, limit)) = self.queue.next_page() {
                let after = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = self.outbox.range::<str, _>((after, Bound::Unbounded)).take(limit);
                let page: Vec<Ready> = rows.map(|(id, number)| version(id, *number)).collect();
                let is_last = page.len() < limit;
                self.queue.take_page(page, is_last);
            }
            let mut batch = Vec::new();
            while batch.len() < most
                && let Some((id, ready)) = self.queue.pop()
            {
                assert!(self.flying.iter().all(|other| other.id != id), "{id} overtakes itself");
                let Some(newest) = self.outbox.get(&id) else { continue };
                let ready = ready.unwrap_or_else(|| version(&id, *newest));
                assert_eq!(ready.modified.as_second(), *newest, "{id}: not the newest");
                self.sent.entry(id).or_default().push(*newest);
                batch.push(ready);
            }
            self.queue.take_off(&batch);
            self.flying.extend(batch.iter().cloned());
            batch.len()
        }

        fn land(&mut self) {
            self.queue.land(&self.flying);
            for ready in self.flying.drain(..) {
                if self.outbox.get(&ready.id) == Some(&ready.modified.as_second()) {
                    self.outbox.remove(&ready.id);
                }
            }
        }

        fn assert_bounded(&mut self) {
            let (order, waiting) = (self.queue.order.len(), self.queue.waiting.len());
            assert_eq!(order, waiting);
            // A later version of what is on its way keeps its id here.
            self.most_in_flight = self.most_in_flight.max(self.queue.flying.len());
            assert!(waiting <= self.queue.most_objects + self.most_in_flight, "{waiting} wait in memory");
            assert_eq!(self.queue.held, self.queue.waiting.values().flatten().count());
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_between_the_newest_version_of_each_goes_once(steps in steps()) {
            let mut world = World::new(Queue::bounded(MOST, usize::MAX));
            for (number, step) in (1..).zip(steps) {
                match step {
                    Step::Push(id) => world.push(id, number),
                    Step::PushKnown(id) => {
                        let id = format!("indicator--{id:02}");
                        if world.outbox.contains_key(&id) {
                            world.queue.push_known(id);
                        }
                    }
                    Step::Take(most) => drop(world.take(most)),
                    Step::Land => world.land(),
                    Step::ComeBack => {
                        let batch = std::mem::take(&mut world.flying);
                        world.queue.land(&batch);
                        if !batch.is_empty() {
                            world.queue.push_cut(batch);
                        }
                    }
                }
                world.assert_bounded();
            }
            world.land();
            while world.take(3) > 0 {
                world.assert_bounded();
                world.land();
            }
            prop_assert!(world.outbox.is_empty(), "left behind: {:?}", world.outbox);
            prop_assert!(world.queue.is_empty());
            for (id, versions) in &world.sent {
                prop_assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{id} went twice: {versions:?}");
            }
        }
    }

    #[test]
    fn however_much_waits_no_more_than_the_bound_is_in_memory() {
        let mut queue = Queue::of_at_most(MOST_WAITING);
        for number in 0..100_000 {
            queue.push(version(&format!("indicator--{number:06}"), number));
        }
        assert_eq!((queue.order.len(), queue.waiting.len(), queue.held), (MOST_WAITING, MOST_WAITING, MOST_WAITING));
        let mut queue = Queue::of_at_most(MOST_WAITING);
        for number in 0..100_000 {
            let object = Bytes::from(vec![b'x'; 50_000]);
            queue.push(Ready { object, ..version(&format!("indicator--{number:06}"), number) });
        }
        assert!(queue.held_bytes < MOST_BYTES + 50_000);
        assert!(queue.waiting.len() * 50_000 < MOST_BYTES + 50_000);
    }
}
