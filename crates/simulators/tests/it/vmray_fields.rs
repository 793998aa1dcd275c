//! Fields as servers of several generations have them, and what is odd about them.

use std::collections::BTreeSet;

use bytes::Bytes;
use rstest::rstest;
use serde_json::Value;
use simulators::{
    Access, FieldSet, Ioc, IocKind, Sample, StackOptions, Submission, Verdict, VmrayOptions, World, WorldOptions,
};

use crate::bench::{Bench, at, read};

fn world() -> World {
    let mut world = World::new();
    let finished = at("2026-02-01T00:00:00Z");
    let iocs = vec![
        Ioc::new(IocKind::Domain, "a.example", Verdict::Malicious),
        Ioc { tells_verdict: false, ..Ioc::new(IocKind::Url, "http://a.example/", Verdict::Malicious) },
        Ioc { verdict_reason: Some("why".to_owned()), ..Ioc::new(IocKind::Ip, "203.0.114.8", Verdict::Clean) },
    ];
    world.add_sample(Sample { tells_names: false, ..Sample::file(1, finished, "a.exe") }.with_iocs(iocs));
    world.add_submission(Submission {
        verdict_reason: Some("a <reason>".to_owned()),
        tells_errors: false,
        ..Submission::finished(900, 1, finished, Some(Verdict::Malicious))
    });
    world
}

fn bench(field_set: FieldSet) -> Bench {
    let vmray = VmrayOptions { field_set, version: field_set.version(), ..VmrayOptions::default() };
    Bench::new(world(), StackOptions { vmray, ..StackOptions::default() })
}

