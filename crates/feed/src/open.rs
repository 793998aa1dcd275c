//! Samples that could not be read: tried every run for a day, then daily for thirty days, then a receipt.

use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, OpenSample, ReceiptRecord, Records};
use outbound::mutant;
use vmray::{Client, Entry, SampleId, Submission, Verdict};

use crate::waits::patiently;
use crate::window::{Group, is_finished, record_of};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const GIVE_UP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Says whether an open sample is tried in a run that starts now.
pub(crate) fn is_due(open: &OpenSample, now: Timestamp) -> bool {
    now.duration_since(open.since) < DAY || now.duration_since(open.last_attempt) >= DAY
}

/// The submissions of an open sample, read afresh.
#[derive(Debug)]
pub(crate) struct Reopened {
    pub(crate) group: Group,
    /// Whether all of them are known with a verdict. Otherwise none that supports it may only mean "not now".
    pub(crate) is_complete: bool,
}

/// Asks VMRay for the submissions of an open sample.
pub(crate) async fn reopen(client: &Client, open: &OpenSample) -> Result<Reopened, vmray::Error> {
    let listing = patiently(|| client.submissions_of_sample(SampleId(open.sample_id))).await?;
    let mut is_complete = !listing.more && !listing.items.is_empty();
    let mut submissions: Vec<Submission> = Vec::new();
    for entry in listing.items {
        match entry {
            Entry::Read(submission) if is_finished(&submission) => {
                is_complete &=
                    matches!(submission.verdict, Some(Verdict::Malicious | Verdict::Suspicious | Verdict::Clean));
                submissions.push(submission);
            }
            Entry::Read(_) | Entry::Unreadable { .. } => is_complete = false,
        }
    }
    submissions.sort_by_key(|submission| submission.id);
    let group = Group { sample_id: open.sample_id, submissions, attempts: open.attempts };
    Ok(Reopened { group, is_complete })
}

/// What leaving a sample open comes to.
pub(crate) enum Left {
    /// It is open for a reason that was known.
    AsBefore,
    /// It is newly open, or for another reason.
    Newly,
    /// It is given up, with a receipt for this reason.
    GivenUp(&'static str),
}

/// Returns the batch that leaves a sample open, or gives it up with a receipt, and which of it.
pub(crate) async fn leave(
    records: &Records,
    sample_id: u64,
    submissions: &[Submission],
    reason: &str,
    not_found: bool,
    now: Timestamp,
) -> Result<(Batch, Left), ledger::Error> {
    let mut batch = Batch::new();
    let before = records.open_sample(sample_id).await?;
    let since = before.as_ref().map_or(now, |before| before.since);
    let not_found_since = not_found.then(|| before.as_ref().and_then(|before| before.not_found_since).unwrap_or(now));
    let is_gone = not_found_since.is_some_and(|at| now.duration_since(at) >= DAY);
    for submission in submissions {
        batch.put_submission(submission.id.0, &record_of(submission))?;
    }
    if is_gone || now.duration_since(since) >= GIVE_UP {
        let code = if not_found { "sample_not_found" } else { "sample_unreadable" };
        batch.delete_open_sample(sample_id);
        batch.put_receipt(&ReceiptRecord {
            at: now,
            sample_id,
            kind: "sample".to_owned(),
            value: format!("sample {sample_id}"),
            reason: code.to_owned(),
            text: format!("could not be read since {since}: {reason}"),
        })?;
        return Ok((batch, Left::GivenUp(code)));
    }
    let left = if before.as_ref().is_some_and(|before| kind_of(&before.reason) == kind_of(reason)) {
        Left::AsBefore
    } else {
        Left::Newly
    };
    if mutant!(OpenSampleForgotten) {
        return Ok((batch, left));
    }
    batch.put_open_sample(&OpenSample {
        sample_id,
        since,
        last_attempt: now,
        attempts: before.map_or(0, |before| before.attempts) + 1,
        reason: reason.to_owned(),
        not_found_since,
    })?;
    Ok((batch, left))
}

/// Returns the part of a reason that is the same at every attempt: after it come seconds, bytes and the server's words.
fn kind_of(reason: &str) -> &str {
    reason.split(|c: char| c.is_ascii_digit() || c == ':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_again_whatever_its_numbers_and_the_servers_words() {
        let server = |message: &str| vmray::Error::Server { status: 500, message: message.to_owned() }.to_string();
        assert_eq!(kind_of(&server("request 7f")), kind_of(&server("request 80")));
        let slow = |seconds| vmray::Error::Throttled { retry_after: Some(std::time::Duration::from_secs(seconds)) };
        assert_eq!(kind_of(&slow(3).to_string()), kind_of(&slow(40).to_string()));
        assert_ne!(kind_of(&vmray::Error::Forbidden.to_string()), kind_of(&vmray::Error::NotFound.to_string()));
        assert_ne!(kind_of(&server("")), kind_of(&vmray::Error::Forbidden.to_string()));
    }
}
