//! The routes together, without a socket.

mod enrich;
mod guard;
mod playbooks;
mod refusals;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use config::{ApiKeys, Environment, Scope, Settings, make_api_key};
use ledger::{StateUrl, Storage};
use outbound::{Clock, TokioClock, Transport as _};
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{Sample, Stack, StackOptions, Submission, Verdict, World};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::operations::{self, Method};
use super::{Pages, api, site};
use crate::api::ApiConfig;
use crate::live::Live;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(super) struct Bench {
    pub(super) router: Router,
    functions: Router,
    stack: Stack,
    live: watch::Sender<Live>,
    stop: CancellationToken,
}

impl Bench {
    fn new(keys: ApiKeys) -> Self {
        Self::with(keys, None)
    }

    fn with(keys: ApiKeys, public_url: Option<&str>) -> Self {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(now));
        let mut world = World::new();
        world.add_sample(Sample::file(12, now, "invoice.exe"));
        world.add_submission(Submission::finished(51, 12, now, Some(Verdict::Malicious)));
        let stack = Stack::new(world, StackOptions::default(), clock.clone());
        let settings = stack.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
        let ours = [("StateUrl", "memory:"), ("PublicUrl", public_url.unwrap_or_default())];
        let ours = ours.into_iter().filter(|(_, value)| !value.is_empty());
        let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment: Environment = settings.chain(ours).collect();
        let mut config = ApiConfig::load(&Settings::load(&[], environment, None)).unwrap();
        config.transport = Arc::new(stack.in_process());
        let clients = config.clients(&clock);
        let built = Arc::new(config.build(Storage::create(&StateUrl::Memory).unwrap(), &clients));
        let stop = CancellationToken::new();
        let (live, watched) = watch::channel(Live::default());
        let pages = Pages {
            recent: Arc::clone(&built.recent),
            state_url: "memory:".to_owned(),
            schedule: Some("*/10 * * * *".to_owned()),
            live: watched,
            clock,
            stop: stop.clone(),
        };
        Self { functions: api(Arc::clone(&built)), router: site(built, pages, keys), stack, live, stop }
    }

    pub(super) fn open() -> Self {
        Self::new(ApiKeys::default())
    }

    /// One that knows its own address.
    fn at(public_url: &str) -> Self {
        Self::with(ApiKeys::default(), Some(public_url))
    }

    /// Sends indicators where a playbook's connector action does; the stand-in refuses what Sentinel would.
    async fn upload(&self, indicators: &[Value]) {
        if indicators.is_empty() {
            return;
        }
        let settings = self.stack.settings();
        let value = |name: &str| settings.iter().find(|(other, _)| *other == name).unwrap().1.clone();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
            value("AzureClientID"),
            value("AzureClientSecret"),
        );
        let network = self.stack.in_process();
        let request = Request::post(format!("https://login.test/{}/oauth2/v2.0/token", value("AzureTenantID")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap();
        let token: Value = serde_json::from_slice(network.send(request).await.unwrap().body()).unwrap();
        let path = format!("workspaces/{}/threat-intelligence-stix-objects:upload", value("AzureWorkspaceID"));
        let request = Request::post(format!("https://ti.test/{path}?api-version=2024-02-01-preview"))
            .header("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()))
            .header("content-type", "application/json")
            .body(json!({"sourcesystem": "VMRayThreatIntelligence", "stixobjects": indicators}).to_string().into())
            .unwrap();
        let answer = network.send(request).await.unwrap();
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.status().is_success() && !said.contains("rror"), "{} {said}", answer.status());
        assert_eq!(self.stack.upload.objects().len(), indicators.len());
    }

    async fn get(&self, path: &str) -> Answer {
        ask(&self.router, "GET", path, &[("host", "127.0.0.1:8080")], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        ask(&self.router, "POST", path, &[("host", "127.0.0.1:8080")], body).await
    }
}

async fn ask(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere_and_run_no_script() {
    let bench = Bench::open();
    for path in ["/", "/docs"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'none'") && policy.contains("default-src 'self'"), "{policy}");
        let page = answer.body.replace("http://127.0.0.1:8080", "").replace("https://www.example.com/a", "");
        let page = page.replace("https%3A%2F%2Fwww.example.com%2Fa", "");
        assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("://"), "{page}");
    }
}

#[tokio::test]
async fn health_and_readiness_answer() {
    let bench = Bench::open();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(bench.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(bench.get("/style.css").await.headers["content-type"], "text/css; charset=utf-8");
    bench.stop.cancel();
    let answer = bench.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert!(answer.json()["detail"].as_str().unwrap().contains("stopping"), "{}", answer.body);
    assert_eq!(bench.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_feed_that_only_waits_is_not_ready_and_says_who_asked() {
    let bench = Bench::open();
    let asked = std::time::Duration::from_secs(400);
    let wait = feed::Wait { service: feed::Service::Vmray, asked, until: "2026-11-24T12:06:40Z".parse().unwrap() };
    bench.live.send_modify(|live| live.waits.push(wait));
    let answer = bench.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains(&wait.to_string()), "{problem}");
    assert!(!problem["next_step"].as_str().unwrap().is_empty(), "{problem}");
    assert_eq!(bench.get("/healthz").await.status, StatusCode::OK);
    bench.live.send_modify(|live| live.waits.clear());
    assert_eq!(bench.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_keys_a_foreign_name_for_this_machine_is_refused() {
    let bench = Bench::open();
    let answer = ask(&bench.router, "GET", "/", &[("host", "evil.example:8080")], "").await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(!answer.body.contains("Sentinel"), "{}", answer.body);
    let functions = ask(&bench.functions, "GET", "/api/GetVMRaySample?sample_id=12", &[("host", "app.example")], "");
    assert_eq!(functions.await.status, StatusCode::OK, "the Functions host has checked who asks");
}

#[tokio::test]
async fn every_operation_of_the_table_is_answered_and_every_other_method_is_not() {
    let bench = Bench::open();
    for operation in operations::all() {
        let path = operation.path.replace("{job}", "nothing");
        let answer = match operation.method {
            Method::Get => bench.get(&path).await,
            Method::Post => bench.post(&path, "{}").await,
        };
        let known: Vec<u16> = operation.refusals().iter().map(|status| status.code).chain([200]).collect();
        assert!(known.contains(&answer.status.as_u16()), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("problem:no-route"), "{path}");
        let other = ask(&bench.router, "DELETE", &path, &[("host", "localhost")], "").await;
        assert_eq!(other.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(other.headers.contains_key("allow"), "{path}");
        assert_eq!(other.headers["content-type"], "application/problem+json");
    }
}

#[rstest]
#[case("/api/GetVMRaySample", "")]
#[case("/API/getvmraysample", "")]
#[case("/api/GETVMRAYSAMPLE?sample_id=12", "")]
#[case("/api/GetVMRaySample", "{\"sample_id\": 12}")]
#[tokio::test]
async fn functions_answer_in_any_case(#[case] path: &str, #[case] body: &str) {
    let bench = Bench::open();
    let answer = bench.post(path, body).await;
    if path.contains('?') || !body.is_empty() {
        assert_eq!(answer.json()["sample_id"], 12, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/json");
    } else {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["parameter"], "sample_id");
        assert_eq!(answer.json()["detail"], "Invalid Request. Missing 'sample_id' parameter.");
    }
}

#[tokio::test]
async fn a_problem_says_what_where_and_what_next() {
    let bench = Bench::open();
    let headers = [("host", "localhost"), ("x-request-id", "req-1")];
    let mut shown = Vec::new();
    for path in ["/api/GetVMRaySample?sample_id=x", "/api/GetVMRaySample?sample_id=999", "/api/nothing", "/nowhere"] {
        let answer = ask(&bench.router, "GET", path, &headers, "").await;
        assert_eq!(answer.headers["x-request-id"], "req-1");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        shown.push(answer.json());
    }
    insta::assert_json_snapshot!(shown);
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    let bench = Bench::open();
    let (first, second) = (bench.get("/nowhere").await, bench.get("/nowhere").await);
    let id = |answer: &Answer| answer.headers["x-request-id"].to_str().unwrap().to_owned();
    assert_ne!(id(&first), id(&second));
    assert_eq!(first.json()["request_id"], id(&first));
    let host = [("host", "localhost"), ("x-azure-functions-invocationid", "0000-01")];
    assert_eq!(ask(&bench.router, "GET", "/healthz", &host, "").await.headers["x-request-id"], "0000-01");
}

#[tokio::test]
async fn keys_are_asked_for_and_their_scope_holds() {
    let (read, submit) = (make_api_key("soc", Scope::Read).unwrap(), make_api_key("playbook", Scope::Submit).unwrap());
    let bench = Bench::new(format!("{},{}", read.entry, submit.entry).parse().unwrap());
    let with = |path: &str, name: &'static str, value: String| {
        let (router, path) = (bench.router.clone(), path.to_owned());
        async move { ask(&router, "GET", &path, &[("host", "vmray.soc.example"), (name, &value)], "").await }
    };
    let sample = "/api/GetVMRaySample?sample_id=12";
    for (name, value) in [
        ("x-functions-key", read.key.clone()),
        ("x-api-key", submit.key.clone()),
        ("authorization", format!("Bearer {}", read.key)),
    ] {
        assert_eq!(with(sample, name, value).await.status, StatusCode::OK, "{name}");
    }
    assert_eq!(with(&format!("{sample}&code={}", read.key), "accept", "*/*".into()).await.status, StatusCode::OK);
    for path in [sample, "/", "/metrics", "/api/status", "/api/nothing", "/nowhere"] {
        let refused = with(path, "x-functions-key", "vms_wrong".into()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(refused.headers.contains_key("www-authenticate"), "a browser asks for the key");
        assert!(!refused.body.contains("vms_wrong"));
    }
    let submitting = "/api/UplaodURL?url=http://a.example/";
    let refused = with(submitting, "x-functions-key", read.key.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["detail"], "the key `soc` may read, not submit");
    assert_eq!(with(submitting, "x-functions-key", submit.key.clone()).await.status, StatusCode::OK);
    for path in ["/healthz", "/readyz", "/docs", "/openapi.json"] {
        assert_eq!(with(path, "accept", "*/*".into()).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn metrics_count_routes_and_name_nothing_that_was_sent() {
    let bench = Bench::open();
    bench.get("/api/getvmraysample?sample_id=12").await;
    bench.get("/api/GetVMRaySample?sample_id=4242424242").await;
    bench.get("/api/secret-name?code=s3cret").await;
    let text = bench.get("/metrics").await.body;
    let line = |part: &str| assert!(text.lines().any(|line| line.starts_with(part)), "{part}\n{text}");
    line("vmray_sentinel_http_requests_total{route=\"/api/GetVMRaySample\",status=\"200\"} 1");
    line("vmray_sentinel_http_requests_total{route=\"/api/GetVMRaySample\",status=\"404\"} 1");
    let call = "service=\"vmray.test\",operation=\"GET /rest/sample/{id}\",attempt=\"1\"";
    line(&format!("vmray_sentinel_outbound_requests_total{{{call},status=\"200\"}} 1"));
    line(&format!("vmray_sentinel_outbound_requests_total{{{call},status=\"404\"}} 1"));
    line(
        "vmray_sentinel_outbound_request_duration_seconds_count{service=\"vmray.test\",operation=\"GET /rest/sample/{id}\"} 2",
    );
    line("vmray_sentinel_feed_quarantine_open 0");
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("secret") && !text.contains("4242424242"), "{text}");
}

#[tokio::test]
async fn what_is_too_large_or_too_deep_is_refused() {
    let bench = Bench::open();
    let large = format!("{{\"sample_id\": \"{}\"}}", "1".repeat(2_000_000));
    let answer = bench.post("/api/GetVMRaySample", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = format!("{{\"sample_id\": {}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let answer = bench.post("/api/GetVMRaySample", &deep).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["parameter"], "body");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_problem() {
    let bench = Bench::open();
    let headers = [("host", "localhost"), ("x-long", &*"x".repeat(40_000))];
    let answer = ask(&bench.router, "GET", "/healthz", &headers, "").await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(answer.json()["type"], "urn:vmray-sentinel:problem:large-head");
    let address = format!("/api/GetVMRaySample?sample_id=12&padding={}", "x".repeat(40_000));
    assert_eq!(bench.get(&address).await.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn no_other_origin_may_read_an_answer() {
    let bench = Bench::open();
    let headers = [("host", "localhost"), ("origin", "https://evil.example")];
    let answer = ask(&bench.router, "GET", "/api/status", &headers, "").await;
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{:?}", answer.headers);
    let preflight =
        [("origin", "https://evil.example"), ("access-control-request-method", "POST"), ("host", "localhost")];
    let answer = ask(&bench.router, "OPTIONS", "/api/UplaodURL", &preflight, "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{:?}", answer.headers);
}

#[tokio::test]
async fn the_status_is_told_as_json() {
    let answer = Bench::open().get("/api/status").await.json();
    assert_eq!(answer["indicators"], 0);
    assert_eq!(answer["quarantine"], json!([]));
}

#[tokio::test]
async fn the_openapi_document_names_the_same_paths_as_the_table() {
    let document = Bench::open().get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for operation in operations::all() {
        assert!(document["paths"][&operation.path][operation.method.as_str()].is_object(), "{}", operation.path);
    }
}
