//! An object store that fails, is slow, and at which a process can die.
//!
//! Every operation is counted. It may be delayed, fail before it has any effect, fail after it had (a lost answer, which
//! for a conditional put is the interesting case), or be the last thing that its process does. Times of objects are
//! those of the world, so that garbage collection sees them grow old.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use outbound::Clock;
use tokio_util::sync::CancellationToken;

use crate::setting::WorldClock;
use crate::trace::Trace;

/// What an operation is, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Read,
    List,
    Delete,
}

/// What goes wrong in one life. Shares are from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoreWeather {
    /// A write that has no effect.
    pub(crate) write_fails: f64,
    /// A write that has its effect, and whose answer is lost.
    pub(crate) write_lost: f64,
    /// A read that fails.
    pub(crate) read_fails: f64,
    /// A read whose body breaks off.
    pub(crate) body_breaks: f64,
    /// A list that fails.
    pub(crate) list_fails: f64,
    /// A delete that fails.
    pub(crate) delete_fails: f64,
    /// An operation that takes long,
    pub(crate) slow: f64,
    /// up to this long.
    pub(crate) slow_by: Duration,
    /// No room for anything from this operation of the life on.
    pub(crate) full_from: Option<u64>,
}

impl StoreWeather {
    pub(crate) fn is_calm(&self) -> bool {
        let Self {
            write_fails, write_lost, read_fails, body_breaks, list_fails, delete_fails, slow, full_from, ..
        } = self;
        [write_fails, write_lost, read_fails, body_breaks, list_fails, delete_fails, slow]
            .iter()
            .all(|share| **share <= 0.0)
            && full_from.is_none()
    }
}

/// The operation at which a process dies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastOperation {
    /// Counted from 1 within the life.
    pub(crate) number: u64,
    /// Whether it still has its effect.
    pub(crate) takes_effect: bool,
}

#[derive(Debug)]
struct State {
    weather: StoreWeather,
    draw: Rng,
    operations: u64,
    last: Option<LastOperation>,
    dead: CancellationToken,
    stamps: BTreeMap<Path, Timestamp>,
    hits: BTreeMap<String, u64>,
    latest: Option<(Timestamp, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    base: Arc<dyn ObjectStore>,
    clock: Arc<WorldClock>,
    trace: Trace,
    state: Arc<Mutex<State>>,
}

/// What is to happen once the operation has had its effect.
struct Turn {
    lost: bool,
    breaks: bool,
    dies: bool,
    what: String,
}

impl FaultyStore {
    pub(crate) fn new(base: Arc<dyn ObjectStore>, clock: Arc<WorldClock>, trace: Trace, seed: u64) -> Self {
        let state = State {
            weather: StoreWeather::default(),
            draw: Rng::with_seed(seed),
            operations: 0,
            last: None,
            dead: CancellationToken::new(),
            stamps: BTreeMap::new(),
            hits: BTreeMap::new(),
            latest: None,
        };
        Self { base, clock, trace, state: Arc::new(Mutex::new(state)) }
    }

    /// Begins a life; the token is cancelled at its last operation.
    pub(crate) fn begin(&self, weather: StoreWeather, last: Option<LastOperation>) -> CancellationToken {
        let mut state = self.state.lock().unwrap();
        state.weather = weather;
        state.operations = 0;
        state.last = last;
        state.dead = CancellationToken::new();
        state.latest = None;
        state.dead.clone()
    }

    /// Operations of this life so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state.lock().unwrap().operations
    }

    /// The latest operation of this life.
    pub(crate) fn latest(&self) -> Option<(Timestamp, String)> {
        self.state.lock().unwrap().latest.clone()
    }

    /// How often each fault hit, over all lives.
    pub(crate) fn hits(&self) -> BTreeMap<String, u64> {
        self.state.lock().unwrap().hits.clone()
    }

    async fn turn(&self, operation: Operation, location: &Path) -> Result<Turn> {
        let (wait, failure, turn) = self.decide(operation, location);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match failure {
            Some(Failure::Dies) => self.die(&turn.what).await,
            Some(Failure::Fails(error)) => Err(error),
            None => Ok(turn),
        }
    }

    async fn die(&self, what: &str) -> Result<Turn> {
        self.trace.say(self.clock.now(), format!("the process dies at {what}"));
        self.state.lock().unwrap().dead.cancel();
        std::future::pending().await
    }

    /// Ends an operation that has had its effect.
    async fn end(&self, turn: &Turn) -> Result<()> {
        if turn.dies {
            self.die(&format!("{} (which took effect)", turn.what)).await?;
        }
        if turn.lost { Err(broken(&turn.what)) } else { Ok(()) }
    }

