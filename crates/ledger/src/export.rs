//! Everything that a ledger holds, record by record, as JSON: to look at, to compare, to keep.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slatedb::DbIterator;

use crate::record::decode;
use crate::{Error, key};

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    /// What it is a record of.
    pub kind: &'static str,
    /// Its key among those of its kind.
    pub key: String,
    /// What is kept.
    pub record: Value,
}

/// The records of one route, in the order of their keys.
pub struct Export {
    rows: Option<DbIterator>,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}

impl Export {
    pub(crate) fn new(rows: Option<DbIterator>) -> Self {
        Self { rows }
    }

    /// Returns the next record as what it is, with its whole key.
    pub(crate) async fn next_as<R: DeserializeOwned>(&mut self) -> Result<Option<(Bytes, R)>, Error> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let Some(row) = rows.next().await? else { return Ok(None) };
        let record = decode(&row.key, &row.value)?;
        Ok(Some((row.key, record)))
    }

    /// Returns the next record.
    pub async fn next(&mut self) -> Result<Option<Exported>, Error> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let Some(row) = rows.next().await? else { return Ok(None) };
        let key = String::from_utf8_lossy(&row.key);
        let (kind, name) = key::kind_of(&key).unwrap_or(("other", &key));
        Ok(Some(Exported { kind, key: name.to_owned(), record: decode(&row.key, &row.value)? }))
    }
}
