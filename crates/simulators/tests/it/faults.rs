use std::time::Duration;

use outbound::TransportError;
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{
    Fault, FaultRule, Latency, ServiceName, StackOptions, UploadOptions, VmrayOptions, When, World, WorldOptions,
};

use crate::bench::{Bench, RESOURCE, indicator, read};

async fn upload_under(fault: Fault) -> (Bench, Result<(u16, Value), TransportError>) {
    let bench = Bench::new(World::new(), StackOptions::default());
    let token = bench.token_for(RESOURCE).await;
    bench.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Nth(1), fault));
    let body = json!({"sourcesystem": "tests", "stixobjects": [indicator(1), {}]});
    let outcome = bench.send(Bench::upload_request(&Bench::upload_path(), &token, &body)).await;
    (bench, outcome.map(|answer| read(&answer)))
}

#[rstest]
#[case(Fault::Status(503), 503, 0)]
#[case(Fault::StatusAfter(500), 500, 1)]
#[case(Fault::HtmlPage, 200, 0)]
#[tokio::test(start_paused = true)]
async fn a_wrong_answer_says_nothing_about_what_was_done(
    #[case] fault: Fault,
    #[case] status: u16,
    #[case] rows: usize,
) {
    let (bench, outcome) = upload_under(fault).await;
    assert_eq!(outcome.unwrap(), (status, Value::Null));
    assert_eq!(bench.stack.upload.row_count(), rows);
}

#[tokio::test(start_paused = true)]
async fn wrong_json_comes_after_the_deed() {
    let (bench, outcome) = upload_under(Fault::WrongJson).await;
    let (status, body) = outcome.unwrap();
    assert_eq!((status, body.get("errors").is_none(), body.is_object()), (200, true, true));
    assert_eq!(bench.stack.upload.row_count(), 1);
}

#[rstest]
#[case(Fault::ResetBefore, 0)]
#[case(Fault::ResetAfter, 1)]
#[tokio::test(start_paused = true)]
async fn a_reset_comes_before_or_after_the_deed(#[case] fault: Fault, #[case] rows: usize) {
    let (bench, outcome) = upload_under(fault).await;
    assert!(matches!(outcome.unwrap_err(), TransportError::Interrupted { .. }));
    assert_eq!(bench.stack.upload.row_count(), rows);
    assert_eq!(bench.stack.upload.requests()[0].status, None);
}

#[tokio::test(start_paused = true)]
async fn a_cut_body_is_half_of_the_answer() {
    let (bench, outcome) = upload_under(Fault::CutBody).await;
    let TransportError::Truncated { status, received, .. } = outcome.unwrap_err() else { panic!("truncated") };
    assert_eq!(status, 200);
    assert!(received.starts_with(b"{\"errors\"") && serde_json::from_slice::<Value>(&received).is_err());
    assert_eq!(bench.stack.upload.row_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hang_lasts_until_the_caller_goes() {
    let bench = Bench::new(World::new(), StackOptions::default());
    bench.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Always, Fault::Hang));
    let day = Duration::from_secs(86_400);
    assert!(tokio::time::timeout(day, bench.vmray("/system_info")).await.is_err());
    bench.stack.faults().clear();
    assert_eq!(bench.vmray("/system_info").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_promised_continuation_can_be_forgotten() {
    let vmray = VmrayOptions { api_items_per_request: 5, ..VmrayOptions::default() };
    let world = World::generate(&WorldOptions { samples: 20, ..WorldOptions::default() });
    let bench = Bench::new(world, StackOptions { vmray, ..StackOptions::default() });
    bench.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::DropContinuation));
    let (_, body) = bench.vmray("/submission").await;
    assert_eq!(bench.vmray(&format!("/continuation/{}", body["continuation_id"])).await.0, 404);
    let (_, body) = bench.vmray("/submission").await;
    assert_eq!(bench.vmray(&format!("/continuation/{}", body["continuation_id"])).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn each_service_throttles_in_its_own_words() {
    let fault = Fault::Throttled { retry_after: Duration::from_secs(37) };
    let (_, outcome) = upload_under(fault).await;
    assert_eq!(outcome.unwrap().1["message"], "Rate limit is exceeded. Try again in 37 seconds.");
    let bench = Bench::new(World::new(), StackOptions::default());
    bench.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Always, fault));
    let answer = bench.vmray_answer("/system_info").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "37"));
}

#[tokio::test(start_paused = true)]
async fn latency_passes_on_tokios_time() {
    let vmray = VmrayOptions { latency: Latency::Fixed(Duration::from_millis(50)), ..VmrayOptions::default() };
    let spread = Latency::Uniform(Duration::from_millis(200), Duration::from_millis(400));
    let upload = UploadOptions { latency: spread, ..UploadOptions::default() };
    let bench = Bench::new(World::new(), StackOptions { vmray, upload, ..StackOptions::default() });
    let started = tokio::time::Instant::now();
    bench.vmray("/system_info").await;
    assert_eq!(started.elapsed(), Duration::from_millis(50));
    bench.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::Delay(Duration::from_secs(2))));
    bench.vmray("/system_info").await;
    assert_eq!(started.elapsed(), Duration::from_millis(2100));
    let started = tokio::time::Instant::now();
    bench.upload(&[indicator(1)]).await;
    let taken = started.elapsed();
    assert!(taken >= Duration::from_millis(200) && taken <= Duration::from_millis(402), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_are_logged_with_their_status() {
    let bench = Bench::new(World::new(), StackOptions::default());
    bench.vmray("/system_info").await;
    bench.vmray("/submission/7?x=y").await;
    let seen = bench.stack.vmray.requests();
    assert_eq!(seen.iter().map(|seen| seen.status).collect::<Vec<_>>(), [Some(200), Some(404)]);
    assert_eq!(seen[1].path, "/rest/submission/7?x=y");
    assert_eq!(bench.stack.vmray.request_count(), 2);
}
