//! What people ask of the next run.
//!
//! Only a run writes the ledger. A command that changes something leaves a create-only object beside it; the next
//! run applies it in its first batch and deletes it afterwards. Applying one twice changes nothing, so a kill
//! between the two is harmless.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;
use ulid::Ulid;

use crate::request::{LeftOut, seal, unseal};
use crate::{Entry, Error, Objects, Storage};

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
    /// Read open samples again, also those that are not due yet.
    RetrySamples {
        /// VMRay's ids of the samples.
        ids: Vec<u64>,
    },
    /// Give open samples up, with a receipt.
    DropSamples {
        /// VMRay's ids of the samples.
        ids: Vec<u64>,
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
    objects: Objects,
    left_out: LeftOut,
}

impl Commands {
    /// Returns the commands of a route.
    pub fn of(storage: &Storage, route: &str) -> Self {
        Self { objects: Objects::of(storage, &format!("{route}/commands")), left_out: LeftOut::default() }
    }

    /// Leaves a command for the next run.
    pub async fn leave(&self, command: &Command, now: Timestamp) -> Result<(), Error> {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        // The name is random: it is free, or it holds this very command because the answer was lost.
        let name = Ulid::from_parts(millis, uuid::Uuid::new_v4().as_u128());
        self.objects.create(&name.to_string(), seal(command)?).await?;
        Ok(())
    }

    /// Returns the waiting commands, oldest first.
    ///
    /// One that is damaged must not keep the feed from running: it stays where it is, and is the error of
    /// [`left_out`](Self::left_out).
    pub async fn waiting(&self) -> Result<Vec<PendingCommand>, Error> {
        let mut waiting = Vec::new();
        for Entry { name, .. } in self.objects.list("").await? {
            let Some(object) = self.objects.read(&name).await? else { continue };
            match unseal(&self.objects.place(&name), &object.content) {
                Ok(command) => waiting.push(PendingCommand { name, command }),
                Err(error) => {
                    warn!(name, %error, "a command cannot be read and is left alone");
                    self.left_out.note(error);
                }
            }
        }
        Ok(waiting)
    }

    /// Returns the first command that was left out because it cannot be read.
    pub fn left_out(&self) -> Option<Error> {
        self.left_out.take()
    }

    /// Takes back commands that have been applied.
    pub async fn done(&self, applied: &[PendingCommand]) -> Result<(), Error> {
        for command in applied {
            self.objects.delete(&command.name).await?;
        }
        Ok(())
    }
}
