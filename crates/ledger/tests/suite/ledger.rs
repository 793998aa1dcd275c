//! What a ledger promises, wherever it lies.

use ledger::{
    Batch, Binding, Cursor, Error, IndicatorRecord, IndicatorState, Ledger, OutboxRecord, Reader, ReceiptRecord,
    Storage, SubmissionRecord, Upkeep,
};
use serde::{Deserialize, Serialize};

use super::{ROUTE, at, binding, open};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Facts {
    said: String,
}

fn indicator(value: &str) -> IndicatorRecord {
    IndicatorRecord {
        kind: "domain".into(),
        value: value.into(),
        name: value.into(),
        created: at(1),
        modified: at(1),
        valid_until: at(9000),
        last_seen: at(1),
        confidence: 100,
        content: "abc".into(),
        state: IndicatorState::Staged,
        accepted_at: None,
        incidents: Vec::new(),
    }
}

pub(crate) async fn what_was_flushed_survives_a_writer_that_is_dropped(storage: Storage) {
    let ledger = open(&storage).await.unwrap();
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(5) }).unwrap();
    batch.put_indicator("indicator--1", &indicator("evil.example")).unwrap();
    batch.put_outbox("indicator--1", &OutboxRecord { modified: at(1), object: "{}".into() }).unwrap();
    ledger.commit(batch).await.unwrap();
    ledger.flush().await.unwrap();
    drop(ledger);

    let ledger = open(&storage).await.unwrap();
    assert_eq!(ledger.records().cursor().await.unwrap(), Some(Cursor { until: at(5) }));
    assert_eq!(ledger.records().indicator("indicator--1").await.unwrap(), Some(indicator("evil.example")));
    let outbox = ledger.records().outbox_after(None, 2).await.unwrap();
    assert_eq!(outbox, [("indicator--1".to_owned(), OutboxRecord { modified: at(1), object: "{}".into() })]);
    assert_eq!(ledger.records().outbox_after(Some("indicator--1"), 2).await.unwrap(), []);
    ledger.close().await.unwrap();
}

pub(crate) async fn a_committed_batch_is_visible_before_it_is_durable(storage: Storage) {
    let ledger = open(&storage).await.unwrap();
    let mut batch = Batch::new();
    let record = SubmissionRecord { sample_id: 7, verdict: None, finish_time: Some(at(2)) };
    batch.put_submission(3, &record).unwrap();
    ledger.commit(batch).await.unwrap();
    assert_eq!(ledger.records().submission(3).await.unwrap(), Some(record));
    assert_eq!(ledger.records().submission(4).await.unwrap(), None);
    ledger.close().await.unwrap();
}

pub(crate) async fn newest_evidence_comes_by_falling_sample_id_and_of_its_own_indicator_only(storage: Storage) {
    let ledger = open(&storage).await.unwrap();
    let mut batch = Batch::new();
    for sample in [2, 9, 10, 100] {
        batch.put_evidence("indicator--1", sample, &Facts { said: format!("s{sample}") }).unwrap();
    }
    batch.put_evidence("indicator--11", 500, &Facts { said: "another".into() }).unwrap();
    ledger.commit(batch).await.unwrap();
    let newest: Vec<Facts> = ledger.records().newest_evidence("indicator--1", 3).await.unwrap();
    let said: Vec<_> = newest.iter().map(|facts| facts.said.as_str()).collect();
    assert_eq!(said, ["s100", "s10", "s9"]);
    let one: Option<Facts> = ledger.records().evidence("indicator--1", 2).await.unwrap();
    assert_eq!(one, Some(Facts { said: "s2".into() }));
    ledger.close().await.unwrap();
}

pub(crate) async fn the_same_receipt_twice_is_one_receipt(storage: Storage) {
    let ledger = open(&storage).await.unwrap();
    let receipt = |reason: &str| ReceiptRecord {
        at: at(1),
        sample_id: 5,
        kind: "ip".into(),
        value: "10.0.0.1".into(),
        reason: reason.into(),
        text: "private".into(),
    };
    for reason in ["private_address", "private_address", "null_verdict"] {
        let mut batch = Batch::new();
        batch.put_receipt(&receipt(reason)).unwrap();
        ledger.commit(batch).await.unwrap();
    }
    assert_eq!(ledger.records().receipts_of(5).await.unwrap().len(), 2);
    assert_eq!(ledger.records().receipts_of(50).await.unwrap().len(), 0);
    ledger.close().await.unwrap();
}

pub(crate) async fn a_renamed_or_repointed_route_is_refused(storage: Storage) {
    open(&storage).await.unwrap().close().await.unwrap();
    let other = Binding { vmray: "other.test".into(), ..binding() };
    let error = Ledger::open(&storage, ROUTE, &other, at(1), Upkeep::default()).await.unwrap_err();
    assert!(matches!(&error, Error::WrongBinding { bound_vmray, .. } if bound_vmray == "vmray.test"), "{error}");
    // The refusal leaves the state usable.
    open(&storage).await.unwrap().close().await.unwrap();
}

pub(crate) async fn a_reader_sees_nothing_where_nothing_is_and_the_latest_where_something_is(storage: Storage) {
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), None);
    assert_eq!(reader.records().indicators().await.unwrap(), []);

    let ledger = open(&storage).await.unwrap();
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(5) }).unwrap();
    ledger.commit(batch).await.unwrap();
    ledger.flush().await.unwrap();
    // While the writer is open:
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(5) }));
    ledger.close().await.unwrap();
}

pub(crate) async fn a_dry_storage_behaves_like_the_real_one_and_leaves_it_alone(storage: Storage) {
    open(&storage).await.unwrap().close().await.unwrap();
    let dry = storage.dry();
    let ledger = open(&dry).await.unwrap();
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(5) }).unwrap();
    ledger.commit(batch).await.unwrap();
    assert_eq!(ledger.records().cursor().await.unwrap(), Some(Cursor { until: at(5) }));
    ledger.close().await.unwrap();
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), None);
}
