//! Logs ingestion: who may write, what is a row, what is refused.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{Fault, FaultRule, LogsOptions, ServiceName, StackOptions, Throttle, When, World};

use crate::bench::{Bench, RESOURCE, read};

const MONITOR: &str = "https://monitor.azure.com";

fn bench() -> Bench {
    Bench::new(World::new(), StackOptions::default())
}

fn path() -> String {
    path_of(LogsOptions::RULE, LogsOptions::EVENTS)
}

fn path_of(rule: &str, stream: &str) -> String {
    format!("/dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01")
}

fn row() -> Value {
    json!({"TimeGenerated": "2026-03-01T00:00:00Z", "RunId": "r", "Kind": "dropped", "Count": 3, "Message": null})
}

fn call(path: &str, token: &str, body: impl Into<Bytes>) -> outbound::Request {
    Request::post(format!("https://logs.test{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// Makes a call with a good token; status and code of the answer.
async fn wrote(bench: &Bench, path: &str, body: &Value) -> (u16, Value) {
    let token = bench.token_for(MONITOR).await;
    let (status, body) = read(&bench.ask(call(path, &token, body.to_string())).await);
    (status, body["error"]["code"].clone())
}

#[tokio::test(start_paused = true)]
async fn takes_rows_plain_and_packed_and_keeps_them() {
    let bench = bench();
    let token = bench.token_for(MONITOR).await;
    let body = json!([row(), row()]).to_string();
    let answer = bench.ask(call(&path(), &token, body.clone())).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (204, 0));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let mut packed = call(&path(), &token, encoder.finish().unwrap());
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(bench.ask(packed).await.status(), 204);
    // It knows no row again.
    assert_eq!(bench.stack.logs.rows_of(LogsOptions::EVENTS).len(), 4);
    assert_eq!(Value::from(bench.stack.logs.rows()[3].columns.clone()), row());
    assert_eq!(bench.stack.logs.requests().iter().map(|seen| seen.objects).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn wants_a_living_token_for_azure_monitor() {
    let bench = bench();
    let body = || json!([row()]).to_string();
    for resource in [MONITOR, "https://monitor.azure.com/"] {
        let token = bench.token_for(resource).await;
        assert_eq!(bench.ask(call(&path(), &token, body())).await.status(), 204, "{resource}");
    }
    let token = bench.token_for(RESOURCE).await;
    assert_eq!(bench.ask(call(&path(), &token, body())).await.status(), 401);
    assert_eq!(bench.ask(call(&path(), "forged.token.x", body())).await.status(), 401);
    let token = bench.token_for(MONITOR).await;
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(bench.ask(call(&path(), &token, body())).await.status(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_for_the_monitor_of_another_cloud_is_refused() {
    let clouds = [MONITOR, "https://monitor.azure.us", "https://monitor.azure.cn"];
    for here in clouds {
        let logs = LogsOptions { audience: here.to_owned(), ..LogsOptions::default() };
        let bench = Bench::new(World::new(), StackOptions { logs, ..StackOptions::default() });
        for audience in clouds {
            let token = bench.token_for(audience).await;
            let status = bench.ask(call(&path(), &token, json!([row()]).to_string())).await.status().as_u16();
            assert_eq!(status, if audience == here { 204 } else { 401 }, "a token for {audience} at {here}");
        }
    }
}

#[rstest]
#[case::rule(path_of("dcr-00000000000000000000000000000000", LogsOptions::EVENTS), 404, "NotFound")]
#[case::stream(path_of(LogsOptions::RULE, "Custom-Other_CL"), 400, "InvalidStream")]
#[case::version(path().replace("2023-01-01", "2021-11-01-preview"), 400, "UnsupportedApiVersion")]
#[case::no_version(path().replace("?api-version=2023-01-01", ""), 400, "MissingApiVersion")]
#[case::elsewhere("/dataCollectionRules/x".to_owned(), 404, "NotFound")]
#[tokio::test(start_paused = true)]
async fn refuses_what_it_does_not_know(#[case] path: String, #[case] status: u16, #[case] code: &str) {
    assert_eq!(wrote(&bench(), &path, &json!([row()])).await, (status, code.into()));
}

#[rstest]
#[case::object(row(), "InvalidPayload")]
#[case::nothing(json!([]), "InvalidPayload")]
#[case::text(json!(["x"]), "InvalidRecord")]
#[case::other_column(json!([{"TimeGenerated": "2026-03-01T00:00:00Z", "Colour": 1}]), "InvalidRecord")]
#[case::other_type(json!([{"TimeGenerated": "2026-03-01T00:00:00Z", "Count": "3"}]), "InvalidRecord")]
#[case::no_time(json!([{"Count": 3}]), "InvalidRecord")]
#[tokio::test(start_paused = true)]
async fn refuses_what_is_no_row_and_keeps_none_of_the_call(#[case] body: Value, #[case] code: &str) {
    let bench = bench();
    assert_eq!(wrote(&bench, &path(), &body).await, (400, code.into()));
    assert_eq!(wrote(&bench, &path(), &json!([row(), {"Colour": 1}])).await.0, 400);
    assert!(bench.stack.logs.rows().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refuses_more_than_a_megabyte_and_other_content() {
    let bench = bench();
    let token = bench.token_for(MONITOR).await;
    let large = format!("[{}]", vec![row().to_string(); 15_000].join(","));
    assert_eq!(bench.ask(call(&path(), &token, large)).await.status(), 413);
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "br")] {
        let mut other = call(&path(), &token, json!([row()]).to_string());
        other.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(bench.ask(other).await.status(), 415);
    }
}

#[tokio::test(start_paused = true)]
async fn refuses_an_identity_without_the_role() {
    let bench = bench();
    bench.stack.logs.edit(|options| options.publishers.clear());
    assert_eq!(wrote(&bench, &path(), &json!([row()])).await, (403, "OperationFailed".into()));
}

#[tokio::test(start_paused = true)]
async fn holds_the_pace_of_a_rule_and_meets_faults() {
    let bench = bench();
    let throttle = Throttle { requests: 1, window: Duration::from_secs(60) };
    bench.stack.logs.edit(|options| options.throttle = Some(throttle));
    let token = bench.token_for(MONITOR).await;
    let one = || call(&path(), &token, json!([row()]).to_string());
    assert_eq!(bench.ask(one()).await.status(), 204);
    let refused = bench.ask(one()).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    tokio::time::advance(Duration::from_secs(60)).await;
    bench.stack.faults().add(FaultRule::new(ServiceName::Logs, When::Nth(1), Fault::ResetAfter));
    assert!(bench.send(one()).await.is_err());
    assert_eq!(bench.stack.logs.rows().len(), 2, "it acted before the connection ended");
}
