//! What VMRay says: typed client, paging, submit.
//!
//! The models read whatever a server sends: fields may be missing, null or of another type than today's servers
//! use. Only an id is essential; without it an element becomes [`Entry::Unreadable`] and its neighbours stay.
//! Nobody on this project has called a real server; the models follow recorded replies and public code.

mod address;
mod client;
mod entry;
mod envelope;
mod error;
mod findings;
mod hash;
mod ids;
mod ioc_parts;
mod iocs;
mod job;
mod lenient;
mod listing;
mod record;
mod report;
mod sample;
mod search;
mod server;
mod submission;
mod submit;
mod submit_reply;
mod summary_v1;
mod summary_v2;
mod time;
mod verdict;

pub use client::{Client, Probe};
pub use entry::{Entry, readable};
pub use error::Error;
pub use findings::{MitreAttack, ReportStatus, Technique, ThreatIndicators, Vti};
pub use hash::{SampleHash, SampleHashError};
pub use ids::{AnalysisId, JobId, SampleId, SubmissionId};
pub use ioc_parts::{IocParts, IocPartsIter};
pub use iocs::{
    DomainIoc, EmailAddressIoc, EmailIoc, FileHashes, FileIoc, FilenameIoc, IocCommon, Iocs, IocsReply, IpIoc,
    MutexIoc, ProcessIoc, RegistryIoc, UrlIoc,
};
pub use job::{Analysis, Job};
pub use listing::{Listing, SubmissionFilter, SubmissionPages, TimeRange};
pub use record::Map;
pub use report::{Report, ReportKind};
pub use sample::Sample;
pub use search::SearchField;
pub use server::{Quota, SystemInfo};
pub use submission::Submission;
pub use submit::{FileStream, SubmitOptions, SubmitRequest, SubmitTarget};
pub use submit_reply::{SubmitError, SubmitReply};
pub use verdict::Verdict;
