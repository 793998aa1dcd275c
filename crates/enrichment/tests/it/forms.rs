//! The forms of one URL are one thing, however VMRay keeps them, and a VMRay that cannot be searched costs time only.

use enrichment::{Error, ItemState, OverallVerdict};
use rstest::rstest;
use simulators::{Fault, FaultRule, ServiceName, StackOptions, UrlForm, Verdict, When, World};

use crate::place::{Place, add_known_url, hours, known_url, to_the_end, urls};

#[rstest]
#[case::slash("https://shop.example", "https://shop.example/")]
#[case::no_slash("https://shop.example/", "https://shop.example")]
#[case::port("https://shop.example:443/a", "https://shop.example/a")]
#[case::no_port("http://shop.example/a", "http://shop.example:80/a")]
#[case::punycode("https://b\u{fc}cher.example/a", "https://xn--bcher-kva.example/a")]
#[case::unicode("https://xn--bcher-kva.example/a", "https://b\u{fc}cher.example:443/a")]
#[case::query("https://shop.example/?q=1", "https://shop.example?q=1")]
#[tokio::test(start_paused = true)]
async fn a_url_is_paid_for_once_in_all_its_forms(
    #[case] one: &str,
    #[case] other: &str,
    #[values(UrlForm::Verbatim, UrlForm::SlashAppended, UrlForm::HostLowerCased)] form: UrlForm,
) {
    let mut options = StackOptions::default();
    options.vmray.url_form = form;
    options.vmray.submit_verdict = Some(Some(Verdict::Clean));
    let mut place = Place::with(World::new(), options);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&[one, other])).await).await;
    assert_eq!((report.items.len(), place.submits()), (1, 1), "they are one item");
    for (url, account) in [(other, "default"), (one, "another"), (other, "another")] {
        // Another account of the state knows no job of it: it is found in VMRay.
        account.clone_into(&mut place.settings.account);
        let process = place.process();
        let report = to_the_end(&process, process.enrich(urls(&[url])).await).await;
        assert_eq!((report.items[0].state, place.submits()), (ItemState::Known, 1), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_port_path_or_scheme_is_another_url() {
    let place = Place::new(known_url("https://shop.example/a", Verdict::Clean, hours(3)));
    let process = place.process();
    let others =
        ["https://shop.example:8443/a", "https://shop.example/a/", "http://shop.example/a", "https://shop.example/A"];
    process.enrich(urls(&others)).await.unwrap();
    assert_eq!(place.submits(), 4);
}

#[rstest]
#[case(400)]
#[case(403)]
#[case(404)]
#[case(405)]
#[tokio::test(start_paused = true)]
async fn where_vmray_cannot_be_searched_a_known_url_is_found_all_the_same(#[case] status: u16) {
    let mut world = known_url("https://a.example/1", Verdict::Malicious, hours(3));
    add_known_url(&mut world, 2001, "https://a.example/2", Verdict::Clean, hours(20));
    for id in 0..150 {
        add_known_url(&mut world, 3000 + id, &format!("https://b.example/{id}"), Verdict::Clean, hours(2));
    }
    let mut options = StackOptions::default();
    options.vmray.search_status = Some(status);
    let place = Place::with(world, options);
    let process = place.process();
    let request = urls(&["https://a.example/1", "https://a.example/2", "https://a.example/3"]);
    let report = to_the_end(&process, process.enrich(request).await).await;
    let states: Vec<_> = report.items.iter().map(|item| item.state).collect();
    assert_eq!(states, [ItemState::Known, ItemState::Known, ItemState::Analysed]);
    assert_eq!((report.verdict, place.submits()), (OverallVerdict::Malicious, 1));
    assert_eq!(place.calls("GET", "/rest/submission?submission_created"), 8, "listed once for all of them");
}

#[tokio::test(start_paused = true)]
async fn where_vmray_can_neither_be_searched_nor_listed_a_url_is_analysed() {
    let mut options = StackOptions::default();
    options.vmray.search_status = Some(403);
    let place = Place::with(known_url("https://a.example/1", Verdict::Clean, hours(3)), options);
    let forbidden = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(403)).on_path("submission_created");
    place.stack.faults().add(forbidden);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/1"])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
    assert!(report.items[0].notes.iter().any(|note| note.contains("rights of the key")), "{:?}", report.items[0].notes);
}

#[rstest]
#[case(Fault::Status(500))]
#[case(Fault::Hang)]
#[case(Fault::HtmlPage)]
#[tokio::test(start_paused = true)]
async fn a_quota_that_cannot_be_asked_for_blocks_no_submission(#[case] fault: Fault) {
    let rule = FaultRule::new(ServiceName::Vmray, When::Always, fault).on_path("/api_key/quota");
    let place = Place::with(World::new(), StackOptions { faults: vec![rule], ..StackOptions::default() });
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
    let told = &report.items[0].not_done;
    assert!(told.iter().any(|text| text.contains("QuotaReserve was not looked at")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_vmray_itself_finds_used_up_is_still_a_refusal() {
    let mut options = StackOptions::default();
    options.vmray.quota = (10, 10);
    let place = Place::with(World::new(), options);
    place
        .stack
        .faults()
        .add(FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500)).on_path("/api_key/quota"));
    let error = place.process().enrich(urls(&["https://a.example/x"])).await.unwrap_err();
    assert!(matches!(error, Error::Quota { .. }), "{error:?}");
}
