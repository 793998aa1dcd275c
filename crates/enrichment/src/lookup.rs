//! What VMRay knows already. Asking costs no quota: a URL one call, a hash one and one more for each sample.
//!
//! Not every server can search. There, the submissions of the last week are listed, newest first and once for a whole
//! request, and the URL is looked for among them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use stix::UrlText;
use tokio::sync::OnceCell;
use tracing::info;
use vmray::{Client, SampleHash, SearchField, Submission, SubmissionFilter, readable};

use crate::facts::{Facts, Past, is_finished};
use crate::job::is_of;
use crate::url_forms::{is_same, spellings};

/// Samples with one hash that are looked at: VMRay keeps one for each name or type that a file was sent under.
const MAX_SAMPLES: usize = 5;
/// A submission that runs for longer than this is not waited for.
const RUNS_AT_MOST: SignedDuration = SignedDuration::from_hours(1);
/// Days that are listed where nothing can be searched for: as long as a verdict is reused by default.
const DAYS_LISTED: i64 = 7;
/// Pages that are listed there.
const PAGES_LISTED: usize = 30;

/// What a look-up found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// The newest finished submission that has a verdict, else the newest finished one, else the sample itself.
    pub(crate) known: Option<Facts>,
    /// The newest one that runs: somebody asked for the same just now.
    pub(crate) running: Option<Facts>,
    /// What the report must say of the look-up.
    pub(crate) notes: Vec<String>,
}

/// What stands in for a search, listed once for a request.
#[derive(Debug, Default)]
pub(crate) struct Recent(OnceCell<Listed>);

#[derive(Debug, Clone, Default)]
struct Listed {
    submissions: Vec<Submission>,
    note: Option<&'static str>,
}

/// Looks a URL up.
pub(crate) async fn url(
    client: &Client,
    url: &UrlText,
    recent: &Recent,
    now: Timestamp,
) -> Result<Found, vmray::Error> {
    let (submissions, note) = submissions_of_url(client, url, recent, now).await?;
    let mut found = choose(&submissions, now);
    found.notes.extend(note.map(str::to_owned));
    Ok(found)
}

/// Returns the submissions of a URL in any of its forms, and what is to be said of how they were found.
pub(crate) async fn submissions_of_url(
    client: &Client,
    url: &UrlText,
    recent: &Recent,
    now: Timestamp,
) -> Result<(Vec<Submission>, Option<&'static str>), vmray::Error> {
    let forms = spellings(url);
    let values: Vec<&str> = forms.iter().map(String::as_str).collect();
    match client.search_submissions_any(SearchField::Url, &values).await {
        Ok(listing) => {
            // A search may be kinder than we are: another URL's verdict is no answer.
            let same = |made: &&Submission| made.original_url.as_ref().is_none_or(|given| is_same(given, url));
            Ok((readable(&listing.items).filter(same).cloned().collect(), None))
        }
        Err(error) if is_lacking(&error) => {
            let listed = recent.0.get_or_try_init(|| list(client, now)).await?;
            let same = |made: &&Submission| made.original_url.as_ref().is_some_and(|given| is_same(given, url));
            Ok((listed.submissions.iter().filter(same).cloned().collect(), listed.note))
        }
        Err(error) => Err(error),
    }
}

/// Says whether a server does not have what was asked for, or not for this key. Older servers have no search.
fn is_lacking(error: &vmray::Error) -> bool {
    matches!(error, vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Refused { .. })
}

/// Lists what was submitted in the last days, newest day first.
async fn list(client: &Client, now: Timestamp) -> Result<Listed, vmray::Error> {
    info!("VMRay cannot be searched for URLs: listing its last submissions instead");
    let mut listed = Listed::default();
    let mut pages = 0;
    for day in 0..DAYS_LISTED {
        let before = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
        // The newest window stays open: the server's clock may be ahead of ours.
        let to = (day > 0).then(|| before(day));
        let filter = SubmissionFilter { created: Some((Some(before(day + 1)), to)), ..SubmissionFilter::default() };
        let mut listing = client.submission_pages(filter);
        loop {
            let page = match listing.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if is_lacking(&error) => {
                    listed.note = Some(
                        "VMRay lets this key neither search nor list submissions, so a known verdict could not be found; \
                         check the rights of the key",
                    );
                    return Ok(listed);
                }
                Err(error) => return Err(error),
            };
            listed.submissions.extend(readable(&page.items).filter(|made| made.original_url.is_some()).cloned());
            pages += 1;
            if pages == PAGES_LISTED && (page.more || day + 1 < DAYS_LISTED) {
                listed.note = Some(
                    "VMRay cannot be searched for URLs, and only its newest submissions were looked through; an older \
                     verdict may not have been found",
                );
                return Ok(listed);
            }
        }
    }
    Ok(listed)
}

