//! How large an answer may be, and how much memory all large ones take together.
//!
//! A request carries its bound as an extension. An answer beyond it is [`TransportError::TooLarge`] with its size, as soon
//! as that is known. Answers of more than a megabyte share one budget: whoever takes one waits until there is room, and
//! gives the room back when the last part of the answer is dropped. So nobody may ask for another one while holding one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bound of a request that has none: our own storage, whose objects are of a known size.
const UNBOUNDED: usize = 256 * 1024 * 1024;
/// Answers up to this size are not counted: as many of them as there may be calls.
const SMALL: usize = 1024 * 1024;
/// What large answers take together.
const BUDGET: usize = 64 * 1024 * 1024;
/// Unit of the budget.
const KB: usize = 1024;

/// Bytes that an answer may have; an extension of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerBound(pub usize);

impl AnswerBound {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(UNBOUNDED))
    }
}

/// The room for large answers. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct AnswerBudget(Arc<Semaphore>);

impl AnswerBudget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET / KB)))
    }

    /// Says whether an answer of this size is among the large ones.
    pub(crate) fn counts(bytes: usize) -> bool {
        bytes > SMALL
    }

    /// Waits for the room that an answer of this size takes. One that is larger than all of it takes all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let room = u32::try_from(bytes.min(BUDGET).div_ceil(KB)).ok().filter(|_| Self::counts(bytes))?;
        // Never closed, so there is always room in the end.
        Arc::clone(&self.0).acquire_many_owned(room).await.ok()
    }
}

/// Returns the body, which keeps the room that it needs as long as it lives.
pub(crate) fn held(body: BytesMut, room: Option<OwnedSemaphorePermit>) -> Bytes {
    match room {
        None => body.freeze(),
        Some(mut room) => {
            drop(room.split(room.num_permits().saturating_sub(body.len().div_ceil(KB))));
            Bytes::from_owner(Held { body, _room: room })
        }
    }
}

struct Held {
    body: BytesMut,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn large_answers_share_one_budget_and_give_it_back_when_they_are_dropped() {
        let budget = AnswerBudget::new();
        assert!(budget.take(SMALL).await.is_none());
        let large = 60 * 1024 * 1024;
        let first = held(BytesMut::zeroed(large), budget.take(large).await);
        let part = first.slice(0..1);
        drop(first);
        assert!(budget.take(large).now_or_never().is_none(), "its part is still held");
        drop(part);
        assert!(budget.take(usize::MAX).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn an_answer_that_turns_out_smaller_than_its_room_gives_the_rest_back() {
        let budget = AnswerBudget::new();
        let whole = held(BytesMut::zeroed(2 * SMALL), budget.take(48 * SMALL).await);
        assert!(budget.take(62 * SMALL).now_or_never().flatten().is_some());
        assert!(budget.take(63 * SMALL).now_or_never().is_none(), "{} bytes are held", whole.len());
    }
}
