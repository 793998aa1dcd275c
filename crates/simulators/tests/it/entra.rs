use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rstest::rstest;
use serde_json::Value;
use simulators::{EntraOptions, Fault, FaultRule, ServiceName, StackOptions, When, World};

use crate::bench::{Bench, RESOURCE, read};

const SCOPE: &str = "https://management.azure.com/.default";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn bench() -> Bench {
    Bench::new(World::new(), StackOptions::default())
}

fn good() -> Vec<(&'static str, &'static str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", EntraOptions::CLIENT_ID),
        ("client_secret", EntraOptions::CLIENT_SECRET),
        ("scope", SCOPE),
    ]
}

fn v2() -> String {
    format!("/{}/oauth2/v2.0/token", EntraOptions::TENANT)
}

fn code(body: &Value) -> u64 {
    body["error_codes"][0].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn issues_a_token_for_the_right_secret() {
    let bench = bench();
    let (status, body) = bench.token_form(&v2(), &good()).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    let requests = bench.stack.entra.token_requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].issued);
    assert_eq!(requests[0].resource, SCOPE);
}

#[tokio::test(start_paused = true)]
async fn the_v1_endpoint_takes_a_resource_and_answers_strings() {
    let mut form = good();
    form.retain(|(name, _)| *name != "scope");
    form.push(("resource", RESOURCE));
    let (status, body) = bench().token_form(&format!("/{}/oauth2/token", EntraOptions::TENANT), &form).await;
    assert_eq!(status, 200);
    assert_eq!(body["expires_in"], "3599");
    assert_eq!(body["expires_on"], (crate::bench::now().as_second() + 3599).to_string());
}

#[rstest]
#[case::no_grant_type("grant_type", "", 400, "invalid_request", 900_144)]
#[case::other_grant_type("grant_type", "password", 400, "unsupported_grant_type", 70003)]
#[case::no_client("client_id", "", 400, "invalid_request", 900_144)]
#[case::unknown_client("client_id", "99999999-aaaa-4bbb-8ccc-000000000009", 400, "unauthorized_client", 700_016)]
#[case::no_secret("client_secret", "", 401, "invalid_client", 7_000_218)]
#[case::wrong_secret("client_secret", "wrong", 401, "invalid_client", 7_000_215)]
#[case::no_scope("scope", "", 400, "invalid_request", 900_144)]
#[case::scope_without_default("scope", "https://management.azure.com", 400, "invalid_scope", 70011)]
#[case::two_scopes("scope", "openid https://management.azure.com/.default", 400, "invalid_scope", 70011)]
#[case::unknown_resource("scope", "https://foo.example/.default", 400, "invalid_resource", 500_011)]
#[case::resource_in_v2("resource", "https://management.azure.com", 400, "invalid_request", 901_002)]
#[tokio::test(start_paused = true)]
async fn refuses(
    #[case] field: &str,
    #[case] value: &str,
    #[case] status: u16,
    #[case] error: &str,
    #[case] expected: u64,
) {
    let bench = bench();
    let mut form = good();
    form.retain(|(name, _)| *name != field);
    form.push((field, value));
    let (found, body) = bench.token_form(&v2(), &form).await;
    assert_eq!((found, body["error"].as_str().unwrap(), code(&body)), (status, error, expected), "{body}");
    assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{expected}: ")));
    assert!(!bench.stack.entra.token_requests()[0].issued);
}

#[tokio::test(start_paused = true)]
async fn refuses_an_unknown_tenant() {
    let (status, body) = bench().token_form("/other.example/oauth2/v2.0/token", &good()).await;
    assert_eq!((status, code(&body)), (400, 90002));
}

#[tokio::test(start_paused = true)]
async fn refuses_a_secret_that_has_expired_by_the_clock() {
    let bench = bench();
    let end = crate::bench::at("2026-03-01T00:10:00Z");
    bench.stack.entra.edit(|options| options.apps[0].secrets[0].expires = Some(end));
    assert_eq!(bench.token_form(&v2(), &good()).await.0, 200);
    tokio::time::advance(Duration::from_secs(600)).await;
    let (status, body) = bench.token_form(&v2(), &good()).await;
    assert_eq!((status, code(&body)), (401, 7_000_222));
}

#[tokio::test(start_paused = true)]
async fn refuses_a_body_that_is_no_form_and_a_get() {
    let bench = bench();
    let post = Request::post(format!("https://login.test{}", v2()))
        .header("content-type", "application/json")
        .body(Bytes::from_static(b"{\"grant_type\": \"client_credentials\"}"))
        .unwrap();
    assert_eq!(code(&read(&bench.ask(post).await).1), 900_144);
    let get = Request::get(format!("https://login.test{}", v2())).body(Bytes::new()).unwrap();
    assert_eq!(code(&read(&bench.ask(get).await).1), 900_561);
}

