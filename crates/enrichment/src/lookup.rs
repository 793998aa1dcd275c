//! What VMRay knows already. Asking costs no quota: a URL one call, a hash one and one more for each sample.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use stix::UrlText;
use vmray::{Client, SampleHash, SearchField, Submission, readable};

use crate::facts::{Facts, Past, is_finished};

/// Samples with one hash that are looked at: VMRay keeps one for each name or type that a file was sent under.
const MAX_SAMPLES: usize = 5;
/// A submission that runs for longer than this is not waited for.
const RUNS_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// What a look-up found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// The newest finished submission that has a verdict, else the newest finished one, else the sample itself.
    pub(crate) known: Option<Facts>,
    /// The newest one that runs: somebody asked for the same just now.
    pub(crate) running: Option<Facts>,
}

/// Looks a URL up.
pub(crate) async fn url(client: &Client, url: &UrlText, now: Timestamp) -> Result<Found, vmray::Error> {
    let spellings = spellings(url.as_str());
    let values: Vec<&str> = spellings.iter().map(String::as_str).collect();
    let listing = client.search_submissions_any(SearchField::Url, &values).await?;
    // A search may be kinder than we are: another URL's verdict is no answer.
    let same = |submission: &&Submission| {
        submission.original_url.as_ref().is_none_or(|given| values.iter().any(|value| is_same(given, value)))
    };
    Ok(choose(&readable(&listing.items).filter(same).cloned().collect::<Vec<_>>(), now))
}

/// Looks a hash up.
pub(crate) async fn hash(client: &Client, hash: &SampleHash, now: Timestamp) -> Result<Found, vmray::Error> {
    let samples = client.samples_by_hash(hash).await?;
    let mut submissions = Vec::new();
    let mut alone = None;
    for sample in readable(&samples.items).take(MAX_SAMPLES) {
        match client.submissions_of_sample(sample.id).await {
            Ok(listing) => submissions.extend(readable(&listing.items).cloned()),
            // A key that may not list them still sees the sample.
            Err(vmray::Error::NotFound | vmray::Error::Forbidden) => {}
            Err(error) => return Err(error),
        }
        alone.get_or_insert_with(|| Facts::of_sample(sample));
    }
    let mut found = choose(&submissions, now);
    if found.known.is_none() && found.running.is_none() {
        found.known = alone;
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
    Found { known, running: running.map(Facts::of_submission) }
}

/// Returns the spellings that reach the same page: an empty path and a slash are one to HTTP.
pub(crate) fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    let path =
        url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?', '#', '\\']).and_then(|at| rest.get(at..)));
    match path {
        None => spellings.push(format!("{url}/")),
        Some("/") => spellings.push(url.trim_end_matches('/').to_owned()),
        Some(_) => {}
    }
    spellings
}

/// Compares what was submitted with what is asked, host and scheme without regard to case.
fn is_same(given: &str, asked: &str) -> bool {
    UrlText::parse(given.trim()).map_or_else(|_| given == asked, |given| given.as_str() == asked)
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

    #[test]
    fn an_empty_path_and_a_slash_are_one_page() {
        assert_eq!(spellings("https://a.example"), ["https://a.example", "https://a.example/"]);
        assert_eq!(spellings("https://a.example/"), ["https://a.example/", "https://a.example"]);
        assert_eq!(spellings("https://a.example/x"), ["https://a.example/x"]);
        assert_eq!(spellings("https://a.example?x"), ["https://a.example?x"]);
    }
}
