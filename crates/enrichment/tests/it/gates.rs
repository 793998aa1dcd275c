//! What a gate holds back does not reach VMRay in any form.

use enrichment::{EnrichRequest, Item, ItemState};
use indicators::NoiseList;
use simulators::{Verdict, World};

use crate::place::{Place, hours, known_url, to_the_end, urls};

#[tokio::test(start_paused = true)]
async fn internal_and_allow_listed_things_never_reach_vmray() {
    let mut place = Place::new(World::new());
    place.noise = NoiseList::parse("partner.example").unwrap();
    let asked = ["http://10.0.0.7/a", "https://wiki.corp/b", "https://files.partner.example/c", "https://intranet/d"];
    let report = to_the_end(&place.process(), place.process().enrich(urls(&asked)).await).await;
    assert_eq!(place.stack.vmray.request_count(), 0);
    for item in &report.items {
        assert_eq!(item.state, ItemState::HeldBack, "{item:?}");
        assert_eq!(item.gates.len(), 1, "{item:?}");
        assert_eq!(item.reason, item.gates[0].reason);
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_taken_out_of_a_url_before_anything_is_asked() {
    let place = Place::new(World::new());
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://me:hunter2@a.example/x"])).await).await;
    assert_eq!(report.items[0].state, ItemState::Analysed);
    assert_eq!(report.items[0].gates[0].gate, "credentials");
    assert!(!serde_json::to_string(&report).unwrap().contains("hunter2"));
    assert!(place.stack.vmray.requests().iter().all(|seen| !seen.path.contains("hunter2")));
    assert!(place.stack.vmray.world().samples().all(|sample| sample.url.as_deref() == Some("https://a.example/x")));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_works_once_is_opened_only_when_the_request_says_so() {
    let place = Place::new(World::new());
    let process = place.process();
    let link = "https://a.example/unsubscribe?u=5";
    let report = to_the_end(&process, process.enrich(urls(&[link])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::HeldBack, 0));
    assert!(report.items[0].reason.contains("send_one_time_links"), "{}", report.items[0].reason);
    let mut request = urls(&[link]);
    request.options.send_one_time_links = true;
    let report = to_the_end(&process, process.enrich(request).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
    assert_eq!(report.items[0].gates.len(), 1, "it is told all the same");
}

#[tokio::test(start_paused = true)]
async fn links_that_carry_a_secret_or_reset_a_password_are_not_opened() {
    let place = Place::new(World::new());
    let process = place.process();
    let links = [
        "https://a.example/password/reset/8f14e45fceea167a",
        "https://a.example/verify-email?code=482913",
        "https://a.example/account/activate/9e107d9d372bb6826bd81d3542a419d6",
        "https://a.example/#access_token=ya29.a0AfH6SM",
        "https://a.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz",
        "https://a.blob.core.windows.net/a/b.pdf?sp=r&sig=Zm9vYmFy",
        "https://a.s3.amazonaws.com/a?X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0",
        "https://a.example/?jwt=x.y.z",
        "https://a.example/?sessionid=1a2b",
        "https://zoom.us/j/123456789?pwd=QWxhZGRpbg",
    ];
    let report = to_the_end(&process, process.enrich(urls(&links)).await).await;
    assert_eq!(place.submits(), 0);
    for item in &report.items {
        assert_eq!(item.state, ItemState::HeldBack, "{item:?}");
        assert!(item.reason.contains("send_one_time_links"), "{}", item.reason);
    }
    let gates: Vec<&str> = report.items.iter().map(|item| item.gates[0].gate.as_str()).collect();
    assert_eq!(gates[0], "one_time_link");
    assert_eq!(gates[3], "secret_link");
}

#[tokio::test(start_paused = true)]
async fn a_private_address_is_internal_however_ipv6_writes_it() {
    let mut place = Place::new(World::new());
    place.settings.gates = place.settings.gates.with_internal_hosts("203.0.113.0/24".parse().unwrap());
    let asked = [
        "http://[::ffff:10.0.0.7]/",
        "http://[::10.0.0.7]/",
        "http://[64:ff9b::10.0.0.7]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:a00:7::1]/",
        "http://[2001:0:c633:6407:0:0:f5ff:fff8]/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::203.0.113.9]/",
        "http://[2002:cb00:7109::1]/",
    ];
    let report = to_the_end(&place.process(), place.process().enrich(urls(&asked)).await).await;
    assert_eq!(place.stack.vmray.request_count(), 0);
    assert_eq!(report.items.len(), asked.len());
    for item in &report.items {
        assert_eq!((item.state, item.gates[0].gate.as_str()), (ItemState::HeldBack, "internal_host"), "{item:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_vmray_knows_of_a_link_that_works_once_is_answered() {
    let link = "https://a.example/unsubscribe?u=5";
    let place = Place::new(known_url(link, Verdict::Clean, hours(1000)));
    let report = to_the_end(&place.process(), place.process().enrich(urls(&[link])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Known, 0));
    assert!(report.items[0].not_done[0].contains("see the gates"), "{:?}", report.items[0].not_done);
}

#[tokio::test(start_paused = true)]
async fn sharing_is_off_unless_gate_and_request_both_allow_it() {
    let mut place = Place::new(World::new());
    let mut request = EnrichRequest::new(vec![Item::url("https://a.example/x").unwrap()]);
    request.options.shareable = true;
    let process = place.process();
    let report = to_the_end(&process, process.enrich(request.clone()).await).await;
    assert_eq!(report.items[0].gates[0].gate, "shareable");
    place.settings.gates = "internal".parse().unwrap();
    request.items = vec![Item::url("https://a.example/y").unwrap()];
    let process = place.process();
    let report = to_the_end(&process, process.enrich(request).await).await;
    assert!(report.items[0].gates.is_empty());
}
