//! The product's own clients against the simulators: two readings of the references that must agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outbound::{Clock, Exchange, RetryPolicy, TokioClock};
use rstest::rstest;
use serde_json::json;
use simulators::{
    Access, Bound, DefaultOrder, Fault, FaultRule, ServiceName, Stack, StackOptions, TruncatedFlag, VmrayOptions, When,
    World, WorldOptions,
};
use stix::Observable;
use vmray::{Client, Entry, SampleHash, SampleId, SubmissionFilter, SubmissionId, SubmitRequest};

use crate::bench::{Bench, at, indicator, with};

fn client(options: VmrayOptions, world: World) -> (Stack, Client) {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(crate::bench::now()));
    let stack = Stack::new(world, StackOptions { vmray: options, ..StackOptions::default() }, clock.clone());
    let exchange = Exchange::new(Arc::new(stack.in_process()), RetryPolicy::default()).with_seed(1);
    let client =
        Client::new(exchange, "https://vmray.test".parse().unwrap(), VmrayOptions::API_KEY.into(), "tests", clock);
    (stack, client)
}

fn world() -> World {
    World::generate(&WorldOptions { samples: 150, odd_rate: 0.3, burst: 60, ..WorldOptions::default() })
}

async fn all(client: &Client) -> BTreeSet<u64> {
    let mut filter = SubmissionFilter {
        finish_time: Some((Some(at("2026-01-01T00:00:00Z")), Some(at("2026-03-01T00:00:00Z")))),
        ..SubmissionFilter::default()
    };
    let mut found = BTreeSet::new();
    loop {
        let page = client.submissions(&filter).await.unwrap();
        let ids: Vec<u64> = page.items.iter().map(|entry| entry.read().unwrap().id.0).collect();
        filter.min_id = ids.iter().max().map(|last| SubmissionId(last + 1));
        found.extend(ids);
        if !page.more {
            return found;
        }
    }
}

#[rstest]
#[case::defaults(VmrayOptions::default())]
#[case::small_pages(VmrayOptions { api_items_per_request: 7, max_api_items: 30, ..VmrayOptions::default() })]
#[case::silent(VmrayOptions { max_api_items: 1000, truncated_flag: TruncatedFlag::Never, default_order: DefaultOrder::Ascending, ..VmrayOptions::default() })]
#[case::open_ends(VmrayOptions { lower_bound: Bound::Exclusive, upper_bound: Bound::Exclusive, ..VmrayOptions::default() })]
#[tokio::test(start_paused = true)]
async fn the_vmray_client_lists_everything_that_has_finished(#[case] options: VmrayOptions) {
    let world = world();
    let expected: BTreeSet<u64> = world
        .submissions()
        .filter(|made| made.is_finished(crate::bench::now()) && made.tells_finish_time)
        .map(|made| made.id)
        .collect();
    let (_, client) = client(options, world);
    assert_eq!(all(&client).await, expected);
}

#[rstest]
#[case(Fault::ResetBefore)]
#[case(Fault::ResetAfter)]
#[case(Fault::CutBody)]
#[case(Fault::Status(503))]
#[case(Fault::Hang)]
#[case(Fault::Throttled { retry_after: Duration::from_secs(3) })]
#[tokio::test(start_paused = true)]
async fn the_vmray_client_lists_everything_through_lost_answers(#[case] fault: Fault) {
    let (stack, client) = client(VmrayOptions { api_items_per_request: 20, ..VmrayOptions::default() }, world());
    // A continuation whose answer is lost is gone, so pages are asked for that need none.
    let client = client.with_page_limit(20);
    let undisturbed = all(&client).await;
    stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Every(3), fault));
    assert_eq!(all(&client).await, undisturbed);
}

