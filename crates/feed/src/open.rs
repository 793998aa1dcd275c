//! Samples that could not be read: tried every run for a day, then daily for thirty days, then a receipt.

use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, OpenSample, ReceiptRecord, Records};
use vmray::{Client, SampleId, Submission};

use crate::window::{Group, record_of};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const GIVE_UP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Says whether an open sample is tried in a run that starts now.
pub(crate) fn is_due(open: &OpenSample, now: Timestamp) -> bool {
    now.duration_since(open.since) < DAY || now.duration_since(open.last_attempt) >= DAY
}

/// Says whether an open sample becomes a receipt when it fails once more.
fn is_over(since: Timestamp, not_found: bool, now: Timestamp) -> bool {
    now.duration_since(since) >= if not_found { DAY } else { GIVE_UP }
}

/// Returns the submissions of an open sample, read afresh.
pub(crate) async fn group_of(client: &Client, open: &OpenSample) -> Result<Group, vmray::Error> {
    let listing = client.submissions_of_sample(SampleId(open.sample_id)).await?;
    let mut submissions: Vec<Submission> =
        listing.items.into_iter().filter_map(vmray::Entry::into_read).filter(|one| one.finished).collect();
    submissions.sort_by_key(|submission| submission.id);
    Ok(Group { sample_id: open.sample_id, submissions })
}

/// Returns the batch that leaves a sample open, or gives it up with a receipt.
pub(crate) async fn leave(
    records: &Records,
    sample_id: u64,
    submissions: &[Submission],
    reason: &str,
    not_found: bool,
    now: Timestamp,
) -> Result<Batch, ledger::Error> {
    let mut batch = Batch::new();
    let before = records.open_sample(sample_id).await?;
    let since = before.as_ref().map_or(now, |before| before.since);
    for submission in submissions {
        batch.put_submission(submission.id.0, &record_of(submission))?;
    }
    if is_over(since, not_found, now) {
        batch.delete_open_sample(sample_id);
        batch.put_receipt(&ReceiptRecord {
            at: now,
            sample_id,
            kind: "sample".to_owned(),
            value: format!("sample {sample_id}"),
            reason: if not_found { "sample_not_found" } else { "sample_unreadable" }.to_owned(),
            text: format!("could not be read since {since}: {reason}"),
        })?;
        return Ok(batch);
    }
    batch.put_open_sample(&OpenSample {
        sample_id,
        since,
        last_attempt: now,
        attempts: before.map_or(0, |before| before.attempts) + 1,
        reason: reason.to_owned(),
        not_found,
    })?;
    Ok(batch)
}
