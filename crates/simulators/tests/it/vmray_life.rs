use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use simulators::{Ending, Failure, SubmitOutcome, Verdict, VmrayOptions};

use crate::bench::{Bench, ids, read};
use crate::vmray_submit::{bench, form};

const URL: &str = "http://h.example/";

fn slow() -> VmrayOptions {
    VmrayOptions {
        queue_time: Duration::from_secs(30),
        analysis_time: Duration::from_secs(90),
        finishing_time: Duration::from_secs(10),
        settling_time: Duration::from_secs(20),
        jobs_per_submission: 3,
        submit_verdict: Some(Some(Verdict::Suspicious)),
        ..VmrayOptions::default()
    }
}

async fn submitted(bench: &Bench, further: &[(&str, &str)]) -> (u64, u64) {
    let (status, body) = form(bench, &[&[("sample_url", URL)], further].concat()).await;
    assert_eq!((status, &body["data"]["errors"]), (200, &json!([])), "{body}");
    let submission = &body["data"]["submissions"][0];
    (submission["submission_id"].as_u64().unwrap(), submission["submission_sample_id"].as_u64().unwrap())
}

async fn submission(bench: &Bench, id: u64) -> Value {
    bench.vmray(&format!("/submission/{id}")).await.1["data"].clone()
}

async fn with_method(bench: &Bench, method: Method, path: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://vmray.test/rest{path}"))
        .header("authorization", format!("api_key {}", VmrayOptions::API_KEY))
        .body(bytes::Bytes::new())
        .unwrap();
    read(&bench.ask(request).await)
}

