//! Was there what must be there? Asked before a ledger is opened, for writing and for reading.
//!
//! # What the engine leaves open
//!
//! The engine takes its store for one that never loses or alters a byte. It puts a checksum into each block of its sorted
//! files and of what it writes ahead, and none into manifests and lists of merges. It finds the end of what was written
//! ahead by looking which numbers exist, so a file that is gone is the end for it, and it takes an empty file for the
//! mark of a new writer. On a disk that was repaired, copied by hand or restored in part, this loses values in silence.
//!
//! # What is promised
//!
//! After each manifest, list of merges and file written ahead, the list of their checksums ([`crate::checksums`]) is
//! written, **when the file is durable and before the engine hears of it**. Hence:
//!
//! 1. *What a caller was told to be durable is in the list.* A flush returns when the engine has heard of its file, and
//!    it hears of it after the list. A file of the list that is missing, cut, emptied or altered is damage, also the
//!    newest: the list is the second place that knows of it. (With one place only this is impossible: whatever names the
//!    newest file could be the thing that is gone.)
//! 2. *A kill at any instant is no damage.* Between file and list, the file is there and the list does not name it. That
//!    is accepted, as are the files of an earlier version of this program, which wrote no list. The list itself is
//!    replaced whole, by the store. Nothing was promised of such a file yet, and what is in it is still checked by the
//!    engine where it has checksums.
//! 3. *What was written ahead has no gap.* Its files are numbered one by one, and only those are collected that the
//!    manifest has caught up with, so each number from there to the newest must be there, in the list or not.
//! 4. *Each sorted file that the manifest names is there*, and long enough to hold its index. Its content is checked by the
//!    engine, block by block, when it is read; `doctor` reads all of it.
//! 5. *The list itself must be there* once a ledger has said that it has one (in `a/format`), and it carries its own
//!    checksum.
//!
//! # Who else is at work
//!
//! A run may be writing while a reader looks, and where no lock is, a second writer may take over. Files only ever come
//! with higher numbers, and what is collected has been superseded by a newer manifest; so whatever is found wrong is
//! looked at again, until it is found twice with neither list nor newest manifest changed in between. A writer that was
//! taken over may write its list once more over that of its successor. It names files that its engine did write, so
//! nothing is taken for damaged; until the successor's next file, the successor's newest ones are as those of point 2.
//!
//! # What is not
//!
//! Bytes on purpose: who can write the state can write the list. A whole state set back to an earlier moment is a whole
//! state. Two things lost at once, of which one vouched for the other, are found as long as one of them is vouched for.
//!
//! # What it costs
//!
//! One small write for each file that is listed, at most some ten kilobytes, since what is written ahead is moved into
//! sorted files before it is many files; and on opening one list of the folder and a second reading of what was written
//! ahead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use slatedb::ErrorKind;
use slatedb::admin::Admin;

use crate::Error;
use crate::checksums::{Checksums, EngineFile, of_parts};

/// Files that are read side by side.
const READS: usize = 8;
/// A writer that is at work changes things between two looks; one that does so this often is let be.
const LOOKS: usize = 20;

/// Where the files of a ledger are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The engine's folder.
    pub(crate) engine: Path,
    /// The list of checksums.
    pub(crate) list: Path,
}

impl Places {
    pub(crate) fn of(route: &str) -> Self {
        Self { engine: format!("v1/{route}/ledger").into(), list: format!("v1/{route}/checksums").into() }
    }
}

/// What a ledger is made of, when all of it is there.
#[derive(Debug)]
pub(crate) struct Found {
    /// Whether there is a ledger at all.
    pub(crate) exists: bool,
    /// Whether it has a list of checksums.
    pub(crate) has_list: bool,
    /// The checksums of what counts.
    pub(crate) checksums: Checksums,
}