#[tokio::test(start_paused = true)]
async fn the_vmray_client_reads_all_findings_and_the_rest() {
    let world = world();
    let samples: Vec<u64> = world.samples().map(|sample| sample.id).collect();
    let hash = world.sample(samples[0]).unwrap().hashes.sha256.clone().unwrap();
    let (_, client) = client(VmrayOptions { all_artifacts_by_default: true, ..VmrayOptions::default() }, world.clone());
    for id in samples {
        let reply = client.iocs(SampleId(id)).await;
        let reply = match (world.sample(id).unwrap().access, reply) {
            (Access::Open, reply) => reply.unwrap(),
            (Access::Waiting, Ok(reply)) if reply.status != vmray::ReportStatus::Finished => continue,
            (Access::Forbidden | Access::Locked, Err(vmray::Error::Forbidden))
            | (Access::Missing, Err(vmray::Error::NotFound)) => continue,
            // What is no list is an entry that cannot be read.
            (Access::Unreadable, Ok(reply)) => {
                assert!(reply.iocs.domains.iter().all(|entry| entry.read().is_none()), "{id}");
                continue;
            }
            (access, reply) => panic!("sample {id} is {access:?} and the client reads {reply:?}"),
        };
        let values = |found: usize, list: &str| {
            assert_eq!(found, world.iocs_json(id)[list].as_array().unwrap().len(), "{list}");
        };
        values(reply.iocs.domains.iter().filter_map(Entry::read).count(), "domains");
        values(reply.iocs.files.iter().filter_map(Entry::read).count(), "files");
        values(reply.iocs.urls.iter().filter_map(Entry::read).count(), "urls");
        client.mitre_attack(SampleId(id)).await.unwrap();
        client.vtis(SampleId(id)).await.unwrap();
        client.sample(SampleId(id)).await.unwrap();
        client.analyses_of_sample(SampleId(id)).await.unwrap();
    }
    let hash: SampleHash = hash.parse().unwrap();
    assert_eq!(client.samples_by_hash(&hash).await.unwrap().items.len(), 1);
    let probe = client.probe().await.unwrap();
    assert_eq!(probe.clock_offset.map(|offset| offset.as_secs()), Some(0));
    client.quota().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_vmray_client_submits() {
    let (_, client) = client(VmrayOptions::default(), World::new());
    for request in
        [SubmitRequest::url("http://h.example/'\"ö"), SubmitRequest::file("grüß.exe", Bytes::from_static(b"MZ"))]
    {
        let reply = client.submit(&request).await.unwrap();
        let made = reply.first_submission().unwrap();
        assert_eq!(client.jobs_of_submission(made.id).await.unwrap().items.len(), 2);
        tokio::time::advance(Duration::from_secs(120)).await;
        assert!(client.submission(made.id).await.unwrap().finished);
    }
}

#[rstest]
#[case(Observable::url(r"http://h.example/a'b\c\'?q='\\'"))]
#[case(Observable::url("https://h.example?test=<b>ö</b>\u{1f480}"))]
#[case(Observable::domain("bücher.example.com"))]
#[case(Observable::mutex(r"it's\a\mutex"))]
#[case(Observable::registry_key(r"HKEY_LOCAL_MACHINE\Software\it's"))]
#[case(Observable::command_line(r#""C:\x.exe" /c 'a'"#))]
#[case(Observable::md5("d41d8cd98f00b204e9800998ecf8427e"))]
#[case(Observable::sha256("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))]
#[case(Observable::ip("2a0e::1").map(|(found, _)| found))]
#[tokio::test(start_paused = true)]
async fn the_upload_reads_out_of_a_pattern_what_our_own_crate_put_in(
    #[case] observable: Result<Observable, stix::ValueError>,
) {
    let observable = observable.unwrap();
    let bench = Bench::new(World::new(), StackOptions::default());
    let object = with(indicator(1), "pattern", json!(observable.pattern().to_string()));
    let (status, body) = bench.upload(&[object]).await;
    assert_eq!((status, body.is_null()), (200, true), "{body}");
    let (_, value) = bench.stack.upload.rows()[0].observable.clone().unwrap();
    assert_eq!(value, observable.value().to_string());
}
