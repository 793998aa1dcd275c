//! Refusals: all of one form, none of which repeats a secret or more than a little of what was sent.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures::stream;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Answer, Bench, ask};

#[rstest]
#[case("GET", "/api/enrich/01ARZ3NDEKTSV4RRFFQ69G5FAV?token=a&token=b", 400, "token")]
#[case("GET", "/api/enrich/%FF?token=a", 400, "job")]
#[case("GET", "/api/enrich/a%2Fb?token=a", 400, "job")]
#[case("GET", "/api/%FF", 404, "")]
#[case("GET", "/%FF%FE", 404, "")]
#[case("GET", "/api/enrich/", 404, "")]
#[case("GET", "/api/enrich", 405, "")]
#[case("GET", "/api/GetVMRaySample?sample_id=%FF", 400, "sample_id")]
#[case("POST", "/api/GetVMRaySample?sample_id=1&sample_id=2", 400, "sample_id")]
#[case("POST", "/healthz", 405, "")]
#[case("HEAD", "/api/UplaodURL?url=http://a.example/", 405, "")]
#[tokio::test]
async fn every_refusal_is_a_problem(
    #[case] method: &str,
    #[case] path: &str,
    #[case] status: u16,
    #[case] parameter: &str,
) {
    let bench = Bench::open();
    let answer = ask(&bench.router, method, path, &[("host", "localhost")], "").await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers.contains_key("allow"), status == 405);
    if method != "HEAD" {
        assert_eq!(answer.json()["parameter"].as_str().unwrap_or_default(), parameter, "{}", answer.body);
        assert!(!answer.json()["next_step"].as_str().unwrap().is_empty(), "{}", answer.body);
    }
}

#[rstest]
#[case(json!(47_114_711))]
#[case(json!(47_114_711.5))]
#[case(json!({"value": "47114711"}))]
#[case(json!(["47114711"]))]
#[tokio::test]
async fn a_password_of_any_type_is_never_repeated(#[case] password: Value) {
    let bench = Bench::open();
    for field in ["archive_password", "document_password"] {
        let body = json!({"items": [{"file": "aGVsbG8=", (field): password}]}).to_string();
        let answer = bench.post("/api/enrich", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert_eq!(answer.json()["parameter"], format!("items[0].{field}"), "{}", answer.body);
        assert!(!answer.body.contains("47114711"), "{}", answer.body);
        let body = json!({"file": "aGVsbG8=", (field): password}).to_string();
        let answer = bench.post("/api/VMRayUploadSample", &body).await;
        assert!(!answer.body.contains("47114711"), "{}", answer.body);
    }
}

#[tokio::test]
async fn no_refusal_repeats_more_than_a_little_and_none_turns_it_around() {
    let bench = Bench::open();
    let long = format!("\u{202e}\u{1b}{}", "x".repeat(900_000));
    let number = json!({"sample_id": long}).to_string();
    let name = format!("{{\"items\":[{{\"url\":\"http://a.example\"}}],{}:1}}", json!(long));
    let count = json!({"items": [{"url": "http://a.example"}], "max_jobs": long}).to_string();
    let item = json!({"items": [{"hash": long}]}).to_string();
    let bodies =
        [("/api/GetVMRaySample", number), ("/api/enrich", name), ("/api/enrich", count), ("/api/enrich", item)];
    for (path, body) in bodies {
        let answer = bench.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.len() < 2000, "{} bytes", answer.body.len());
        assert!(!answer.body.contains(['\u{202e}', '\u{1b}']), "{}", answer.body);
    }
}

#[rstest]
#[case(json!({"max_jobs": 0}), "max_jobs")]
#[case(json!({"max_jobs": 1001}), "max_jobs")]
#[case(json!({"max_jobs": -1}), "max_jobs")]
#[case(json!({"max_jobs": "many"}), "max_jobs")]
#[case(json!({"tags": [""]}), "tags[0]")]
#[case(json!({"tags": ["a", "  "]}), "tags[1]")]
#[case(json!({"tags": ["a b"]}), "tags[0]")]
#[tokio::test]
async fn options_that_vmray_does_not_take_are_refused_by_name(#[case] options: Value, #[case] parameter: &str) {
    let bench = Bench::open();
    let mut body = json!({"items": [{"url": "http://a.example"}]});
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let answer = bench.post("/api/enrich", &body.to_string()).await;
    assert_eq!((answer.status, answer.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some(parameter)));
}

