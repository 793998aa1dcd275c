//! Failures: which are repeated, and what the operator reads.

use std::time::Duration;

use outbound::{Retry, TransportError};
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;
use vmray::{Error, SampleId};

use crate::script::{KEY, always, data, error, interrupted, raw, scripted};

#[tokio::test(start_paused = true)]
async fn transient_failures_are_repeated() {
    let (script, client) = scripted([
        raw(503, &[], "<html><title>Maintenance</title>"),
        interrupted(),
        raw(200, &[], "<html><title>Proxy</title>"),
        raw(200, &[], ""),
        data(&json!({"version": "4.2.0"})),
    ]);
    assert!(client.system_info().await.is_ok());
    assert_eq!(script.asked().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_waited_for() {
    let body = json!({"error_msg": "Request was throttled. Expected available in 7 seconds.", "result": "error"});
    let (script, client) = scripted([raw(429, &[], &body.to_string()), data(&json!({}))]);
    let started = Instant::now();
    client.system_info().await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(7));
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endless_throttle_ends_within_a_minute() {
    let (_, client) = always(raw(429, &[("retry-after", "9")], ""));
    let started = Instant::now();
    let error = client.system_info().await.unwrap_err();
    assert!(matches!(error, Error::Throttled { retry_after: Some(_) }), "{error}");
    assert!(started.elapsed() <= Duration::from_secs(60));
}

#[rstest]
#[case(401, "Invalid authentication", "VmrayAPIKey")]
#[case(403, "", "may see this sample")]
#[case(404, "No such element", "without /rest")]
#[case(405, "Method not allowed", "read the message")]
#[case(302, "", "final https address")]
#[tokio::test(start_paused = true)]
async fn refusals_are_final_and_say_what_to_check(#[case] status: u16, #[case] message: &str, #[case] hint: &str) {
    let (script, client) = scripted([error(status, message)]);
    let error = client.iocs(SampleId(1)).await.unwrap_err();
    assert_eq!(script.asked().len(), 1);
    assert_eq!(error.retry(), Retry::Never);
    assert!(!error.is_transient() && !error.may_have_acted());
    assert!(error.hint().contains(hint), "{}", error.hint());
}

#[tokio::test(start_paused = true)]
async fn no_message_holds_the_key() {
    let echo = format!("Authorization: api_key {KEY}");
    for status in [200, 400, 500] {
        let (_, client) = always(raw(status, &[], &echo));
        let error = client.system_info().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        assert!(!format!("{client:?}").contains(KEY));
    }
}

#[test]
fn an_answer_too_large_is_not_asked_for_again() {
    let error = Error::from(TransportError::TooLarge { host: "h".to_owned(), limit_bytes: 1, size_bytes: None });
    assert_eq!(error.retry(), Retry::Never);
}
