//! What only a folder can get wrong.

use std::os::unix::fs::PermissionsExt as _;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ledger::{Batch, Cursor, Error, Objects, Reader, StateUrl, Storage};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use crate::{ROUTE, at, open};

/// A store that can run out of room.
#[derive(Debug, Default)]
struct Full {
    inner: InMemory,
    is_full: AtomicBool,
}

impl Full {
    fn check(&self) -> Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            let source = Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
            return Err(object_store::Error::Generic { store: "full", source });
        }
        Ok(())
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full")
    }
}

#[async_trait]
impl ObjectStore for Full {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
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

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check()?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_second_run_is_refused_while_the_first_is_on_and_welcome_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let url = StateUrl::Folder(folder.path().to_owned());
    let first = open(&Storage::create(&url).unwrap()).await.unwrap();
    let error = open(&Storage::create(&url).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    first.close().await.unwrap();
    open(&Storage::create(&url).unwrap()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(&path, "not a folder").unwrap();
    let error = Storage::create(&StateUrl::Folder(path.clone())).unwrap_err();
    assert!(matches!(&error, Error::Unusable { place, .. } if *place == path.display().to_string()), "{error}");
}

#[tokio::test]
async fn reading_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent");
    let storage = Storage::existing(&StateUrl::Folder(path.clone())).unwrap();
    Reader::open(&storage, ROUTE).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_folder_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    Storage::create(&StateUrl::Folder(path.clone())).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Everything at and below a path with its mode, other than what its owner alone may read.
fn readable_by_others(path: &std::path::Path) -> Vec<String> {
    let found = std::fs::symlink_metadata(path).unwrap();
    let expected = if found.is_dir() { 0o700 } else { 0o600 };
    let mode = found.permissions().mode() & 0o777;
    let mut open = Vec::new();
    if mode != expected {
        open.push(format!("{} {mode:o}", path.display()));
    }
    if found.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            open.extend(readable_by_others(&entry.unwrap().path()));
        }
    }
    open
}

#[tokio::test]
async fn everything_in_the_folder_is_for_its_owner_only_whoever_made_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = StateUrl::Folder(folder.path().to_owned());
    let storage = Storage::create(&url).unwrap();
    open(&storage).await.unwrap().close().await.unwrap();
    Objects::of(&storage, "keys").create("link-000001", "secret".into()).await.unwrap();
    let v1 = folder.path().join("v1");
    assert_eq!(readable_by_others(&v1), [""; 0]);

    // What an earlier version left, and what is not ours.
    let key = v1.join("keys/link-000001");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(v1.join("keys"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&other, v1.join("link")).unwrap();
    Storage::create(&url).unwrap();
    std::fs::remove_file(v1.join("link")).unwrap();
    assert_eq!(readable_by_others(&v1), [""; 0]);
    assert_eq!(std::fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn a_damaged_ledger_is_reported_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let url = StateUrl::Folder(folder.path().to_owned());
    open(&Storage::create(&url).unwrap()).await.unwrap().close().await.unwrap();
    let manifests = folder.path().join("v1").join(ROUTE).join("ledger/manifest");
    let mut damaged = 0;
    for entry in std::fs::read_dir(&manifests).unwrap() {
        std::fs::write(entry.unwrap().path(), b"rubbish").unwrap();
        damaged += 1;
    }
    assert!(damaged > 0);
    let outcome = open(&Storage::create(&url).unwrap()).await;
    assert!(outcome.is_err());
    assert_eq!(std::fs::read_dir(&manifests).unwrap().count(), damaged, "nothing was written over it");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_named_and_nothing_that_was_flushed_is_lost() {
    let full = std::sync::Arc::new(Full::default());
    let storage = Storage::over(full.clone());
    let ledger = open(&storage).await.unwrap();
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(1) }).unwrap();
    ledger.commit(batch).await.unwrap();
    ledger.flush().await.unwrap();

    full.is_full.store(true, Ordering::SeqCst);
    let mut batch = Batch::new();
    batch.put_cursor(Cursor { until: at(2) }).unwrap();
    let outcome = match ledger.commit(batch).await {
        Ok(()) => ledger.flush().await,
        failed => failed,
    };
    assert!(matches!(outcome, Err(Error::Full)), "{outcome:?}");
    drop(ledger);

    full.is_full.store(false, Ordering::SeqCst);
    let ledger = open(&storage).await.unwrap();
    assert_eq!(ledger.records().cursor().await.unwrap(), Some(Cursor { until: at(1) }));
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_state_of_a_newer_version_is_refused_and_left_alone() {
    let store = std::sync::Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    open(&storage).await.unwrap().close().await.unwrap();
    {
        let db = slatedb::Db::open(format!("v1/{ROUTE}/ledger"), store).await.unwrap();
        db.put(b"a/format", b"\x01{\"version\":99}").await.unwrap();
        db.close().await.unwrap();
    }
    let error = open(&storage).await.unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 99, known: 1 }), "{error}");
}
