//! What people ask of the next run.
//!
//! Only a run writes the ledger. A command that changes something leaves a create-only object beside it; the next
//! run applies it in its first batch and deletes it afterwards. Applying one twice changes nothing, so a kill
//! between the two is harmless.

use std::sync::Arc;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use tracing::warn;
use ulid::Ulid;

use crate::record::{decode, encode};
use crate::{Error, Storage};

/// A change for the next run to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Send objects in quarantine again.
    ReplayQuarantine {
        /// Ids of the objects.
        ids: Vec<String>,
    },
    /// Forget objects in quarantine.
    DropQuarantine {
        /// Ids of the objects.
        ids: Vec<String>,
    },
}

/// A command that waits for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCommand {
    name: String,
    /// What is asked.
    pub command: Command,
}

/// The commands of one route.
#[derive(Debug, Clone)]
pub struct Commands {
    store: Arc<dyn ObjectStore>,
    folder: String,
}

impl Commands {
    /// Returns the commands of a route.
    pub fn of(storage: &Storage, route: &str) -> Self {
        Self { store: storage.store(), folder: format!("v1/{route}/commands") }
    }

    /// Leaves a command for the next run.
    pub async fn leave(&self, command: &Command, now: Timestamp) -> Result<(), Error> {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let name = Ulid::from_parts(millis, uuid::Uuid::new_v4().as_u128());
        let location = Path::from(format!("{}/{name}", self.folder));
        let options = PutOptions::from(PutMode::Create);
        self.store.put_opts(&location, encode(command)?.into(), options).await?;
        Ok(())
    }

    /// Returns the waiting commands, oldest first.
    pub async fn waiting(&self) -> Result<Vec<PendingCommand>, Error> {
        let folder = Path::from(self.folder.as_str());
        let mut found: Vec<_> = self.store.list(Some(&folder)).try_collect().await?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let mut waiting = Vec::new();
        for meta in found {
            let bytes = self.store.get(&meta.location).await?.bytes().await?;
            let name = meta.location.to_string();
            match decode(name.as_bytes(), &bytes) {
                Ok(command) => waiting.push(PendingCommand { name, command }),
                // It must not keep the feed from running; it stays where it is.
                Err(error) => warn!(name, %error, "a command cannot be read and is left alone"),
            }
        }
        Ok(waiting)
    }

    /// Takes back commands that have been applied.
    pub async fn done(&self, applied: &[PendingCommand]) -> Result<(), Error> {
        for command in applied {
            match self.store.delete(&Path::from(command.name.as_str())).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
