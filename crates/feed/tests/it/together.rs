//! What can be asked at the same time is asked at the same time.

use std::time::Duration;

use feed::RunOptions;
use jiff::{SignedDuration, Timestamp};
use simulators::{
    EntraOptions, Fault, FaultRule, Latency, Seen, ServiceName, StackOptions, UploadOptions, VmrayOptions, When, World,
    WorldOptions,
};

use crate::world::{Setting, at};

const LATENCY: Duration = Duration::from_millis(300);

fn slow(samples: usize) -> Setting {
    let latency = Latency::Fixed(LATENCY);
    let options = StackOptions {
        vmray: VmrayOptions { latency, ..VmrayOptions::default() },
        entra: EntraOptions { latency, ..EntraOptions::default() },
        upload: UploadOptions { latency, ..UploadOptions::default() },
        ..StackOptions::default()
    };
    let world = World::generate(&WorldOptions { malicious_rate: 1.0, ..WorldOptions::plain(1, samples) });
    Setting::new(world, options, at("2026-02-02T00:00:00Z"))
}

fn asked_at(requests: &[Seen], part: &str) -> Vec<Timestamp> {
    requests.iter().filter(|request| request.path.contains(part)).map(|request| request.at).collect()
}

#[test]
fn the_token_is_asked_for_beside_the_listing_and_techniques_beside_findings() {
    let setting = slow(1);
    setting.run(&RunOptions::default()).unwrap();
    let vmray = setting.stack.vmray.requests();
    let listings = asked_at(&vmray, "/rest/submission");
    let listing = listings[0];
    assert!(
        listings.len() > 2 && listings.iter().all(|asked| *asked == listing),
        "a page of each window: {listings:?}"
    );
    let [token] = setting.stack.entra.requests().try_into().unwrap();
    assert_eq!(token.at, listing);
    let iocs = asked_at(&vmray, "/iocs")[0];
    assert_eq!(iocs, listing + SignedDuration::try_from(LATENCY).unwrap());
    assert_eq!(asked_at(&vmray, "/mitre_attack"), [iocs]);
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn a_dry_run_asks_for_no_token() {
    let setting = slow(1);
    setting.run(&RunOptions { dry_run: true, ..RunOptions::default() }).unwrap();
    assert_eq!(setting.stack.entra.request_count(), 0);
}

#[test]
fn a_run_with_nothing_to_send_does_not_need_its_token() {
    let setting = slow(0);
    setting.run(&RunOptions::default()).unwrap();
    setting.stack.faults().add(FaultRule::new(ServiceName::Entra, When::Always, Fault::Status(500)));
    setting.clock.pass(SignedDuration::from_hours(3));
    setting.run(&RunOptions::default()).unwrap();
}

#[test]
fn a_server_that_bears_little_is_asked_for_less_at_a_time_and_loses_nothing() {
    let setting = slow(120);
    let refuse = Fault::Throttled { retry_after: Duration::from_secs(1) };
    setting.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Nth(40), refuse));
    let summary = setting.run(&RunOptions::default()).unwrap();
    let vmray = summary.concurrency.vmray.unwrap();
    assert_eq!((vmray.decreases, vmray.at_most), (1, 64));
    assert!(vmray.limit < 64, "{vmray:?}");
    setting.assert_nothing_lost_and_nothing_wrong();
}
