//! Lists: continuation, truncation, order.

use serde_json::{Value, json};
use vmray::{Client, Entry, Error, Listing, Submission, SubmissionFilter, SubmissionId};

use crate::script::{always, data, error, interrupted, part, raw, scripted, submissions};

async fn page(client: &Client, min_id: Option<u64>) -> Result<Listing<Submission>, Error> {
    client.submissions(&SubmissionFilter { min_id: min_id.map(SubmissionId), ..SubmissionFilter::default() }).await
}

fn ids(listing: &Listing<Submission>) -> Vec<u64> {
    vmray::readable(&listing.items).map(|submission| submission.id.0).collect()
}

#[tokio::test]
async fn asks_for_a_window_in_ascending_order() {
    let (script, client) = scripted([data(&submissions([1, 2]))]);
    let filter = SubmissionFilter {
        finish_time: Some((
            Some("2025-12-31T00:00:00Z".parse().unwrap()),
            Some("2026-01-01T00:00:00Z".parse().unwrap()),
        )),
        created: Some((None, Some("2026-01-01T00:00:00Z".parse().unwrap()))),
        min_id: Some(SubmissionId(1)),
        parent: None,
    };
    let listing = client.submissions(&filter).await.unwrap();
    let requests = script.requests();
    let uri = requests[0].uri();
    assert_eq!(uri.path(), "/rest/submission");
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap().as_bytes()).into_owned().collect();
    let expected = [
        ("submission_finish_time", "2025-12-31T00:00:00~2026-01-01T00:00:00"),
        ("submission_created", "~2026-01-01T00:00:00"),
        ("_min_id", "1"),
        ("_order", "asc"),
        ("_limit", "100"),
    ];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((ids(&listing), listing.more), (vec![1, 2], false));
    assert_eq!(listing.server_date, Some("2026-01-01T00:00:30Z".parse().unwrap()));
}

#[tokio::test]
async fn follows_continuations_to_their_end() {
    let (script, client) = scripted([
        part(&submissions([1, 2]), 71, false),
        part(&submissions([3]), 72, false),
        part(&submissions([4]), Value::Null, false),
    ]);
    let listing = page(&client, None).await.unwrap();
    assert_eq!((ids(&listing), listing.more), (vec![1, 2, 3, 4], false));
    assert_eq!(script.asked(), ["submission?_order=asc&_limit=100", "continuation/71", "continuation/72"]);
    assert!(script.requests().iter().all(|request| request.headers().contains_key("authorization")));
}

#[tokio::test]
async fn truncated_means_more() {
    let (_, client) = scripted([part(&submissions([1, 2]), Value::Null, true)]);
    assert!(page(&client, None).await.unwrap().more);
}

#[tokio::test]
async fn truncation_told_by_a_continuation_means_more() {
    let (_, client) = scripted([part(&submissions([1]), 7, false), part(&submissions([2]), Value::Null, true)]);
    assert!(page(&client, None).await.unwrap().more);
}

#[tokio::test]
async fn one_second_with_more_submissions_than_the_maximum_is_complete() {
    let all: Vec<u64> = (1..=250).collect();
    let (script, client) = scripted(all.chunks(100).map(|ids| data(&submissions(ids.iter().copied()))));
    let mut pages = client.submission_pages(SubmissionFilter::default());
    let mut seen = Vec::new();
    while let Some(listing) = pages.next().await.unwrap() {
        seen.extend(ids(&listing));
    }
    assert_eq!(seen, all);
    assert_eq!(script.asked()[2], "submission?_min_id=201&_order=asc&_limit=100");
}

