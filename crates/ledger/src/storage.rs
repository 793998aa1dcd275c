//! The place behind a ledger: an object store and, on disk, the lock that keeps a second writer out.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::overlay::Overlay;
use crate::remote::Remote;
use crate::{BlobPlace, Error, StateUrl, private};

/// A place for the state of all routes.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

impl Storage {
    /// Opens a place for writing; a folder is made when absent.
    pub fn create(url: &StateUrl) -> Result<Self, Error> {
        match url {
            StateUrl::Memory => Ok(Self::over(Arc::new(InMemory::new()))),
            StateUrl::Folder(folder) => {
                private::make_folder(folder).map_err(|error| unusable(folder, &error))?;
                private::restrict(&folder.join("v1"));
                Self::of_folder(folder)
            }
            StateUrl::Blob(place) => Err(unconnected(place)),
        }
    }

    /// Opens a place for reading; an absent folder reads as empty and stays absent.
    pub fn existing(url: &StateUrl) -> Result<Self, Error> {
        match url {
            StateUrl::Folder(folder) if folder.try_exists().map_err(|error| unusable(folder, &error))? => {
                Self::of_folder(folder)
            }
            StateUrl::Folder(_) | StateUrl::Memory => Ok(Self::over(Arc::new(InMemory::new()))),
            StateUrl::Blob(place) => Err(unconnected(place)),
        }
    }

    /// Uses an object store that the caller brings. Nothing but the engine's own fencing keeps a second writer out.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, folder: None }
    }

    /// Uses an object storage behind a network, connected by the caller, whose client repeats by itself what is
    /// idempotent. It must keep attributes, as every cloud does: the engine tells its writes from others' by them.
    pub fn remote(store: Arc<dyn ObjectStore>) -> Self {
        Self::over(Arc::new(Remote::new(store)))
    }

    /// Returns this place with every write going to memory.
    #[must_use]
    pub fn dry(&self) -> Self {
        Self { store: Arc::new(Overlay::new(self.store.clone())), folder: None }
    }

    fn of_folder(folder: &Path) -> Result<Self, Error> {
        private::from_now_on();
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::Unusable { place: folder.display().to_string(), reason: error.to_string() })?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), folder: Some(folder.to_owned()) })
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.store.clone()
    }

    /// Takes the writer's lock of a route, where the place has one.
    pub(crate) fn lock(&self, route: &str) -> Result<Option<WriterLock>, Error> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let folder = folder.join("v1").join(route);
        private::make_folder(&folder).map_err(|error| unusable(&folder, &error))?;
        let path = folder.join("writer.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| unusable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WriterLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { holder: format!("lock {}", path.display()) }),
            Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
        }
    }
}

/// What lies in a cloud needs a client and a key, which only the caller has.
fn unconnected(place: &BlobPlace) -> Error {
    Error::Unusable { place: place.to_string(), reason: "it is opened with Storage::remote".to_owned() }
}

/// Held while a writer is open. The system gives it back when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return Error::Full;
    }
    let reason = match error.kind() {
        std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => {
            "there is a file where a folder must be".to_owned()
        }
        _ => error.to_string(),
    };
    Error::Unusable { place: path.display().to_string(), reason }
}
