//! What enrichments leave for the next run of a route's feed.
//!
//! Only a run writes the ledger, and enrichments run on many instances. One leaves a create-only letter, sends what is
//! in it, and leaves a mark beside the letter that says what it sent. The next run folds both in and takes them away.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::record::{decode, encode};
use crate::{Created, Error, Objects, Storage};

/// What the mark of a letter is called.
const MARK: &str = ".sent";

/// The inbox of one route. What letters and marks say is the caller's.
#[derive(Debug, Clone)]
pub struct Inbox {
    objects: Objects,
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
        Self { objects: Objects::of(storage, &format!("{route}/inbox")) }
    }

    /// Leaves a letter, unless there is one of that name.
    pub async fn leave<L: Serialize>(&self, name: &str, letter: &L) -> Result<Created, Error> {
        self.objects.create(name, encode(letter)?).await
    }

    /// Says what was sent of a letter.
    pub async fn mark<S: Serialize>(&self, name: &str, sent: &S) -> Result<(), Error> {
        self.objects.create(&format!("{name}{MARK}"), encode(sent)?).await?;
        Ok(())
    }

    /// Returns the mark of a letter.
    pub async fn marked<S: DeserializeOwned>(&self, name: &str) -> Result<Option<S>, Error> {
        let name = format!("{name}{MARK}");
        match self.objects.read(&name).await? {
            Some(object) => decode(name.as_bytes(), &object.content).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the letters, by name, which is the order of their making where names are ULIDs.
    pub async fn waiting<L: DeserializeOwned, S: DeserializeOwned>(&self) -> Result<Vec<InboxLetter<L, S>>, Error> {
        let entries = self.objects.list("").await?;
        let mut waiting = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.name.ends_with(MARK)) {
            let Some(letter) = self.objects.read(&entry.name).await? else { continue };
            let mark = format!("{}{MARK}", entry.name);
            let sent = match self.objects.read(&mark).await? {
                Some(object) => decode(mark.as_bytes(), &object.content).map(|sent| Some((sent, object.stored_at))),
                None => Ok(None),
            };
            let content = decode(entry.name.as_bytes(), &letter.content);
            match content.and_then(|content| Ok((content, sent?))) {
                Ok((content, sent)) => {
                    waiting.push(InboxLetter { name: entry.name.clone(), left_at: letter.stored_at, content, sent });
                }
                // It must not keep the feed from running; it stays where it is.
                Err(error) => warn!(name = entry.name, %error, "a letter of an enrichment cannot be read"),
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

    /// Takes letters and their marks away. The letter goes first: a mark alone means nothing.
    pub async fn done(&self, names: &[String]) -> Result<(), Error> {
        for name in names {
            self.objects.delete(name).await?;
            self.objects.delete(&format!("{name}{MARK}")).await?;
        }
        Ok(())
    }
}
