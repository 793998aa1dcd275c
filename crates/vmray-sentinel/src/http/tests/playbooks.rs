//! Every call that the original's playbooks make, in their order, with what they branch on.

use std::time::Duration;

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use simulators::Verdict;

use super::Bench;

/// What a playbook reads of a finished sample, and says in its comment or mail.
const SAMPLE_FIELDS: [&str; 12] = [
    "sample_id",
    "sample_verdict",
    "sample_classifications",
    "sample_threat_names",
    "sample_webif_url",
    "sample_verdict_reason_code",
    "sample_verdict_reason_description",
    "sample_filename",
    "sample_highest_vti_score",
    "sample_sha256hash",
    "sample_md5hash",
    "sample_sha1hash",
];

impl Bench {
    /// Calls a function as a Function action does: POST with a JSON body.
    async fn action(&self, function: &str, body: Value) -> Value {
        let answer = self.post(&format!("/api/{function}"), &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{function}: {}", answer.body);
        answer.json()
    }

    /// Waits in the playbook's loop of two minutes, and returns the submission and how often it asked.
    async fn until_finished(&self, submission: &Value) -> (Value, u32) {
        for asked in 1..=60 {
            tokio::time::advance(Duration::from_secs(120)).await;
            let answer = self.action("GetVMRaySubmission", json!({"submission_id": submission})).await;
            if answer["submission_finished"] == true {
                return (answer, asked);
            }
        }
        panic!("never finished");
    }
}

#[rstest]
#[case::url_playbook_3_0_1(Verdict::Malicious, json!("30"))]
#[case::url_playbook_3_0_2(Verdict::Suspicious, json!("30"))]
#[case::url_playbook_before_it_had_an_expiry(Verdict::Malicious, Value::Null)]
#[case::clean(Verdict::Clean, json!("30"))]
#[tokio::test(start_paused = true)]
async fn the_url_playbook_finds_what_it_branches_on(#[case] verdict: Verdict, #[case] expiry: Value) {
    let bench = Bench::open();
    bench.stack.vmray.edit_options(|options| options.submit_verdict = Some(Some(verdict)));
    let url = "http://phish.example.net/login";
    let submitted = bench.action("UplaodURL", json!({"url": url, "tags": ["url_submission_logic_app"]})).await;
    let submissions = submitted["vmray_submission"].as_array().unwrap();
    assert_eq!(submissions.len(), 1);
    for each in submissions {
        let (submission, _) = bench.until_finished(&each["SubmissionID"]).await;
        assert_eq!(submission["submission_id"], each["SubmissionID"]);
        assert!(submission["submission_status"].is_string());
        let sample = bench.action("GetVMRaySample", json!({"sample_id": submission["submission_sample_id"]})).await;
        for field in SAMPLE_FIELDS {
            assert!(sample.get(field).is_some(), "{field}");
        }
        assert_eq!(sample["sample_verdict"], verdict.as_str());
        let vtis = bench.action("GetVMRayVTIs", json!({"sample_id": sample["sample_id"]})).await;
        for vti in vtis["threat_indicators"].as_array().unwrap() {
            assert!(["category", "operation", "score"].iter().all(|name| vti.get(name).is_some()), "{vti}");
        }
        let body = json!({
            "sample_id": sample["sample_id"], "submission_id": submission["submission_id"],
            "sample_verdict": ["malicious", "suspicious"], "incident_id": 17, "valid_until": expiry,
        });
        let iocs = bench.action("GetVMRayIOCs", body).await;
        let indicators = iocs["custom_resp"].as_array().unwrap();
        assert_eq!(indicators.is_empty(), verdict == Verdict::Clean);
        if let Some(indicator) = indicators.first() {
            assert_eq!(indicator["pattern"], format!("[url:value = '{url}']"));
            assert!(indicator["labels"].as_array().unwrap().contains(&json!("incident_id: 17")));
        }
        bench.upload(indicators).await;
    }
}

#[rstest]
#[case(Verdict::Malicious)]
#[case(Verdict::Clean)]
#[tokio::test(start_paused = true)]
async fn the_mail_playbook_finds_what_it_branches_on(#[case] verdict: Verdict) {
    let bench = Bench::open();
    bench.stack.vmray.edit_options(|options| options.submit_verdict = Some(Some(verdict)));
    let body = json!({"file": "TVqQAAMAAAAEAAAA", "name": "invoice.exe", "tags": ["outlook_logic_app"]});
    let submitted = bench.action("VMRayUploadSample", body).await;
    // The playbook follows the first submission of each attachment.
    let (submission, _) = bench.until_finished(&submitted["vmray_submission"][0]["SubmissionID"]).await;
    let sample = bench.action("GetVMRaySample", json!({"sample_id": submission["submission_sample_id"]})).await;
    for field in SAMPLE_FIELDS {
        assert!(sample.get(field).is_some(), "{field}");
    }
    // 3.0.2 names no incident.
    let body = json!({
        "sample_id": sample["sample_id"], "submission_id": submission["submission_id"],
        "sample_verdict": ["malicious", "suspicious"], "valid_until": "30",
    });
    let iocs = bench.action("GetVMRayIOCs", body).await;
    let indicators = iocs["custom_resp"].as_array().unwrap();
    assert_eq!(indicators.is_empty(), verdict == Verdict::Clean);
    assert!(!iocs["custom_resp"].to_string().contains("incident_id"));
    bench.upload(indicators).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_incident_with_the_same_url_ends_its_loop_at_the_first_question() {
    let bench = Bench::open();
    let body = json!({"url": "http://phish.example.net/login", "tags": ["url_submission_logic_app"]});
    let first = bench.action("UplaodURL", body.clone()).await;
    bench.until_finished(&first["vmray_submission"][0]["SubmissionID"]).await;
    let second = bench.action("UplaodURL", body).await;
    assert_eq!(second["vmray_submission"][0]["SubmissionID"], first["vmray_submission"][0]["SubmissionID"]);
    let (_, asked) = bench.until_finished(&second["vmray_submission"][0]["SubmissionID"]).await;
    assert_eq!(asked, 1);
    let submits = bench.stack.vmray.requests().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(submits, 1);
}
