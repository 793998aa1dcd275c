//! A reader: looks at the latest state and writes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::ObjectStoreExt as _;
use slatedb::config::DbReaderOptions;
use slatedb::{DbReader, DbReaderMode};

use crate::integrity::{self, Places};
use crate::record::Format;
use crate::records::Source;
use crate::writer::{cache, ledger_path};
use crate::{Error, Records, Storage, key};

/// One route's ledger, open for reading while a run may be writing it.
///
/// A reader protects nothing from collection; files younger than an hour are not collected, so open one for a
/// question or a page, not for a day.
#[derive(Debug)]
pub struct Reader {
    records: Records,
}

impl Reader {
    /// Opens the ledger of a route. One that does not exist reads as empty.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] when something of it is gone or altered.
    pub async fn open(storage: &Storage, route: &str) -> Result<Self, Error> {
        let places = Places::of(route);
        let store = storage.store();
        let found = integrity::check(&store, &places).await?;
        let reader = if found.exists { Self::of_engine(storage, route).await? } else { Self::nothing() };
        let format = reader.records.get::<Format>(&key::of_text(key::ABOUT, "format")).await?;
        if !found.has_list && format.is_some_and(|format| format.checked) {
            // The first run that keeps one may have begun in between.
            match store.head(&places.list).await {
                Err(object_store::Error::NotFound { .. }) => return Err(integrity::no_list(&places)),
                outcome => drop(outcome?),
            }
        }
        Ok(reader)
    }

    /// Opens what can still be read of a ledger, and says what is damaged of it.
    ///
    /// What is damaged is left out, with all that came after it: such a ledger reads as it was at an earlier moment, and
    /// is good for looking at, not for going on with. Nothing is written.
    ///
    /// # Errors
    ///
    /// Whatever else keeps it from being read, and damage that leaves nothing to read.
    pub async fn salvage(storage: &Storage, route: &str) -> Result<(Self, Option<Error>), Error> {
        let damage = match Self::open(storage, route).await {
            Ok(reader) => return Ok((reader, None)),
            Err(damage @ Error::Damaged { .. }) => damage,
            Err(error) => return Err(error),
        };
        let places = Places::of(route);
        // What is left out is deleted in memory only.
        let without = storage.dry();
        let Error::Damaged { what, .. } = &damage else { return Err(damage) };
        let (mut left_out, mut next) = (BTreeSet::new(), Some(what.clone()));
        while let Some(what) = next {
            integrity::leave_out(&without.store(), &places, &what).await?;
            if !left_out.insert(what) {
                return Err(damage);
            }
            next = match integrity::check(&without.store(), &places).await {
                Ok(found) if found.exists => None,
                Ok(_) => return Err(damage),
                Err(Error::Damaged { what, .. }) => Some(what),
                Err(error) => return Err(error),
            };
        }
        Ok((Self::of_engine(&without, route).await?, Some(damage)))
    }

    fn nothing() -> Self {
        Self { records: Records::new(Source::Nothing) }
    }

    async fn of_engine(storage: &Storage, route: &str) -> Result<Self, Error> {
        let reader = Box::pin(
            DbReader::builder(ledger_path(route), storage.store())
                .with_reader_mode(DbReaderMode::FollowLatest)
                .with_options(DbReaderOptions { object_store_max_retries: Some(2), ..DbReaderOptions::default() })
                .with_db_cache(cache(), 0)
                .build(),
        )
        .await?;
        Ok(Self { records: Records::new(Source::Reader(Arc::new(reader))) })
    }

    /// Returns what is known.
    pub fn records(&self) -> &Records {
        &self.records
    }
}