async fn data(bench: &Bench, path: &str) -> Value {
    let (status, body) = bench.vmray(path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body["data"].clone()
}

#[tokio::test(start_paused = true)]
async fn reasons_nulls_and_words_stand_where_a_client_may_not_expect_them() {
    let bench = bench(FieldSet::V2026);
    let submission = data(&bench, "/submission/900").await;
    assert_eq!(submission["submission_verdict_reason_code"], 1004);
    assert_eq!(submission["submission_verdict_reason_description"], "a <reason>");
    assert_eq!(submission["submission_sample_verdict_reason_code"], "1004");
    assert_eq!(
        (submission["submission_finished"].clone(), submission["submission_has_errors"].clone()),
        (Value::Bool(true), Value::Null)
    );
    let sample = data(&bench, "/sample/1").await;
    assert_eq!(
        (sample["sample_classifications"].clone(), sample["sample_threat_names"].clone()),
        (Value::Null, Value::Null)
    );
    assert_eq!(sample["sample_vti_score"], "malicious");
    assert!(sample["sample_clusters"].is_array());
    let iocs = data(&bench, "/sample/1/iocs").await["iocs"].clone();
    assert_eq!(iocs["urls"][0].get("verdict"), None);
    assert_eq!(iocs["urls"][0]["severity"], "malicious");
    assert_eq!(
        (iocs["ips"][0]["verdict_reason_code"].clone(), iocs["ips"][0]["verdict_reason_description"].clone()),
        (1004.into(), "why".into())
    );
    let mut classified = 0;
    for sample in 1..40 {
        bench.stack.vmray.edit(|world| {
            world.add_sample(Sample::file(sample, at("2026-02-01T00:00:00Z"), "b.exe"));
            world.add_submission(Submission::finished(1000 + sample, sample, at("2026-02-01T00:00:00Z"), None));
        });
        let vtis = data(&bench, &format!("/sample/{sample}/vtis")).await;
        let vtis = vtis["threat_indicators"].as_array().unwrap().clone();
        classified += vtis.iter().filter(|vti| !vti["classifications"].as_array().unwrap().is_empty()).count();
    }
    assert!(classified > 0);
}

#[rstest]
#[case::of_2017(FieldSet::V2_1, "2.1.0", &["submission_verdict", "submission_has_recursive_errors"], 404, 404)]
#[case::of_2021(FieldSet::V4, "4.2.0", &["submission_sample_verdict", "submission_used_cache"], 200, 404)]
#[case::of_2024(FieldSet::V2024, "2024.5.1", &[], 200, 404)]
#[case::of_2026(FieldSet::V2026, "2026.2.1", &[], 200, 200)]
#[tokio::test(start_paused = true)]
async fn each_generation_has_its_fields_and_paths(
    #[case] set: FieldSet,
    #[case] version: &str,
    #[case] absent: &[&str],
    #[case] vtis: u16,
    #[case] names: u16,
) {
    let bench = bench(set);
    assert_eq!(data(&bench, "/system_info").await["version"], version);
    let submission = data(&bench, "/submission/900").await;
    for field in absent {
        assert_eq!(submission.get(field), None, "{field}");
    }
    for field in ["submission_id", "submission_sample_id", "submission_finish_time", "submission_finished"] {
        assert!(!submission[field].is_null(), "{field}");
    }
    let score = data(&bench, "/sample/1").await["sample_vti_score"].clone();
    assert_eq!(score.is_string(), matches!(set, FieldSet::V2024 | FieldSet::V2026), "{score}");
    assert_eq!(bench.vmray("/sample/1/vtis").await.0, vtis);
    assert_eq!(bench.vmray("/sample/1/threat_names").await.0, names);
    let domain = data(&bench, "/sample/1/iocs").await["iocs"]["domains"][0].clone();
    assert_eq!(domain.get("verdict").is_some(), set != FieldSet::V2_1, "{domain}");
    let text = data(&bench, "/analysis/sample/1").await[0]["analysis_result_str"].clone();
    assert_eq!(text.as_str().unwrap().ends_with('.'), set != FieldSet::V2_1);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_sample_answers_with_something_else() {
    let bench = bench(FieldSet::V2026);
    bench.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Unreadable);
    assert!(data(&bench, "/sample/1/iocs").await["iocs"]["domains"].is_string());
    assert_eq!(data(&bench, "/sample/1").await["sample_id"], 1);
}

fn submit(form: &[(&str, &str)]) -> outbound::Request {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http::Request::post("https://vmray.test/rest/sample/submit")
        .header("authorization", format!("api_key {}", VmrayOptions::API_KEY))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .unwrap()
}

#[rstest]
#[case("not a url", 400)]
#[case("word", 400)]
#[case("http://", 400)]
#[case("http://a b.example/", 400)]
#[case("http://a.example/x y", 200)]
#[case("a.example/path", 200)]
#[tokio::test(start_paused = true)]
async fn what_is_no_url_is_refused(#[case] url: &str, #[case] expected: u16) {
    let bench = bench(FieldSet::V2026);
    let (status, body) = read(&bench.ask(submit(&[("sample_url", url)])).await);
    assert_eq!(status, expected, "{body}");
    assert_eq!(bench.stack.vmray.submits().len(), usize::from(expected == 200));
}

#[tokio::test(start_paused = true)]
async fn a_file_over_the_size_that_the_server_tells_is_refused() {
    let bench = bench(FieldSet::V2026);
    bench.stack.vmray.edit_options(|options| options.max_upload_bytes = 9);
    assert_eq!(data(&bench, "/system_info").await["webif_max_upload_size"], 9);
    for (content, expected) in [("123456789", 200), ("1234567890", 400)] {
        let part = format!(
            "--b\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"a.txt\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let mut request = submit(&[]);
        request.headers_mut().insert("content-type", "multipart/form-data; boundary=b".parse().unwrap());
        *request.body_mut() = Bytes::from(part);
        let (status, body) = read(&bench.ask(request).await);
        assert_eq!(status, expected, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_tells_its_machine() {
    let mut world = world();
    world.add_submission(Submission::unfinished(901, 1, at("2026-02-28T23:59:00Z")));
    let bench = Bench::new(world, StackOptions::default());
    assert_eq!(data(&bench, "/job/submission/901").await[0]["job_vm_id"], 18);
}

#[test]
fn no_submission_has_the_id_of_a_sample() {
    let options = WorldOptions { samples: 2000, late_child_rate: 0.2, ..WorldOptions::default() };
    let world = World::generate(&options);
    let samples: BTreeSet<u64> = world.samples().map(|sample| sample.id).collect();
    assert!(samples.len() > 2000);
    assert!(world.submissions().all(|submission| !samples.contains(&submission.id)));
}
