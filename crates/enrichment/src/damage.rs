//! Whether what enrichments keep in the state is what was written.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{Error, Objects, Storage};
use serde::de::IgnoredAny;

use crate::link::Links;

/// Objects that are read at the same time: on a distant store each is a call.
const AT_ONCE: usize = 16;

/// Reads everything that enrichments keep: jobs, requests, findings and the keys of links.
///
/// # Errors
///
/// [`Error::DamagedObject`] names the first object that is not what was written.
pub async fn check_objects(storage: &Storage) -> Result<(), Error> {
    for folder in ["jobs", "findings"] {
        let objects = Objects::of(storage, folder);
        let entries = objects.list("").await?;
        let read = stream::iter(entries).map(|entry| {
            let objects = objects.clone();
            async move { objects.read_value::<IgnoredAny>(&entry.name).await }
        });
        read.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
    }
    Links::of(storage).check().await
}
