//! Reading one sample: its findings and, asked for at the same time, the tactics of its techniques.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use delivery::SampleFindings;
use futures::future::{Either, select};
use indicators::{Reading, Rules, Severity, SubmissionFacts, Texts, map, tactics};
use jiff::Timestamp;
use outbound::TransportError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};
use vmray::{Client, MitreAttack, ReportStatus, SampleId, Submission};

use crate::waits::patiently;
use crate::window::{Group, is_finished, record_of};

/// A reply of at most this size is read beside others, hundreds of them; a usual one has some ten kilobytes.
const SMALL_REPLY_BYTES: usize = 256 * 1024;
/// Values of a sample that count for nothing.
const SMALL_SAMPLE: u32 = 100;

/// What became of a sample.
#[derive(Debug)]
pub(crate) enum Read {
    /// Read and mapped.
    Found {
        findings: SampleFindings,
        filtered_out: usize,
        /// The room that its findings take until they are staged.
        _room: Option<OwnedSemaphorePermit>,
    },
    /// Too large to be read beside others: it is read alone, in parts, when its turn has come.
    Large { group: Group },
    /// Not to be read now; tried again later.
    Open { sample_id: u64, submissions: Vec<Submission>, reason: String, not_found: bool },
    /// VMRay is in trouble, not this sample: it is left open, and many of these in a row end the run.
    Trouble { sample_id: u64, submissions: Vec<Submission>, error: vmray::Error },
    /// No sample can be read: the key is wrong.
    Fatal(vmray::Error),
}

/// Reads a sample that the filter wants.
///
/// `values_read_ahead` is the room for what large samples give until it is their turn to be staged.
pub(crate) async fn read(
    client: &Client,
    rules: &Rules,
    group: Group,
    now: Timestamp,
    values_read_ahead: &Arc<Semaphore>,
) -> Read {
    let Group { sample_id, submissions, attempts } = group;
    let asked_for_iocs = pin!(patiently(|| client.iocs_within(SampleId(sample_id), SMALL_REPLY_BYTES)));
    let asked_for_techniques = pin!(patiently(|| client.mitre_attack(SampleId(sample_id))));
    // Dropped with the sample where its IOCs leave nothing to ask for.
    let (reply, techniques) = match select(asked_for_iocs, asked_for_techniques).await {
        Either::Left((reply, techniques)) => (reply, Either::Left(techniques)),
        Either::Right((techniques, reply)) => (reply.await, Either::Right(ready(techniques))),
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(vmray::Error::Transport(TransportError::TooLarge { .. })) => {
            return Read::Large { group: Group { sample_id, submissions, attempts } };
        }
        Err(error) => return failed(sample_id, submissions, error),
    };
    if let Some(reason) = not_finished(&reply.status) {
        return open(sample_id, submissions, reason, false);
    }
    let supporting = supporting(rules, &submissions, now);
    let reading = Reading { sample_id, submissions: &supporting, iocs: &reply.iocs, tactics: &[] };
    let mut mapped = map(&reading, rules);
    drop(reply);
    let weight = mapped.findings.len() + mapped.receipts.len();
    let room = match u32::try_from(weight) {
        Ok(weight @ SMALL_SAMPLE..) => match Arc::clone(values_read_ahead).try_acquire_many_owned(weight) {
            Ok(room) => Some(room),
            Err(_) => return Read::Large { group: Group { sample_id, submissions, attempts } },
        },
        _ => None,
    };
    // What becomes of the techniques matters to indicators only.
    if !mapped.findings.is_empty() {
        let found = match tactics_in(techniques.await, sample_id, attempts) {
            Ok(found) => Texts::of(&found),
            Err(error) => return failed(sample_id, submissions, error),
        };
        for finding in &mut mapped.findings {
            finding.support.tactics = found.clone();
        }
    }
    debug!(
        findings = mapped.findings.len(),
        receipts = mapped.receipts.len(),
        filtered_out = mapped.filtered_out,
        "read a sample"
    );
    let submissions = submissions.iter().map(|submission| (submission.id.0, record_of(submission))).collect();
    let findings = SampleFindings { sample_id, submissions, findings: mapped.findings, receipts: mapped.receipts };
    Read::Found { findings, filtered_out: mapped.filtered_out, _room: room }
}

/// Says why a report that is not finished is left for later.
pub(crate) fn not_finished(status: &ReportStatus) -> Option<String> {
    match status {
        ReportStatus::Finished => None,
        ReportStatus::Waiting => Some("VMRay has not finished its report".to_owned()),
        ReportStatus::Other(status) => Some(format!("VMRay says that its report is '{status}'")),
    }
}

/// Returns the tactics of a sample, or why it is to be read another time.
pub(crate) async fn tactics_of(client: &Client, sample_id: u64, attempts: u64) -> Result<Vec<String>, vmray::Error> {
    tactics_in(patiently(|| client.mitre_attack(SampleId(sample_id))).await, sample_id, attempts)
}

fn tactics_in(
    techniques: Result<MitreAttack, vmray::Error>,
    sample_id: u64,
    attempts: u64,
) -> Result<Vec<String>, vmray::Error> {
    match techniques {
        Ok(attack) => Ok(tactics(&attack)),
        Err(error @ vmray::Error::Unauthorized) => Err(error),
        // Worth a second try, but not worth withholding an indicator.
        Err(error) if error.is_transient() && attempts == 0 => Err(error),
        // Older servers lack it, and some keys may not see it.
        Err(vmray::Error::NotFound | vmray::Error::Forbidden) => Ok(Vec::new()),
        Err(error) => {
            warn!(sample_id, %error, "the ATT&CK techniques cannot be read; the indicators are sent without kill-chain phases");
            Ok(Vec::new())
        }
    }
}

/// Returns the submissions whose verdict the filter wants, ascending.
pub(crate) fn supporting(rules: &Rules, submissions: &[Submission], now: Timestamp) -> Vec<SubmissionFacts> {
    submissions
        .iter()
        .filter(|submission| is_finished(submission) && rules.verdicts.wants(&submission.verdict))
        .filter_map(|submission| {
            let severity = submission.verdict.as_ref().and_then(Severity::of)?;
            // Finished ones without a finish time exist; when they were made is the next best, then when we saw them.
            let finish_time = submission.finish_time.or(submission.created).unwrap_or(now);
            Some(SubmissionFacts { id: submission.id.0, finish_time, severity })
        })
        .collect()
}

pub(crate) fn failed(sample_id: u64, submissions: Vec<Submission>, error: vmray::Error) -> Read {
    match error {
        vmray::Error::Unauthorized => Read::Fatal(error),
        vmray::Error::NotFound => open(sample_id, submissions, error.to_string(), true),
        error if error.is_transient() => Read::Trouble { sample_id, submissions, error },
        error => open(sample_id, submissions, error.to_string(), false),
    }
}

pub(crate) fn open(sample_id: u64, submissions: Vec<Submission>, reason: String, not_found: bool) -> Read {
    debug!(reason, "a sample stays open");
    Read::Open { sample_id, submissions, reason, not_found }
}
