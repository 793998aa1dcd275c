//! Taking a lock whose last holder may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a simulator that panicked in one test thread keeps answering in the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
