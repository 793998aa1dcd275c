//! The number of objects stays bounded however often we run.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, IndicatorRecord, IndicatorState, Ledger, ReceiptRecord, RunRecord, Storage, Upkeep};
use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use crate::{ROUTE, at, binding};

#[tokio::test]
async fn a_thousand_runs_leave_a_bounded_number_of_objects() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    // The store stamps objects with the machine's time, which no test can move: the runs begin after that, and any age
    // will do.
    store.put(&"now".into(), "".into()).await.unwrap();
    let machine = store.head(&"now".into()).await.unwrap().last_modified.timestamp();
    let at = |minutes: i64| Timestamp::from_second(machine + 60 * (minutes + 1)).unwrap();
    let upkeep = Upkeep {
        collect_every: SignedDuration::from_hours(24),
        keep_files: Duration::ZERO,
        keep_merging: Duration::from_millis(100),
        keep_fences: Duration::ZERO,
    };
    let mut most = 0;
    for run in 0..1000 {
        let now = at(run * 10);
        let ledger = Ledger::open(&storage, ROUTE, &binding(), now, upkeep).await.unwrap();
        let mut batch = Batch::new();
        let record = IndicatorRecord {
            kind: "url".into(),
            value: format!("https://{run}.example/"),
            name: String::new(),
            created: now,
            modified: now,
            valid_until: now,
            last_seen: now,
            confidence: 75,
            content: String::new(),
            state: IndicatorState::Accepted,
            accepted_at: None,
            incidents: Vec::new(),
        };
        batch.put_indicator(&format!("indicator--{run:04}"), &record).unwrap();
        batch
            .put_run(&RunRecord {
                started: now,
                ended: now,
                outcome: "done".into(),
                error: None,
                next_step: None,
                counts: std::collections::BTreeMap::new(),
            })
            .unwrap();
        ledger.commit(batch).await.unwrap();
        ledger.close().await.unwrap();
        let objects = store.list(None).count().await;
        most = most.max(objects);
    }
    // A day is 144 runs of about a dozen small objects each.
    assert!(most < 2500, "{most} objects at the worst");
    let ledger = Ledger::open(&storage, ROUTE, &binding(), at(10_000), upkeep).await.unwrap();
    assert_eq!(ledger.records().count_indicators().await.unwrap(), 1000);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn old_runs_are_forgotten() {
    let storage = Storage::over(Arc::new(InMemory::new()));
    let open =
        |now| async move { Ledger::open(&storage.clone(), ROUTE, &binding(), now, Upkeep::default()).await.unwrap() };
    let ledger = open.clone()(at(0)).await;
    let mut batch = Batch::new();
    for minute in [0, 60 * 24 * 50] {
        batch
            .put_run(&RunRecord {
                started: at(minute),
                ended: at(minute),
                outcome: "done".into(),
                error: None,
                next_step: None,
                counts: std::collections::BTreeMap::new(),
            })
            .unwrap();
    }
    ledger.commit(batch).await.unwrap();
    ledger.close().await.unwrap();
    let ledger = open(at(60 * 24 * 100)).await;
    let left: Vec<_> = ledger.records().newest_runs(10).await.unwrap().iter().map(|run| run.started).collect();
    assert_eq!(left, [at(60 * 24 * 50)]);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn runs_of_a_month_are_kept_and_read_page_by_page_however_many_there_are() {
    let storage = Storage::over(Arc::new(InMemory::new()));
    let ledger = Ledger::open(&storage, ROUTE, &binding(), at(0), Upkeep::default()).await.unwrap();
    let mut batch = Batch::new();
    let run = |minute: i64| RunRecord {
        started: at(minute),
        ended: at(minute),
        outcome: "done".into(),
        error: None,
        next_step: None,
        counts: std::collections::BTreeMap::new(),
    };
    // One every three minutes for fifty days: 24,000 of them.
    for number in 0..24_000 {
        batch.put_run(&run(number * 3)).unwrap();
    }
    ledger.commit(batch).await.unwrap();
    ledger.close().await.unwrap();
    let now = at(24_000 * 3);
    let ledger = Ledger::open(&storage, ROUTE, &binding(), now, Upkeep::default()).await.unwrap();
    let page = ledger.records().runs_before(now, 20).await.unwrap();
    assert_eq!((page.len(), page[0].started), (20, at(23_999 * 3)));
    let next = ledger.records().runs_before(page[19].started, 20).await.unwrap();
    assert_eq!(next[0].started, at(23_979 * 3));
    let kept = ledger.records().newest_runs(usize::MAX).await.unwrap();
    let days = |run: &RunRecord| now.duration_since(run.started).as_hours() / 24;
    assert_eq!(kept.last().map(days), Some(30), "{}", kept.len());
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn more_receipts_than_one_batch_deletes_are_forgotten_when_they_are_old() {
    let storage = Storage::over(Arc::new(InMemory::new()));
    let open =
        |now| async move { Ledger::open(&storage.clone(), ROUTE, &binding(), now, Upkeep::default()).await.unwrap() };
    let ledger = open.clone()(at(0)).await;
    let mut batch = Batch::new();
    for sample_id in 0..3000 {
        let old = sample_id % 3 != 0;
        let receipt = ReceiptRecord {
            at: at(if old { 0 } else { 60 * 24 * 50 }),
            sample_id,
            kind: "domain".into(),
            value: "a.example".into(),
            reason: "noise".into(),
            text: String::new(),
        };
        batch.put_receipt(&receipt).unwrap();
    }
    ledger.commit(batch).await.unwrap();
    ledger.close().await.unwrap();
    let ledger = open(at(60 * 24 * 100)).await;
    let left = ledger.records().newest_receipts(usize::MAX).await.unwrap();
    assert_eq!(left.len(), 1000);
    assert!(left.iter().all(|receipt| receipt.sample_id % 3 == 0));
    ledger.close().await.unwrap();
}
