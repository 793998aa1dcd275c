//! Create-only objects beside the ledger: commands, inbox, jobs, positions.
//!
//! An object is made once, whole, and never changed; a second creator learns that it came second. That is the one
//! conditional write that a disk, memory and every object storage have in common, so whatever several processes must
//! agree on is said with it: the first to create a name has it.
//!
//! The answer to a create may be lost, and a client that asks again is then told that the object exists although it
//! made it itself. So whatever is not a plain success is settled by reading back: our bytes mean that it is ours.
//! Two creators that write the same bytes therefore both read [`Created::New`]; where that matters, the content holds
//! something of its own (a random id).
//!
//! Times are the store's, the only clock that all creators share.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::request::{open, seal};
use crate::{Error, Storage};

/// Create-only objects under one folder of a place.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: String,
}

/// Whether a name was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was, and holds our content now.
    New,
    /// It was not, and holds other content.
    Exists,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What was written.
    pub content: Bytes,
    /// When, by the store's clock.
    pub stored_at: Timestamp,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the folder.
    pub name: String,
    /// When it was written, by the store's clock.
    pub stored_at: Timestamp,
    /// How large it is.
    pub size_bytes: u64,
}

impl Objects {
    /// Returns the objects of a folder such as `jobs` or `default/inbox`.
    pub fn of(storage: &Storage, folder: &str) -> Self {
        Self { store: storage.store(), folder: format!("v1/{folder}") }
    }

    /// Makes an object, unless there is one of that name.
    ///
    /// A name is segments of letters, digits, `.`, `_` and `-`, joined by `/`; one that is an object is not a folder too.
    /// Not cancel-safe in the sense that a dropped call has created the object or not; [`read`](Self::read) tells.
    pub async fn create(&self, name: &str, content: Bytes) -> Result<Created, Error> {
        let location = self.location(name)?;
        let options = PutOptions::from(PutMode::Create);
        let Err(refused) = self.store.put_opts(&location, content.clone().into(), options).await else {
            return Ok(Created::New);
        };
        match self.read(name).await {
            Ok(Some(found)) if found.content == content => Ok(Created::New),
            Ok(Some(_)) => Ok(Created::Exists),
            // The first error says more than that it cannot be settled.
            Ok(None) | Err(_) => Err(refused.into()),
        }
    }

    /// Returns an object.
    pub async fn read(&self, name: &str) -> Result<Option<Object>, Error> {
        match self.store.get(&self.location(name)?).await {
            Ok(found) => {
                let stored_at = stored_at(&found.meta);
                Ok(Some(Object { content: found.bytes().await?, stored_at }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an object of a value, with a checksum: nothing else says what was written.
    pub async fn create_value<R: Serialize>(&self, name: &str, value: &R) -> Result<Created, Error> {
        self.create(name, seal(value)?).await
    }

    /// Returns the value of an object. Those of earlier versions are plain JSON, without a checksum.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedObject`] when it is not what was written.
    pub async fn read_value<R: DeserializeOwned>(&self, name: &str) -> Result<Option<R>, Error> {
        let Some(object) = self.read(name).await? else { return Ok(None) };
        // Structures and nothing: an earlier version wrote no other value that anybody reads.
        let value = match object.content.first() {
            Some(b'{' | b'n') => serde_json::from_slice(&object.content).map_err(|error| error.to_string()),
            _ => open(&object.content),
        };
        value.map(Some).map_err(|reason| self.damaged(name, reason))
    }

    /// Returns the error for an object that is not what was written.
    pub fn damaged(&self, name: &str, reason: String) -> Error {
        Error::DamagedObject { what: self.place(name), reason }
    }

    /// Returns the objects whose names start with `prefix`, sorted by name.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        // A store lists whole folders only.
        let folder = match prefix.rsplit_once('/') {
            Some((folder, _)) => self.location(folder)?,
            None => Path::from(self.folder.as_str()),
        };
        let root = format!("{}/", self.folder);
        let mut entries = Vec::new();
        let mut found = self.store.list(Some(&folder));
        while let Some(meta) = found.try_next().await? {
            if let Some(name) = meta.location.as_ref().strip_prefix(&root)
                && name.starts_with(prefix)
            {
                entries.push(Entry { name: name.to_owned(), stored_at: stored_at(&meta), size_bytes: meta.size });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Takes an object away; one that is not there is fine.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match self.store.delete(&self.location(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns where an object is, for people.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn location(&self, name: &str) -> Result<Path, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
        if name.split('/').all(is_segment) {
            Ok(Path::from(format!("{}/{name}", self.folder)))
        } else {
            Err(Error::Name { name: name.to_owned() })
        }
    }
}

fn stored_at(meta: &ObjectMeta) -> Timestamp {
    // Stores count in nanoseconds since 1970 at most; what does not fit is no time.
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}