/// Checks a ledger.
///
/// # Errors
///
/// [`Error::Damaged`] names the file.
pub(crate) async fn check(store: &Arc<dyn ObjectStore>, places: &Places) -> Result<Found, Error> {
    let mut before = None;
    for _ in 0..LOOKS {
        let look = Look::take(store, places).await?;
        let seen = (look.list.clone(), look.manifests.last().copied());
        match look.check(store, places).await {
            Err(damage @ Error::Damaged { .. }) if before.as_ref() == Some(&seen) => return Err(damage),
            Err(Error::Damaged { .. }) => before = Some(seen),
            done => return done,
        }
    }
    // It changes all the time, so it is written all the time, by a writer that has checked it.
    Look::take(store, places).await?.check(store, places).await
}

/// Deletes a damaged file, and whatever makes no sense without it. For a look at the rest, over a store in memory.
pub(crate) async fn leave_out(store: &Arc<dyn ObjectStore>, places: &Places, what: &str) -> Result<(), Error> {
    let look = Look::take(store, places).await?;
    let below = what.strip_prefix(places.engine.as_ref()).and_then(|path| path.strip_prefix('/')).unwrap_or_default();
    let mut gone = vec![places.list.clone(), Path::from(what)];
    match EngineFile::parse(below) {
        // What was written later builds on it.
        Some(EngineFile::Wal(number)) => {
            gone.extend(look.wal.range(number..).map(|number| place_of(places, EngineFile::Wal(*number))));
        }
        Some(EngineFile::Compactions(_)) => {}
        // The manifest before it, or the one that does not name the sorted file yet.
        _ if what != places.list.as_ref() && !below.starts_with("gc/") => {
            gone.extend(look.manifests.last().map(|number| place_of(places, EngineFile::Manifest(*number))));
        }
        _ => {}
    }
    for location in gone {
        match store.delete(&location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The error for a list that must be there and is not.
pub(crate) fn no_list(places: &Places) -> Error {
    missing(&places.list)
}

/// What is there at one moment, by name.
struct Look {
    list: Option<Bytes>,
    manifests: BTreeSet<u64>,
    compactions: BTreeSet<u64>,
    wal: BTreeSet<u64>,
    sizes: BTreeMap<Path, u64>,
}

impl Look {
    async fn take(store: &Arc<dyn ObjectStore>, places: &Places) -> Result<Self, Error> {
        // The list first: what it names must be there afterwards.
        let list = read(store, &places.list).await?;
        let sizes: BTreeMap<Path, u64> =
            store.list(Some(&places.engine)).map_ok(|meta| (meta.location, meta.size)).try_collect().await?;
        let (mut manifests, mut compactions, mut wal) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for location in sizes.keys() {
            let below = location.as_ref().strip_prefix(places.engine.as_ref()).and_then(|path| path.strip_prefix('/'));
            match below.and_then(EngineFile::parse) {
                Some(EngineFile::Manifest(number)) => manifests.insert(number),
                Some(EngineFile::Compactions(number)) => compactions.insert(number),
                Some(EngineFile::Wal(number)) => wal.insert(number),
                None => false,
            };
        }
        Ok(Self { list, manifests, compactions, wal, sizes })
    }

    async fn check(&self, store: &Arc<dyn ObjectStore>, places: &Places) -> Result<Found, Error> {
        let has_list = self.list.is_some();
        let listed = match &self.list {
            Some(content) => Checksums::parse(content).map_err(|reason| damaged(&places.list, reason))?,
            None => Checksums::default(),
        };
        newest(store, places, &listed, listed.manifest().map(EngineFile::Manifest), self.manifests.last()).await?;
        newest(store, places, &listed, listed.compactions().map(EngineFile::Compactions), self.compactions.last())
            .await?;
        let Some(&manifest) = self.manifests.last() else {
            return match self.wal.first() {
                // A first run writes its manifest first.
                Some(_) => Err(missing(&place_of(places, EngineFile::Manifest(1)))),
                None => Ok(Found { exists: false, has_list, checksums: listed }),
            };
        };
        let location = place_of(places, EngineFile::Manifest(manifest));
        let admin = Admin::builder(places.engine.clone(), store.clone()).build();
        let core = match Box::pin(admin.read_manifest(Some(manifest))).await {
            Ok(Some(core)) => core,
            Ok(None) => return Err(missing(&location)),
            // The engine calls a content that it cannot decode an error of its own.
            Err(error) if matches!(error.kind(), ErrorKind::Data | ErrorKind::Internal) => {
                return Err(damaged(&location, &error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        for view in core.all_sst_views() {
            let location = places.engine.clone().join("compacted").join(format!("{}.sst", view.sst.id.value()));
            let end = view.sst.info.index_offset + view.sst.info.index_len;
            match self.sizes.get(&location) {
                None => return Err(missing(&location)),
                Some(&size) if size <= end => return Err(damaged(&location, "it is shorter than it was")),
                Some(_) => {}
            }
        }
        self.boundary(store, places, "manifest", manifest).await?;
        self.boundary(store, places, "compactions", self.compactions.last().copied().unwrap_or(0)).await?;
        let mut checksums = listed.clone();
        let caught_up = core.replay_after_wal_id();
        checksums.forget_wal(caught_up);
        let newest_listed = checksums.wal().next_back().unwrap_or(caught_up);
        let newest = self.wal.last().copied().unwrap_or(0).max(newest_listed);
        let ahead: Vec<EngineFile> = (caught_up + 1..=newest).map(EngineFile::Wal).collect();
        let read = futures::stream::iter(ahead).map(|file| file_of(store, places, &listed, file));
        let read: Vec<_> = read.buffered(READS).try_collect().await?;
        for (file, content) in read {
            checksums.add(file, of_parts([&*content]));
        }
        Ok(Found { exists: true, has_list, checksums })
    }

    /// Checks how far the engine says it has collected: a number of the past. A lower one or none means nothing to it,
    /// and a higher one makes it take its own next file for another writer's.
    async fn boundary(
        &self,
        store: &Arc<dyn ObjectStore>,
        places: &Places,
        of: &str,
        newest: u64,
    ) -> Result<(), Error> {
        let location = places.engine.clone().join("gc").join(format!("{of}.boundary"));
        if !self.sizes.contains_key(&location) {
            return Ok(());
        }
        let Some(content) = read(store, &location).await? else { return Ok(()) };
        let number = str::from_utf8(&content).ok().and_then(|text| text.trim().parse::<u64>().ok());
        match number {
            Some(number) if number <= newest => Ok(()),
            _ => Err(damaged(&location, "it names no file of the past")),
        }
    }
}

/// Checks the newest file of a kind of which only the newest counts.
async fn newest(
    store: &Arc<dyn ObjectStore>,
    places: &Places,
    listed: &Checksums,
    file: Option<EngineFile>,
    found: Option<&u64>,
) -> Result<(), Error> {
    let Some(file @ (EngineFile::Manifest(number) | EngineFile::Compactions(number))) = file else { return Ok(()) };
    match found {
        // It was written after the list: by a writer that is at work, that was killed, or that keeps no list.
        Some(&found) if found > number => Ok(()),
        Some(&found) if found == number => file_of(store, places, listed, file).await.map(drop),
        _ => Err(missing(&place_of(places, file))),
    }
}

/// Reads a file that must be there; what the list says of it must be true.
async fn file_of(
    store: &Arc<dyn ObjectStore>,
    places: &Places,
    listed: &Checksums,
    file: EngineFile,
) -> Result<(EngineFile, Bytes), Error> {
    let location = place_of(places, file);
    let content = read(store, &location).await?.ok_or_else(|| missing(&location))?;
    match listed.get(file) {
        Some(checksum) if *checksum != of_parts([&*content]) => {
            Err(damaged(&location, "its content is not the one that was written"))
        }
        _ => Ok((file, content)),
    }
}

async fn read(store: &Arc<dyn ObjectStore>, location: &Path) -> Result<Option<Bytes>, Error> {
    match store.get(location).await {
        Ok(found) => Ok(Some(found.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn place_of(places: &Places, file: EngineFile) -> Path {
    Path::from(format!("{}/{file}", places.engine))
}

fn missing(location: &Path) -> Error {
    damaged(location, "it is missing")
}

fn damaged(location: &Path, reason: &str) -> Error {
    Error::Damaged { what: location.to_string(), reason: reason.to_owned() }
}
