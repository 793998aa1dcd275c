//! A reader: looks at the latest state and writes nothing.

use std::sync::Arc;

use futures::TryStreamExt as _;
use slatedb::config::DbReaderOptions;
use slatedb::{DbReader, DbReaderMode};

use crate::records::Source;
use crate::writer::{cache, ledger_path};
use crate::{Error, Records, Storage};

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
    pub async fn open(storage: &Storage, route: &str) -> Result<Self, Error> {
        let path = ledger_path(route);
        let manifests = object_store::path::Path::from(format!("{path}/manifest"));
        if storage.store().list(Some(&manifests)).try_next().await?.is_none() {
            return Ok(Self { records: Records::new(Source::Nothing) });
        }
        let reader = Box::pin(
            DbReader::builder(path.as_str(), storage.store())
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
