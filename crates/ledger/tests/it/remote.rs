//! A store behind a network, whose answers get lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use ledger::{Batch, Created, Cursor, Error, Objects, Reader, RemoteTrouble, Repeat, Storage};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rstest::rstest;
use tokio::time::Instant;

use crate::{ROUTE, at, open};

/// What the network does to every second create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It arrives and its answer does not.
    AnswerLost,
    /// The client repeats what it did already and is told that it exists.
    RepeatedAndRefused,
    /// It never arrives.
    RequestLost,
    /// Every call fails.
    Down,
    /// Every call is refused for good.
    Refused,
    /// No call is ever answered.
    Silent,
}

#[derive(Debug)]
struct Network {
    inner: Arc<InMemory>,
    fault: Fault,
    creates: AtomicUsize,
    calls: AtomicUsize,
}

impl Network {
    fn before(inner: &Arc<InMemory>, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), fault, creates: AtomicUsize::new(0), calls: AtomicUsize::new(0) })
    }

    async fn pass(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Down => Err(cut()),
            Fault::Refused => {
                let trouble = RemoteTrouble {
                    reason: "the key is wrong".into(),
                    hint: "take the right one".into(),
                    repeat: Repeat::Useless,
                };
                Err(object_store::Error::Generic { store: "network", source: Box::new(trouble) })
            }
            Fault::Silent => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

fn cut() -> object_store::Error {
    object_store::Error::Generic { store: "network", source: "connection reset".into() }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

#[async_trait]
impl ObjectStore for Network {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.pass().await?;
        if options.mode != PutMode::Create {
            // The client repeats that by itself.
            return self.inner.put_opts(location, payload, options).await;
        }
        let hit = self.creates.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        match self.fault {
            Fault::AnswerLost if hit => {
                self.inner.put_opts(location, payload, options).await?;
                Err(cut())
            }
            Fault::RepeatedAndRefused if hit => {
                self.inner.put_opts(location, payload.clone(), options.clone()).await?;
                self.inner.put_opts(location, payload, options).await
            }
            Fault::RequestLost if hit => Err(cut()),
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.pass().await?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass().await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.fault == Fault::Down {
            return futures::stream::iter([Err(cut())]).boxed();
        }
        self.inner.list(prefix)
    }

    /// Lists everything, as Azurite does.
    fn list_with_offset(&self, prefix: Option<&Path>, _: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass().await?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[rstest]
#[case(Fault::AnswerLost)]
#[case(Fault::RepeatedAndRefused)]
#[case(Fault::RequestLost)]
#[tokio::test(start_paused = true)]
async fn a_run_whose_creates_lose_their_answers_is_not_fenced_by_itself(#[case] fault: Fault) {
    let store = Arc::new(InMemory::new());
    let network = Network::before(&store, fault);
    let storage = Storage::remote(network.clone());
    for run in 1..=3 {
        let ledger = open(&storage).await.unwrap();
        let mut batch = Batch::new();
        batch.put_cursor(Cursor { until: at(run) }).unwrap();
        ledger.commit(batch).await.unwrap();
        ledger.flush().await.unwrap();
        ledger.close().await.unwrap();
    }
    assert!(network.creates.load(Ordering::SeqCst) > 6, "the runs wrote little: {network:?}");
    let reader = Reader::open(&Storage::over(store), ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(3) }));
}

#[rstest]
#[case(Fault::None)]
#[case(Fault::AnswerLost)]
#[case(Fault::RepeatedAndRefused)]
#[tokio::test(start_paused = true)]
async fn of_two_writers_that_write_the_same_bytes_only_one_goes_on(#[case] fault: Fault) {
    let store = Arc::new(InMemory::new());
    let first = open(&Storage::remote(Network::before(&store, fault))).await.unwrap();
    let second = open(&Storage::remote(Network::before(&store, fault))).await.unwrap();
    let write = |ledger: ledger::Ledger, minute| async move {
        let mut batch = Batch::new();
        batch.put_cursor(Cursor { until: at(minute) }).unwrap();
        match ledger.commit(batch).await {
            Ok(()) => ledger.flush().await,
            failed => failed,
        }
    };
    // Both write one and the same batch to one and the same file of the log: only its id tells them apart.
    let outcomes = (write(first, 7).await, write(second, 7).await);
    assert!(matches!(outcomes, (Err(Error::Fenced), Ok(()))), "{outcomes:?}");
}

#[rstest]
#[case(Fault::AnswerLost)]
#[case(Fault::RepeatedAndRefused)]
#[case(Fault::RequestLost)]
#[tokio::test(start_paused = true)]
async fn an_object_is_created_whatever_is_lost(#[case] fault: Fault) {
    let store = Arc::new(InMemory::new());
    let objects = Objects::of(&Storage::remote(Network::before(&store, fault)), "jobs");
    assert_eq!(objects.create("claim", "mine".into()).await.unwrap(), Created::New);
    assert_eq!(objects.create("claim", "theirs".into()).await.unwrap(), Created::Exists);
    assert_eq!(objects.read("claim").await.unwrap().unwrap().content, "mine");
}

#[rstest]
#[case(Fault::Down)]
#[case(Fault::Silent)]
#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_ends_every_call_within_a_minute(#[case] fault: Fault) {
    let storage = Storage::remote(Network::before(&Arc::new(InMemory::new()), fault));
    let started = Instant::now();
    Objects::of(&storage, "jobs").create("claim", "mine".into()).await.unwrap_err();
    assert!(started.elapsed().as_secs() <= 121, "{:?}", started.elapsed());

    let started = Instant::now();
    open(&storage).await.unwrap_err();
    assert!(started.elapsed().as_secs() <= 61, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_at_once_with_what_to_do() {
    let network = Network::before(&Arc::new(InMemory::new()), Fault::Refused);
    let storage = Storage::remote(network.clone());
    let error = Objects::of(&storage, "jobs").create("claim", "mine".into()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Remote { reason, hint } if reason == "the key is wrong" && hint == "take the right one"),
        "{error:?}"
    );
    // One to create, one to look whether it is there all the same.
    assert_eq!(network.calls.load(Ordering::SeqCst), 2);
    let error = open(&storage).await.unwrap_err();
    assert!(matches!(&error, Error::Remote { .. }), "{error:?}");
}

#[tokio::test]
async fn a_list_from_somewhere_on_starts_there_even_where_the_store_starts_at_the_front() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::remote(Network::before(&store, Fault::None));
    for run in 1..=5 {
        let ledger = open(&storage).await.unwrap();
        let mut batch = Batch::new();
        batch.put_cursor(Cursor { until: at(run) }).unwrap();
        ledger.commit(batch).await.unwrap();
        ledger.close().await.unwrap();
    }
    let reader = Reader::open(&storage, ROUTE).await.unwrap();
    assert_eq!(reader.records().cursor().await.unwrap(), Some(Cursor { until: at(5) }));
}
