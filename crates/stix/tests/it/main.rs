//! The crate from outside.

#![expect(clippy::unwrap_used, clippy::string_slice, clippy::print_stdout, reason = "tests, outside functions too")]

mod fixtures;
mod objects;
mod properties;
