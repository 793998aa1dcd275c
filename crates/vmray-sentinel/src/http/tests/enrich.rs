//! `/api/enrich` and the link of a job.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Answer, Bench, ask};

const CONTENT: &str = "MZ, as a program begins";
const SHA256: &str = "64a5c84dae64a06c532558a67bf56206695ea261cf90f5ae111ef1db69a93de4";

impl Bench {
    /// Asks the link of an answer that is not there yet until it is.
    async fn follow(&self, answer: &Answer) -> Value {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        let mut location = answer.headers["location"].to_str().unwrap().to_owned();
        for _ in 0..60 {
            tokio::time::advance(Duration::from_secs(30)).await;
            let next = self.get(&location).await;
            if next.status == StatusCode::OK {
                return next.json();
            }
            assert_eq!(next.status, StatusCode::ACCEPTED, "{}", next.body);
            assert!(next.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
            next.headers["location"].to_str().unwrap().clone_into(&mut location);
        }
        panic!("never done");
    }

    fn submits(&self) -> usize {
        self.stack.vmray.requests().iter().filter(|seen| seen.path.starts_with("/rest/sample/submit")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_promised_and_then_reported() {
    let bench = Bench::open();
    let answer = bench
        .post("/api/enrich", &json!({"items": [{"url": "http://new.example.net/a"}], "incident": 17}).to_string())
        .await;
    assert_eq!(answer.json()["complete"], false);
    let report = bench.follow(&answer).await;
    assert_eq!(report["complete"], true);
    assert_eq!(report["items"][0]["value"], "http://new.example.net/a");
    assert_eq!(report["incident"], "17");
    assert_eq!(bench.submits(), 1);
    let again = bench.post("/api/enrich", &json!({"items": [{"url": "http://new.example.net/a"}]}).to_string()).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
    assert_eq!(bench.submits(), 1);
}

#[rstest]
#[case::json("application/json", json!({"items": [{"file": STANDARD.encode(CONTENT), "name": "a.exe"}]}).to_string(), "")]
#[case::json_of_a_connector("", json!({"items": [{"file": {"$content-type": "x", "$content": STANDARD.encode(CONTENT)}, "name": "a.exe"}]}).to_string(), "")]
#[case::form(
    "multipart/form-data; boundary=xx",
    format!("--xx\r\nContent-Disposition: form-data; name=\"incident\"\r\n\r\n17\r\n--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.exe\"\r\nContent-Type: application/x-msdownload\r\n\r\n{CONTENT}\r\n--xx--\r\n"),
    ""
)]
#[case::stream("application/octet-stream", CONTENT.to_owned(), "?name=a.exe")]
#[tokio::test(start_paused = true)]
async fn a_file_comes_in_every_form(#[case] kind: &str, #[case] body: String, #[case] query: &str) {
    let bench = Bench::open();
    let mut headers = vec![("host", "localhost")];
    headers.extend((!kind.is_empty()).then_some(("content-type", kind)));
    let answer = ask(&bench.router, "POST", &format!("/api/enrich{query}"), &headers, &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let item = &answer.json()["items"][0];
    assert_eq!(item["file"]["name"], "a.exe");
    assert_eq!(item["file"]["size_bytes"], CONTENT.len());
    assert_eq!(item["value"], SHA256);
}

#[rstest]
#[case(json!({}), "body")]
#[case(json!({"items": []}), "items")]
#[case(json!({"items": [{}]}), "items[0]")]
#[case(json!({"items": [{"url": "http://a.example", "hash": "00"}]}), "items[0]")]
#[case(json!({"items": [{"url": "ldap://a.example"}]}), "items[0]")]
#[case(json!({"items": [{"hash": "12"}]}), "items[0]")]
#[case(json!({"items": [{"file": "%%%"}]}), "items[0].file")]
#[case(json!({"items": [{"file": ""}]}), "items[0].file")]
#[case(json!({"items": [{"url": 5}]}), "items[0].url")]
#[case(json!({"items": [{"file": 0}]}), "items[0].file")]
#[case(json!({"items": [{"url": "http://a.example"}], "incidnet": 1}), "incidnet")]
#[case(json!({"items": [{"url": "http://a.example"}], "deadline": "soon"}), "deadline")]
#[case(json!({"items": [{"url": "http://a.example"}], "deadline": "900h"}), "deadline")]
#[case(json!({"items": [{"url": "http://a.example"}], "incident": "a\u{7}"}), "incident")]
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named(#[case] body: Value, #[case] parameter: &str) {
    let bench = Bench::open();
    let answer = bench.post("/api/enrich", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert_eq!(answer.json()["parameter"], parameter, "{}", answer.body);
    assert_eq!(bench.submits(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_an_incident_takes_nothing_from_the_rest() {
    let bench = Bench::open();
    let odd = json!([
        {"url": "javascript:alert(1)"}, {"hash": "12"}, {"file": "%%%", "name": "a.exe"}, {"file": ""}, {"url": 5},
        {"url": "http://me:hunter2@"}, {"hash": "00", "url": "http://b.example"}, {}, null, 5, "http://c.example", [],
        {"url": "http://d.example", "colour": 1}, {"file": "aGk=", "archive_password": 4711},
        {"url": "http://new.example.net/a"}, {"file": STANDARD.encode(CONTENT), "name": "b.exe"},
    ]);
    let answer = bench.post("/api/enrich", &json!({"items": odd, "incident": 17}).to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let report = bench.follow(&answer).await;
    let items = report["items"].as_array().unwrap();
    assert_eq!(items.len(), 16);
    for (at, item) in items.iter().enumerate().take(14) {
        assert_eq!(item["state"], "failed", "{item}");
        assert!(item["reason"].as_str().unwrap().starts_with(&format!("items[{at}]")), "{item}");
        assert!(item["verdict"].is_null(), "{item}");
    }
    assert_eq!(items[0]["kind"], "url");
    assert_eq!(items[8]["kind"], "unknown");
    for item in &items[14..] {
        assert_eq!(item["state"], "analysed", "{item}");
    }
    assert_eq!(bench.submits(), 2);
    for secret in ["hunter2", "4711"] {
        assert!(!report.to_string().contains(secret), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_a_form_takes_nothing_from_the_rest() {
    let bench = Bench::open();
    let field = |head: &str, value: &str| format!("--xx\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
    let body = [
        field("name=\"url\"", "ldap://a.example"),
        field("name=\"url\"", "http://new.example.net/a"),
        field("name=\"file\"; filename=\"a.exe\"", ""),
        "--xx--\r\n".to_owned(),
    ];
    let headers = [("host", "localhost"), ("content-type", "multipart/form-data; boundary=xx")];
    let answer = ask(&bench.router, "POST", "/api/enrich", &headers, &body.concat()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let report = answer.json();
    let states: Vec<&str> =
        report["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "running", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn the_link_is_absolute_where_the_address_is_known_and_never_from_the_request() {
    let body = json!({"items": [{"url": "http://new.example.net/a"}]}).to_string();
    let location = |answer: Answer| answer.headers["location"].to_str().unwrap().to_owned();
    let bench = Bench::open();
    assert!(location(bench.post("/api/enrich", &body).await).starts_with("/api/enrich/"));
    let headers = [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")];
    let bench = Bench::at("https://vmray.soc.example/");
    let told = location(ask(&bench.functions, "POST", "/api/enrich", &headers, &body).await);
    assert!(told.starts_with("https://vmray.soc.example/api/enrich/"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn only_the_whole_link_is_let_in() {
    let bench = Bench::open();
    let answer = bench.post("/api/enrich", &json!({"items": [{"url": "http://new.example.net/a"}]}).to_string()).await;
    let link = answer.headers["location"].to_str().unwrap().to_owned();
    let (path, _) = link.split_once('?').unwrap();
    let without = bench.get(path).await;
    assert_eq!((without.status, without.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some("token")));
    for wrong in [format!("{path}?token=1.1.00"), format!("{link}0"), link.replace("/api/enrich/0", "/api/enrich/1")] {
        assert_eq!(bench.get(&wrong).await.status, StatusCode::FORBIDDEN, "{wrong}");
    }
    assert_eq!(bench.get("/api/enrich/nothing?token=1.1.00").await.status, StatusCode::BAD_REQUEST);
    tokio::time::advance(Duration::from_secs(8 * 24 * 3600)).await;
    let late = bench.get(&link).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert!(late.json()["detail"].as_str().unwrap().contains("expired"), "{}", late.body);
}

#[tokio::test(start_paused = true)]
async fn a_submission_goes_on_when_its_caller_goes_away() {
    let bench = Bench::open();
    bench.stack.faults().add(
        simulators::FaultRule::new(
            simulators::ServiceName::Vmray,
            simulators::When::Always,
            simulators::Fault::Delay(Duration::from_secs(5)),
        )
        .on_path("/sample/submit"),
    );
    let body = json!({"items": [{"url": "http://new.example.net/a"}]}).to_string();
    let gone = tokio::time::timeout(Duration::from_secs(3), bench.post("/api/enrich", &body)).await;
    assert!(gone.is_err(), "the caller has gone");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answer = bench.post("/api/enrich", &body).await;
    bench.follow(&answer).await;
    assert_eq!(bench.submits(), 1);
}

#[rstest]
#[case::url(json!({"items": [{"url": "http://new.example.net/a"}], "deadline": "10s"}))]
#[case::file(json!({"items": [{"file": STANDARD.encode(CONTENT), "name": "a.exe"}], "deadline": "10s"}))]
#[tokio::test(start_paused = true)]
async fn an_answer_comes_within_the_deadline_and_the_work_goes_on(#[case] body: Value) {
    let bench = Bench::open();
    let slow = simulators::Fault::Delay(Duration::from_secs(20));
    for path in ["/submission/search", "/sample/sha256"] {
        bench.stack.faults().add(
            simulators::FaultRule::new(simulators::ServiceName::Vmray, simulators::When::Always, slow).on_path(path),
        );
    }
    let began = tokio::time::Instant::now();
    let answer = bench.post("/api/enrich", &body.to_string()).await;
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((answer.status, &answer.json()["complete"]), (StatusCode::ACCEPTED, &json!(false)), "{}", answer.body);
    let link = answer.headers["location"].to_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let late = bench.get(&link).await;
    assert_eq!((late.status, &late.json()["complete"]), (StatusCode::OK, &json!(true)), "{}", late.body);
    assert_eq!((&late.json()["items"][0]["state"], bench.submits()), (&json!("analysed"), 1), "{}", late.body);
}

#[rstest]
#[case::hanging(simulators::Fault::Hang)]
#[case::failing(simulators::Fault::Status(500))]
#[tokio::test(start_paused = true)]
async fn a_caller_without_a_deadline_is_answered_within_a_hundred_seconds(#[case] fault: simulators::Fault) {
    let bench = Bench::open();
    let always = simulators::FaultRule::new(simulators::ServiceName::Vmray, simulators::When::Always, fault);
    bench.stack.faults().add(always.on_path("/iocs"));
    let sha256 = bench.stack.vmray.edit(|world| world.sample(12).unwrap().hashes.sha256.clone().unwrap());
    let unknown: Vec<_> = (0..20).map(|n| json!({"hash": format!("{n:064x}")})).collect();
    let items = [vec![json!({"hash": sha256})], unknown].concat();
    let began = tokio::time::Instant::now();
    let answer = bench.post("/api/enrich", &json!({"items": items}).to_string()).await;
    assert!(began.elapsed() <= Duration::from_secs(100), "{:?}", began.elapsed());
    assert!([StatusCode::OK, StatusCode::ACCEPTED].contains(&answer.status), "{}", answer.body);
    assert_eq!(answer.json()["verdict"], "malicious", "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_known_container_is_answered_as_the_worst_of_its_members() {
    let bench = Bench::open();
    let now = "2026-11-24T11:00:00Z".parse().unwrap();
    let sha256 = bench.stack.vmray.edit(|world| {
        let archive = simulators::Sample::file(100, now, "archive.zip");
        let sha256 = archive.hashes.sha256.clone().unwrap();
        world.add_sample(archive);
        world.add_submission(simulators::Submission::finished(101, 100, now, Some(simulators::Verdict::Clean)));
        world.relate(100, 12, simulators::RelationKind::EmbeddedFile);
        sha256
    });
    let answer = bench.post("/api/enrich", &json!({"items": [{"hash": sha256}]}).to_string()).await;
    assert_eq!((answer.status, &answer.json()["verdict"]), (StatusCode::OK, &json!("malicious")), "{}", answer.body);
    bench.stack.vmray.edit(|world| world.sample_mut(12).unwrap().access = simulators::Access::Forbidden);
    tokio::time::advance(Duration::from_secs(3600)).await;
    bench.stack.vmray.edit(|world| world.submission_mut(51).unwrap().verdict = None);
    let hidden = bench.post("/api/enrich", &json!({"items": [{"hash": sha256}]}).to_string()).await;
    assert_eq!(hidden.json()["verdict"], "unknown", "{}", hidden.body);
    assert!(hidden.json()["items"][0]["reason"].as_str().unwrap().contains("not all of it"), "{}", hidden.body);
}
