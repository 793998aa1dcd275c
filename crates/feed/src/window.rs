//! Which submissions are looked at: windows of finish time, listed page by page.
//!
//! VMRay does not say whether the bounds of a range are inclusive, so a window asks for a second more at either end
//! and keeps what is its own. The last window is open: what finishes while we list belongs to it, and the overlap
//! of the next run finds what became visible late.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indicators::ReceiptReason;
use jiff::{SignedDuration, Timestamp};
use ledger::{Cursor, Records, SubmissionRecord};
use outbound::{Clock, mutant};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug};
use vmray::{Client, Entry, Listing, Submission, SubmissionFilter, SubmissionPages};

use crate::waits::{BETWEEN_CALLS, is_wait};

/// Submissions can become visible after others that finished later.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);
/// The cursor moves at the end of a window: a back-fill that is stopped does not list all of it again.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Windows whose first page is asked for at the same time: as many as a first run has by default.
const FIRST_PAGES: usize = 4;
/// Reaches past any clock that is merely wrong.
const OPEN_END: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A span of finish times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    /// `None` for the last one.
    pub(crate) to: Option<Timestamp>,
}

/// What listing tells, in the order of finish windows and, within one, of submission ids.
#[derive(Debug)]
pub(crate) enum Listed {
    /// The first answer came: how far our clock is ahead of VMRay's, where VMRay tells its own.
    Clock { ahead: Option<SignedDuration> },
    /// Some submissions of a window.
    Page {
        submissions: Vec<Submission>,
        /// Elements that are no submission, with the reason.
        unreadable: Vec<(String, String)>,
    },
    /// A window was listed to its end.
    End {
        /// Up to when VMRay has been seen by it.
        until: Timestamp,
    },
}

/// Returns the windows of a run, oldest first.
pub(crate) fn plan(
    since: Option<Timestamp>,
    cursor: Option<Cursor>,
    initial_fetch: SignedDuration,
    now: Timestamp,
) -> Vec<Window> {
    let back = |from: Timestamp, by| from.checked_sub(by).unwrap_or(Timestamp::MIN);
    // A `since` after the cursor would leave a gap, and a cursor ahead of the clock an overlap of nothing.
    let overlap = if mutant!(OverlapForgotten) { SignedDuration::ZERO } else { OVERLAP };
    let resume = cursor.map(|cursor| back(cursor.until.min(now), overlap));
    let begin = match (since, resume) {
        (Some(since), Some(resume)) => since.min(resume),
        (Some(begin), None) | (None, Some(begin)) => begin,
        (None, None) => back(now, initial_fetch),
    };
    let mut windows = Vec::new();
    let mut from = begin.min(now);
    while now.duration_since(from) > LONGEST
        && let Ok(to) = from.checked_add(LONGEST)
    {
        windows.push(Window { from, to: Some(to) });
        from = to;
    }
    windows.push(Window { from, to: None });
    windows
}

