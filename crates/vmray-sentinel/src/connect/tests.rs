//! What two clients of one process have in common, against the stand-ins in process.

use std::time::Duration;

use bytes::Bytes;
use config::{Environment, Reader, Settings};
use outbound::TokioClock;
use simulators::{Fault, FaultRule, ServiceName, Stack, StackOptions, When, World};
use tokio::time::Instant;

use super::*;

/// Longer than any policy here repeats.
const ASKED: Duration = Duration::from_secs(400);

struct Bench {
    stack: Stack,
    clients: Clients,
    vmray: VmrayConfig,
    sentinel: SentinelConfig,
}

impl Bench {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new("2026-11-24T12:00:00Z".parse().unwrap()));
        let stack = Stack::new(World::new(), StackOptions::default(), clock.clone());
        let environment: Environment =
            stack.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = Settings::load(&[], environment, None);
        let mut reader = Reader::new(&settings);
        let (vmray, sentinel) = (VmrayConfig::read(&mut reader).unwrap(), SentinelConfig::read(&mut reader).unwrap());
        let transport: Arc<dyn Transport> = Arc::new(stack.in_process());
        Self { clients: Clients::new(&transport, &clock), stack, vmray, sentinel }
    }

    fn throttle_once(&self, service: ServiceName) {
        self.stack.faults().add(FaultRule::new(service, When::First(1), Fault::Throttled { retry_after: ASKED }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_sentinel_asks_of_the_feed_holds_the_enrichment_too() {
    let bench = Bench::new();
    bench.throttle_once(ServiceName::Upload);
    let feed = bench.clients.upload(&bench.sentinel, RetryPolicy::default());
    let enrichment = bench.clients.upload_of_enrichment(&bench.sentinel, RetryPolicy::once(Duration::from_secs(5)));
    feed.upload(&[Bytes::from_static(b"{}")]).await.unwrap_err();
    assert!(enrichment.pacer().turn_in() > Duration::from_secs(300), "{:?}", enrichment.pacer().turn_in());
    let started = Instant::now();
    drop(enrichment.upload(&[Bytes::from_static(b"{}")]).await);
    assert!(started.elapsed() > Duration::from_secs(300), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_vmray_asks_of_a_caller_holds_the_feed_too() {
    let bench = Bench::new();
    bench.throttle_once(ServiceName::Vmray);
    let caller = bench.clients.vmray(&bench.vmray, RetryPolicy::once(Duration::from_secs(5)));
    let feed = bench.clients.vmray(&bench.vmray, RetryPolicy::default());
    caller.probe().await.unwrap_err();
    assert!(feed.paused_for() > Duration::from_secs(300), "{:?}", feed.paused_for());
}

#[tokio::test(start_paused = true)]
async fn feed_and_enrichment_have_turns_of_their_own() {
    let bench = Bench::new();
    let feed = bench.clients.upload(&bench.sentinel, RetryPolicy::default());
    let enrichment = bench.clients.upload_of_enrichment(&bench.sentinel, RetryPolicy::default());
    let limits = [&feed, &enrichment].map(|client| client.pacer().allowance().limit);
    assert_eq!(limits, [Some(95), Some(5)]);
    for _ in 0..95 {
        feed.pacer().acquire().await.answered();
    }
    assert!(!feed.pacer().turn_in().is_zero());
    assert!(enrichment.pacer().turn_in().is_zero());
}

#[tokio::test(start_paused = true)]
async fn one_identity_asks_for_one_token() {
    let bench = Bench::new();
    let scope = &bench.sentinel.cloud.management_scope;
    bench.clients.tokens(&bench.sentinel).token(scope).await.unwrap();
    bench.clients.tokens(&bench.sentinel).token(scope).await.unwrap();
    assert_eq!(bench.stack.entra.token_requests().len(), 1);
    let other = Identity::Managed { client_id: None };
    let other = SentinelConfig { identity: other, ..bench.sentinel.clone() };
    assert!(!Arc::ptr_eq(&bench.clients.tokens(&bench.sentinel), &bench.clients.tokens(&other)));
}
