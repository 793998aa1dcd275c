//! Writing rows, answer by answer.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use outbound::{Retry, TransportError};
use sentinel::{Cloud, CloudName, Identity, LogRow, LogsError, Tokens};
use serde_json::{Value, json};

use crate::fake::*;

const STREAM: &str = "Custom-Runs_CL";

fn rows(count: usize) -> Vec<LogRow> {
    (0..count).map(|n| [("RunId".to_owned(), json!(n.to_string()))].into_iter().collect()).collect()
}

fn unpacked(body: &Bytes) -> Vec<Value> {
    let mut plain = String::new();
    GzDecoder::new(body.as_ref()).read_to_string(&mut plain).unwrap();
    serde_json::from_str(&plain).unwrap()
}

async fn write(answers: impl IntoIterator<Item = Answer>) -> (Arc<Fake>, Result<(), LogsError>) {
    let fake = Fake::with_scripts([], answers);
    let tokens = Arc::new(tokens(&fake));
    let result = logs_client(&fake, tokens, &cloud()).write(STREAM, rows(2)).await;
    (fake, result)
}

#[tokio::test(start_paused = true)]
async fn the_call_is_what_the_service_documents() {
    let fake = Fake::new();
    let client = logs_client(&fake, Arc::new(tokens(&fake)), &cloud()).with_user_agent("vmray-sentinel/9 (test)");
    client.write(STREAM, rows(2)).await.unwrap();
    let seen = &fake.upload_requests()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(
        seen.uri,
        format!("https://logs.test/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01")
    );
    assert_eq!(seen.header("authorization"), "Bearer token-1");
    assert_eq!((seen.header("content-type"), seen.header("content-encoding")), ("application/json", "gzip"));
    assert_eq!(seen.header("user-agent"), "vmray-sentinel/9 (test)");
    assert_eq!(unpacked(&seen.body), [json!({"RunId": "0"}), json!({"RunId": "1"})]);
    assert_eq!(fake.token_requests()[0].form()["scope"], "https://monitor.azure.com/.default");
}

#[tokio::test(start_paused = true)]
async fn the_audience_is_that_of_the_cloud() {
    for (name, scope) in [
        (CloudName::UsGov, "https://monitor.azure.us/.default"),
        (CloudName::China, "https://monitor.azure.cn/.default"),
    ] {
        let fake = Fake::new();
        let cloud = Cloud { authority: "https://login.test".parse().unwrap(), ..Cloud::of(name) };
        logs_client(&fake, Arc::new(tokens(&fake)), &cloud).write(STREAM, rows(1)).await.unwrap();
        assert_eq!(fake.token_requests()[0].form()["scope"], scope);
    }
}

#[tokio::test(start_paused = true)]
async fn one_identity_holds_a_token_for_each_audience() {
    let fake = Fake::new();
    let tokens = Arc::new(tokens(&fake));
    let client = logs_client(&fake, tokens.clone(), &cloud());
    for _ in 0..3 {
        tokens.token("https://management.azure.com/.default").await.unwrap();
        client.write(STREAM, rows(1)).await.unwrap();
    }
    let scopes: Vec<_> = fake.token_requests().iter().map(|request| request.form()["scope"].clone()).collect();
    assert_eq!(scopes, ["https://management.azure.com/.default", "https://monitor.azure.com/.default"]);
    assert_eq!(fake.upload_requests().last().unwrap().header("authorization"), "Bearer token-2");
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_gets_one_for_this_audience_too() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "federated").unwrap();
    let fake = Fake::new();
    let identity = Identity::Workload {
        tenant: "contoso.onmicrosoft.com".parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        token_file: Path::new(&token_file).to_owned(),
    };
    let tokens = Arc::new(Tokens::new(fake.clone(), clock(), &cloud(), identity));
    logs_client(&fake, tokens, &cloud()).write(STREAM, rows(1)).await.unwrap();
    let form = fake.token_requests()[0].form();
    assert_eq!(
        (form["client_assertion"].as_str(), form["scope"].as_str()),
        ("federated", "https://monitor.azure.com/.default")
    );
}

