//! Why the ledger cannot be read or written.

use std::error::Error as StdError;
use std::io::ErrorKind;

use crate::RemoteTrouble;

/// What a caller can decide on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the writer.
    #[error("another run is using this state ({holder}); it was left alone")]
    Busy {
        /// Where the lock is.
        holder: String,
    },
    /// Another process took the writer over while we held it.
    #[error("another run has taken this state over; this run stops, the other one continues")]
    Fenced,
    /// The state was written by a newer version of this program.
    #[error(
        "the state was written by a newer version (format {found}, this program knows {known}); use that version, or an empty StateUrl"
    )]
    NewerFormat {
        /// Version found.
        found: u32,
        /// Newest version this program reads.
        known: u32,
    },
    /// The state belongs to another pair of VMRay server and workspace.
    #[error(
        "the state of route '{route}' belongs to VMRay {bound_vmray} and workspace {bound_workspace}, but the settings name VMRay {vmray} and workspace {workspace}; use another StateUrl or route name"
    )]
    WrongBinding {
        /// Name of the route.
        route: String,
        /// VMRay host of the state.
        bound_vmray: String,
        /// Workspace of the state.
        bound_workspace: String,
        /// VMRay host of the settings.
        vmray: String,
        /// Workspace of the settings.
        workspace: String,
    },
    /// The place cannot be used at all.
    #[error("cannot use {place} for the state: {reason}")]
    Unusable {
        /// Folder or URL.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// No room left.
    #[error("no space left where the state is kept; free some and start again, nothing is lost")]
    Full,
    /// A record or file does not read back.
    #[error("the state is damaged at {what}: {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// Why it does not read.
        reason: String,
    },
    /// A request beside the ledger (a command, what an enrichment left) does not read back. The ledger itself is whole.
    #[error("the state is damaged at {what}: {reason}; everything else was done")]
    DamagedRequest {
        /// Which object.
        what: String,
        /// Why it does not read.
        reason: String,
    },
    /// What an enrichment keeps (a job, findings, a key for links) does not read back. The ledger itself is whole.
    #[error("the state is damaged at {what}: {reason}")]
    DamagedObject {
        /// Which object.
        what: String,
        /// Why it does not read.
        reason: String,
    },
    /// A distant store refuses, or cannot be reached.
    #[error("{reason}")]
    Remote {
        /// What its client says.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A name that no object can have.
    #[error("'{name}' cannot be the name of a stored object")]
    Name {
        /// The name.
        name: String,
    },
    /// The storage failed in another way.
    #[error("the state could not be read or written")]
    Storage(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<slatedb::Error> for Error {
    fn from(error: slatedb::Error) -> Self {
        if let Some(trouble) = RemoteTrouble::find(&error) {
            return trouble.clone().into();
        }
        // What it reads there without a checksum can lead it beyond the end of the file, which it takes for its own fault.
        let is_replay =
            error.kind() == slatedb::ErrorKind::Internal && error.to_string().contains("wal_replay task panicked");
        match error.kind() {
            _ if is_replay => Self::Damaged { what: "what was written ahead".to_owned(), reason: error.to_string() },
            slatedb::ErrorKind::Closed(slatedb::CloseReason::Fenced) => Self::Fenced,
            slatedb::ErrorKind::Data => {
                let reason = error.to_string();
                let what = file_in(&reason).unwrap_or("the engine's files").to_owned();
                Self::Damaged { what, reason }
            }
            _ => Self::from_chain(Box::new(error)),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::from_chain(Box::new(error))
    }
}

impl From<RemoteTrouble> for Error {
    fn from(trouble: RemoteTrouble) -> Self {
        Self::Remote { reason: trouble.reason, hint: trouble.hint }
    }
}

impl Error {
    fn from_chain(error: Box<dyn StdError + Send + Sync>) -> Self {
        if let Some(trouble) = RemoteTrouble::find(&*error) {
            return trouble.clone().into();
        }
        let mut text = String::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*error);
        while let Some(cause) = next {
            match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
                Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => return Self::Full,
                Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                    return Self::Unusable { place: "the state folder".to_owned(), reason: cause.to_string() };
                }
                _ => {}
            }
            text = cause.to_string();
            next = cause.source();
        }
        // Some layers keep only the words of their cause.
        if text.contains("No space left on device") || text.contains("StorageFull") {
            return Self::Full;
        }
        Self::Storage(error)
    }
}

/// Returns the file that the engine names when it cannot read one.
fn file_in(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || ",;:`'\"()[]".contains(c)).find(|word| word.starts_with("v1/"))
}
