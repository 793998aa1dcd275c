//! The client against scripted answers, and the models against recorded ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "a test fails by panicking"
)]

mod script;

mod any_json;
mod calls;
mod errors;
mod iocs;
mod paging;
mod recordings;
mod submitting;
