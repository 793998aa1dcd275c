//! A world made of recorded reports, so that a feed runs end to end on real input.
//!
//! Each `summary_v2.json`, older `summary.json` or `/iocs` reply below a folder becomes one sample with one finished,
//! malicious submission, whatever the report's own verdict: the findings keep theirs. Replies are served as they were
//! recorded. What cannot be read is named and left out.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use vmray::{Report, ReportKind};

use crate::world::{Hashes, IocSource, Sample, Submission, Verdict, World};

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 8;

/// What the ids of submissions are ahead of those of their samples: no client may take one for the other.
const SUBMISSIONS: u64 = 5_000_000;

/// Time between the submissions of two reports.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// A world of reports and what did not become part of it.
#[derive(Debug)]
pub struct ReportWorld {
    /// The world.
    pub world: World,
    /// The reports in it, in the order of their samples.
    pub reports: Vec<PathBuf>,
    /// Files that are no readable report, each with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder {folder}", folder = folder.display())]
pub struct ReportsError {
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

impl ReportWorld {
    /// Reads every `.json` file below a folder. The submissions finish one a minute, the last one at `end`.
    pub fn read(folder: &Path, end: Timestamp) -> Result<Self, ReportsError> {
        let mut files = Vec::new();
        gather(folder, MAX_DEPTH, &mut files).map_err(|source| ReportsError { folder: folder.to_owned(), source })?;
        files.sort();
        let mut found = Vec::new();
        let mut unreadable = Vec::new();
        for file in files {
            match read(&file) {
                Ok(recording) => found.push((file, recording)),
                Err(reason) => unreadable.push((file, reason)),
            }
        }
        let mut world = World::new();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        let mut reports = Vec::new();
        for ((n, id), (file, recording)) in (0_i64..).zip(1001_u64..).zip(found) {
            let before = STEP.saturating_mul(i32::try_from(count - 1 - n).unwrap_or(i32::MAX));
            let second = Timestamp::from_second(end.as_second()).unwrap_or(end);
            let finished = second.checked_sub(before).unwrap_or(second);
            add(&mut world, id, finished, &file, recording);
            reports.push(file);
        }
        Ok(Self { world, reports, unreadable })
    }
}

struct Recording {
    report: Report,
    iocs: Value,
}

fn read(file: &Path) -> Result<Recording, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let report = Report::parse(&text).map_err(|error| error.to_string())?;
    let iocs = if report.kind == ReportKind::IocsReply {
        let reply: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        reply.get("data").unwrap_or(&reply).get("iocs").cloned().unwrap_or_default()
    } else {
        serde_json::to_value(&report.iocs).map_err(|error| error.to_string())?
    };
    Ok(Recording { report, iocs })
}

fn add(world: &mut World, id: u64, finished: Timestamp, file: &Path, recording: Recording) {
    let Recording { report, iocs } = recording;
    let submission = Submission::finished(SUBMISSIONS + id, id, finished, Some(Verdict::Malicious));
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut sample = Sample::file(id, submission.created, report.filename.as_deref().unwrap_or(&name));
    if let Some(sha256) = report.sha256 {
        sample.hashes = Hashes { sha256: Some(sha256), ..sample.hashes };
    }
    if let Some(kind) = report.sample_type {
        sample.kind = kind;
    }
    let list = |items: serde_json::Result<Value>| items.ok().and_then(|items| items.as_array().cloned());
    sample.vtis = Some(list(serde_json::to_value(&report.vtis)).unwrap_or_default());
    sample.techniques = Some(list(serde_json::to_value(&report.techniques)).unwrap_or_default());
    sample.iocs = IocSource::Recorded(iocs);
    world.add_sample(sample);
    world.add_submission(submission);
}

/// Collects the `.json` files below a folder; links to folders are not followed.
fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                gather(&path, depth - 1, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
    Ok(())
}
