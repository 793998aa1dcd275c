//! Every call asks the right question.

use jiff::SignedDuration;
use serde_json::json;
use vmray::{ReportStatus, SampleId, SearchField, SubmissionId, Verdict};

use crate::script::{data, error, raw, scripted, submissions};

#[tokio::test]
async fn says_who_it_is() {
    let (script, client) = scripted([data(&json!({"version": "4.2.0"}))]);
    client.system_info().await.unwrap();
    let requests = script.requests();
    let headers = requests[0].headers();
    assert_eq!(headers["authorization"], "api_key k3y-of-the-test");
    assert!(headers["authorization"].is_sensitive());
    assert_eq!(headers["user-agent"], "VMRayThreatIntelligenceSentinel:1.0.0");
    assert_eq!(requests[0].uri(), "https://vmray.test/rest/system_info");
}

#[tokio::test]
async fn the_probe_compares_clocks() {
    let (_, client) = scripted([data(&json!({"version": "4.2.0", "api_items_per_request": 100}))]);
    let probe = client.probe().await.unwrap();
    assert_eq!(probe.info.version.as_deref(), Some("4.2.0"));
    assert_eq!(probe.info.api_items_per_request, Some(100));
    assert_eq!(probe.clock_offset.unwrap().round(jiff::Unit::Second).unwrap(), SignedDuration::from_secs(30));
}

#[tokio::test]
async fn each_call_has_its_path() {
    let ioc = json!({"iocs": {}, "status": "waiting"});
    let (script, client) = scripted([
        data(&json!({"quota_limit": 100, "used_quota": 7})),
        data(&submissions([5])[0]),
        data(&submissions([5])),
        data(&submissions([5])),
        data(&json!([{"sample_id": 9}])),
        data(&json!({"sample_id": 9, "sample_vti_score": "suspicious", "sample_verdict": "suspicious"})),
        data(&json!([])),
        data(&ioc),
        data(&json!({"threat_indicators": [{"score": 4}]})),
        data(&json!({"threat_indicators": null, "status": "finished"})),
        data(&json!({"mitre_attack_techniques": [{"technique_id": "T1060", "version": 1}]})),
        data(&json!([{"analysis_id": 1}])),
        data(&json!([{"analysis_id": 1}])),
        data(&json!([{"job_id": 3, "job_vmhost_id": ""}])),
    ]);
    let (sample, submission) = (SampleId(9), SubmissionId(5));
    assert_eq!(client.quota().await.unwrap().used_quota, Some(7));
    assert_eq!(client.submission(submission).await.unwrap().sample_id, SampleId(1005));
    assert_eq!(client.submissions_of_sample(sample).await.unwrap().items.len(), 1);
    assert_eq!(client.search_submissions(SearchField::Url, "http://a/").await.unwrap().items.len(), 1);
    assert_eq!(client.samples(Some(sample)).await.unwrap().items.len(), 1);
    assert_eq!(client.sample(sample).await.unwrap().verdict, Some(Verdict::Suspicious));
    let hash = "D41D8CD98F00B204E9800998ECF8427E".parse().unwrap();
    assert_eq!(client.samples_by_hash(&hash).await.unwrap().items, []);
    assert_eq!(client.iocs(sample).await.unwrap().status, ReportStatus::Waiting);
    assert_eq!(client.vtis(sample).await.unwrap().threat_indicators.len(), 1);
    assert_eq!(client.threat_indicators(sample).await.unwrap().threat_indicators.len(), 0);
    assert_eq!(client.mitre_attack(sample).await.unwrap().techniques.len(), 1);
    assert_eq!(client.analyses_of_sample(sample).await.unwrap().items.len(), 1);
    assert_eq!(client.analyses_of_submission(submission).await.unwrap().items.len(), 1);
    assert_eq!(client.jobs_of_submission(submission).await.unwrap().items.len(), 1);
    assert_eq!(
        script.asked(),
        [
            "api_key/quota",
            "submission/5",
            "submission/sample/9",
            "submission/search?query=url+%3D%3D+%22http%3A%2F%2Fa%2F%22",
            "sample?_min_id=9&_order=asc&_limit=100",
            "sample/9",
            "sample/md5/d41d8cd98f00b204e9800998ecf8427e",
            "sample/9/iocs",
            "sample/9/vtis",
            "sample/9/threat_indicators",
            "sample/9/mitre_attack",
            "analysis/sample/9",
            "analysis/submission/5",
            "job/submission/5",
        ]
    );
}

#[tokio::test]
async fn a_value_that_cannot_be_quoted_is_not_searched_for() {
    let (script, client) = scripted([]);
    let found = client.search_submissions(SearchField::Url, "http://a/\" or url like \"%").await.unwrap();
    assert_eq!(found.items, []);
    assert_eq!(script.asked(), [""; 0]);
}

#[tokio::test]
async fn raw_data_passes_untouched() {
    let body = r#"{"z": 1.50, "a": 9007199254740993, "b":null, "new_field": [1e2, {"a": "\u00f6"}]}"#;
    let (script, client) = scripted([raw(200, &[], &format!(r#"{{"result": "ok", "data": {body}}}"#))]);
    assert_eq!(client.get_raw(&["sample", "9"], &[("note", "a b&c")]).await.unwrap().get(), body);
    assert_eq!(script.asked(), ["sample/9?note=a+b%26c"]);
}

#[tokio::test]
async fn a_path_cannot_lead_elsewhere() {
    let (script, client) = scripted([error(404, "No such element")]);
    assert!(matches!(client.get_raw(&["sample", "..", "api_key"], &[]).await, Err(vmray::Error::NotFound)));
    assert!(client.get_raw(&["sample", "9/iocs?x=#"], &[]).await.is_err());
    assert_eq!(script.asked(), ["sample/9%2Fiocs%3Fx%3D%23"]);
}

#[tokio::test]
async fn calls_can_run_as_tasks() {
    let (_, client) = scripted([data(&submissions([1]))]);
    let task = tokio::spawn(async move { client.submissions(&vmray::SubmissionFilter::default()).await });
    assert_eq!(task.await.unwrap().unwrap().items.len(), 1);
}
