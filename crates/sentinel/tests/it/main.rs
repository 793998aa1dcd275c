//! The crate from outside, against a scripted Entra and a scripted upload service.

#![expect(clippy::unwrap_used, reason = "the stand-in is test code too, outside of test functions")]

mod fake;
mod logs;
mod managed;
mod tokens;
mod upload;
mod workload;
