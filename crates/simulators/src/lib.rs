//! Stand-ins for VMRay, Entra, the TI upload and Logs Ingestion: strict, seeded, with faults.
//!
//! They are part of the product (`demo`, `simulate`) and the other half of its tests. Where the references state
//! a rule they enforce it; where the references say "unknown" there is a switch in the options; nowhere are they
//! kinder than the real service. Answers are built here, never by serialising a client's models, so that a client
//! and its stand-in cannot share a mistake.
//!
//! Each simulator is an [`outbound::Transport`]: called in process on paused time, or served on a socket by the
//! same code. A [`World`] is what VMRay knows, [`Faults`] is what goes wrong, a [`Stack`] is all of it together.

// A submission has sixty fields, and `json!` recurses per field.
#![recursion_limit = "256"]

mod answer;
mod entra;
mod faults;
mod front;
mod lock;
mod logs;
mod reports;
mod rewriting;
mod sockets;
mod stack;
mod switch;
mod throttle;
mod upload;
mod vmray;
mod world;

pub use entra::{App, EntraOptions, EntraSimulator, FederatedCredential, ManagedIdentity, Secret, TokenRequest};
pub use faults::{Fault, FaultRule, Faults, ServiceName, When};
pub use front::{Latency, Seen};
pub use logs::{ColumnType, Columns, LogRow, LogsOptions, LogsSimulator};
pub use reports::{ReportWorld, ReportsError};
pub use rewriting::{Odd, Rewrite, Rewriting, Site};
pub use sockets::{ListenError, Listening, listen};
pub use stack::{Stack, StackListening, StackOptions};
pub use switch::{OptionError, Switches};
pub use throttle::Throttle;
pub use upload::{AllRefused, ErrorKey, Row, StaleModified, UploadOptions, UploadSimulator};
pub use vmray::{
    AnalysisCaching, ArchiveAction, Bound, ChildrenEnd, DefaultOrder, FieldSet, MetadataText, QuotaRefusal,
    SubmitOutcome, Taken, TruncatedFlag, UnknownParameter, UrlForm, VmrayOptions, VmraySimulator,
};
pub use world::{
    Access, Ending, Entry, EntryKind, Failure, Hashes, Inside, Ioc, IocKind, IocSource, Job, MAX_JOBS, RelationKind,
    Sample, Submission, Verdict, World, WorldOptions,
};