#[tokio::test]
async fn ids_that_rise_for_ever_end_with_an_error() {
    let (script, client) = scripted((1..=60_000).map(|id| data(&submissions([id]))));
    let mut pages = client.with_page_limit(1).submission_pages(SubmissionFilter::default());
    let error = loop {
        match pages.next().await {
            Ok(Some(listing)) => assert!(listing.more),
            Ok(None) => panic!("it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Endless { pages: 50_000, .. }), "{error}");
    assert_eq!(script.asked().len(), 50_000);
}

#[tokio::test]
async fn the_highest_of_all_ids_ends_a_list() {
    let mut last = submissions([1]);
    last[0]["submission_id"] = json!(u64::MAX);
    let (script, client) = scripted([data(&last)]);
    let mut pages = client.with_page_limit(1).submission_pages(SubmissionFilter::default());
    assert!(pages.next().await.unwrap().is_some());
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_smaller_page_can_be_asked_for() {
    let (script, client) = scripted([data(&submissions([1, 2]))]);
    let listing = page(&client.with_page_limit(2), None).await.unwrap();
    assert!(listing.more, "a page of two is full");
    assert_eq!(script.asked(), ["submission?_order=asc&_limit=2"]);
}

#[tokio::test]
async fn a_last_page_out_of_order_is_put_in_order() {
    let (_, client) = scripted([part(&submissions([5, 4]), 7, false), data(&submissions([4, 3]))]);
    let listing = page(&client, None).await.unwrap();
    assert_eq!((ids(&listing), listing.more), (vec![3, 4, 5], false));
}

#[tokio::test(start_paused = true)]
async fn a_page_out_of_order_with_more_is_an_error_and_no_gap() {
    let (_, client) = scripted([part(&submissions([5, 4]), Value::Null, true)]);
    assert!(matches!(page(&client, None).await, Err(Error::Unreadable { .. })));
}

#[tokio::test]
async fn an_odd_element_leaves_its_neighbours() {
    let mut list = submissions([1, 2, 3]);
    list[1]["submission_id"] = Value::Null;
    list.as_array_mut().unwrap().push(json!("surprise"));
    let (_, client) = scripted([data(&list)]);
    let listing = page(&client, None).await.unwrap();
    assert_eq!(ids(&listing), [1, 3]);
    let reasons: Vec<&str> = listing
        .items
        .iter()
        .filter_map(|entry| match entry {
            Entry::Unreadable { reason, .. } => Some(reason.as_str()),
            Entry::Read(_) => None,
        })
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].starts_with("id is missing"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_continuation_begins_the_page_anew() {
    let (script, client) = scripted([
        part(&submissions([1]), 71, false),
        error(404, "No such element"),
        part(&submissions([1]), 72, false),
        data(&submissions([2])),
    ]);
    assert_eq!(ids(&page(&client, None).await.unwrap()), [1, 2]);
    assert_eq!(script.asked()[1..], ["continuation/71", "submission?_order=asc&_limit=100", "continuation/72"]);
}

#[tokio::test(start_paused = true)]
async fn a_continuation_is_not_asked_for_twice_after_a_lost_answer() {
    for lost in [interrupted(), raw(500, &[], "boom"), raw(200, &[], r#"{"data": ["#)] {
        let (script, client) = scripted([
            part(&submissions([1]), 71, false),
            lost,
            part(&submissions([1]), 72, false),
            data(&submissions([2])),
        ]);
        assert_eq!(ids(&page(&client, None).await.unwrap()), [1, 2]);
        assert_eq!(script.asked().iter().filter(|path| *path == "continuation/71").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_continuation_is_asked_for_again() {
    let throttled = raw(429, &[("retry-after", "2")], "");
    let (script, client) = scripted([part(&submissions([1]), 71, false), throttled, data(&submissions([2]))]);
    assert_eq!(ids(&page(&client, None).await.unwrap()), [1, 2]);
    assert_eq!(script.asked()[1..], ["continuation/71", "continuation/71"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_drops_continuations_is_a_retryable_error() {
    let turns = (0..3).flat_map(|_| [part(&submissions([1]), 71, false), error(404, "No such element")]);
    let (_, client) = scripted(turns);
    let error = page(&client, None).await.unwrap_err();
    assert!(matches!(error, Error::ContinuationLost { .. }), "{error}");
    assert_eq!(error.retry(), outbound::Retry::Backoff);
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_inside_a_continuation_is_final() {
    let (script, client) = scripted([part(&submissions([1]), 71, false), error(401, "Invalid authentication")]);
    assert!(matches!(page(&client, None).await, Err(Error::Unauthorized)));
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn an_empty_list_is_empty() {
    let (_, client) = scripted([data(&json!([]))]);
    assert_eq!(page(&client, None).await.unwrap().items, []);
}

#[tokio::test]
async fn an_object_in_place_of_a_list_is_unreadable() {
    let (script, client) = scripted([data(&json!({"submission_id": 1}))]);
    assert!(matches!(page(&client, None).await, Err(Error::Unreadable { .. })));
    assert_eq!(script.asked().len(), 1, "another question would get the same answer");
}

#[tokio::test]
async fn raw_lists_are_joined() {
    let (script, client) = scripted([part(&json!([{"a": 1}]), 7, false), data(&json!([{"b": "x"}]))]);
    let value = client.get_raw(&["submission"], &[("submission_verdict", "malicious")]).await.unwrap();
    assert_eq!(value.get(), r#"[{"a":1},{"b":"x"}]"#);
    assert_eq!(script.asked(), ["submission?submission_verdict=malicious", "continuation/7"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_cut() {
    let (script, client) = always(part(&json!([{"job_id": 1}]), 7, false));
    let listing = client.jobs_of_submission(SubmissionId(1)).await.unwrap();
    assert!(listing.more);
    assert_eq!(script.asked().len(), 1001);
}
