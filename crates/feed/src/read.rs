//! Reading one sample: its findings, and the tactics of its techniques where there is anything to send.

use delivery::SampleFindings;
use indicators::{Reading, Rules, Severity, SubmissionFacts, map, tactics};
use jiff::Timestamp;
use tracing::{debug, warn};
use vmray::{Client, ReportStatus, SampleId, Submission};

use crate::window::{Group, is_finished, record_of};

/// What became of a sample.
#[derive(Debug)]
pub(crate) enum Read {
    /// Read and mapped.
    Found { findings: SampleFindings, filtered_out: usize },
    /// Not to be read now; tried again later.
    Open { sample_id: u64, submissions: Vec<Submission>, reason: String, not_found: bool },
    /// VMRay is in trouble, not this sample: it is left open, and many of these in a row end the run.
    Trouble { sample_id: u64, submissions: Vec<Submission>, error: vmray::Error },
    /// No sample can be read: the key is wrong.
    Fatal(vmray::Error),
}

/// Reads a sample that the filter wants.
pub(crate) async fn read(client: &Client, rules: &Rules, group: Group, now: Timestamp) -> Read {
    let Group { sample_id, submissions, attempts } = group;
    let reply = match client.iocs(SampleId(sample_id)).await {
        Ok(reply) => reply,
        Err(error) => return failed(sample_id, submissions, error),
    };
    match &reply.status {
        ReportStatus::Finished => {}
        ReportStatus::Waiting => {
            return open(sample_id, submissions, "VMRay has not finished its report".to_owned(), false);
        }
        ReportStatus::Other(status) => {
            return open(sample_id, submissions, format!("VMRay says that its report is '{status}'"), false);
        }
    }
    let supporting = supporting(rules, &submissions, now);
    let reading = Reading { sample_id, submissions: &supporting, iocs: &reply.iocs, tactics: &[] };
    let mut mapped = map(&reading, rules);
    if !mapped.findings.is_empty() {
        let found = match client.mitre_attack(SampleId(sample_id)).await {
            Ok(attack) => tactics(&attack),
            Err(error @ vmray::Error::Unauthorized) => return Read::Fatal(error),
            // Worth a second try, but not worth withholding an indicator.
            Err(error) if error.is_transient() && attempts == 0 => return failed(sample_id, submissions, error),
            // Older servers lack it, and some keys may not see it.
            Err(vmray::Error::NotFound | vmray::Error::Forbidden) => Vec::new(),
            Err(error) => {
                warn!(sample_id, %error, "no ATT&CK techniques to be had; its indicators go without phases");
                Vec::new()
            }
        };
        for finding in &mut mapped.findings {
            finding.support.tactics.clone_from(&found);
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
    Read::Found { findings, filtered_out: mapped.filtered_out }
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

fn failed(sample_id: u64, submissions: Vec<Submission>, error: vmray::Error) -> Read {
    match error {
        vmray::Error::Unauthorized => Read::Fatal(error),
        vmray::Error::NotFound => open(sample_id, submissions, error.to_string(), true),
        error if error.is_transient() => Read::Trouble { sample_id, submissions, error },
        error => open(sample_id, submissions, error.to_string(), false),
    }
}

fn open(sample_id: u64, submissions: Vec<Submission>, reason: String, not_found: bool) -> Read {
    debug!(reason, "a sample stays open");
    Read::Open { sample_id, submissions, reason, not_found }
}