async fn asserted(bench: &Bench, assertion: &str) -> (u16, Value) {
    let mut form = good();
    form.retain(|(name, _)| *name != "client_secret");
    form.push(("client_assertion_type", JWT_BEARER));
    form.push(("client_assertion", assertion));
    bench.token_form(&v2(), &form).await
}

#[tokio::test(start_paused = true)]
async fn takes_the_token_of_a_trusted_issuer_while_it_is_valid() {
    let bench = bench();
    let hour = Duration::from_secs(3600);
    let trusted = bench.stack.entra.federated_token(EntraOptions::ISSUER, EntraOptions::SUBJECT, hour);
    assert_eq!(asserted(&bench, &trusted).await.0, 200);
    let stranger = bench.stack.entra.federated_token("https://other.test", EntraOptions::SUBJECT, hour);
    assert_eq!(code(&asserted(&bench, &stranger).await.1), 70021);
    assert_eq!(code(&asserted(&bench, "a.b.c").await.1), 50013);
    tokio::time::advance(hour).await;
    assert_eq!(code(&asserted(&bench, &trusted).await.1), 700_024);
}

async fn get(bench: &Bench, path: &str, header: Option<(&str, &str)>) -> (u16, Value) {
    let mut request = Request::get(format!("https://login.test{path}"));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    read(&bench.ask(request.body(Bytes::new()).unwrap()).await)
}

#[tokio::test(start_paused = true)]
async fn app_service_identity_wants_its_header_and_a_bare_resource() {
    let bench = bench();
    let header = Some(("x-identity-header", EntraOptions::IDENTITY_HEADER));
    let path = |resource: &str| format!("/msi/token?api-version=2019-08-01&resource={resource}");
    let (status, body) = get(&bench, &path(RESOURCE), header).await;
    assert_eq!(status, 200);
    assert!(body["expires_on"].is_string());
    assert!(body.get("expires_in").is_none());
    assert_eq!(body["client_id"], EntraOptions::MANAGED_CLIENT_ID);
    assert_eq!(get(&bench, &path(RESOURCE), None).await.0, 401);
    assert_eq!(get(&bench, &path(RESOURCE), Some(("x-identity-header", "x"))).await.0, 401);
    assert_eq!(get(&bench, &path(SCOPE), header).await.0, 400);
    assert_eq!(get(&bench, "/msi/token?resource=https://management.azure.com", header).await.0, 400);
    let two = format!("{}&client_id=a&principal_id=b", path(RESOURCE));
    assert_eq!(get(&bench, &two, header).await.0, 400);
    assert_eq!(get(&bench, &format!("{}&client_id=unknown", path(RESOURCE)), header).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn machine_identity_wants_the_metadata_header_and_answers_strings() {
    let bench = bench();
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={RESOURCE}");
    let (status, body) = get(&bench, &path, Some(("metadata", "true"))).await;
    assert_eq!(status, 200);
    assert_eq!(body["expires_in"], "3599");
    assert_eq!(get(&bench, &path, None).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn serves_what_sdks_read_first() {
    let bench = bench();
    let path = format!("/{}/v2.0/.well-known/openid-configuration", EntraOptions::TENANT);
    let (status, body) = get(&bench, &path, None).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_endpoint"], format!("https://login.test{}", v2()));
    let (status, body) = get(&bench, "/nowhere/v2.0/.well-known/openid-configuration", None).await;
    assert_eq!((status, body["error"].as_str().unwrap()), (400, "invalid_tenant"));
}

#[tokio::test(start_paused = true)]
async fn a_passing_trouble_is_503_in_its_own_words() {
    let bench = bench();
    bench.stack.faults().add(FaultRule::new(ServiceName::Entra, When::Nth(1), Fault::Unavailable));
    let (status, body) = bench.token_form(&v2(), &good()).await;
    assert_eq!((status, body["error"].as_str().unwrap(), code(&body)), (503, "temporarily_unavailable", 90033));
    assert_eq!(bench.token_form(&v2(), &good()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn throttles_in_its_own_words() {
    let bench = bench();
    let fault = Fault::Throttled { retry_after: Duration::from_secs(9) };
    bench.stack.faults().add(FaultRule::new(ServiceName::Entra, When::Nth(1), fault));
    let (status, body) = bench.token_form(&v2(), &good()).await;
    assert_eq!((status, body["error"].as_str().unwrap(), code(&body)), (429, "temporarily_unavailable", 90055));
    assert_eq!(bench.token_form(&v2(), &good()).await.0, 200);
}
