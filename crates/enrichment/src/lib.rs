//! From suspicious things to verdicts and a report.
//!
//! Takes URLs, files and hashes, answers from VMRay's store where a verdict is young enough, else submits, and pays
//! for each analysis once.
