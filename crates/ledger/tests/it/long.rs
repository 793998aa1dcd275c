//! A run that is long enough for the engine to write files while it goes on.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Batch, OutboxRecord, Storage};
use object_store::memory::InMemory;

use crate::{at, open};

#[tokio::test(start_paused = true)]
async fn a_run_may_write_more_than_the_engine_holds_in_memory() {
    let storage = Storage::over(Arc::new(InMemory::new()));
    let ledger = open(&storage).await.unwrap();
    for n in 0..3000 {
        let mut batch = Batch::new();
        batch
            .put_outbox(&format!("indicator--{n:05}"), &OutboxRecord { modified: at(n), object: "x".repeat(8000) })
            .unwrap();
        ledger.commit(batch).await.unwrap();
        if n % 100 == 99 {
            ledger.flush().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    assert_eq!(ledger.records().count_outbox().await.unwrap(), 3000);
    ledger.close().await.unwrap();
}

#[test]
fn a_machine_whose_clock_goes_back_can_still_write() {
    // Paused time of one process runs ahead of the machine; the next process starts behind it, as after a clock that
    // was set right.
    let storage = Storage::over(Arc::new(InMemory::new()));
    for life in 0..8 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let ledger = open(&storage).await.unwrap();
            for n in 0..3 {
                let mut batch = Batch::new();
                let object = OutboxRecord { modified: at(n), object: "x".into() };
                batch.put_outbox(&format!("indicator--{life}-{n}"), &object).unwrap();
                ledger.commit(batch).await.unwrap();
                ledger.flush().await.unwrap();
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            if life % 2 == 0 {
                ledger.close().await.unwrap();
            }
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let found = runtime.block_on(async { open(&storage).await.unwrap().records().count_outbox().await.unwrap() });
    assert_eq!(found, 24);
}

#[test]
fn a_process_that_starts_seconds_behind_the_last_write_is_not_locked_out() {
    // What was written last stands in the log only, whose stamps nothing tells before the engine has read it.
    let storage = Storage::over(Arc::new(InMemory::new()));
    let process = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    process().block_on(async {
        let ledger = open(&storage).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2600)).await;
        let mut batch = Batch::new();
        batch.put_outbox("indicator--1", &OutboxRecord { modified: at(0), object: "x".into() }).unwrap();
        ledger.commit(batch).await.unwrap();
        ledger.flush().await.unwrap();
    });
    let found = process().block_on(async { open(&storage).await.unwrap().records().count_outbox().await.unwrap() });
    assert_eq!(found, 1);
}
