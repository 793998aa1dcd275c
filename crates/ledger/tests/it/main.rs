//! The ledger through its public face, on disk and in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod commands;
mod conformance;
mod damage;
mod disk;
mod long;
mod objects;
mod remote;
mod upkeep;

#[path = "../suite/mod.rs"]
mod suite;

pub(crate) use suite::{ROUTE, at, binding, open};
