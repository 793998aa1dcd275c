//! What two writers on one place do to each other where no lock keeps the second one out.

use ledger::{Batch, Cursor, Error, Ledger, Reader, Storage};

use super::{ROUTE, at, open};

async fn write(ledger: &Ledger, minute: i64) -> Result<(), Error> {
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(minute) }).unwrap();
    ledger.commit(batch).await?;
    ledger.flush().await
}

pub(crate) async fn a_second_writer_fences_the_first(storage: Storage) {
    let first = open(&storage).await.unwrap();
    write(&first, 1).await.unwrap();
    let second = open(&storage).await.unwrap();
    assert_eq!(second.records().cursor().await.unwrap(), Some(Cursor { until: at(1) }));
    let outcome = write(&first, 2).await;
    assert!(matches!(outcome, Err(Error::Fenced)), "{outcome:?}");
    first.abandon().await;
    write(&second, 3).await.unwrap();
    second.close().await.unwrap();
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(3) }));
}

pub(crate) async fn of_writers_that_open_at_once_at_most_one_goes_on(storage: Storage) {
    open(&storage).await.unwrap().close().await.unwrap();
    let opened = futures::future::join_all((0..4).map(|_| open(&storage))).await;
    let mut written = Vec::new();
    for (number, ledger) in opened.iter().enumerate() {
        let minute = i64::try_from(number).unwrap();
        match ledger {
            Ok(ledger) if write(ledger, minute).await.is_ok() => written.push(minute),
            _ => {}
        }
    }
    assert!(written.len() <= 1, "{written:?}");
    drop(opened);
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    let expected = written.first().map(|minute| Cursor { until: at(*minute) });
    assert_eq!(reader.records().cursor().await.unwrap(), expected);
}

pub(crate) async fn many_runs_merge_and_collect_what_they_leave(storage: Storage) {
    for minute in 1..=12 {
        let ledger = open(&storage).await.unwrap();
        write(&ledger, minute).await.unwrap();
        ledger.close().await.unwrap();
        let reader = Reader::open(&storage, ROUTE).await.unwrap();
        assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(minute) }));
    }
}
