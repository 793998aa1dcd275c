//! VMRay's findings as STIX: mapping, filter, noise rules, receipts.
//!
//! Pure: no input or output, no clock. [`map`] turns what VMRay says about one sample into [`Finding`]s, one for
//! each distinct value, and [`Receipt`]s that say why a value is not sent. [`compose`] writes the indicator of a
//! value from all samples that support it.
//!
//! What is guaranteed: every entry of the kinds asked for ends as a finding, as a receipt, or in the count of
//! those that the verdict filter leaves out; nothing one entry contains changes what becomes of another; the
//! order of VMRay's lists changes nothing; the pattern of every finding has been read back by our own grammar.

mod address;
mod compose;
mod excerpt;
mod expiry;
mod finding;
mod identity;
mod mapping;
mod noise;
mod noise_built_in;
mod receipt;
mod reserved_name;
mod screening;
mod tactics;
mod texts;
mod verdict_filter;

pub use address::AddressClass;
pub use compose::{Parts, Style, compose};
pub use expiry::{Expiry, ExpiryError};
pub use finding::{Finding, Support, name_of};
pub use identity::identity;
pub use mapping::{Mapped, Reading, Rules, SubmissionFacts, map};
pub use noise::{NoiseError, NoiseList, NoiseProblem};
pub use receipt::{Receipt, ReceiptReason};
pub use reserved_name::is_reserved_name;
pub use tactics::tactics;
pub use texts::Texts;
pub use verdict_filter::{Severity, UnknownVerdictFilter, VerdictFilter};
