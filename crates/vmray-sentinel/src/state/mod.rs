//! The state as commands open it, and what an operator does when it cannot be opened.

#[cfg(test)]
mod azurite;

use std::sync::Arc;

use anyhow::Context as _;
use config::{self, Reader, StateConfig};
use ledger::{Error, StateUrl, Storage};
use outbound::{Clock, Transport};

use crate::app::App;
use crate::connect::USER_AGENT;
use crate::failure::Failure;

/// Whether what is opened may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    /// What is done is kept.
    Kept,
    /// Nothing is made, not even the folder.
    None,
}

/// Opens the state.
pub(crate) fn open(
    config: &StateConfig,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    changes: Changes,
) -> Result<Storage, Error> {
    match config {
        StateConfig::Here(url) => here(url, changes),
        StateConfig::Blob(blob) => azure_storage::connect(blob, transport, clock, USER_AGENT),
    }
}

fn here(url: &StateUrl, changes: Changes) -> Result<Storage, Error> {
    match changes {
        Changes::Kept => Storage::create(url),
        Changes::None => Storage::existing(url),
    }
}

/// Opens the state that the settings name, with its address.
pub(crate) fn of(app: &App, changes: Changes) -> Result<(StateUrl, Storage), Failure> {
    let config = StateConfig::load(&app.settings)?;
    let url = config.url();
    let opened = match &config {
        StateConfig::Here(url) => here(url, changes),
        StateConfig::Blob(blob) => {
            let mut reader = Reader::new(&app.settings);
            let transport = config::transport(&mut reader);
            let transport: Arc<dyn Transport> = Arc::new(reader.finish(transport)?);
            azure_storage::connect(blob, &transport, &app.clock, USER_AGENT)
        }
    };
    let storage = opened.map_err(|error| failed(&url, error))?;
    Ok((url, storage))
}

/// A failure of the state, with what to do.
pub(crate) fn failed(url: &StateUrl, error: Error) -> Failure {
    let hint = hint(&error);
    Failure::from(anyhow::Error::new(error).context(format!("opening the state in {url}"))).with_hint(hint)
}

/// What an operator does about it.
pub(crate) fn hint(error: &Error) -> String {
    let hint = match error {
        Error::Remote { hint, .. } => hint,
        Error::Busy { .. } => "wait for the other run, or stop it; nothing needs to be removed by hand",
        Error::Fenced => "one feed for one StateUrl: stop one of the two",
        Error::NewerFormat { .. } => "use that version of vmray-sentinel, or set StateUrl to an empty folder",
        Error::WrongBinding { .. } => "set StateUrl to another folder for another pair of VMRay and workspace",
        Error::Unusable { .. } => {
            "give the folder to the user that runs this, or set StateUrl to a folder of that user"
        }
        Error::Full => "make room on that disk; the next run continues where this one stopped",
        Error::Damaged { .. } => {
            "`vmray-sentinel state export > known.jsonl` keeps what can still be read; then set StateUrl to an empty folder \
             or container and run `vmray-sentinel feed --once --since 2026-01-31` with the day from which everything is \
             wanted: it is read and sent again under the same ids, so Sentinel shows each indicator once"
        }
        Error::DamagedRequest { .. } => {
            "ask again for what it was (`vmray-sentinel quarantine` for a command, the incident's enrichment for what is in \
             the inbox), then remove that file or blob"
        }
        Error::DamagedObject { .. } => {
            "remove that file or blob: what VMRay has is found again and not paid for twice. Of a damaged key (`v1/keys/`) the \
             links are lost that it signed; `vmray-sentinel state rotate-link-key` makes a new one"
        }
        Error::Name { .. } | Error::Storage(_) => "run `vmray-sentinel doctor`",
    };
    hint.to_owned()
}

/// Adds what was being done.
pub(crate) trait DoingWithState<T> {
    /// `doing` names what was being done.
    fn doing(self, doing: &'static str) -> Result<T, Failure>;
}

impl<T> DoingWithState<T> for Result<T, Error> {
    fn doing(self, doing: &'static str) -> Result<T, Failure> {
        let hint = self.as_ref().err().map(hint);
        self.context(doing).map_err(|error| match hint {
            Some(hint) => Failure::from(error).with_hint(hint),
            None => Failure::from(error),
        })
    }
}
