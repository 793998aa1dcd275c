//! What is worth telling of a run besides its counts: what was refused, what stays open, what was dropped and why.
//!
//! Bounded: a run that Sentinel refuses as a whole must not keep all of it in memory. What is over the bound is counted.

use std::collections::BTreeMap;

/// Notes kept of one run.
const MOST_NOTES: usize = 500;
/// Values kept of what is staged: enough to see that they are what was expected.
const FIRST_VALUES: usize = 10;
/// Bytes kept of a text. Values and words can be longer; the quarantine has all of them.
const MOST_BYTES: usize = 4096;

/// One thing that needs somebody's eye.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Sentinel refused an object.
    Quarantined {
        /// Its id.
        id: String,
        /// Its value.
        value: String,
        /// The server's words.
        server: String,
    },
    /// A sample cannot be read, for another reason than before.
    Open {
        /// The sample.
        sample_id: u64,
        /// Why.
        reason: String,
    },
}

/// The notes of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    kept: Vec<Note>,
    quarantined_left_out: u64,
    open_left_out: u64,
    dropped: BTreeMap<String, u64>,
    first_staged: Vec<String>,
}

impl Notes {
    /// Returns what was kept, in the order in which it happened.
    pub fn kept(&self) -> &[Note] {
        &self.kept
    }

    /// Returns how many refused objects were not kept for want of room.
    pub fn quarantined_left_out(&self) -> u64 {
        self.quarantined_left_out
    }

    /// Returns how many open samples were not kept for want of room.
    pub fn open_left_out(&self) -> u64 {
        self.open_left_out
    }

    /// Returns how many receipts were written, by the code of their reason.
    pub fn dropped(&self) -> &BTreeMap<String, u64> {
        &self.dropped
    }

    /// Returns the first values that were staged, each with its kind.
    pub fn first_staged(&self) -> &[String] {
        &self.first_staged
    }

    /// Notes a value that is staged.
    pub(crate) fn staged(&mut self, kind: &str, value: &str) {
        if self.first_staged.len() < FIRST_VALUES {
            self.first_staged.push(format!("{kind} {}", short(value)));
        }
    }

    /// Notes that a sample cannot be read.
    pub fn open(&mut self, sample_id: u64, reason: &str) {
        if self.has_room() {
            self.kept.push(Note::Open { sample_id, reason: short(reason) });
        } else {
            self.open_left_out += 1;
        }
    }

    /// Notes a receipt, by the code of its reason.
    pub fn receipt(&mut self, reason: &str) {
        match self.dropped.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.dropped.insert(reason.to_owned(), 1)),
        }
    }

    /// Notes that Sentinel refused an object.
    pub(crate) fn quarantine(&mut self, id: &str, value: &str, server: &[String]) {
        if self.has_room() {
            let server = short(&server.join("; "));
            self.kept.push(Note::Quarantined { id: id.to_owned(), value: short(value), server });
        } else {
            self.quarantined_left_out += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.kept.len() < MOST_NOTES
    }
}

/// Returns the begin of a text.
fn short(text: &str) -> String {
    let mut end = text.len().min(MOST_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_bound_is_counted() {
        let mut notes = Notes::default();
        for n in 0..MOST_NOTES as u64 {
            notes.open(n, "why");
        }
        notes.open(1, "why");
        notes.quarantine("id", "value", &[]);
        notes.quarantine("id", "value", &[]);
        for reason in ["expired", "null_value", "expired"] {
            notes.receipt(reason);
        }
        assert_eq!(notes.kept().len(), MOST_NOTES);
        assert_eq!((notes.open_left_out(), notes.quarantined_left_out()), (1, 2));
        assert_eq!(notes.dropped(), &BTreeMap::from([("expired".to_owned(), 2), ("null_value".to_owned(), 1)]));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut notes = Notes::default();
        notes.quarantine("id", &"ü".repeat(5000), &["a".to_owned(), "b".to_owned()]);
        let Note::Quarantined { value, server, .. } = &notes.kept()[0] else { panic!() };
        assert_eq!((value.len(), server.as_str()), (4096, "a; b"));
    }
}
