//! The store that the engine writes to: after each file that nothing else vouches for, the list of checksums is written.
//!
//! The list is written when the file is durable and before the engine hears of it. So what the engine calls durable is
//! in the list, and what a kill leaves between the two is a file that the list does not name yet, which is no damage.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use slatedb_common::retry::{NonRetryable, should_retry};

use crate::checksums::{Checksums, EngineFile, of_parts};

/// The list is tried this often where the store does not repeat by itself.
const TRIES: u32 = 5;
/// Wait before it is tried again.
const WAIT: Duration = Duration::from_millis(100);

/// A store with a list of checksums beside the engine's files.
#[derive(Debug)]
pub(crate) struct CheckedStore {
    inner: Arc<dyn ObjectStore>,
    /// Where the engine's files are.
    engine: Path,
    /// Where the list is.
    list: Path,
    checksums: Mutex<Checksums>,
    // The engine writes manifests and what goes ahead side by side, and an older list must not replace a newer one.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl CheckedStore {
    /// `checksums` are those of the files that are there.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, engine: Path, list: Path, checksums: Checksums) -> Self {
        Self { inner, engine, list, checksums: Mutex::new(checksums), one_at_a_time: tokio::sync::Mutex::new(()) }
    }

    /// Returns how many files written ahead the list names.
    pub(crate) fn wal_files(&self) -> usize {
        self.checksums.lock().unwrap_or_else(PoisonError::into_inner).wal().count()
    }

    /// Forgets what was written ahead up to this number. The next list does not name it any more.
    pub(crate) fn forget_wal(&self, up_to: u64) {
        self.checksums.lock().unwrap_or_else(PoisonError::into_inner).forget_wal(up_to);
    }

    fn file_of(&self, location: &Path) -> Option<EngineFile> {
        EngineFile::parse(location.as_ref().strip_prefix(self.engine.as_ref())?.strip_prefix('/')?)
    }

    async fn write_list(&self) -> Result<()> {
        let _turn = self.one_at_a_time.lock().await;
        let text = self.checksums.lock().unwrap_or_else(PoisonError::into_inner).render();
        let mut tries = 1;
        loop {
            match self.inner.put(&self.list, text.clone().into()).await {
                Ok(_) => return Ok(()),
                Err(error) if tries < TRIES && should_retry(&error) => {
                    tokio::time::sleep(WAIT * tries).await;
                    tries += 1;
                }
                // The file itself is there: an engine that repeated it would find it and take itself for fenced.
                Err(error) if should_retry(&error) => {
                    return Err(Error::Generic { store: "checked", source: Box::new(NonRetryable(error.into())) });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for CheckedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for CheckedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let Some(file) = self.file_of(location) else {
            return self.inner.put_opts(location, payload, options).await;
        };
        let checksum = of_parts(payload.iter().map(AsRef::as_ref));
        let done = self.inner.put_opts(location, payload, options).await?;
        self.checksums.lock().unwrap_or_else(PoisonError::into_inner).add(file, checksum);
        self.write_list().await?;
        Ok(done)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // The engine uploads sorted files in parts, and nothing else.
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