    fn decide(&self, operation: Operation, location: &Path) -> (Duration, Option<Failure>, Turn) {
        let mut state = self.state.lock().unwrap();
        let now = self.clock.now();
        state.operations += 1;
        let folder = location.parts().nth_back(1).map_or_else(String::new, |part| part.as_ref().to_owned());
        let what = format!("store {operation:?} in {folder}").to_lowercase();
        state.latest = Some((now, what.clone()));
        let number = state.operations;
        let dies = state.last.filter(|last| last.number == number);
        let weather = state.weather;
        let mut hit = |share: f64| share > 0.0 && state.draw.f64() < share;
        let fails = match operation {
            Operation::Write => hit(weather.write_fails),
            Operation::Read => hit(weather.read_fails),
            Operation::List => hit(weather.list_fails),
            Operation::Delete => hit(weather.delete_fails),
        };
        let lost = operation == Operation::Write && hit(weather.write_lost);
        let breaks = operation == Operation::Read && hit(weather.body_breaks);
        let slow = hit(weather.slow);
        let wait = if slow { weather.slow_by.mul_f64(state.draw.f64()) } else { Duration::ZERO };
        let full = operation == Operation::Write && weather.full_from.is_some_and(|from| number >= from);
        let outcome =
            [("full", full), ("failed", fails), ("answer lost", lost), ("body broken", breaks), ("slow", slow)];
        for (word, _) in outcome.iter().filter(|(_, met)| *met) {
            let name = format!("store {operation:?} {word}").to_lowercase();
            *state.hits.entry(name.clone()).or_default() += 1;
            self.trace.say(now, format!("{name}: {location}"));
        }
        let failure = match dies {
            Some(LastOperation { takes_effect: false, .. }) => Some(Failure::Dies),
            _ if full => Some(Failure::Fails(no_room())),
            _ if fails => Some(Failure::Fails(broken(&what))),
            _ => None,
        };
        let dies = dies.is_some();
        (wait, failure, Turn { lost, breaks, dies, what })
    }

    fn stamp(&self, location: &Path) {
        let now = self.clock.now();
        self.state.lock().unwrap().stamps.insert(location.clone(), now);
    }

    fn aged(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(stamp) = self.state.lock().unwrap().stamps.get(&meta.location) {
            meta.last_modified = chrono::DateTime::from_timestamp_nanos(i64::try_from(stamp.as_nanosecond()).unwrap());
        }
        meta
    }
}

enum Failure {
    Fails(Error),
    Dies,
}

fn broken(what: &str) -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::ConnectionReset, format!("simulated failure of {what}"));
    Error::Generic { store: "simulated", source: Box::new(source) }
}

fn no_room() -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::StorageFull, "No space left on device (simulated)");
    Error::Generic { store: "simulated", source: Box::new(source) }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.base)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let turn = self.turn(Operation::Write, location).await?;
        let result = self.base.put_opts(location, payload, options).await;
        if result.is_ok() {
            self.stamp(location);
        }
        self.end(&turn).await?;
        result
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.turn(Operation::Write, location).await?;
        self.stamp(location);
        self.base.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let turn = self.turn(Operation::Read, location).await?;
        let mut result = self.base.get_opts(location, options).await?;
        self.end(&turn).await?;
        result.meta = self.aged(result.meta);
        if turn.breaks && !head {
            let what = turn.what.clone();
            let begun = futures::stream::iter([Ok(bytes::Bytes::from_static(b"\0")), Err(broken(&what))]);
            result.payload = GetResultPayload::Stream(begun.boxed());
        }
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let turn = store.turn(Operation::Delete, &location).await?;
                    let one = futures::stream::once(std::future::ready(Ok(location))).boxed();
                    let deleted = store.base.delete_stream(one).try_collect::<Vec<_>>().await;
                    store.end(&turn).await?;
                    deleted?.pop().ok_or_else(|| broken("delete"))
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let prefix = prefix.cloned();
        futures::stream::once(async move {
            let turn = store.turn(Operation::List, prefix.as_ref().unwrap_or(&Path::default())).await?;
            let found: Vec<ObjectMeta> = store.base.list(prefix.as_ref()).try_collect().await?;
            store.end(&turn).await?;
            let found: Vec<_> = found.into_iter().map(|meta| Ok(store.aged(meta))).collect();
            Ok::<_, Error>(futures::stream::iter(found))
        })
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let turn = self.turn(Operation::List, prefix.unwrap_or(&Path::default())).await?;
        let mut result = self.base.list_with_delimiter(prefix).await?;
        self.end(&turn).await?;
        result.objects = result.objects.into_iter().map(|meta| self.aged(meta)).collect();
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let turn = self.turn(Operation::Write, to).await?;
        self.base.copy_opts(from, to, options).await?;
        self.stamp(to);
        self.end(&turn).await
    }
}