/// Lists all windows, a page at a time, until nobody listens any more.
pub(crate) async fn list(
    client: Client,
    windows: Vec<Window>,
    clock: Arc<dyn Clock>,
    listed: mpsc::Sender<Listed>,
) -> Result<(), vmray::Error> {
    let now = clock.now();
    let mut compared = false;
    let mut windows = windows.into_iter();
    // First pages do not wait for each other; later ones do, because each says where the next one starts.
    let mut asked: VecDeque<_> = windows.by_ref().take(FIRST_PAGES).map(|window| ask(&client, window, now)).collect();
    while let Some((window, first_page)) = asked.pop_front() {
        asked.extend(windows.next().map(|window| ask(&client, window, now)));
        let (mut pages, mut next) = match first_page.await {
            Ok(answered) => answered,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down, and so does the run.
                Err(_) => return Ok(()),
            },
        };
        let mut until = window.to.unwrap_or(now);
        let mut first = true;
        while let Some(page) = next? {
            if !std::mem::replace(&mut compared, true) {
                let ahead = page.server_date.map(|date| clock.now().duration_since(date));
                if listed.send(Listed::Clock { ahead }).await.is_err() {
                    return Ok(());
                }
            }
            if let (true, Some(date)) = (first, page.server_date) {
                // The earlier of the two clocks: a late one of ours reads again, an early one would skip.
                until = until.min(date);
            }
            first = false;
            let mut submissions = Vec::new();
            let mut unreadable = Vec::new();
            for entry in page.items {
                match entry {
                    Entry::Read(submission) => {
                        if window.holds(&submission) {
                            submissions.push(submission);
                        }
                    }
                    Entry::Unreadable { raw, reason } => unreadable.push((raw.to_string(), reason)),
                }
            }
            debug!(from = %window.from, to = ?window.to, submissions = submissions.len(), more = page.more, "listed a page");
            if listed.send(Listed::Page { submissions, unreadable }).await.is_err() {
                return Ok(());
            }
            if mutant!(PagesForgotten) {
                break;
            }
            next = next_page(&mut pages).await;
        }
        if listed.send(Listed::End { until }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Asks for the first page of a window.
fn ask(client: &Client, window: Window, now: Timestamp) -> (Window, AbortOnDropHandle<FirstPage>) {
    let mut pages = client.submission_pages(window.filter(now));
    let asked = async move {
        let first = next_page(&mut pages).await;
        (pages, first)
    };
    (window, AbortOnDropHandle::new(tokio::spawn(asked.in_current_span())))
}

/// A window's first page, and what gives those after it.
type FirstPage = (SubmissionPages, Result<Option<Listing<Submission>>, vmray::Error>);

/// Returns the next page, however long VMRay asks to wait for it; the run decides whether that is too long.
async fn next_page(pages: &mut SubmissionPages) -> Result<Option<Listing<Submission>>, vmray::Error> {
    loop {
        match pages.next().await {
            Err(error) if is_wait(&error) => tokio::time::sleep(BETWEEN_CALLS).await,
            outcome => return outcome,
        }
    }
}

impl Window {
    fn filter(&self, now: Timestamp) -> SubmissionFilter {
        let end = self.to.map_or_else(|| now.checked_add(OPEN_END), |to| to.checked_add(SECOND));
        let begin = self.from.checked_sub(SECOND).unwrap_or(Timestamp::MIN);
        let finish_time = Some((Some(begin), Some(end.unwrap_or(Timestamp::MAX))));
        SubmissionFilter { finish_time, ..SubmissionFilter::default() }
    }

    fn holds(&self, submission: &Submission) -> bool {
        // An unfinished one comes back when it has finished; one without a time is better read twice than never.
        is_finished(submission)
            && submission.finish_time.is_none_or(|at| at >= self.from && self.to.is_none_or(|to| at < to))
    }
}

/// Says whether a submission has ended; one that tells when it ended has, whatever else it leaves out.
pub(crate) fn is_finished(submission: &Submission) -> bool {
    submission.finished || submission.finish_time.is_some()
}

/// The submissions of one sample, ascending.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) sample_id: u64,
    pub(crate) submissions: Vec<Submission>,
    /// How often reading it has failed.
    pub(crate) attempts: u64,
}

/// Groups by sample what the ledger does not hold yet, in the order of the lowest new submission.
///
/// A submission that is held, but whose sample was never read because the filter did not want it, is new when the
/// filter does now: a filter that was widened finds it with `--since`. `again` is whether that was asked for: then one
/// whose sample held something that was taken for expired is new, too, since the clock by which it was judged, or the
/// life that indicators are given, may have been another one.
pub(crate) async fn news(
    records: &Records,
    listed: Vec<Submission>,
    wanted: impl Fn(&Submission) -> bool,
    again: bool,
) -> Result<Vec<Group>, ledger::Error> {
    let mut fresh: BTreeMap<u64, u64> = BTreeMap::new();
    let mut groups: BTreeMap<u64, Vec<Submission>> = BTreeMap::new();
    for submission in listed {
        let known = records.submission(submission.id.0).await?;
        let held = known.is_some_and(|known| known == record_of(&submission));
        let sample = submission.sample_id.0;
        let overlooked = held
            && wanted(&submission)
            && records.sample(sample).await?.is_none()
            && records.open_sample(sample).await?.is_none();
        if !held || overlooked || (again && wanted(&submission) && had_expired(records, sample).await?) {
            let lowest = fresh.entry(submission.sample_id.0).or_insert(submission.id.0);
            *lowest = (*lowest).min(submission.id.0);
        }
        groups.entry(submission.sample_id.0).or_default().push(submission);
    }
    let mut ordered: Vec<(u64, Group)> = fresh
        .into_iter()
        .filter_map(|(sample_id, lowest)| {
            let mut submissions = groups.remove(&sample_id)?;
            submissions.sort_by_key(|submission| submission.id);
            Some((lowest, Group { sample_id, submissions, attempts: 0 }))
        })
        .collect();
    ordered.sort_by_key(|(lowest, _)| *lowest);
    Ok(ordered.into_iter().map(|(_, group)| group).collect())
}

/// Says whether a sample held something, when it was last read, that was taken for expired.
async fn had_expired(records: &Records, sample_id: u64) -> Result<bool, ledger::Error> {
    let receipts = records.receipts_of(sample_id).await?;
    let Some(judged) =
        receipts.iter().filter(|one| one.reason == ReceiptReason::Expired.code()).map(|one| one.at).max()
    else {
        return Ok(false);
    };
    Ok(records.sample(sample_id).await?.is_none_or(|sample| sample.read_at <= judged))
}

/// A submission as the ledger keeps it.
pub(crate) fn record_of(submission: &Submission) -> SubmissionRecord {
    SubmissionRecord {
        sample_id: submission.sample_id.0,
        verdict: submission.verdict.as_ref().map(|verdict| verdict.as_str().to_owned()),
        finish_time: submission.finish_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_run_reaches_back_in_windows_that_touch() {
        let now = at("2026-04-01T00:00:00Z");
        let windows = plan(None, None, SignedDuration::from_hours(90 * 24), now);
        assert_eq!(windows.len(), 3);
        assert_eq!(windows[0].from, at("2026-01-01T00:00:00Z"));
        for pair in windows.windows(2) {
            assert_eq!(pair[0].to, Some(pair[1].from));
        }
        assert_eq!(windows[2].to, None);
    }

    #[test]
    fn a_later_run_overlaps_the_cursor_by_an_hour() {
        let cursor = Some(Cursor { until: at("2026-04-01T00:00:00Z") });
        let windows = plan(None, cursor, SignedDuration::from_hours(1), at("2026-04-01T00:10:00Z"));
        assert_eq!(windows, [Window { from: at("2026-03-31T23:00:00Z"), to: None }]);
    }

    #[test]
    fn since_after_the_cursor_leaves_no_gap() {
        let cursor = Some(Cursor { until: at("2026-03-29T00:00:00Z") });
        let since = Some(at("2026-03-31T23:10:00Z"));
        let windows = plan(since, cursor, SignedDuration::from_hours(1), at("2026-04-01T00:10:00Z"));
        assert_eq!(windows[0].from, at("2026-03-28T23:00:00Z"));
    }

    #[test]
    fn a_cursor_ahead_of_the_clock_still_overlaps() {
        let cursor = Some(Cursor { until: at("2026-04-03T00:00:00Z") });
        let windows = plan(None, cursor, SignedDuration::from_hours(1), at("2026-04-01T00:10:00Z"));
        assert_eq!(windows, [Window { from: at("2026-03-31T23:10:00Z"), to: None }]);
    }

    #[test]
    fn since_wins_over_the_cursor_and_never_lies_ahead() {
        let now = at("2026-04-01T00:10:00Z");
        let windows = plan(Some(at("2027-01-01T00:00:00Z")), None, SignedDuration::from_hours(1), now);
        assert_eq!(windows, [Window { from: now, to: None }]);
    }
}
