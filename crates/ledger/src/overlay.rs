//! A store whose writes go to memory and whose reads fall through to another store.
//!
//! A dry run is the real run over this: the same code, the same state, and nothing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

#[derive(Debug)]
pub(crate) struct Overlay {
    base: Arc<dyn ObjectStore>,
    written: Arc<InMemory>,
    deleted: Arc<Mutex<BTreeSet<Path>>>,
}

impl Overlay {
    pub(crate) fn new(base: Arc<dyn ObjectStore>) -> Self {
        Self { base, written: Arc::new(InMemory::new()), deleted: Arc::default() }
    }

    fn is_deleted(&self, location: &Path) -> bool {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).contains(location)
    }

    fn undelete(&self, location: &Path) {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
    }

    /// Says whether the base still shows an object.
    async fn base_has(&self, location: &Path) -> Result<bool> {
        if self.is_deleted(location) {
            return Ok(false);
        }
        match self.base.head(location).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overlay({})", self.base)
    }
}

#[async_trait]
impl ObjectStore for Overlay {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create && self.base_has(location).await? {
            return Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "the object exists below the overlay".into(),
            });
        }
        let result = self.written.put_opts(location, payload, options).await?;
        self.undelete(location);
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.undelete(location);
        self.written.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.written.get_opts(location, options.clone()).await {
            Err(Error::NotFound { .. }) if !self.is_deleted(location) => self.base.get_opts(location, options).await,
            outcome => outcome,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let written = self.written.clone();
        let deleted = self.deleted.clone();
        locations
            .then(move |location| {
                let written = written.clone();
                let deleted = deleted.clone();
                async move {
                    let location = location?;
                    match written.delete(&location).await {
                        Ok(()) | Err(Error::NotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                    deleted.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone());
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let both = self.base.list(prefix).chain(self.written.list(prefix));
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        futures::stream::once(async move {
            // Later entries (ours) replace earlier ones of the same name.
            let mut seen = BTreeMap::new();
            let mut both = both;
            while let Some(meta) = both.next().await {
                match meta {
                    Ok(meta) if !deleted.contains(&meta.location) => {
                        seen.insert(meta.location.clone(), meta);
                    }
                    Ok(_) => {}
                    Err(error) => return vec![Err(error)],
                }
            }
            seen.into_values().map(Ok).collect()
        })
        .flat_map(futures::stream::iter)
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let base = self.base.list_with_delimiter(prefix).await?;
        let ours = self.written.list_with_delimiter(prefix).await?;
        let prefixes: BTreeSet<Path> = base.common_prefixes.into_iter().chain(ours.common_prefixes).collect();
        let objects: BTreeMap<Path, ObjectMeta> = base
            .objects
            .into_iter()
            .chain(ours.objects)
            .filter(|meta| !self.is_deleted(&meta.location))
            .map(|meta| (meta.location.clone(), meta))
            .collect();
        Ok(ListResult {
            common_prefixes: prefixes.into_iter().collect(),
            objects: objects.into_values().collect(),
            extensions: base.extensions,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.get_opts(from, GetOptions::default()).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.put_opts(to, bytes.into(), PutOptions { mode, ..PutOptions::default() }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    async fn names(store: &dyn ObjectStore) -> Vec<String> {
        store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn reads_through_and_never_writes_through() {
        let base = Arc::new(InMemory::new());
        base.put(&"a".into(), "old".into()).await.unwrap();
        base.put(&"b".into(), "kept".into()).await.unwrap();
        let overlay = Overlay::new(base.clone());

        overlay.put(&"a".into(), "new".into()).await.unwrap();
        overlay.put(&"c".into(), "mine".into()).await.unwrap();
        overlay.delete(&"b".into()).await.unwrap();

        assert_eq!(overlay.get(&"a".into()).await.unwrap().bytes().await.unwrap(), "new");
        assert!(matches!(overlay.get(&"b".into()).await, Err(Error::NotFound { .. })));
        assert_eq!(names(&overlay).await, ["a", "c"]);
        assert_eq!(names(base.as_ref()).await, ["a", "b"]);
        assert_eq!(base.get(&"a".into()).await.unwrap().bytes().await.unwrap(), "old");
    }

    #[tokio::test]
    async fn create_only_sees_the_base_until_it_is_deleted() {
        let base = Arc::new(InMemory::new());
        base.put(&"a".into(), "old".into()).await.unwrap();
        let overlay = Overlay::new(base);
        let create = || PutOptions::from(PutMode::Create);
        let conflict = overlay.put_opts(&"a".into(), "x".into(), create()).await;
        assert!(matches!(conflict, Err(Error::AlreadyExists { .. })));
        overlay.delete(&"a".into()).await.unwrap();
        overlay.put_opts(&"a".into(), "x".into(), create()).await.unwrap();
        assert_eq!(overlay.get(&"a".into()).await.unwrap().bytes().await.unwrap(), "x");
    }
}