/// Looks a hash up. Where a file came with a password, `only` is its key: what was analysed with another one or with none
/// does not answer.
pub(crate) async fn hash(
    client: &Client,
    hash: &SampleHash,
    only: Option<&str>,
    now: Timestamp,
) -> Result<Found, vmray::Error> {
    let samples = client.samples_by_hash(hash).await?;
    let samples: Vec<_> = readable(&samples.items).take(MAX_SAMPLES).collect();
    // In boxes, or the compiler cannot see that the whole may move between threads.
    let listings = join_all(samples.iter().map(|sample| client.submissions_of_sample(sample.id).boxed())).await;
    let mut submissions = Vec::new();
    for listing in listings {
        match listing {
            Ok(listing) => {
                let asked_for = |made: &&Submission| only.is_none_or(|key| is_of(made, key));
                submissions.extend(readable(&listing.items).filter(asked_for).cloned());
            }
            // A key that may not list them still sees the sample.
            Err(vmray::Error::NotFound | vmray::Error::Forbidden) => {}
            Err(error) => return Err(error),
        }
    }
    let mut found = choose(&submissions, now);
    if found.known.is_none() && found.running.is_none() && only.is_none() {
        found.known = samples.first().map(|sample| Facts::of_sample(sample));
    }
    Ok(found)
}

/// Returns the finished submission of a sample that counts.
pub(crate) async fn sample(client: &Client, id: vmray::SampleId, now: Timestamp) -> Result<Found, vmray::Error> {
    let listing = client.submissions_of_sample(id).await?;
    Ok(choose(&readable(&listing.items).cloned().collect::<Vec<_>>(), now))
}

fn choose(submissions: &[Submission], now: Timestamp) -> Found {
    let mut history: BTreeMap<u64, Vec<Past>> = BTreeMap::new();
    for submission in submissions {
        history.entry(submission.sample_id.0).or_default().extend(Past::of(submission));
    }
    let (finished, running): (Vec<_>, Vec<_>) = submissions.iter().partition(|submission| is_finished(submission));
    let facts = finished.into_iter().map(Facts::of_submission);
    let known =
        facts.max_by_key(|facts| (facts.is_judged(), facts.finished_at, facts.submission_id)).map(|mut facts| {
            facts.history = history.remove(&facts.sample_id).unwrap_or_default();
            facts.history.sort_by_key(|past| Reverse(past.submission_id));
            facts
        });
    let is_young = |submission: &&Submission| {
        submission.created.is_some_and(|created| now.duration_since(created).abs() < RUNS_AT_MOST)
    };
    let running = running.into_iter().filter(is_young).max_by_key(|submission| submission.id);
    Found { known, running: running.map(Facts::of_submission), notes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn submission(id: u64, finish: Option<&str>, verdict: Option<&str>) -> Submission {
        serde_json::from_value(json!({
            "submission_id": id, "submission_sample_id": 7, "submission_created": "2026-01-01T00:00:00",
            "submission_finished": finish.is_some(), "submission_finish_time": finish, "submission_verdict": verdict,
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_finished_submission_with_a_verdict_counts() {
        let found = choose(
            &[
                submission(1, Some("2026-01-01T01:00:00"), Some("clean")),
                submission(3, Some("2026-01-01T02:00:00"), Some("malicious")),
                submission(4, Some("2026-01-01T03:00:00"), None),
                submission(5, None, None),
            ],
            "2026-01-01T00:30:00Z".parse().unwrap(),
        );
        let known = found.known.unwrap();
        assert_eq!(known.submission_id, Some(3));
        assert_eq!(known.history.len(), 3);
        assert_eq!(found.running.unwrap().submission_id, Some(5));
    }

    #[test]
    fn one_that_hangs_is_not_waited_for() {
        let found = choose(&[submission(5, None, None)], "2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(found, Found::default());
    }
}