#[tokio::test(start_paused = true)]
async fn many_rows_are_several_calls_and_none_is_no_call() {
    let fake = Fake::new();
    let client = logs_client(&fake, Arc::new(tokens(&fake)), &cloud());
    client.write(STREAM, Vec::new()).await.unwrap();
    assert!(fake.upload_requests().is_empty() && fake.token_requests().is_empty());
    let wide = (0..50).map(|_| [("Text".to_owned(), json!("x".repeat(50_000)))].into_iter().collect()).collect();
    client.write(STREAM, wide).await.unwrap();
    let counts: Vec<_> = fake.upload_requests().iter().map(|seen| unpacked(&seen.body).len()).collect();
    assert_eq!(counts, [19, 19, 12]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_too_large_sends_nothing() {
    let fake = Fake::new();
    let wide: LogRow = (0..20).map(|n| (format!("C{n}"), json!("x".repeat(60_000)))).collect();
    let client = logs_client(&fake, Arc::new(tokens(&fake)), &cloud());
    let error = client.write(STREAM, [rows(1), vec![wide]].concat()).await.unwrap_err();
    assert!(matches!(error, LogsError::RowTooLarge { .. }), "{error:?}");
    assert!(fake.upload_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn any_success_without_words_counts_and_a_page_does_not_and_is_not_repeated() {
    for status in [200, 204] {
        let (fake, result) = write([says(status, "")]).await;
        result.unwrap();
        assert_eq!(fake.upload_requests().len(), 1);
    }
    let (fake, result) = write([says(200, "<html><title>Log in</title></html>"), says(204, "")]).await;
    assert!(matches!(result, Err(LogsError::Unexpected { status: 200, .. })), "{result:?}");
    assert_eq!(fake.upload_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_and_a_server_error_are_repeated_with_the_same_rows() {
    let (fake, result) = write([lost(), says(500, ""), says(503, "<html>"), says(204, "")]).await;
    result.unwrap();
    let requests = fake.upload_requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.body == requests[0].body));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once() {
    let (fake, result) = write([says(401, ""), says(204, "")]).await;
    result.unwrap();
    let bearers: Vec<_> = fake.upload_requests().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(bearers, ["Bearer token-1", "Bearer token-2"]);

    let (fake, result) = write([says(401, ""), says(401, "")]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, LogsError::Unauthorized { .. }), "{error:?}");
    assert!(error.hint().contains("AzureCloud"), "{}", error.hint());
    assert_eq!((fake.upload_requests().len(), fake.token_requests().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_repeated_and_say_what_to_do() {
    let said = |status| says(status, r#"{"error":{"code":"Code","message":"words"}}"#);
    for (status, words, hint) in [
        (400, "refuses the rows: Code: words", "columns"),
        (403, "may not write by data collection rule", "Monitoring Metrics Publisher on the data collection rule"),
        (403, "words", "half an hour"),
        (403, RULE, CLIENT),
        (404, RULE, "LogsIngestionRule"),
        (404, STREAM, "LogsIngestionEndpoint"),
        (413, "too large", "report it"),
        (407, "status 407", "HttpsProxy"),
    ] {
        let (fake, result) = write([said(status)]).await;
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words), "{status}: {error}");
        assert!(error.hint().contains(hint), "{status}: {}", error.hint());
        assert_eq!((error.retry(), fake.upload_requests().len()), (Retry::Never, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_that_was_asked_for_is_told_at_once_by_the_next_write() {
    let fake = Fake::with_scripts([], [says_with(429, "retry-after", "600", "")]);
    let client = logs_client(&fake, Arc::new(tokens(&fake)), &cloud());
    client.write(STREAM, rows(1)).await.unwrap_err();
    let before = tokio::time::Instant::now();
    let error = client.write(STREAM, rows(1)).await.unwrap_err();
    assert!(matches!(error, LogsError::Throttled { .. }), "{error:?}");
    assert_eq!((before.elapsed().as_secs(), fake.upload_requests().len()), (0, 1));
    tokio::time::sleep(Duration::from_secs(600)).await;
    client.write(STREAM, rows(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_waits_as_told() {
    let (fake, result) = write([says_with(429, "retry-after", "7", ""), says(204, "")]).await;
    result.unwrap();
    let requests = fake.upload_requests();
    assert_eq!((requests[1].at - requests[0].at).as_secs(), 7);
    let (fake, result) = write([says(429, "")]).await;
    let error = result.unwrap_err();
    assert_eq!((error.retry(), fake.upload_requests().len()), (Retry::After(Duration::from_secs(60)), 1));
}

#[tokio::test(start_paused = true)]
async fn trouble_ends_within_a_minute_and_names_the_setting() {
    let gone = || TransportError::Connect { host: "logs.test".to_owned(), reason: "refused".to_owned() };
    let started = tokio::time::Instant::now();
    let (_, result) = write((0..1000).map(|_| Answer::Fails(gone()))).await;
    let error = result.unwrap_err();
    assert!(error.hint().contains("logs.test") && error.hint().contains("LogsIngestionEndpoint"), "{}", error.hint());
    assert!(started.elapsed() <= Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn no_token_of_ours_is_shown() {
    let (_, result) = write([says(400, "you sent: Bearer token-1")]).await;
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(shown.contains("***") && !shown.contains("token-1"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_rows_shows_whether_it_may_be_made() {
    let fake = Fake::with_scripts([], [says(204, ""), says(403, "")]);
    let client = logs_client(&fake, Arc::new(tokens(&fake)), &cloud());
    client.probe(STREAM).await.unwrap();
    assert!(matches!(client.probe(STREAM).await, Err(LogsError::Forbidden { .. })));
    assert_eq!(unpacked(&fake.upload_requests()[0].body), Vec::<Value>::new());
}
