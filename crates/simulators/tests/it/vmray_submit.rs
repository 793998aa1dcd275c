use std::time::Duration;

use bytes::Bytes;
use http::Request;
use outbound::Request as OutboundRequest;
use serde_json::{Value, json};
use simulators::{AnalysisCaching, StackOptions, Switches as _, UrlForm, Verdict, VmrayOptions, World};

use crate::bench::{Bench, read};

pub(crate) fn bench(vmray: VmrayOptions) -> Bench {
    Bench::new(World::new(), StackOptions { vmray, ..StackOptions::default() })
}

pub(crate) fn post(content_type: &str, body: impl Into<Bytes>) -> OutboundRequest {
    Request::post("https://vmray.test/rest/sample/submit")
        .header("authorization", format!("api_key {}", VmrayOptions::API_KEY))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

pub(crate) async fn form(bench: &Bench, pairs: &[(&str, &str)]) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    read(&bench.ask(post("application/x-www-form-urlencoded", body)).await)
}

pub(crate) async fn file(bench: &Bench, name: &str, content: &str, further: &str) -> (u16, Value) {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"{name}\"\r\n\r\n{content}\r\n{further}--b--\r\n"
    );
    read(&bench.ask(post("multipart/form-data; boundary=b", body)).await)
}

#[tokio::test(start_paused = true)]
async fn a_url_lives_through_its_analysis() {
    let bench = bench(VmrayOptions { submit_verdict: Some(Some(Verdict::Malicious)), ..VmrayOptions::default() });
    let (status, body) =
        form(&bench, &[("sample_url", "http://h.example/'x'"), ("tags", "a,b"), ("shareable", "False")]).await;
    assert_eq!((status, &body["data"]["errors"]), (200, &json!([])));
    let submission = &body["data"]["submissions"][0];
    assert_eq!(
        (&submission["submission_finished"], &submission["submission_tags"]),
        (&json!(false), &json!(["a", "b"]))
    );
    assert_eq!(body["data"]["samples"][0]["submission_filename"], "http://h.example/'x'");
    let path = format!("/submission/{}", submission["submission_id"]);
    assert_eq!(bench.ids(&format!("/job{path}"), "job_id").await.len(), 2);
    assert_eq!(body["data"]["static_jobs"].as_array().unwrap().len(), 1);
    tokio::time::advance(Duration::from_secs(120)).await;
    assert_eq!(bench.vmray(&path).await.1["data"]["submission_verdict"], "malicious");
    let sample = &submission["submission_sample_id"];
    let (_, iocs) = bench.vmray(&format!("/sample/{sample}/iocs")).await;
    assert_eq!(iocs["data"]["iocs"]["urls"][0]["url"], "http://h.example/'x'");
    assert_eq!(bench.vmray("/api_key/quota").await.1["data"]["used_quota"], 121);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_found_by_its_real_hashes() {
    let bench = bench(VmrayOptions::default());
    let (status, body) = file(&bench, "hello.txt", "hello", "").await;
    assert_eq!(status, 200, "{body}");
    let id = body["data"]["samples"][0]["sample_id"].as_u64().unwrap();
    assert_eq!(bench.ids("/sample/md5/5d41402abc4b2a76b9719d911017c592", "sample_id").await, [id]);
    assert_eq!(bench.ids("/sample/sha1/aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "sample_id").await, [id]);
    let (_, again) = file(&bench, "hello.txt", "hello", "").await;
    assert_eq!(again["data"]["samples"][0]["sample_id"], id);
    assert_ne!(again["data"]["submissions"][0]["submission_id"], body["data"]["submissions"][0]["submission_id"]);
}

#[tokio::test(start_paused = true)]
async fn names_come_encoded_or_are_replaced() {
    let bench = bench(VmrayOptions::default());
    let encoded = "--b\r\nContent-Disposition: form-data; name=\"sample_filename_b64enc\"\r\n\r\nw7YuZXhl\r\n";
    let (_, body) = file(&bench, "@param=sample_filename_b64enc", "x", encoded).await;
    assert_eq!(body["data"]["submissions"][0]["submission_filename"], "ö.exe");
    let (_, body) = file(&bench, r"c:\a.exe", "y", "").await;
    assert!(!body["data"]["submissions"][0]["submission_filename"].as_str().unwrap().contains("a.exe"));
}

#[tokio::test(start_paused = true)]
async fn errors_hide_in_a_200() {
    let bench = bench(VmrayOptions { analysis_caching: AnalysisCaching::Legacy, ..VmrayOptions::default() });
    form(&bench, &[("sample_url", "http://h.example/")]).await;
    let (status, body) = form(&bench, &[("sample_url", "http://h.example/")]).await;
    assert_eq!((status, body["result"].as_str().unwrap()), (200, "ok"));
    assert_eq!(body["data"]["errors"][0]["error_msg"], "Submission not stored because no jobs were created");
    assert_eq!(body["data"]["submissions"], json!([]));
    assert_eq!(body["data"]["samples"].as_array().unwrap().len(), 1);
    bench.stack.vmray.edit_options(|options| options.quota = (5, 5));
    let (status, body) = form(&bench, &[("sample_url", "http://new.example/")]).await;
    let message = body["data"]["errors"][0]["error_msg"].as_str().unwrap();
    assert_eq!((status, message.contains("exceed the Prepaid Report Quota")), (200, true));
}

#[tokio::test(start_paused = true)]
async fn parameters_may_come_in_the_query_and_as_json() {
    let bench = bench(VmrayOptions::default());
    let mut request = post("application/json", r#"{"shareable": true, "comment": "c", "max_jobs": 1}"#);
    *request.uri_mut() = "https://vmray.test/rest/sample/submit?sample_url=http://h.example/&tags=a".parse().unwrap();
    let (status, body) = read(&bench.ask(request).await);
    let made = &body["data"]["submissions"][0];
    assert_eq!((status, &made["submission_tags"], &made["submission_comment"]), (200, &json!(["a"]), &json!("c")));
    assert_eq!((&made["submission_shareable"], &made["submission_number_created_jobs"]), (&json!(true), &json!(1)));
    assert_eq!(read(&bench.ask(post("application/json", r#"{"comment": [1]}"#)).await).0, 400);
    assert_eq!(read(&bench.ask(post("text/plain", "sample_url=http://h.example/")).await).0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_large_file_is_hashed_where_it_lies() {
    let bench = bench(VmrayOptions::default());
    let content = "x".repeat(5 * 1024 * 1024);
    let (status, body) = file(&bench, "big.bin", &content, "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["samples"][0]["sample_filesize"], content.len());
    let md5 = bench.stack.vmray.world().samples().next().unwrap().hashes.md5.clone();
    assert_eq!(md5.as_deref(), Some("4f08eef4096726bff1125e1b1b734644"));
}

#[tokio::test(start_paused = true)]
async fn refuses_bad_parameters() {
    let bench = bench(VmrayOptions::default());
    let url = ("sample_url", "http://h.example/");
    for bad in [
        ("tags", "a b"),
        ("user_config", "{"),
        ("submission_metadata", "[1]"),
        ("max_jobs", "many"),
        ("shareable", "yes"),
        ("colour", "red"),
        ("analysis_caching", "on"),
        ("archive_action", "unpack"),
        ("analyzer_mode", "dynamic"),
        ("retention_period", "30"),
        ("ai_based_phishing_detection", "high"),
    ] {
        assert_eq!(form(&bench, &[url, bad]).await.0, 400, "{bad:?}");
    }
    assert_eq!(form(&bench, &[]).await.0, 400);
    assert_eq!(
        file(&bench, "x", "y", "--b\r\nContent-Disposition: form-data; name=\"sample_url\"\r\n\r\nhttp://h/\r\n")
            .await
            .0,
        400
    );
    assert_eq!(read(&bench.ask(post("multipart/form-data; boundary=b", "--b\r\n")).await).0, 400);
    assert_eq!(bench.vmray("/submission").await.1["data"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_url_is_kept_in_the_form_that_the_server_gives_it() {
    for (form_of, kept) in [
        (UrlForm::Verbatim, "https://H.example"),
        (UrlForm::SlashAppended, "https://H.example/"),
        (UrlForm::HostLowerCased, "https://h.example"),
    ] {
        let bench = bench(VmrayOptions { url_form: form_of, ..VmrayOptions::default() });
        let reply = form(&bench, &[("sample_url", "https://H.example")]).await.1;
        assert_eq!(reply["data"]["submissions"][0]["submission_original_url"], kept, "{form_of:?}");
        let found = bench.ids("/submission/search?query=url%20==%20%22https://H.example/%22", "submission_id").await;
        assert_eq!(found.len(), usize::from(form_of == UrlForm::SlashAppended), "another form is another URL to it");
        let again = form(&bench, &[("sample_url", kept), ("analysis_caching", "enabled")]).await.1;
        assert_eq!(again["data"]["samples"][0]["sample_id"], reply["data"]["samples"][0]["sample_id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_search_refuses_it_and_lists_all_the_same() {
    let mut options = VmrayOptions::default();
    options.set("search_status", "405").unwrap();
    let bench = bench(options);
    form(&bench, &[("sample_url", "https://h.example/")]).await;
    let query = "/submission/search?query=url%20==%20%22https://h.example/%22";
    assert_eq!(bench.vmray(query).await.0, 405);
    assert_eq!(bench.ids("/submission", "submission_id").await.len(), 1);
    bench.stack.vmray.edit_options(|options| options.set("search_status", "0").unwrap());
    assert_eq!(bench.ids(query, "submission_id").await.len(), 1);
}
