//! One run at a time.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// Whose turn it is: nobody's, or that of a run that began at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<Mutex<Option<Timestamp>>>);

/// The turn, taken; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Taken(Turn);

impl Turn {
    /// Takes the turn, or says since when it is taken.
    pub(super) fn take(&self, now: Timestamp) -> Result<Taken, Timestamp> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = *since {
            return Err(since);
        }
        *since = Some(now);
        Ok(Taken(self.clone()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_is_one_runs_until_it_ends() {
        let turn = Turn::default();
        let first = turn.take(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(turn.take(Timestamp::MAX).unwrap_err(), Timestamp::UNIX_EPOCH);
        drop(first);
        turn.take(Timestamp::MAX).unwrap();
    }
}
