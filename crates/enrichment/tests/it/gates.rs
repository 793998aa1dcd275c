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
