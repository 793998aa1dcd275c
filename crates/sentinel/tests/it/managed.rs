//! Managed identities.
//!
//! `azure_identity` finds the endpoint in the process's environment, which a test must not change. So each test here
//! starts this test binary again with an environment of its own, for the test that does the asking.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outbound::{Retry, TransportError};
use secrecy::ExposeSecret as _;
use sentinel::{Identity, TokenError, Tokens};

use crate::fake::*;

const SCOPE: &str = "https://management.azure.com/.default";
const VARIABLES: [&str; 6] = [
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];

fn run_with(environment: &[(&str, &str)], test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("managed::{test}"), "--ignored"]);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

fn managed(fake: &Arc<Fake>, client_id: Option<&str>) -> Tokens {
    let identity = Identity::Managed { client_id: client_id.map(|id| id.parse().unwrap()) };
    Tokens::new(fake.clone(), clock(), &cloud(), identity)
}

fn granted(expires: &str) -> Answer {
    says(
        200,
        format!(r#"{{"access_token":"mi","resource":"https://management.azure.com","token_type":"Bearer",{expires}}}"#),
    )
}

#[test]
fn app_service_is_asked_as_it_documents() {
    run_with(
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:41404/msi/token/"), ("IDENTITY_HEADER", "h3ader")],
        "asks_app_service",
    );
}

#[tokio::test(start_paused = true)]
#[ignore = "started by app_service_is_asked_as_it_documents"]
async fn asks_app_service() {
    // 2026-01-01T02:00:00Z, two hours after the clock's start.
    let fake = Fake::with_scripts((0..2).map(|_| granted(r#""expires_on":"1767232800""#)), []);
    let tokens = managed(&fake, Some(CLIENT));
    assert_eq!(tokens.token(SCOPE).await.unwrap().expose_secret(), "mi");
    let seen = &fake.token_requests()[0];
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.header("x-identity-header"), "h3ader");
    let (endpoint, query) = seen.uri.split_once('?').unwrap();
    assert_eq!(endpoint, "http://127.0.0.1:41404/msi/token/");
    let mut query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    query.sort();
    let expected = [("api-version", "2019-08-01"), ("client_id", CLIENT), ("resource", "https://management.azure.com")];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    tokio::time::advance(Duration::from_secs(6890)).await;
    tokens.token(SCOPE).await.unwrap();
    assert_eq!(fake.token_requests().len(), 1);
    tokio::time::advance(Duration::from_secs(20)).await;
    tokens.token(SCOPE).await.unwrap();
    assert_eq!(fake.token_requests().len(), 2);

    let fake =
        Fake::with_scripts([says(400, r#"{"statusCode":400,"message":"No User Assigned identity found."}"#)], []);
    let error = managed(&fake, Some(CLIENT)).token(SCOPE).await.unwrap_err();
    assert!(matches!(error, TokenError::ManagedIdentityRefused { status: 400, .. }), "{error:?}");
    assert!(error.hint().contains("az functionapp identity assign"), "{}", error.hint());
}

#[test]
fn the_metadata_service_is_asked_as_it_documents() {
    run_with(&[], "asks_the_metadata_service");
}

#[tokio::test(start_paused = true)]
#[ignore = "started by the_metadata_service_is_asked_as_it_documents"]
async fn asks_the_metadata_service() {
    let answer = granted(r#""expires_in":"3599","expires_on":"1506484173""#);
    // 404 and 410 are its way to say "not yet".
    let fake = Fake::with_scripts([says(404, ""), says(410, ""), says(500, ""), answer], []);
    assert_eq!(managed(&fake, None).token(SCOPE).await.unwrap().expose_secret(), "mi");
    let requests = fake.token_requests();
    assert_eq!(requests.len(), 4, "our repeats and none of the SDK's");
    assert_eq!(requests[3].header("metadata"), "true");
    assert!(
        requests[3].uri.starts_with("http://169.254.169.254/metadata/identity/oauth2/token?"),
        "{}",
        requests[3].uri
    );
    assert!(requests[3].uri.contains("resource=https%3A%2F%2Fmanagement.azure.com"), "{}", requests[3].uri);
    assert!(!requests[3].uri.contains("default"));
}

#[test]
fn off_azure_it_is_said_at_once() {
    run_with(&[], "asks_nobody");
}

#[tokio::test(start_paused = true)]
#[ignore = "started by off_azure_it_is_said_at_once"]
async fn asks_nobody() {
    let host = "169.254.169.254".to_owned();
    let fake = Fake::with_scripts([Answer::Fails(TransportError::Connect { host, reason: "no route".to_owned() })], []);
    let error = managed(&fake, None).token(SCOPE).await.unwrap_err();
    assert!(matches!(error, TokenError::NoManagedIdentity { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.hint().contains("AzureClientSecret") && error.hint().contains("NoProxy"));
    assert_eq!(fake.token_requests().len(), 1);
}

#[test]
fn a_host_that_the_sdk_does_not_support_is_named() {
    run_with(&[("IDENTITY_ENDPOINT", "http://localhost:40342"), ("IMDS_ENDPOINT", "http://localhost")], "asks_arc");
}

#[tokio::test(start_paused = true)]
#[ignore = "started by a_host_that_the_sdk_does_not_support_is_named"]
async fn asks_arc() {
    let error = managed(&Fake::new(), None).token(SCOPE).await.unwrap_err();
    assert!(error.to_string().contains("Azure Arc"), "{error}");
    assert!(matches!(error, TokenError::NoManagedIdentity { .. }), "{error:?}");
}

#[test]
fn rows_are_written_by_the_same_identity_for_their_own_audience() {
    run_with(
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:41404/msi/token/"), ("IDENTITY_HEADER", "h3ader")],
        "writes_rows",
    );
}

#[tokio::test(start_paused = true)]
#[ignore = "started by rows_are_written_by_the_same_identity_for_their_own_audience"]
async fn writes_rows() {
    let fake = Fake::with_scripts((0..2).map(|_| granted(r#""expires_on":"1767232800""#)), []);
    let tokens = Arc::new(managed(&fake, Some(CLIENT)));
    let client = logs_client(&fake, Arc::clone(&tokens), &cloud());
    tokens.token(SCOPE).await.unwrap();
    for _ in 0..2 {
        client.write("Custom-Runs_CL", vec![sentinel::LogRow::new()]).await.unwrap();
    }
    let resources: Vec<_> = fake
        .token_requests()
        .iter()
        .map(|seen| {
            let (_, query) = seen.uri.split_once('?').unwrap();
            let mut query = url::form_urlencoded::parse(query.as_bytes());
            query.find(|(name, _)| name == "resource").unwrap().1.into_owned()
        })
        .collect();
    assert_eq!(resources, ["https://management.azure.com", "https://monitor.azure.com"]);
    assert_eq!(fake.upload_requests().len(), 2);
}
