//! Whatever happens to a file of a ledger, nothing is missing in silence.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use ledger::{
    Batch, Cursor, Error, IndicatorRecord, IndicatorState, Ledger, Reader, Records, StateUrl, Storage,
    SubmissionRecord, Upkeep,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use rstest::rstest;

use crate::{ROUTE, at, binding, open};

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit, at so many eighths of the file.
    Flip {
        share: usize,
        bit: u8,
    },
    /// After so many eighths.
    Cut {
        share: usize,
    },
    Zeros,
    Gone,
}

/// What is tried with the file of a number: bits at places that go round with the number, and all else.
fn damages(file: usize) -> [Damage; 7] {
    let flip =
        |place: usize| Damage::Flip { share: (file + place) % 9, bit: u8::try_from((file * 5 + place) % 8).unwrap() };
    [flip(0), flip(3), flip(6), Damage::Cut { share: 0 }, Damage::Cut { share: 6 }, Damage::Zeros, Damage::Gone]
}

/// What becomes of a file.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Same,
    Content(Vec<u8>),
    Nothing,
}

impl Damage {
    fn of(self, content: &[u8]) -> Left {
        let place = |share: usize| content.len().saturating_sub(1) * share / 8;
        let mut left = content.to_vec();
        match self {
            Self::Flip { share, bit } => {
                if let Some(byte) = left.get_mut(place(share)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut { share } => left.truncate(place(share)),
            Self::Zeros => left.fill(0),
            Self::Gone => return Left::Nothing,
        }
        if left == content { Left::Same } else { Left::Content(left) }
    }
}

fn indicator(value: usize) -> IndicatorRecord {
    IndicatorRecord {
        kind: "domain".into(),
        value: format!("{value}.example"),
        name: String::new(),
        created: at(0),
        modified: at(0),
        valid_until: at(0),
        last_seen: at(0),
        confidence: 75,
        content: "a".repeat(200),
        state: IndicatorState::Accepted,
        accepted_at: None,
        incidents: Vec::new(),
    }
}

async fn write(ledger: &Ledger, run: usize) {
    let mut batch = Batch::new();
    for number in run * 10..run * 10 + 10 {
        batch.put_indicator(&format!("indicator--{number:04}"), &indicator(number)).unwrap();
    }
    let submission = SubmissionRecord { sample_id: 1, verdict: None, finish_time: None };
    batch.put_submission(run as u64, &submission).unwrap();
    batch.put_cursor(Cursor { until: at(i64::try_from(run).unwrap()) }).unwrap();
    ledger.commit(batch).await.unwrap();
    ledger.flush().await.unwrap();
}

/// Six runs, of which the fifth merges what there is, and one more that is killed or not.
async fn state(storage: &Storage, end: End) {
    for run in 0..6 {
        let ledger = open(storage).await.unwrap();
        write(&ledger, run).await;
        ledger.close().await.unwrap();
    }
    if end == End::Killed {
        let ledger = open(storage).await.unwrap();
        for run in 6..9 {
            write(&ledger, run).await;
        }
        drop(ledger);
    }
}

/// All that is known, as text.
async fn known(records: &Records) -> Result<BTreeSet<String>, Error> {
    let mut known = BTreeSet::new();
    let mut export = records.export().await?;
    while let Some(record) = export.next().await? {
        if record.key == "format" {
            // It says from when on there are checksums.
            continue;
        }
        known.insert(format!("{} {} {}", record.kind, record.key, record.record));
    }
    Ok(known)
}

async fn read(storage: &Storage) -> Result<BTreeSet<String>, Error> {
    known(Reader::open(storage, ROUTE).await?.records()).await
}

/// A run that looks at everything and writes something.
async fn run(storage: &Storage) -> Result<BTreeSet<String>, Error> {
    let ledger = Ledger::open(storage, ROUTE, &binding(), at(1), Upkeep::default()).await?;
    let known = known(ledger.records()).await;
    let mut batch = Batch::new();
    batch.put_submission(99, &SubmissionRecord { sample_id: 1, verdict: None, finish_time: None })?;
    ledger.commit(batch).await?;
    let closed = ledger.close().await;
    let known = known?;
    closed.map(|()| known)
}

async fn files(store: &dyn ObjectStore) -> Vec<(Path, Vec<u8>)> {
    let names: Vec<Path> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let mut files = Vec::new();
    for name in names {
        let content = store.get(&name).await.unwrap().bytes().await.unwrap().to_vec();
        files.push((name, content));
    }
    files.sort();
    files
}

/// The same files, of which one may be other.
async fn copy(files: &[(Path, Vec<u8>)], other: Option<(&Path, &Left)>) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    for (name, content) in files {
        let content = match other {
            Some((path, Left::Nothing)) if path == name => continue,
            Some((path, Left::Content(left))) if path == name => left,
            _ => content,
        };
        store.put(name, content.clone().into()).await.unwrap();
    }
    store
}

/// Says what is wrong with an outcome: damage is told, or all is there.
fn silent(outcome: &Result<BTreeSet<String>, Error>, expected: &BTreeSet<String>) -> Option<String> {
    match outcome {
        Err(error @ Error::Damaged { .. }) if error.to_string().contains("damaged") => None,
        Err(error) => Some(format!("is called something else: {error:?}")),
        Ok(found) if found.is_superset(expected) => None,
        Ok(found) => {
            Some(format!("{} of {} records are missing in silence", expected.difference(found).count(), expected.len()))
        }
    }
}

#[rstest]
#[case(End::Closed)]
#[case(End::Killed)]
#[tokio::test]
async fn no_damage_to_any_file_loses_anything_in_silence(#[case] end: End) {
    let store = Arc::new(InMemory::new());
    state(&Storage::over(store.clone()), end).await;
    let files = files(store.as_ref()).await;
    let whole = Storage::over(copy(&files, None).await);
    let expected = read(&whole).await.unwrap();
    assert!(expected.len() > 60, "{expected:?}");
    assert!(run(&whole).await.unwrap().is_superset(&expected));

    let (mut wrong, mut kept, mut found, mut tried) = (Vec::new(), Vec::new(), 0, 0);
    for (number, (name, content)) in files.iter().enumerate() {
        for damage in damages(number) {
            let left = damage.of(content);
            if left == Left::Same {
                continue;
            }
            tried += 1;
            let damaged = Storage::over(copy(&files, Some((name, &left))).await);
            let reading = read(&damaged).await;
            let salvaged = Reader::salvage(&damaged, ROUTE).await;
            let running = run(&damaged).await;
            found += usize::from(running.is_err());
            for (who, outcome) in [("a reader", &reading), ("a run", &running)] {
                if let Some(silence) = silent(outcome, &expected) {
                    wrong.push(format!("{name} {damage:?}: by {who}: {silence}"));
                }
            }
            // What was damaged must not look whole once a run has been over it.
            if let Ok((reader, told)) = salvaged {
                match (told, known(reader.records()).await) {
                    (None, salvaged) => assert_eq!(salvaged.is_err(), reading.is_err(), "{name} {damage:?}"),
                    (Some(Error::Damaged { .. }), Ok(salvaged)) => kept.push((name, damage, salvaged.len())),
                    (told, salvaged) => panic!("{name} {damage:?}: {told:?} {salvaged:?}"),
                }
            }
            if reading.is_err() && running.is_ok() {
                wrong.push(format!("{name} {damage:?}: a reader sees what a run writes over: {reading:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(found > tried / 20, "{found} of {tried} found");
    let most_is_kept = kept.iter().filter(|(.., records)| *records > expected.len() / 2).count();
    assert!(most_is_kept > kept.len() / 2, "{kept:?}");
}

#[tokio::test]
async fn a_file_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::create(&StateUrl::Folder(folder.path().to_owned())).unwrap();
    state(&storage, End::Killed).await;
    let wal = folder.path().join("v1").join(ROUTE).join("ledger/wal");
    let mut names: Vec<_> = std::fs::read_dir(&wal).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let newest = names.last().unwrap();
    std::fs::remove_file(wal.join(newest)).unwrap();
    for error in
        [Reader::open(&storage, ROUTE).await.map(drop).unwrap_err(), open(&storage).await.map(drop).unwrap_err()]
    {
        let Error::Damaged { what, reason } = &error else { panic!("{error:?}") };
        assert_eq!(*what, format!("v1/{ROUTE}/ledger/wal/{}", newest.display()));
        assert_eq!(reason, "it is missing");
    }
}

#[tokio::test]
async fn a_ledger_of_which_nothing_can_be_read_says_so() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    state(&storage, End::Killed).await;
    for (name, _) in files(store.as_ref()).await {
        if name.as_ref().contains("/manifest/") {
            store.delete(&name).await.unwrap();
        }
    }
    for outcome in [Reader::open(&storage, ROUTE).await.map(drop), Reader::salvage(&storage, ROUTE).await.map(drop)] {
        assert!(matches!(&outcome, Err(Error::Damaged { what, .. }) if what.contains("/manifest/")), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_kill_between_any_two_writes_is_no_damage() {
    let store = Arc::new(Recorder::default());
    let storage = Storage::over(store.clone());
    state(&storage, End::Killed).await;
    let writes = store.writes.lock().unwrap().clone();
    assert!(writes.len() > 60, "{}", writes.len());
    for kill in 0..=writes.len() {
        let store = Arc::new(InMemory::new());
        for (name, content) in &writes[..kill] {
            match content {
                Some(content) => drop(store.put(name, content.clone().into()).await.unwrap()),
                None => store.delete(name).await.unwrap(),
            }
        }
        let storage = Storage::over(store);
        read(&storage).await.unwrap_or_else(|error| panic!("reading after {kill} writes: {error:?}"));
        run(&storage).await.unwrap_or_else(|error| panic!("a run after {kill} writes: {error:?}"));
        read(&storage).await.unwrap_or_else(|error| panic!("reading after the run after {kill} writes: {error:?}"));
    }
}

#[tokio::test]
async fn a_state_without_checksums_is_taken_as_it_is_and_checked_from_then_on() {
    let store = Arc::new(InMemory::new());
    state(&Storage::over(store.clone()), End::Closed).await;
    // What an earlier version left: no list, and no word of one.
    store.delete(&format!("v1/{ROUTE}/checksums").into()).await.unwrap();
    {
        let db = slatedb::Db::open(format!("v1/{ROUTE}/ledger"), store.clone()).await.unwrap();
        db.put(b"a/format", b"\x01{\"version\":1}").await.unwrap();
        db.close().await.unwrap();
    }
    let storage = Storage::over(store.clone());
    let before = read(&storage).await.unwrap();
    assert!(run(&storage).await.unwrap().is_superset(&before));
    let list = format!("v1/{ROUTE}/checksums").into();
    store.head(&list).await.unwrap();
    store.delete(&list).await.unwrap();
    for outcome in [read(&storage).await, run(&storage).await, run(&storage).await] {
        assert!(matches!(&outcome, Err(Error::Damaged { what, .. }) if what.ends_with("/checksums")), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_reader_that_looks_while_a_run_writes_sees_no_damage() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store);
    state(&storage, End::Killed).await;
    let looking = async {
        for _ in 0..40 {
            Reader::open(&storage, ROUTE).await.unwrap();
        }
    };
    let writing = async {
        for run in 10..16 {
            let ledger = open(&storage).await.unwrap();
            write(&ledger, run).await;
            ledger.close().await.unwrap();
        }
    };
    tokio::join!(looking, writing);
}

#[tokio::test]
async fn a_writer_that_was_taken_over_does_no_harm_with_its_last_list() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    let list: Path = format!("v1/{ROUTE}/checksums").into();
    let first = open(&storage).await.unwrap();
    write(&first, 1).await;
    let late = store.get(&list).await.unwrap().bytes().await.unwrap();
    let second = open(&storage).await.unwrap();
    write(&second, 2).await;
    // The answer to it took its time.
    store.put(&list, late.into()).await.unwrap();
    let known = read(&storage).await.unwrap();
    assert!(known.iter().any(|record| record.starts_with("indicator indicator--0029")), "{known:?}");
    assert!(run(&storage).await.unwrap().is_superset(&known));
}

#[tokio::test]
async fn the_list_stays_short_in_a_run_that_flushes_without_end() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    let ledger = open(&storage).await.unwrap();
    let list: Path = format!("v1/{ROUTE}/checksums").into();
    let mut most = 0;
    for minute in 0..400 {
        let mut batch = Batch::new();
        batch.put_cursor(Cursor { until: at(minute) }).unwrap();
        ledger.commit(batch).await.unwrap();
        ledger.flush().await.unwrap();
        most = most.max(store.head(&list).await.unwrap().size);
    }
    assert!((4_000..16_000).contains(&most), "{most} bytes");
    drop(ledger);
    let storage = Storage::over(store);
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(399) }));
}

/// A store that remembers each write, in order.
#[derive(Debug, Default)]
struct Recorder {
    inner: InMemory,
    writes: std::sync::Mutex<Vec<(Path, Option<Vec<u8>>)>>,
}

impl std::fmt::Display for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Recorder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: object_store::PutPayload,
        options: PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        let content = payload.iter().flat_map(|part| part.to_vec()).collect();
        assert!(matches!(options.mode, PutMode::Create | PutMode::Overwrite | PutMode::Update(_)));
        let done = self.inner.put_opts(location, payload, options).await?;
        self.writes.lock().unwrap().push((location.clone(), Some(content)));
        Ok(done)
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        unreachable!("files of this size are written at once")
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: object_store::GetOptions,
    ) -> object_store::Result<object_store::GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        // Nothing is old enough to be deleted here.
        self.inner.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
        self.inner.list(prefix).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<object_store::ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: object_store::CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
