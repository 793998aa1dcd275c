//! From suspicious things to verdicts and a report.
//!
//! Look-up, submission, jobs that survive a crash, and what may leave the house.

mod error;
pub mod functions;

pub use error::{Error, LARGEST_UPLOAD};
