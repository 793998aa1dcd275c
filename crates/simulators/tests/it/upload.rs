use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{
    AllRefused, EntraOptions, ErrorKey, Fault, FaultRule, ServiceName, StackOptions, StaleModified, UploadOptions,
    When, World,
};

use crate::bench::{Bench, RESOURCE, indicator, read, with, without};

fn bench() -> Bench {
    bench_with(UploadOptions::default())
}

fn bench_with(upload: UploadOptions) -> Bench {
    Bench::new(World::new(), StackOptions { upload, ..StackOptions::default() })
}

async fn sent(bench: &Bench, path: &str, token: &str, body: &Value) -> (u16, Value) {
    read(&bench.ask(Bench::upload_request(path, token, body)).await)
}

fn one() -> Value {
    json!({"sourcesystem": "tests", "stixobjects": [indicator(1)]})
}

#[tokio::test(start_paused = true)]
async fn answers_nothing_when_all_is_well() {
    let bench = bench();
    let token = bench.token_for(RESOURCE).await;
    let answer = bench.ask(Bench::upload_request(&Bench::upload_path(), &token, &one())).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body().is_empty());
    let rows = bench.stack.upload.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].observable, Some(("domain-name:value".to_owned(), "x1.example".to_owned())));
    assert_eq!(rows[0].object(), indicator(1));
}

#[tokio::test(start_paused = true)]
async fn wants_a_valid_token_of_the_right_audience() {
    let bench = bench();
    let path = Bench::upload_path();
    let expected = json!({"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."});
    let bare = Request::post(format!("https://ti.test{path}")).body(Bytes::new()).unwrap();
    assert_eq!(read(&bench.ask(bare).await), (401, expected.clone()));
    assert_eq!(sent(&bench, &path, "forged.token.x", &one()).await, (401, expected.clone()));
    let graph = bench.token_for("https://graph.microsoft.com").await;
    assert_eq!(sent(&bench, &path, &graph, &one()).await, (401, expected.clone()));
    for resource in ["https://management.azure.com/", "https://management.core.windows.net"] {
        let token = bench.token_for(resource).await;
        assert_eq!(sent(&bench, &path, &token, &one()).await.0, 200, "{resource}");
    }
    let token = bench.token_for(RESOURCE).await;
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(sent(&bench, &path, &token, &one()).await, (401, expected));
}

#[tokio::test(start_paused = true)]
async fn wants_the_role_the_workspace_and_the_version() {
    let bench = bench();
    let token = bench.token_for(RESOURCE).await;
    let path = Bench::upload_path();
    assert_eq!(sent(&bench, path.split('?').next().unwrap(), &token, &one()).await.0, 400);
    assert_eq!(sent(&bench, &path.replace("2024-02-01", "2022-07-01"), &token, &one()).await.0, 400);
    let elsewhere = path.replace(UploadOptions::WORKSPACE, "66666666-aaaa-4bbb-8ccc-000000000006");
    assert_eq!(sent(&bench, &elsewhere, &token, &one()).await.0, 404);
    assert_eq!(sent(&bench, &path.replace("-stix-", "_stix_"), &token, &one()).await.0, 404);
    bench.stack.upload.edit(|options| options.contributors.clear());
    let answer = bench.ask(Bench::upload_request(&path, &token, &one())).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["x-ms-error-code"], "AuthorizationFailed");
    assert_eq!(bench.stack.upload.row_count(), 0);
}

#[rstest]
#[case(json!([]))]
#[case(json!({"stixobjects": [indicator(1)]}))]
#[case(json!({"sourcesystem": "Microsoft Sentinel", "stixobjects": [indicator(1)]}))]
#[case(json!({"sourcesystem": "x", "stixobjects": {}}))]
#[case(json!({"sourcesystem": "x", "stixobjects": (0..101).map(indicator).collect::<Vec<_>>()}))]
#[case(json!({"sourcesystem": "x", "indicators": [indicator(1)]}))]
#[tokio::test(start_paused = true)]
async fn refuses_a_malformed_request_whole(#[case] body: Value) {
    let bench = bench();
    let token = bench.token_for(RESOURCE).await;
    let (status, answer) = sent(&bench, &Bench::upload_path(), &token, &body).await;
    assert_eq!((status, answer["error"]["code"].as_str().unwrap()), (400, "BadRequest"));
    assert_eq!(bench.stack.upload.row_count(), 0);
}

