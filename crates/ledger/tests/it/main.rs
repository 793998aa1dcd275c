//! The ledger through its public face, on disk and in memory.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod commands;
mod conformance;
mod disk;
mod long;
mod objects;
mod upkeep;

use jiff::{SignedDuration, Timestamp};
use ledger::{Binding, Error, Ledger, Storage, Upkeep};

pub(crate) const ROUTE: &str = "default";

pub(crate) fn binding() -> Binding {
    Binding { vmray: "vmray.test".into(), workspace: "11111111-2222-3333-4444-555555555555".into() }
}

pub(crate) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minute)
}

pub(crate) async fn open(storage: &Storage) -> Result<Ledger, Error> {
    Ledger::open(storage, ROUTE, &binding(), at(0), Upkeep::default()).await
}
