//! What VMRay says: typed client, paging, submit.
//!
//! The models read whatever a server sends: fields may be missing, null or of another type than today's servers
//! use. Only an id is essential; without it an element becomes [`Entry::Unreadable`] and its neighbours stay.
//! Nobody on this project has called a real server; the models follow recorded replies and public code.

mod entry;
mod findings;
mod ids;
mod iocs;
mod job;
mod lenient;
mod sample;
mod server;
mod submission;
mod submit_reply;
mod time;
mod verdict;

pub use entry::{Entry, readable};
pub use findings::{MitreAttack, ReportStatus, Technique, ThreatIndicators, Vti};
pub use ids::{AnalysisId, JobId, SampleId, SubmissionId};
pub use iocs::{
    DomainIoc, EmailAddressIoc, EmailIoc, FileHashes, FileIoc, FilenameIoc, IocCommon, Iocs, IocsReply, IpIoc,
    MutexIoc, ProcessIoc, RegistryIoc, UrlIoc,
};
pub use job::{Analysis, Job};
pub use lenient::Map;
pub use sample::Sample;
pub use server::{Quota, SystemInfo};
pub use submission::Submission;
pub use submit_reply::{SubmitError, SubmitReply};
pub use verdict::Verdict;
