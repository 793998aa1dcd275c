//! Black-box tests against the stand-ins, in process and on paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod damage;
mod deadlines;
mod following;
mod forms;
mod functions;
mod functions_rewritten;
mod gates;
mod isolation;
mod jobs;
mod killing;
mod limits;
mod members;
mod passwords;
mod place;
mod reuse;
mod rewritten;
mod sockets;
mod store;
mod upload;
