use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{
    Access, Bound, DefaultOrder, Sample, StackOptions, Submission, Throttle, TruncatedFlag, UnknownParameter, Verdict,
    VmrayOptions, World, WorldOptions,
};

use crate::bench::{Bench, at, ids, now};

fn bench(world: World, vmray: VmrayOptions) -> Bench {
    Bench::new(world, StackOptions { vmray, ..StackOptions::default() })
}

/// Five finished submissions, one a minute, of one sample.
fn five() -> World {
    let mut world = World::new();
    world.add_sample(Sample::file(1, at("2026-01-01T00:00:00Z"), "a.exe"));
    for n in 1..=5 {
        let end = at(&format!("2026-01-01T01:0{n}:00Z"));
        let verdict = if n == 3 { Verdict::Clean } else { Verdict::Malicious };
        world.add_submission(Submission::finished(n * 10, 1, end, Some(verdict)));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn wants_the_key_on_every_request() {
    let bench = bench(five(), VmrayOptions::default());
    for key in [None, Some("api_key wrong"), Some("Bearer simulated-vmray-key"), Some("simulated-vmray-key")] {
        for path in ["/rest/system_info", "/rest/continuation/1", "/rest/nonsense"] {
            let mut request = Request::get(format!("https://vmray.test{path}"));
            if let Some(key) = key {
                request = request.header("authorization", key);
            }
            let (status, body) = crate::bench::read(&bench.ask(request.body(Bytes::new()).unwrap()).await);
            assert_eq!((status, body), (401, json!({"error_msg": "Invalid authentication", "result": "error"})));
        }
    }
}

#[rstest]
#[case("/nonsense", 405)]
#[case("//system_info", 405)]
#[case("/submission/abc", 405)]
#[case("/submission/11", 404)]
#[case("/submission/colour/red", 405)]
#[case("/sample/1/colour", 405)]
#[case("/sample/2", 404)]
#[case("/continuation/1", 404)]
#[case("/submission?colour=red", 400)]
#[case("/submission?submission_finished=True", 400)]
#[case("/submission?verdict=malicious", 400)]
#[case("/submission?_continuation_id=1", 400)]
#[case("/submission?_count=true", 400)]
#[case("/submission?_order=down", 400)]
#[case("/submission?_limit=0", 400)]
#[case("/submission?_limit=-1", 400)]
#[case("/submission?submission_verdict=Malicious", 400)]
#[case("/submission?submission_finish_time=2026-01-01T00:00:00Z~", 400)]
#[case("/submission?submission_finish_time=yesterday~", 400)]
#[tokio::test(start_paused = true)]
async fn refuses_what_it_does_not_know(#[case] path: &str, #[case] expected: u16) {
    let (status, body) = bench(five(), VmrayOptions::default()).vmray(path).await;
    assert_eq!((status, body["result"].as_str().unwrap()), (expected, "error"), "{body}");
    assert!(body["error_msg"].is_string());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_parameter_can_be_ignored() {
    let options = VmrayOptions { unknown_parameter: UnknownParameter::Ignore, ..VmrayOptions::default() };
    assert_eq!(bench(five(), options).ids("/submission?colour=red", "submission_id").await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn refuses_other_methods() {
    let bench = bench(five(), VmrayOptions::default());
    let mut request = Bench::vmray_request("/submission");
    *request.method_mut() = http::Method::POST;
    let (status, body) = crate::bench::read(&bench.ask(request).await);
    assert_eq!((status, body["error_msg"].as_str().unwrap()), (405, "Method not allowed"));
    assert_eq!(bench.vmray("/sample/submit").await.0, 405);
}

#[rstest]
#[case("", &[50, 40, 30, 20, 10])]
#[case("?_order=asc", &[10, 20, 30, 40, 50])]
#[case("?_order=asc&_limit=2", &[10, 20])]
#[case("?_order=asc&_min_id=20&_max_id=40", &[20, 30, 40])]
#[case("?_min_id=41&_max_id=40", &[])]
#[case("?_last_id=20", &[30, 40, 50])]
#[case("?_last_id=0&_limit=1", &[10])]
#[case("?_last_id=20&_min_id=50", &[30, 40, 50])]
#[case("?submission_verdict=clean", &[30])]
#[case("?submission_finish_time=2026-01-01T01:02:00~2026-01-01T01:04:00&_order=asc", &[20, 30, 40])]
#[case("?submission_finish_time=2026-01-01%2001:02:00~2026-01-01%2001:04:00&_order=asc", &[20, 30, 40])]
#[case("?submission_finish_time=2026-01-01T01:04:00~&_order=asc", &[40, 50])]
#[case("?submission_finish_time=~2026-01-01T01:02:00&_order=asc", &[10, 20])]
#[case("?submission_id=20~40&submission_verdict=malicious", &[40, 20])]
#[case("/sample/1?_order=asc&_min_id=40", &[40, 50])]
#[case("/sample/99", &[])]
#[case("/verdict/clean", &[30])]
#[case("/finish_time/2026-01-01T01:02:00~2026-01-01T01:04:00?submission_verdict=malicious&_order=asc&_limit=50&_min_id=0", &[20, 40])]
#[case("/submission_finish_time/2026-01-01T01%3A05%3A00~", &[50])]
#[tokio::test(start_paused = true)]
async fn lists(#[case] what: &str, #[case] expected: &[u64]) {
    let bench = bench(five(), VmrayOptions::default());
    assert_eq!(bench.ids(&format!("/submission{what}"), "submission_id").await, expected);
}

#[tokio::test(start_paused = true)]
async fn switches_order_and_bounds() {
    let options = VmrayOptions {
        default_order: DefaultOrder::Ascending,
        lower_bound: Bound::Exclusive,
        upper_bound: Bound::Exclusive,
        ..VmrayOptions::default()
    };
    let bench = bench(five(), options);
    let found =
        bench.ids("/submission?submission_finish_time=2026-01-01T01:02:00~2026-01-01T01:05:00", "submission_id").await;
    assert_eq!(found, [30, 40]);
}

#[tokio::test(start_paused = true)]
async fn completion_order_is_not_the_order_of_ids() {
    let mut world = five();
    world.submission_mut(10).unwrap().finished_at = Some(at("2026-01-01T09:00:00Z"));
    world.add_submission(Submission::unfinished(60, 1, at("2026-01-01T00:00:00Z")));
    let bench = bench(world, VmrayOptions::default());
    assert_eq!(bench.ids("/submission?_last_id=30", "submission_id").await, [40, 50, 10]);
    assert_eq!(bench.vmray("/submission?_last_id=60").await.0, 400);
}

/// Follows continuations; returns the pages.
async fn walk(bench: &Bench, path: &str) -> Vec<Value> {
    let mut pages = vec![bench.vmray(path).await.1];
    while let Some(id) = pages.last().unwrap().get("continuation_id") {
        let (status, page) = bench.vmray(&format!("/continuation/{id}")).await;
        assert_eq!(status, 200);
        pages.push(page);
    }
    pages
}

fn small_pages() -> VmrayOptions {
    VmrayOptions { api_items_per_request: 7, max_api_items: 30, ..VmrayOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn continues_a_long_list_up_to_the_maximum_and_says_that_there_is_more() {
    let world = World::generate(&WorldOptions { samples: 40, ..WorldOptions::default() });
    let newest: Vec<u64> = world.submissions().rev().map(|made| made.id).collect();
    assert!(newest.len() > 30);
    let pages = walk(&bench(world, small_pages()), "/submission").await;
    assert_eq!(pages.iter().map(|page| ids(page, "submission_id").len()).collect::<Vec<_>>(), [7, 7, 7, 7, 2]);
    let found: Vec<u64> = pages.iter().flat_map(|page| ids(page, "submission_id")).collect();
    assert_eq!(found, newest[..30]);
    assert!(pages.iter().all(|page| page["truncated"] == true));
    assert!(pages.last().unwrap().get("continuation_id").is_none());
}

#[rstest]
#[case(TruncatedFlag::FirstPage, &[true, false, false, false, false])]
#[case(TruncatedFlag::LastPage, &[false, false, false, false, true])]
#[case(TruncatedFlag::Never, &[false; 5])]
#[tokio::test(start_paused = true)]
async fn switches_which_page_says_truncated(#[case] truncated_flag: TruncatedFlag, #[case] expected: &[bool]) {
    let world = World::generate(&WorldOptions { samples: 40, ..WorldOptions::default() });
    let pages = walk(&bench(world, VmrayOptions { truncated_flag, ..small_pages() }), "/submission").await;
    assert_eq!(pages.iter().map(|page| page.get("truncated").is_some()).collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_the_maximum_is_not_called_truncated() {
    let world = World::generate(&WorldOptions { samples: 40, ..WorldOptions::default() });
    let bench = bench(world, small_pages());
    for (limit, pages, truncated) in [(5, 1, false), (20, 3, false), (30, 5, false), (31, 5, true)] {
        let found = walk(&bench, &format!("/submission?_limit={limit}")).await;
        assert_eq!((found.len(), found[0].get("truncated").is_some()), (pages, truncated), "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_continuation_works_once() {
    let bench = bench(five(), VmrayOptions { api_items_per_request: 2, ..VmrayOptions::default() });
    let (_, first) = bench.vmray("/submission").await;
    let path = format!("/continuation/{}", first["continuation_id"]);
    let (status, second) = bench.vmray(&path).await;
    assert_eq!((status, ids(&second, "submission_id")), (200, vec![30, 20]));
    assert_eq!(bench.vmray(&path).await.0, 404);
    let last = bench.vmray(&format!("/continuation/{}", second["continuation_id"])).await.1;
    assert_eq!(ids(&last, "submission_id"), [10]);
}

#[tokio::test(start_paused = true)]
async fn paging_by_id_reads_a_world_whole_in_spite_of_the_maximum() {
    let options = WorldOptions { samples: 300, burst: 90, ..WorldOptions::default() };
    let world = World::generate(&options);
    let expected: BTreeSet<u64> =
        world.submissions().filter(|made| made.created <= now()).map(|made| made.id).collect();
    let bench = bench(world, small_pages());
    let (mut found, mut next) = (BTreeSet::new(), 0);
    loop {
        let pages = walk(&bench, &format!("/submission?_order=asc&_limit=30&_min_id={next}")).await;
        let page: Vec<u64> = pages.iter().flat_map(|page| ids(page, "submission_id")).collect();
        let Some(last) = page.last() else { break };
        next = last + 1;
        found.extend(page);
    }
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn everything_appears_in_its_time() {
    let start = at("2026-01-01T00:00:00Z");
    let mut world = World::new();
    world.add_sample(Sample::file(1, at("2026-01-01T00:01:00Z"), "a.exe"));
    let mut made = Submission::unfinished(10, 1, at("2026-01-01T00:01:00Z"));
    made.finished_at = Some(at("2026-01-01T00:05:00Z"));
    made.verdict = Some(Verdict::Malicious);
    world.add_submission(made);
    let bench = Bench::starting(start, world, StackOptions::default());
    assert_eq!(bench.vmray("/submission/10").await.0, 404);
    assert_eq!(bench.vmray("/sample/1").await.0, 404);
    tokio::time::advance(Duration::from_secs(60)).await;
    let running = bench.vmray("/submission/10").await.1["data"].clone();
    assert_eq!((&running["submission_finished"], &running["submission_verdict"]), (&json!(false), &json!(null)));
    assert_eq!((&running["submission_finish_time"], &running["submission_has_errors"]), (&json!(null), &json!(null)));
    assert_eq!(bench.ids("/job/submission/10", "job_submission_id").await, [10]);
    assert_eq!(bench.ids("/submission?submission_finish_time=2026-01-01T00:00:00~", "submission_id").await.len(), 0);
    assert_eq!(bench.vmray("/sample/1/iocs").await.1["data"]["status"], "waiting");
    assert_eq!(bench.vmray("/sample/1").await.1["data"]["sample_verdict"], json!(null));
    tokio::time::advance(Duration::from_secs(240)).await;
    let done = bench.vmray("/submission/10").await.1["data"].clone();
    assert_eq!(done["submission_finish_time"], "2026-01-01T00:05:00");
    assert_eq!(done["submission_verdict"], "malicious");
    assert_eq!(bench.ids("/job/submission/10", "job_id").await.len(), 0);
    assert_eq!(bench.vmray("/job/105").await.0, 404);
    assert_eq!(bench.ids("/analysis/submission/10", "analysis_id").await, [100]);
    assert_eq!(bench.vmray("/sample/1/iocs").await.1["data"]["status"], "finished");
}

#[tokio::test(start_paused = true)]
async fn a_finished_submission_may_not_tell_when() {
    let mut world = five();
    world.submission_mut(20).unwrap().tells_finish_time = false;
    let bench = bench(world, VmrayOptions::default());
    let found = bench.ids("/submission?submission_finish_time=~2030-01-01T00:00:00", "submission_id").await;
    assert_eq!(found, [50, 40, 30, 10]);
    let (_, body) = bench.vmray("/submission/20").await;
    assert_eq!(body["data"]["submission_finished"], true);
    assert_eq!(body["data"]["submission_finish_time"], json!(null));
    assert_eq!(bench.ids("/submission?submission_created=2026-01-01T00:00:00~", "submission_id").await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn finds_samples_by_hash_as_a_list() {
    let world = five();
    let hashes = world.sample(1).unwrap().hashes.clone();
    let bench = bench(world, VmrayOptions::default());
    for (kind, hash) in [("md5", hashes.md5), ("sha1", hashes.sha1), ("sha256", hashes.sha256)] {
        assert_eq!(bench.ids(&format!("/sample/{kind}/{}", hash.unwrap()), "sample_id").await, [1]);
        assert_eq!(bench.ids(&format!("/sample/{kind}/00"), "sample_id").await.len(), 0);
    }
    bench.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Missing);
    assert_eq!(bench.ids("/sample", "sample_id").await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn searches_submissions() {
    let mut world = five();
    world.add_sample(Sample::url(2, at("2026-01-01T00:00:00Z"), "http://h.example/a b"));
    world.add_submission(Submission::finished(60, 2, at("2026-01-01T02:00:00Z"), None));
    let bench = bench(world, VmrayOptions::default());
    let search = async |query: &str| {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        bench.ids(&format!("/submission/search?query={query}"), "submission_id").await
    };
    assert_eq!(search(r#"url == "http://h.example/a b""#).await, [60]);
    assert_eq!(search("url == \"HTTP://h.example/A B\"").await, [60], "case does not count");
    assert_eq!(search(r#"filename like "A.E%" and url <> "x""#).await, [50, 40, 30, 20, 10]);
    assert_eq!(search("filename like A.E").await, [0; 0], "like has wildcards only where they are written");
    let query = "filename like a% or url like http%";
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/submission/search?query={encoded}&_order=asc&_limit=2&_min_id=20");
    assert_eq!(bench.ids(&path, "submission_id").await, [20, 30]);
    assert_eq!(bench.ids(&format!("/sample/search?query={encoded}"), "sample_id").await, [2, 1]);
    assert_eq!(bench.vmray(&format!("/sample/search?query={encoded}&sample_id=1")).await.0, 400);
    assert_eq!(bench.vmray("/submission/search?query=url").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn throttles_with_the_sentence_and_the_header() {
    let throttle = Some(Throttle { requests: 2, window: Duration::from_secs(10) });
    let bench = bench(five(), VmrayOptions { throttle, ..VmrayOptions::default() });
    for _ in 0..2 {
        assert_eq!(bench.vmray("/system_info").await.0, 200);
    }
    tokio::time::advance(Duration::from_millis(9_500)).await;
    let answer = bench.vmray_answer("/system_info").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    let expected = "Request was throttled. Expected available in 1 seconds.";
    assert_eq!(crate::bench::read(&answer), (429, json!({"error_msg": expected, "result": "error"})));
    bench.stack.vmray.edit_options(|options| options.retry_after_header = false);
    assert!(!bench.vmray_answer("/system_info").await.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn the_date_is_the_clocks_and_can_be_off() {
    let bench = bench(five(), VmrayOptions::default());
    assert_eq!(bench.vmray_answer("/system_info").await.headers()["date"], "Sun, 01 Mar 2026 00:00:00 GMT");
    bench.stack.vmray.edit_options(|options| options.date_offset = jiff::SignedDuration::from_secs(-3600));
    assert_eq!(bench.vmray_answer("/system_info").await.headers()["date"], "Sat, 28 Feb 2026 23:00:00 GMT");
}

#[tokio::test(start_paused = true)]
async fn tells_system_info_and_quota() {
    let bench = bench(World::new(), VmrayOptions::default());
    let info = bench.vmray("/system_info").await.1["data"].clone();
    assert_eq!((&info["api_items_per_request"], &info["max_api_items"]), (&json!(100), &json!(1000)));
    let quota = bench.vmray("/api_key/quota").await.1["data"].clone();
    assert_eq!(quota, json!({"quota_limit": 10_000, "used_quota": 120}));
}