#[tokio::test(start_paused = true)]
async fn jobs_appear_run_and_vanish_one_by_one_before_the_submission_ends() {
    let bench = bench(slow());
    let (id, sample) = submitted(&bench, &[]).await;
    let mut seen = Vec::new();
    for _ in 0..7 {
        let (_, jobs) = bench.vmray(&format!("/job/submission/{id}")).await;
        assert_eq!(jobs, bench.vmray(&format!("/job/sample/{sample}")).await.1);
        let states: Vec<_> = jobs["data"].as_array().unwrap().iter().map(|job| job["job_status"].clone()).collect();
        let analyses = bench.ids(&format!("/analysis/submission/{id}"), "analysis_id").await.len();
        let shown = submission(&bench, id).await;
        seen.push((states, analyses, shown["submission_status"].clone(), shown["submission_finished"].clone()));
        tokio::time::advance(Duration::from_secs(25)).await;
    }
    let row = |states: &[&str], analyses: usize, status: &str, finished: bool| {
        (states.iter().map(|state| json!(state)).collect::<Vec<_>>(), analyses, json!(status), json!(finished))
    };
    let expected = [
        row(&["queued"; 3], 0, "queued", false),      // 0 s
        row(&["queued"; 3], 0, "queued", false),      // 25 s
        row(&["inwork"; 3], 0, "in_progress", false), // 50 s; jobs began at 30 s
        row(&["inwork"; 2], 1, "in_progress", false), // 75 s; the first ended at 60 s
        row(&["inwork"], 2, "in_progress", false),    // 100 s
        row(&[], 3, "in_progress", false),            // 125 s; the last ended at 120 s
        row(&[], 3, "success", true),                 // 150 s; the submission at 130 s
    ];
    assert_eq!(
        seen,
        expected.map(|(mut states, analyses, status, finished)| {
            states.sort_by_key(ToString::to_string);
            (states, analyses, status, finished)
        })
    );
    let ended = submission(&bench, id).await;
    assert_eq!(ended["submission_finish_time"], "2026-03-01T00:02:10");
    assert_eq!(ended["submission_verdict"], "suspicious");
    assert_eq!(ended["submission_has_errors"], false);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_is_gone_and_its_analysis_names_it() {
    let bench = bench(slow());
    let (id, _) = submitted(&bench, &[]).await;
    let mut jobs = bench.ids(&format!("/job/submission/{id}"), "job_id").await;
    jobs.sort_unstable();
    let path = format!("/job/{}", jobs[0]);
    assert_eq!(bench.vmray(&path).await.1["data"]["job_tracking_state"], "//waiting");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(bench.vmray(&path).await.1["data"]["job_tracking_state"], "//running/vm/executing");
    tokio::time::advance(Duration::from_secs(27)).await;
    let (_, body) = bench.vmray(&path).await;
    assert_eq!(
        (&body["data"]["job_status"], &body["data"]["job_tracking_state"]),
        (&json!("uploading"), &json!("//finished"))
    );
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(bench.vmray(&path).await, (404, json!({"error_msg": "No such element", "result": "error"})));
    let (_, body) = bench.vmray(&format!("/analysis/submission/{id}")).await;
    assert_eq!(body["data"][0]["analysis_job_id"], jobs[0]);
}

#[tokio::test(start_paused = true)]
async fn findings_are_waiting_until_they_have_settled() {
    let bench = bench(slow());
    let (id, sample) = submitted(&bench, &[]).await;
    let status = async |what: &str| bench.vmray(&format!("/sample/{sample}/{what}")).await.1["data"]["status"].clone();
    for seconds in [0, 125, 10] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        for what in ["iocs", "vtis", "mitre_attack"] {
            assert_eq!(status(what).await, "waiting");
        }
    }
    assert_eq!(submission(&bench, id).await["submission_finished"], true);
    let (_, body) = bench.vmray(&format!("/analysis/submission/{id}?_order=desc")).await;
    assert_eq!(body["data"][0]["analysis_ioc_aggregation_state"], "todo");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(status("iocs").await, "finished");
    let (_, body) = bench.vmray(&format!("/analysis/submission/{id}?_order=desc")).await;
    assert_eq!(body["data"][0]["analysis_ioc_aggregation_state"], "ok");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_failed_is_a_warning_and_all_of_it_an_error_without_verdict() {
    for (submit_outcome, status, verdict, failed) in
        [(SubmitOutcome::Warning, "warning", json!("malicious"), 1), (SubmitOutcome::Error, "error", Value::Null, 2)]
    {
        let options =
            VmrayOptions { submit_outcome, submit_verdict: Some(Some(Verdict::Malicious)), ..VmrayOptions::default() };
        let bench = bench(options);
        let (id, _) = submitted(&bench, &[]).await;
        tokio::time::advance(Duration::from_secs(120)).await;
        let ended = submission(&bench, id).await;
        assert_eq!((&ended["submission_status"], &ended["submission_verdict"]), (&json!(status), &verdict));
        assert_eq!(ended["submission_has_errors"], true);
        let (_, body) = bench.vmray(&format!("/analysis/submission/{id}")).await;
        let codes = body["data"].as_array().unwrap().iter().filter(|one| one["analysis_result_code"] == 7_340_034);
        let codes: Vec<_> = codes.map(|one| (&one["analysis_severity"], &one["analysis_verdict"])).collect();
        assert_eq!(codes, vec![(&json!("error"), &Value::Null); failed]);
        assert_eq!(bench.ids(&format!("/submission?submission_status={status}"), "submission_id").await, [id]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_ends_fails_and_holds_what_it_wants() {
    let bench = bench(VmrayOptions { hold_submissions: true, ..VmrayOptions::default() });
    let vmray = &bench.stack.vmray;
    let (first, _) = submitted(&bench, &[]).await;
    let (second, _) = submitted(&bench, &[]).await;
    tokio::time::advance(Duration::from_secs(7200)).await;
    assert_eq!(bench.ids(&format!("/job/submission/{first}"), "job_id").await.len(), 2);
    assert!(vmray.finish_now(first, Some(&Ending::Success(Some(Verdict::Clean)))));
    assert!(vmray.fail(second));
    assert!(!vmray.fail(second), "it has ended");
    assert_eq!(submission(&bench, first).await["submission_verdict"], "clean");
    assert_eq!(submission(&bench, first).await["submission_finish_time"], "2026-03-01T02:00:00");
    assert_eq!(submission(&bench, second).await["submission_status"], "error");
    vmray.edit_options(|options| options.hold_submissions = false);
    let (third, _) = submitted(&bench, &[]).await;
    assert!(vmray.hold(third));
    tokio::time::advance(Duration::from_secs(7200)).await;
    assert_eq!(submission(&bench, third).await["submission_finished"], false);
    assert!(vmray.finish_now(third, Some(&Ending::Error(Failure::wrong_password()))));
    assert_eq!(vmray.submission_count(URL), 3);
    assert_eq!(
        vmray.submits().iter().filter_map(|taken| taken.submission_id).collect::<Vec<_>>(),
        [first, second, third]
    );
    assert_eq!(vmray.calls()["POST /sample/submit"], 3);
    assert_eq!(vmray.calls()["GET /submission/{id}"], 4);
}

#[tokio::test(start_paused = true)]
async fn metadata_and_tags_come_back_and_find_the_submission_again() {
    let bench = bench(VmrayOptions::default());
    let metadata = r#"{"job":"7","n":1}"#;
    let (id, _) = submitted(&bench, &[("submission_metadata", metadata), ("tags", "a,b")]).await;
    let (other, _) = submitted(&bench, &[]).await;
    assert_eq!(submission(&bench, id).await["submission_submission_metadata"], metadata);
    assert_eq!(submission(&bench, other).await["submission_submission_metadata"], "{}");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("submission_submission_metadata", metadata)
        .finish();
    assert_eq!(bench.ids(&format!("/submission?{query}"), "submission_id").await, [id]);
    assert_eq!(with_method(&bench, Method::POST, &format!("/submission/{id}/tag?tag_name=c")).await.0, 200);
    assert_eq!(with_method(&bench, Method::DELETE, &format!("/submission/{id}/tag/a")).await.0, 200);
    assert_eq!(submission(&bench, id).await["submission_tags"], json!(["b", "c"]));
    assert_eq!(with_method(&bench, Method::POST, &format!("/submission/{id}/tag?tag_name=a%20b")).await.0, 400);
    bench.stack.vmray.edit_options(|options| options.metadata_text = simulators::MetadataText::Respaced);
    let (third, _) = submitted(&bench, &[("submission_metadata", metadata)]).await;
    assert_eq!(submission(&bench, third).await["submission_submission_metadata"], r#"{"job": "7", "n": 1}"#);
    assert_eq!(bench.ids(&format!("/submission?{query}"), "submission_id").await, [id]);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_last_submission_deletes_the_sample() {
    let bench = bench(VmrayOptions::default());
    let (first, sample) = submitted(&bench, &[]).await;
    let (second, _) = submitted(&bench, &[]).await;
    for (id, left) in [(first, 200), (second, 404)] {
        assert_eq!(with_method(&bench, Method::DELETE, &format!("/submission/{id}")).await.0, 200);
        assert_eq!(bench.vmray(&format!("/submission/{id}")).await.0, 404);
        assert_eq!(bench.vmray(&format!("/sample/{sample}")).await.0, left);
    }
    assert_eq!(with_method(&bench, Method::DELETE, &format!("/submission/{first}")).await.0, 404);
    assert_eq!(with_method(&bench, Method::DELETE, "/submission").await.0, 405);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_verdict_quota_sees_reports_once_they_are_unlocked() {
    let bench = bench(VmrayOptions { quota_type: "verdict".to_owned(), quota: (5, 0), ..VmrayOptions::default() });
    let (id, sample) = submitted(&bench, &[]).await;
    tokio::time::advance(Duration::from_secs(120)).await;
    assert!(submission(&bench, id).await["submission_verdict"].is_string());
    assert_eq!(bench.vmray(&format!("/sample/{sample}/iocs")).await.0, 403);
    let (_, body) = bench.vmray(&format!("/analysis/sample/{sample}")).await;
    assert_eq!(
        (&body["data"][0]["analysis_lock_status"], &body["data"][0]["analysis_quota_type"]),
        (&json!("locked"), &json!("verdict"))
    );
    let unlocked = with_method(&bench, Method::POST, &format!("/sample/{sample}/unlock_reports")).await;
    let mut analyses = ids(&body, "analysis_id");
    analyses.sort_unstable();
    assert_eq!(unlocked.1["data"]["unlocked_analysis_ids"], json!(analyses));
    assert_eq!(bench.vmray(&format!("/sample/{sample}/iocs")).await.0, 200);
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"], json!({"quota_limit": 5, "used_quota": 2}));
    let (_, billing) = bench.vmray("/billing_info").await;
    assert_eq!((&billing["data"]["verdict_remaining"], &billing["data"]["report_quota"]), (&json!(3), &json!(0)));
}
