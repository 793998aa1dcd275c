//! Submits: once, and with the refusals inside a success.

use bytes::Bytes;
use serde_json::json;
use vmray::{SubmissionId, SubmitRequest};

use crate::script::{data, interrupted, raw, scripted, submissions};

#[tokio::test]
async fn a_url_is_posted_as_a_form() {
    let reply = json!({"errors": [], "submissions": submissions([7]), "samples": [{"sample_id": 9}], "jobs": []});
    let (script, client) = scripted([data(&reply)]);
    let reply = client.submit(&SubmitRequest::url("http://a.example/?b=c")).await.unwrap();
    assert_eq!(reply.first_submission().unwrap().id, SubmissionId(7));
    let requests = script.requests();
    assert_eq!((requests[0].method().as_str(), requests[0].uri().path()), ("POST", "/rest/sample/submit"));
    assert_eq!(requests[0].headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(requests[0].body(), "sample_url=http%3A%2F%2Fa.example%2F%3Fb%3Dc");
}

#[tokio::test]
async fn a_file_is_posted_with_its_bytes() {
    let (script, client) = scripted([data(&json!({}))]);
    let content = Bytes::from_static(b"\x00\xff\r\n--");
    client.submit(&SubmitRequest::file("übung.bin", content.clone())).await.unwrap();
    let requests = script.requests();
    let content_type = requests[0].headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("multipart/form-data; boundary="), "{content_type}");
    assert!(requests[0].body().windows(content.len()).any(|window| window == content));
}

#[tokio::test]
async fn refusals_inside_a_success_are_told() {
    let reply = json!({
        "errors": [
            {"error_msg": "Submission not stored because no jobs were created", "submission_filename": "a.doc"},
            {"error_msg": "Denied: The vmray quota for account 1 is exceeded."},
            "an odd one"
        ],
        "samples": [{"sample_id": 9, "submission_filename": "a.doc"}]
    });
    let (_, client) = scripted([data(&reply)]);
    let reply = client.submit(&SubmitRequest::url("http://a.example")).await.unwrap();
    assert_eq!(reply.first_submission(), None);
    assert_eq!(reply.samples.len(), 1);
    let words: Vec<String> = reply.refusals().collect();
    assert_eq!(words.len(), 3);
    assert_eq!(words[2], "an odd one");
    let errors: Vec<_> = vmray::readable(&reply.errors).collect();
    assert!(errors[0].is_no_jobs_created() && !errors[0].is_quota());
    assert!(errors[1].is_quota() && !errors[1].is_no_jobs_created());
}

#[tokio::test(start_paused = true)]
async fn a_submit_is_never_repeated() {
    for (lost, may_have_acted) in [
        (interrupted(), true),
        (raw(500, &[], "boom"), true),
        (raw(200, &[], "<html>"), true),
        (raw(429, &[("retry-after", "1")], ""), false),
        (raw(400, &[], ""), false),
    ] {
        let (script, client) = scripted([lost]);
        let error = client.submit(&SubmitRequest::url("http://a.example")).await.unwrap_err();
        assert_eq!(script.asked().len(), 1);
        assert_eq!(error.may_have_acted(), may_have_acted, "{error}");
    }
}

#[tokio::test]
async fn the_reply_can_pass_untouched() {
    let reply = json!({"errors": [], "submissions": [{"a": 1}], "new": 5});
    let (_, client) = scripted([data(&reply)]);
    assert_eq!(client.submit_value(&SubmitRequest::url("http://a.example")).await.unwrap(), reply);
}
