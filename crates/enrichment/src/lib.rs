//! From suspicious things to verdicts and a report.
//!
//! [`Enrichment`] takes URLs, hashes and files, of one incident or of none. Each is read (`item`), passes the privacy
//! gates (`gate`), and is looked up in VMRay, which costs nothing (`lookup`). A verdict that is young enough (`reuse`)
//! answers at once, with what came out of the thing (`members`). Everything else becomes a job (`job`) that any number of
//! requests and processes share; `advance` brings it on whenever somebody asks, `follow` sees it to its end. `progress`
//! answers in time whoever waits. `assemble` writes the report, `publish` sends the indicators through the same state as the
//! feed, `sweep` does both for requests that nobody asks about.
//!
//! What is guaranteed: a thing is submitted once for each epoch of its job, and once more at most where VMRay's answer
//! was lost, which the report says; a report holds nothing of another request; a verdict's age is always told; what a
//! gate holds back never leaves this process; a part of the report that fails takes no other part with it.

mod advance;
mod assemble;
mod damage;
mod dossier;
mod error;
mod facts;
mod follow;
pub mod functions;
mod gate;
mod held_file;
mod held_link;
mod indicator_section;
mod item;
mod job;
mod limit;
mod link;
mod lookup;
mod members;
mod owner;
mod plan;
mod progress;
mod publish;
mod record;
mod refang;
mod report;
mod request;
mod reuse;
mod seen;
mod service;
mod spool;
mod sweep;
mod tag;
mod trouble;
mod url_forms;
mod work;

pub use damage::check_objects;
pub use error::Error;
pub use gate::{Gates, GatesError, InternalHosts};
pub use item::{FileItem, Item, ItemError, UnreadableItem, UrlItem};
pub use link::{LinkError, rotate_link_key};
pub use progress::{Reply, Work};
pub use report::{
    FileFacts, GateReport, IndicatorReport, IndicatorState, IocReport, ItemKind, ItemReport, ItemState, OverallVerdict,
    Report, SampleReport, Section, SectionState, UploadReport, UploadState,
};
pub use request::{EnrichOptions, EnrichRequest, IncidentId, IncidentIdError, JobId, JobIdError, MAX_ITEMS};
pub use reuse::{ReuseHours, ReuseHoursError};
pub use service::{Answer, Enrichment, Parts, Settings, Uploads};
pub use spool::{Spool, SpoolError, SpoolRoom, SpooledFile};
pub use sweep::Swept;
pub use tag::{TagError, read_tag};