#[rstest]
#[case("max_jobs=0", "max_jobs")]
#[case("tags=%20", "tags[0]")]
#[case("tags=a,%20,b", "tags[1]")]
#[tokio::test]
async fn so_are_those_in_a_query(#[case] query: &str, #[case] parameter: &str) {
    let bench = Bench::open();
    let kind = [("host", "localhost"), ("content-type", "application/octet-stream")];
    let answer = ask(&bench.router, "POST", &format!("/api/enrich?{query}"), &kind, "content").await;
    assert_eq!((answer.status, answer.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some(parameter)));
    let answer = bench.get(&format!("/api/UplaodURL?url=http://a.example&{}", query.replace("a,%20,b", "%09"))).await;
    let named = answer.json()["parameter"].as_str().map(str::to_owned);
    assert_eq!((answer.status, named.as_deref()), (StatusCode::BAD_REQUEST, parameter.split('[').next()));
}

async fn enrich(kind: Option<&str>, body: &str) -> Answer {
    let bench = Bench::open();
    let mut headers = vec![("host", "localhost")];
    headers.extend(kind.map(|kind| ("content-type", kind)));
    ask(&bench.router, "POST", "/api/enrich?name=a.txt", &headers, body).await
}

#[rstest]
#[case(None)]
#[case(Some("application/json; charset=utf-8"))]
#[case(Some("text/json"))]
#[case(Some("application/merge-patch+json"))]
#[case(Some("application/x-www-form-urlencoded"))]
#[tokio::test(start_paused = true)]
async fn json_is_read_as_json(#[case] kind: Option<&str>) {
    let answer = enrich(kind, "\n {\"items\": [{\"url\": \"http://a.example/\"}]}").await;
    assert_eq!(answer.json()["items"][0]["kind"], "url", "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn fields_are_read_as_fields_and_everything_else_is_the_file() {
    let fields = enrich(Some("application/x-www-form-urlencoded"), "url=http%3A%2F%2Fa.example%2F&incident=7").await;
    assert_eq!(fields.json()["items"][0]["value"], "http://a.example/", "{}", fields.body);
    assert_eq!(fields.json()["incident"], "7");
    for kind in ["text/plain", "application/octet-stream", "image/png", "text/html; charset=utf-8"] {
        let answer = enrich(Some(kind), "{\"items\": []}").await;
        assert_eq!(answer.json()["items"][0]["kind"], "file", "{kind}: {}", answer.body);
    }
}

#[rstest]
#[case("multipart/form-data")]
#[case("multipart/form-data; boundary=")]
#[tokio::test]
async fn a_form_without_a_boundary_is_no_file(#[case] kind: &str) {
    let answer = enrich(Some(kind), "--x\r\n\r\n--x--\r\n").await;
    assert_eq!((answer.status, answer.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some("Content-Type")));
}

/// Sends a body of one byte after another, each after `every`, and says how long that went on.
async fn dripping(path: &str, kind: &str, first: &'static str, every: Duration) -> (StatusCode, Duration) {
    let bench = Bench::open();
    let drops = stream::unfold(first, move |piece| async move {
        tokio::time::sleep(every).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes())), " "))
    });
    let request = Request::post(path).header("host", "localhost").header("content-type", kind);
    let began = tokio::time::Instant::now();
    let answer = bench.router.oneshot(request.body(Body::from_stream(drops)).unwrap()).await.unwrap();
    (answer.status(), began.elapsed())
}

#[rstest]
#[case("/api/GetVMRaySample", "application/json", "{")]
#[case("/api/VMRayUploadSample", "application/json", "{\"file\": \"")]
#[case("/api/enrich", "application/json", "{")]
#[case("/api/enrich", "application/octet-stream", "x")]
#[case("/api/enrich", "application/x-www-form-urlencoded", " ")]
#[case(
    "/api/enrich",
    "multipart/form-data; boundary=x",
    "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"
)]
#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_ended(#[case] path: &str, #[case] kind: &str, #[case] first: &'static str) {
    let dripping = dripping(path, kind, first, Duration::from_secs(15));
    let (status, took) = tokio::time::timeout(Duration::from_secs(3600), dripping).await.expect("it goes on for ever");
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(took < Duration::from_secs(90), "{took:?}");
}
