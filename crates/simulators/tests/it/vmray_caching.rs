use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use simulators::{AnalysisCaching, QuotaRefusal, SubmitOutcome, VmrayOptions};

use crate::bench::Bench;
use crate::vmray_submit::{bench, form};

const URL: (&str, &str) = ("sample_url", "http://h.example/");

async fn submit(bench: &Bench, further: &[(&str, &str)]) -> Value {
    let (status, body) = form(bench, &[&[URL], further].concat()).await;
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn caching(analysis_caching: AnalysisCaching) -> VmrayOptions {
    VmrayOptions { analysis_caching, ..VmrayOptions::default() }
}

/// What became of a second submit: jobs made, cached analyses, or the refusal.
fn service(reply: &Value) -> &'static str {
    if reply["errors"][0]["error_msg"] == "Submission not stored because no jobs were created" {
        assert_eq!((&reply["submissions"], reply["samples"].as_array().unwrap().len()), (&json!([]), 1));
        return "refused";
    }
    let made = &reply["submissions"][0];
    let jobs = reply["jobs"].as_array().unwrap().len() + reply["static_jobs"].as_array().unwrap().len();
    assert_eq!(made["submission_number_created_jobs"], jobs);
    match (made["submission_used_cache"].as_bool().unwrap(), jobs) {
        (false, 2) => "jobs",
        (true, 0) => "cache",
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(AnalysisCaching::Disabled, &[], "jobs")]
#[case(AnalysisCaching::Enabled, &[], "cache")]
#[case(AnalysisCaching::Smart, &[], "cache")]
#[case(AnalysisCaching::Legacy, &[], "refused")]
#[case(AnalysisCaching::Legacy, &[("reanalyze", "True")], "jobs")]
#[case(AnalysisCaching::Legacy, &[("analysis_caching", "disabled")], "jobs")]
#[case(AnalysisCaching::Disabled, &[("reanalyze", "false")], "refused")]
#[case(AnalysisCaching::Disabled, &[("analysis_caching", "enabled")], "cache")]
#[case(AnalysisCaching::Enabled, &[("reanalyze", "true")], "jobs")]
#[tokio::test(start_paused = true)]
async fn something_known_is_served_as_key_and_submit_say(
    #[case] key: AnalysisCaching,
    #[case] further: &[(&str, &str)],
    #[case] expected: &str,
) {
    let bench = bench(caching(key));
    assert_eq!(service(&submit(&bench, &[]).await), "jobs");
    tokio::time::advance(Duration::from_secs(200)).await;
    assert_eq!(service(&submit(&bench, further).await), expected);
}

#[tokio::test(start_paused = true)]
async fn a_cached_result_makes_a_submission_that_has_finished() {
    let bench = bench(caching(AnalysisCaching::Enabled));
    let first = submit(&bench, &[]).await["submissions"][0].clone();
    tokio::time::advance(Duration::from_secs(200)).await;
    let analyses =
        bench.ids(&format!("/analysis/submission/{}?_order=asc", first["submission_id"]), "analysis_id").await;
    let second = submit(&bench, &[]).await["submissions"][0].clone();
    assert_eq!(second["submission_finished"], true);
    assert_eq!(second["submission_analysis_cache_ids"], json!(analyses));
    assert_eq!(second["submission_number_cached_analyses"], analyses.len());
    assert_eq!(
        second["submission_verdict"],
        bench.vmray(&format!("/submission/{}", first["submission_id"])).await.1["data"]["submission_verdict"]
    );
    let path = format!("/analysis/submission/{}?_order=asc", second["submission_id"]);
    assert_eq!(bench.ids(&path, "analysis_id").await, analyses);
    let (_, body) = bench.vmray(&path).await;
    assert_eq!(body["data"][0]["analysis_submission_ids"], json!([first["submission_id"], second["submission_id"]]));
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"]["used_quota"], 122);
    bench.stack.vmray.edit_options(|options| options.cached_costs_quota = false);
    submit(&bench, &[]).await;
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"]["used_quota"], 122);
}

#[tokio::test(start_paused = true)]
async fn a_running_analysis_answers_two_submissions() {
    let bench = bench(caching(AnalysisCaching::Enabled));
    let first = submit(&bench, &[]).await["submissions"][0]["submission_id"].clone();
    tokio::time::advance(Duration::from_secs(10)).await;
    let second = submit(&bench, &[]).await["submissions"][0].clone();
    let mut jobs = bench.ids(&format!("/job/submission/{first}"), "job_id").await;
    jobs.sort_unstable();
    assert_eq!((&second["submission_finished"], &second["submission_job_cache_ids"]), (&json!(false), &json!(jobs)));
    assert!(bench.stack.vmray.finish_now(first.as_u64().unwrap(), None));
    let ended = bench.vmray(&format!("/submission/{}", second["submission_id"])).await.1["data"].clone();
    assert_eq!(ended["submission_finish_time"], "2026-03-01T00:00:10");
}

#[tokio::test(start_paused = true)]
async fn neither_a_failure_nor_for_smart_an_old_result_is_reused() {
    let bench = bench(VmrayOptions { submit_outcome: SubmitOutcome::Error, ..caching(AnalysisCaching::Legacy) });
    submit(&bench, &[]).await;
    tokio::time::advance(Duration::from_secs(200)).await;
    assert_eq!(service(&submit(&bench, &[]).await), "jobs");

    let bench = crate::vmray_submit::bench(caching(AnalysisCaching::Smart));
    submit(&bench, &[]).await;
    tokio::time::advance(Duration::from_secs(25 * 3600)).await;
    assert_eq!(service(&submit(&bench, &[]).await), "jobs");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_jobs_can_be_limited_to_none() {
    let bench = bench(VmrayOptions { jobs_per_submission: 4, ..VmrayOptions::default() });
    let made = submit(&bench, &[("max_jobs", "3")]).await;
    assert_eq!(made["submissions"][0]["submission_number_created_jobs"], 3);
    let made = submit(&bench, &[("max_jobs", "0")]).await;
    assert_eq!(made["errors"][0]["error_msg"], "Submission not stored because no jobs were created");
    let made = submit(&bench, &[("analyzer_mode", "static")]).await;
    assert_eq!((made["jobs"].as_array().unwrap().len(), made["static_jobs"].as_array().unwrap().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_told_in_three_ways() {
    let bench = bench(VmrayOptions { quota: (2, 2), ..VmrayOptions::default() });
    let refused = submit(&bench, &[]).await;
    assert_eq!(
        refused["errors"][0],
        json!({"error_msg": "The submission would exceed the Prepaid Report Quota", "submission_filename": URL.1})
    );
    assert_eq!((&refused["submissions"], &refused["samples"]), (&json!([]), &json!([])));

    bench.stack.vmray.edit_options(|options| options.quota_refusal = QuotaRefusal::WholeRequest);
    let (status, body) = form(&bench, &[URL]).await;
    assert_eq!((status, &body["result"]), (400, &json!("error")));
    assert!(body["error_msg"].as_str().unwrap().contains("exceed the Prepaid Report Quota"));

    bench.stack.vmray.edit_options(|options| options.quota_refusal = QuotaRefusal::Denied);
    let refused = submit(&bench, &[]).await;
    let words = refused["errors"][0]["error_msg"].as_str().unwrap();
    assert!(
        words.starts_with("Denied: The vmray quota for account 1 (") && words.contains("is exceeded. (02/002 used"),
        "{words}"
    );
    for list in ["submissions", "samples", "reputation_jobs"] {
        assert_eq!(refused[list].as_array().unwrap().len(), 1, "{list}");
    }
    assert_eq!((&refused["jobs"], &refused["static_jobs"]), (&json!([]), &json!([])));
    assert_eq!(bench.stack.vmray.submission_count(URL.1), 0);
    bench.stack.vmray.set_quota(3, 2);
    assert_eq!(service(&submit(&bench, &[]).await), "jobs");
    assert_eq!(bench.stack.vmray.submission_count(URL.1), 1);
}

#[tokio::test(start_paused = true)]
async fn submitting_twice_pays_twice() {
    let bench = bench(VmrayOptions::default());
    let first = submit(&bench, &[]).await["submissions"][0]["submission_id"].clone();
    let second = submit(&bench, &[]).await["submissions"][0]["submission_id"].clone();
    assert_ne!(first, second);
    assert_eq!(bench.stack.vmray.submission_count(URL.1), 2);
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"]["used_quota"], 122);
}
