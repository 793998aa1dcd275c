//! From suspicious things to verdicts and a report.
//!
//! Look-up, submission, jobs that survive a crash, and what may leave the house.

pub mod functions;
