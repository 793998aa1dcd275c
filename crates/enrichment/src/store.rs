//! Small JSON objects in the state: how they are written and read.

use bytes::Bytes;
use ledger::{Created, Error, Objects};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Makes an object of a value.
pub(crate) async fn create<T: Serialize>(objects: &Objects, name: &str, value: &T) -> Result<Created, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Storage(Box::new(error)))?;
    objects.create(name, Bytes::from(json)).await
}

/// Reads an object back.
pub(crate) async fn read<T: DeserializeOwned>(objects: &Objects, name: &str) -> Result<Option<T>, Error> {
    let Some(object) = objects.read(name).await? else { return Ok(None) };
    serde_json::from_slice(&object.content)
        .map(Some)
        .map_err(|error| Error::Damaged { what: name.to_owned(), reason: error.to_string() })
}
