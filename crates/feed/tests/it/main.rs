//! Whole runs against the stand-ins, in process and on paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod backlog;
mod clocks;
mod faults;
mod guarantees;
mod kill;
mod large;
mod notes;
mod odd_answers;
mod once;
mod rewritten;
mod together;
mod waits;
mod world;
