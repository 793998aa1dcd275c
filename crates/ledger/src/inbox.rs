//! What enrichments leave for the next run of a route's feed.
//!
//! Only a run writes the ledger, and enrichments run on many instances. One leaves a create-only letter, sends what is
//! in it, and leaves a mark beside the letter that says what it sent. The next run folds both in and takes them away.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::request::{LeftOut, seal, unseal};
use crate::{Created, Error, Objects, Storage};

/// What the mark of a letter is called.
const MARK: &str = ".sent";

/// The inbox of one route. What letters and marks say is the caller's.
#[derive(Debug, Clone)]
pub struct Inbox {
    objects: Objects,
    left_out: LeftOut,
}

/// A letter that waits for a run.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxLetter<L, S> {
    /// Its name.
    pub name: String,
    /// When it was left, by the store's clock.
    pub left_at: Timestamp,
    /// What it says.
    pub content: L,
    /// What was sent of it, and when that was marked, by the store's clock.
    pub sent: Option<(S, Timestamp)>,
}

impl Inbox {
    /// Returns the inbox of a route.
    pub fn of(storage: &Storage, route: &str) -> Self {
        Self { objects: Objects::of(storage, &format!("{route}/inbox")), left_out: LeftOut::default() }
    }

    /// Leaves a letter, unless there is one of that name.
    pub async fn leave<L: Serialize>(&self, name: &str, letter: &L) -> Result<Created, Error> {
        self.objects.create(name, seal(letter)?).await
    }

    /// Says what was sent of a letter.
    pub async fn mark<S: Serialize>(&self, name: &str, sent: &S) -> Result<(), Error> {
        self.objects.create(&format!("{name}{MARK}"), seal(sent)?).await?;
        Ok(())
    }

    /// Returns the mark of a letter.
    pub async fn marked<S: DeserializeOwned>(&self, name: &str) -> Result<Option<S>, Error> {
        let name = format!("{name}{MARK}");
        match self.objects.read(&name).await? {
            Some(object) => unseal(&self.objects.place(&name), &object.content).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the letters, by name, which is the order of their making where names are ULIDs.
    ///
    /// One that is damaged must not keep the feed from running: it stays where it is, and is the error of
    /// [`left_out`](Self::left_out).
    pub async fn waiting<L: DeserializeOwned, S: DeserializeOwned>(&self) -> Result<Vec<InboxLetter<L, S>>, Error> {
        let entries = self.objects.list("").await?;
        let mut waiting = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.name.ends_with(MARK)) {
            let Some(letter) = self.objects.read(&entry.name).await? else { continue };
            let mark = format!("{}{MARK}", entry.name);
            let sent = match self.objects.read(&mark).await? {
                Some(object) => {
                    unseal(&self.objects.place(&mark), &object.content).map(|sent| Some((sent, object.stored_at)))
                }
                None => Ok(None),
            };
            let content = unseal(&self.objects.place(&entry.name), &letter.content);
            match content.and_then(|content| Ok((content, sent?))) {
                Ok((content, sent)) => {
                    waiting.push(InboxLetter { name: entry.name.clone(), left_at: letter.stored_at, content, sent });
                }
                Err(error) => {
                    warn!(name = entry.name, %error, "an inbox entry cannot be read");
                    self.left_out.note(error);
                }
            }
        }
        for orphan in entries.iter().filter_map(|entry| entry.name.strip_suffix(MARK)) {
            if !entries.iter().any(|entry| entry.name == orphan) {
                // Its letter was folded in while it was being sent.
                self.objects.delete(&format!("{orphan}{MARK}")).await?;
            }
        }
        Ok(waiting)
    }

    /// Returns the first letter or mark that was left out because it cannot be read.
    pub fn left_out(&self) -> Option<Error> {
        self.left_out.take()
    }

    /// Takes letters and their marks away. The letter goes first: a mark alone means nothing.
    pub async fn done(&self, names: &[String]) -> Result<(), Error> {
        for name in names {
            self.objects.delete(name).await?;
            self.objects.delete(&format!("{name}{MARK}")).await?;
        }
        Ok(())
    }
}
