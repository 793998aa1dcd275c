//! Black-box tests of the binary and of the shape of the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on has failed, in functions of its own too"
)]

mod api;
mod architecture;
mod binary;
mod commands;
mod convert;
mod demo;
mod doctor;
mod environment;
mod feed;
mod functions;
mod logs;
mod printed;
mod quarantine;
mod serve;
mod simulate;
mod status;