#[rstest]
#[case::type_missing(without(indicator(1), "type"), "type")]
#[case::type_unknown(with(indicator(1), "type", json!("malware")), "type")]
#[case::type_not_uploaded(with(indicator(1), "type", json!("marking-definition")), "type")]
#[case::id_missing(without(indicator(1), "id"), "id")]
#[case::id_of_other_type(with(indicator(1), "id", json!("identity--10000003-71a2-445c-ab86-927291df48f8")), "id")]
#[case::id_without_uuid(with(indicator(1), "id", json!("indicator--1")), "id")]
#[case::created_missing(without(indicator(1), "created"), "created")]
#[case::created_with_offset(with(indicator(1), "created", json!("2026-02-01T00:00:00+01:00")), "created")]
#[case::created_without_zone(with(indicator(1), "created", json!("2026-02-01T00:00:00")), "created")]
#[case::created_with_a_comma(with(indicator(1), "created", json!("2026-02-01T00:00:00,5Z")), "created")]
#[case::created_in_second_60(with(indicator(1), "created", json!("2026-01-31T23:59:60Z")), "created")]
#[case::created_with_a_point_and_nothing(with(indicator(1), "created", json!("2026-02-01T00:00:00.Z")), "created")]
#[case::created_in_week_form(with(indicator(1), "created", json!("2026-W05-7T00:00:00Z")), "created")]
#[case::created_on_31_february(with(indicator(1), "created", json!("2026-02-31T00:00:00Z")), "created")]
#[case::valid_until_with_a_comma(with(indicator(1), "valid_until", json!("2026-04-01T00:00:00,000Z")), "valid_until")]
#[case::modified_missing(without(indicator(1), "modified"), "modified")]
#[case::modified_before_created(with(indicator(1), "modified", json!("2026-01-31T23:59:59Z")), "modified")]
#[case::confidence_text(with(indicator(1), "confidence", json!("100")), "confidence")]
#[case::confidence_too_high(with(indicator(1), "confidence", json!(101)), "confidence")]
#[case::confidence_fraction(with(indicator(1), "confidence", json!(7.5)), "confidence")]
#[case::labels_not_texts(with(indicator(1), "labels", json!(["a", 1])), "labels")]
#[case::pattern_missing(without(indicator(1), "pattern"), "pattern")]
#[case::pattern_type_missing(without(indicator(1), "pattern_type"), "pattern_type")]
#[case::pattern_type_unknown(with(indicator(1), "pattern_type", json!("kql")), "pattern_type")]
#[case::valid_from_missing(without(indicator(1), "valid_from"), "valid_from")]
#[case::valid_until_not_later(with(indicator(1), "valid_until", json!("2026-02-01T00:00:00Z")), "valid_until")]
#[case::valid_until_null(with(indicator(1), "valid_until", json!(null)), "valid_until")]
#[case::unescaped_quote(with(indicator(1), "pattern", json!("[url:value = 'a'b']")), "pattern")]
#[case::short_hash(with(indicator(1), "pattern", json!("[file:hashes.MD5 = 'd41d8']")), "pattern")]
#[case::revoked_text(with(indicator(1), "revoked", json!("false")), "revoked")]
#[case::spec_version_other(with(indicator(1), "spec_version", json!("2.2")), "spec_version")]
#[case::marking_of_other_type(with(indicator(1), "object_marking_refs", json!(["indicator--10000003-71a2-445c-ab86-927291df48f8"])), "object_marking_refs")]
#[case::creator_of_other_type(with(indicator(1), "created_by_ref", json!("VMRay")), "created_by_ref")]
#[case::reference_without_source(with(indicator(1), "external_references", json!([{"url": "x"}])), "external_references")]
#[case::phase_without_name(with(indicator(1), "kill_chain_phases", json!([{"kill_chain_name": "x"}])), "kill_chain_phases")]
#[tokio::test(start_paused = true)]
async fn refuses_one_object_by_its_index_and_takes_the_others(#[case] bad: Value, #[case] property: &str) {
    let bench = bench();
    let (status, body) = bench.upload(&[indicator(2), bad, indicator(3)]).await;
    assert_eq!(status, 200);
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{body}");
    assert_eq!(errors[0]["recordIndex"], 1);
    let message = errors[0]["errorMessages"][0].as_str().unwrap();
    assert!(message.starts_with(&format!("Error for Property={property}: ")), "{message}");
    assert_eq!(bench.stack.upload.row_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn words_a_missing_property_as_the_document_does() {
    let (_, body) = bench().upload(&[indicator(1), without(indicator(2), "id")]).await;
    let expected = "Error for Property=id: Required property is missing. Actual value: NULL.";
    assert_eq!(body, json!({"errors": [{"recordIndex": 1, "errorMessages": [expected]}]}));
}

#[rstest]
#[case(json!({"type": "relationship", "relationship_type": "indicates", "source_ref": "x", "target_ref": "identity--10000003-71a2-445c-ab86-927291df48f8"}), false)]
#[case(json!({"type": "relationship", "relationship_type": "indicates", "source_ref": "indicator--10000003-71a2-445c-ab86-927291df48f8", "target_ref": "attack-pattern--10000003-71a2-445c-ab86-927291df48f8"}), true)]
#[case(json!({"type": "attack-pattern"}), false)]
#[case(json!({"type": "attack-pattern", "name": "x"}), true)]
#[case(json!({"type": "identity", "name": "x"}), true)]
#[tokio::test(start_paused = true)]
async fn checks_the_other_types_by_what_they_need(#[case] own: Value, #[case] valid: bool) {
    let mut object = own;
    let kind = object["type"].as_str().unwrap().to_owned();
    object["id"] = json!(format!("{kind}--20000003-71a2-445c-ab86-927291df48f8"));
    object["created"] = json!("2026-02-01T00:00:00Z");
    object["modified"] = json!("2026-02-01T00:00:00Z");
    let (status, body) = bench().upload(&[indicator(1), object]).await;
    assert_eq!((status, body.is_null()), (200, valid), "{body}");
}

#[tokio::test(start_paused = true)]
async fn switches_the_spelling_of_the_messages() {
    let bench = bench_with(UploadOptions { error_key: ErrorKey::ValidationErrorMessages, ..UploadOptions::default() });
    let (_, body) = bench.upload(&[indicator(1), json!({})]).await;
    assert!(body["errors"][0]["validationErrorMessages"].is_array());
    assert!(body["errors"][0].get("errorMessages").is_none());
}

#[tokio::test(start_paused = true)]
async fn switches_the_answer_when_no_object_is_valid() {
    assert_eq!(bench().upload(&[json!({}), json!(7)]).await.0, 400);
    let listed = bench_with(UploadOptions { all_refused: AllRefused::Listed, ..UploadOptions::default() });
    let (status, body) = listed.upload(&[json!({}), json!(7)]).await;
    assert_eq!((status, body["errors"].as_array().unwrap().len()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn lets_a_hundred_requests_a_minute_pass() {
    let bench = bench();
    let token = bench.token_for(RESOURCE).await;
    let ask =
        || bench.ask(Bench::upload_request("/workspaces/x/threat-intelligence-stix-objects:upload", &token, &one()));
    for _ in 0..100 {
        assert_eq!(ask().await.status(), 400);
    }
    tokio::time::advance(Duration::from_millis(22_500)).await;
    let refused = ask().await;
    assert_eq!(refused.headers()["retry-after"], "38");
    let expected = json!({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 38 seconds."});
    assert_eq!(read(&refused), (429, expected));
    bench.stack.upload.edit(|options| options.retry_after_header = false);
    assert!(!ask().await.headers().contains_key("retry-after"));
    tokio::time::advance(Duration::from_millis(37_500)).await;
    assert_eq!(ask().await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn throttles_each_principal_by_itself() {
    let bench = bench();
    let token = bench.token_for(RESOURCE).await;
    let path = Bench::upload_path();
    for _ in 0..101 {
        sent(&bench, &path, &token, &one()).await;
    }
    let msi = format!("https://login.test/msi/token?api-version=2019-08-01&resource={RESOURCE}");
    let request =
        Request::get(msi).header("x-identity-header", EntraOptions::IDENTITY_HEADER).body(Bytes::new()).unwrap();
    let other = read(&bench.ask(request).await).1["access_token"].as_str().unwrap().to_owned();
    assert_eq!(sent(&bench, &path, &token, &one()).await.0, 429);
    assert_eq!(sent(&bench, &path, &other, &one()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn adds_a_row_for_each_upload_and_shows_the_newest() {
    let bench = bench();
    let newer = with(indicator(1), "modified", json!("2026-02-02T00:00:00Z"));
    bench.upload(&[indicator(1), indicator(2)]).await;
    bench.upload(std::slice::from_ref(&newer)).await;
    let upload = &bench.stack.upload;
    assert_eq!(upload.row_count(), 3);
    assert_eq!(upload.rows().iter().map(|row| row.upload).collect::<Vec<_>>(), [0, 0, 1]);
    let objects = upload.objects();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[newer["id"].as_str().unwrap()].object(), newer);
}

#[tokio::test(start_paused = true)]
async fn never_lets_a_revoked_object_come_back() {
    let bench = bench();
    let revoked = with(indicator(1), "revoked", json!(true));
    assert_eq!(bench.upload(&[revoked.clone(), indicator(2)]).await, (200, Value::Null));
    assert_eq!(bench.upload(&[revoked, indicator(2)]).await, (200, Value::Null));
    let (_, body) = bench.upload(&[indicator(1), indicator(2)]).await;
    assert!(body["errors"][0]["errorMessages"][0].as_str().unwrap().contains("Property=revoked"));
    assert!(!bench.stack.upload.objects()[indicator(1)["id"].as_str().unwrap()].is_live(crate::bench::now()));
}

#[rstest]
#[case(StaleModified::Append, 2, true)]
#[case(StaleModified::Ignore, 1, true)]
#[case(StaleModified::Refuse, 1, false)]
#[tokio::test(start_paused = true)]
async fn switches_what_happens_to_an_object_that_is_not_newer(
    #[case] stale_modified: StaleModified,
    #[case] rows: usize,
    #[case] accepted: bool,
) {
    let options = UploadOptions { stale_modified, all_refused: AllRefused::Listed, ..UploadOptions::default() };
    let bench = bench_with(options);
    bench.upload(&[indicator(1)]).await;
    let (_, body) = bench.upload(&[indicator(1)]).await;
    assert_eq!((bench.stack.upload.row_count(), body.is_null()), (rows, accepted));
}

#[tokio::test(start_paused = true)]
async fn takes_what_the_documents_show_and_refuses_what_the_original_sends() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sentinel/ti");
    let load =
        |name: &str| std::fs::read(folder.join(name)).ok().map(|text| serde_json::from_slice::<Value>(&text).unwrap());
    let (Some(documented), Some(original)) =
        (load("upload_request__doc_two_indicators.json"), load("upload_request__original_feed_shape.json"))
    else {
        println!("skipped: no shared fixtures");
        return;
    };
    let bench = bench_with(UploadOptions { all_refused: AllRefused::Listed, ..UploadOptions::default() });
    let token = bench.token_for(RESOURCE).await;
    let (status, body) = sent(&bench, &Bench::upload_path(), &token, &documented).await;
    assert_eq!((status, body), (200, Value::Null));
    let (status, body) = sent(&bench, &Bench::upload_path(), &token, &original).await;
    assert_eq!(status, 200);
    assert_eq!(body["errors"].as_array().unwrap().len(), original["stixobjects"].as_array().unwrap().len());
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_what_a_request_carried_and_met() {
    let bench = bench_with(UploadOptions { refused_texts: vec!["x2.example".to_owned()], ..UploadOptions::default() });
    let token = bench.token_for(RESOURCE).await;
    let wait = Duration::from_secs(7);
    bench.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Nth(2), Fault::Throttled { retry_after: wait }));
    let body = json!({"sourcesystem": "tests", "stixobjects": [indicator(1), indicator(2)]});
    let (_, answer) = sent(&bench, &Bench::upload_path(), &token, &body).await;
    assert_eq!(answer["errors"][0]["recordIndex"], 1);
    sent(&bench, &Bench::upload_path(), &token, &body).await;
    let too_many = json!({"sourcesystem": "tests", "stixobjects": vec![indicator(1); 101]});
    sent(&bench, &Bench::upload_path(), &token, &too_many).await;
    let log = bench.stack.upload.requests();
    assert_eq!(log.iter().map(|seen| seen.objects).collect::<Vec<_>>(), [2, 0, 101]);
    assert_eq!(log[1].told_to_wait, Some(wait));
    assert_eq!(log[1].fault, Some(Fault::Throttled { retry_after: wait }));
    assert!(log.iter().all(|seen| seen.token_expires > Some(seen.at) && seen.answered_at.is_some()));
    assert_eq!(bench.stack.upload.rows().iter().map(|row| row.request).collect::<Vec<_>>(), [0]);
}
