//! The crate from outside.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests, outside functions too")]

mod composing;
mod fixtures;
mod mapping;
mod properties;
mod sample;
