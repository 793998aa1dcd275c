//! The world as a list: each value of each finding of each submission.

use jiff::Timestamp;

use super::{Ioc, IocKind, Submission, Verdict};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    Domain,
    Ip,
    Url,
    Md5,
    Sha1,
    Sha256,
    EmailAddress,
    Email,
    Registry,
    Mutex,
    Process,
    Filename,
}

/// One value that a submission's sample shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Sample.
    pub sample_id: u64,
    /// Submission.
    pub submission_id: u64,
    /// Verdict of the submission.
    pub submission_verdict: Option<Verdict>,
    /// When the submission finishes; `None` never.
    pub finished_at: Option<Timestamp>,
    /// Whether it tells that.
    pub tells_finish_time: bool,
    /// What the value is.
    pub kind: EntryKind,
    /// The value, as served.
    pub value: Option<String>,
    /// Verdict of the finding; `None` also when it does not tell it.
    pub verdict: Option<Verdict>,
    /// `ioc` of the finding.
    pub ioc: Option<bool>,
    /// Whether the finding is a memory dump.
    pub is_memory_dump: bool,
}

/// Returns the values of a submission's findings; a file has one for each hash.
pub(super) fn entries_of(submission: &Submission, iocs: &[Ioc]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(iocs.len());
    for ioc in iocs {
        let mut push = |kind, value: &Option<String>| {
            entries.push(Entry {
                sample_id: submission.sample_id,
                submission_id: submission.id,
                submission_verdict: submission.verdict,
                finished_at: submission.finished_at,
                tells_finish_time: submission.tells_finish_time,
                kind,
                value: value.clone(),
                verdict: ioc.verdict.filter(|_| ioc.tells_verdict),
                ioc: ioc.ioc,
                is_memory_dump: ioc.categories.iter().any(|category| category == "Memory Dump"),
            });
        };
        match ioc.kind {
            IocKind::File => {
                for hashes in &ioc.hashes {
                    push(EntryKind::Md5, &hashes.md5);
                    push(EntryKind::Sha1, &hashes.sha1);
                    push(EntryKind::Sha256, &hashes.sha256);
                }
            }
            IocKind::Domain => push(EntryKind::Domain, &ioc.value),
            IocKind::Ip => push(EntryKind::Ip, &ioc.value),
            IocKind::Url => push(EntryKind::Url, &ioc.value),
            IocKind::EmailAddress => push(EntryKind::EmailAddress, &ioc.value),
            IocKind::Email => push(EntryKind::Email, &ioc.value),
            IocKind::Registry => push(EntryKind::Registry, &ioc.value),
            IocKind::Mutex => push(EntryKind::Mutex, &ioc.value),
            IocKind::Process => push(EntryKind::Process, &ioc.value),
            IocKind::Filename => push(EntryKind::Filename, &ioc.value),
        }
    }
    entries
}
