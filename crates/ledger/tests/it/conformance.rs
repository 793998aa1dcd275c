//! The suite in memory and on disk.

use std::future::Future;
use std::sync::Arc;

use ledger::{StateUrl, Storage};
use object_store::memory::InMemory;

use crate::suite;

/// Runs a check on memory, on memory as if it were far away, and on disk, each fresh.
async fn on_every_storage<F: Future<Output = ()>>(check: impl Fn(Storage) -> F) {
    on_every_memory(&check).await;
    let folder = tempfile::tempdir().unwrap();
    check(Storage::create(&StateUrl::Folder(folder.path().join("state"))).unwrap()).await;
}

async fn on_every_memory<F: Future<Output = ()>>(check: impl Fn(Storage) -> F) {
    check(Storage::over(Arc::new(InMemory::new()))).await;
    check(Storage::remote(Arc::new(InMemory::new()))).await;
}

suite::everywhere!(on_every_storage, cfg(test));
suite::without_lock!(on_every_memory, cfg(test));
