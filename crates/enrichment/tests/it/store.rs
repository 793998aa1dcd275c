//! A store in memory whose clock is the test's, and at which a process can be stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use outbound::Clock;
use tokio_util::sync::CancellationToken;

/// Where a process stops for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before it writes an object whose name holds this.
    Before(&'static str),
    /// After it wrote one.
    After(&'static str),
}

#[derive(Debug)]
pub(crate) struct Stamped {
    inner: InMemory,
    clock: Arc<dyn Clock>,
    stamps: Arc<Mutex<BTreeMap<Path, i64>>>,
    stop: Mutex<Option<Stop>>,
    /// Names that hold this are noted when they are read, and somebody is told.
    watched: Mutex<Option<(&'static str, CancellationToken)>>,
    seen: Mutex<Vec<String>>,
}

impl Stamped {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: InMemory::new(),
            clock,
            stamps: Arc::default(),
            stop: Mutex::default(),
            watched: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Cancels `told` when an object is read next whose name holds `part`.
    pub(crate) fn tell(&self, part: &'static str, told: CancellationToken) {
        *self.watched.lock().unwrap() = Some((part, told));
    }

    /// Returns the names that were told of.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Stops whoever writes next at a point, once.
    pub(crate) fn stop(&self, stop: Stop) {
        *self.stop.lock().unwrap() = Some(stop);
    }

    /// Returns the names of all objects that hold `part`.
    pub(crate) fn names(&self, part: &str) -> Vec<String> {
        let stamps = self.stamps.lock().unwrap();
        stamps.keys().map(ToString::to_string).filter(|name| name.contains(part)).collect()
    }

    /// Writes the one object anew whose name ends so. It keeps its time.
    pub(crate) fn rewrite(&self, end: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) {
        let name = self.names(end).into_iter().find(|name| name.ends_with(end)).unwrap();
        let path = Path::from(name);
        futures::executor::block_on(async {
            let before = self.inner.get_opts(&path, GetOptions::default()).await.unwrap().bytes().await.unwrap();
            self.inner.put_opts(&path, change(&before).into(), PutOptions::default()).await.unwrap();
        });
    }

    /// Returns everything that is stored.
    pub(crate) async fn content(&self) -> BTreeMap<String, Vec<u8>> {
        let mut content = BTreeMap::new();
        for name in self.names("") {
            let read = self.inner.get_opts(&Path::from(name.as_str()), GetOptions::default()).await.unwrap();
            content.insert(name, read.bytes().await.unwrap().to_vec());
        }
        content
    }

    /// Makes this everything that is stored.
    pub(crate) async fn put_back(&self, content: &BTreeMap<String, Vec<u8>>) {
        for name in self.names("") {
            if !content.contains_key(&name) {
                self.take_away(&name).await;
            }
        }
        for (name, bytes) in content {
            let path = Path::from(name.as_str());
            self.inner.put_opts(&path, bytes.clone().into(), PutOptions::default()).await.unwrap();
            let now = self.clock.now().as_millisecond();
            self.stamps.lock().unwrap().entry(path).or_insert(now);
        }
    }

    /// Takes one object away.
    pub(crate) async fn take_away(&self, name: &str) {
        let path = Path::from(name);
        self.inner.delete(&path).await.unwrap();
        self.stamps.lock().unwrap().remove(&path);
    }

    async fn pass(&self, point: Stop) {
        let is_here = {
            let mut stop = self.stop.lock().unwrap();
            let is_here = match (*stop, point) {
                (Some(Stop::Before(part)), Stop::Before(name)) | (Some(Stop::After(part)), Stop::After(name)) => {
                    name.contains(part)
                }
                _ => false,
            };
            if is_here {
                *stop = None;
            }
            is_here
        };
        if is_here {
            std::future::pending::<()>().await;
        }
    }
}

fn stamped(stamps: &Mutex<BTreeMap<Path, i64>>, mut meta: ObjectMeta) -> ObjectMeta {
    if let Some(millis) = stamps.lock().unwrap().get(&meta.location) {
        meta.last_modified = DateTime::from_timestamp_millis(*millis).unwrap();
    }
    meta
}

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamped")
    }
}

#[async_trait]
impl ObjectStore for Stamped {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        // Names of what is written are few, and a test ends soon.
        let name: &'static str = location.to_string().leak();
        self.pass(Stop::Before(name)).await;
        let result = self.inner.put_opts(location, payload, options).await?;
        self.stamps.lock().unwrap().insert(location.clone(), self.clock.now().as_millisecond());
        self.pass(Stop::After(name)).await;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some((part, told)) = &*self.watched.lock().unwrap()
            && location.as_ref().contains(part)
        {
            self.seen.lock().unwrap().push(location.to_string());
            told.cancel();
        }
        let mut result = self.inner.get_opts(location, options).await?;
        result.meta = stamped(&self.stamps, result.meta);
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let stamps = self.stamps.clone();
        let deleted = self.inner.delete_stream(locations);
        deleted
            .inspect(move |outcome| {
                if let Ok(location) = outcome {
                    stamps.lock().unwrap().remove(location);
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let stamps = self.stamps.clone();
        self.inner.list(prefix).map(move |meta| meta.map(|meta| stamped(&stamps, meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
