//! What VMRay knows is answered, its age is told, and nothing is paid for.

use enrichment::{Answer, EnrichRequest, Item, ItemState, OverallVerdict, SectionState};
use rstest::rstest;
use simulators::{Sample, Submission, Verdict, World};

use crate::place::{Place, before, file, hours, known_url, to_the_end, urls};

#[tokio::test(start_paused = true)]
async fn a_known_url_costs_one_call_once_its_members_are_known_and_its_age_is_told() {
    let place = Place::new(known_url("https://shop.example/a", Verdict::Clean, hours(3)));
    let answer = place.process().enrich(urls(&["hxxps://SHOP.example/a"])).await.unwrap();
    let Answer::Done(report) = answer else { panic!("{answer:?}") };
    // The look-up, and two to see that nothing came out of it.
    assert_eq!(place.stack.vmray.request_count(), 3);
    place.process().enrich(urls(&["https://shop.example/a"])).await.unwrap();
    assert_eq!(place.stack.vmray.request_count(), 4);
    let item = &report.items[0];
    assert_eq!((item.state, item.age_seconds), (ItemState::Known, Some(3 * 3600)));
    assert!(item.reused.as_ref().unwrap().contains("not resubmitted"), "{:?}", item.reused);
    assert_eq!(report.summary, "VMRay: CLEAN: 1 of 1 URL");
    assert!(report.complete);
}

#[tokio::test(start_paused = true)]
async fn the_findings_of_a_known_malicious_url_are_read_once_by_all_processes() {
    let place = Place::new(known_url("https://evil.example/a", Verdict::Malicious, hours(3)));
    let report = to_the_end(&place.process(), place.process().enrich(urls(&["https://evil.example/a"])).await).await;
    assert_eq!(report.verdict, OverallVerdict::Malicious);
    assert_eq!(report.items[0].iocs.entries[0].value, "https://evil.example/a");
    assert_eq!(report.items[0].indicators.entries.len(), 1);
    let calls = place.stack.vmray.request_count();
    let again = to_the_end(&place.process(), place.process().enrich(urls(&["https://evil.example/a"])).await).await;
    assert_eq!(place.stack.vmray.request_count(), calls + 1);
    assert_eq!(again.items[0].iocs, report.items[0].iocs);
    assert_eq!(place.submits(), 0);
}

#[rstest]
#[case(Verdict::Malicious, 167, 0)]
#[case(Verdict::Malicious, 169, 1)]
#[case(Verdict::Clean, 23, 0)]
#[case(Verdict::Suspicious, 25, 1)]
#[case(Verdict::NotAvailable, 1, 1)]
#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_too_old_for_what_it_says_is_formed_anew(
    #[case] verdict: Verdict,
    #[case] age: i64,
    #[case] submits: usize,
) {
    let place = Place::new(known_url("https://a.example/x", verdict, hours(age)));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(place.submits(), submits);
    let state = if submits == 0 { ItemState::Known } else { ItemState::Analysed };
    assert_eq!(report.items[0].state, state);
}

#[tokio::test(start_paused = true)]
async fn resubmit_analyses_again_and_the_link_to_it_does_not() {
    let place = Place::new(known_url("https://a.example/x", Verdict::Clean, hours(1)));
    let process = place.process();
    let mut request = urls(&["https://a.example/x"]);
    request.options.resubmit = Some(true);
    let report = to_the_end(&process, process.enrich(request.clone()).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
    let again = process.job(&report.job).await.unwrap();
    assert!(matches!(again, Answer::Done(_)));
    assert_eq!(place.submits(), 1);
    to_the_end(&process, process.enrich(request).await).await;
    assert_eq!(place.submits(), 2, "another request that asks for it is another analysis");
}

#[tokio::test(start_paused = true)]
async fn a_hash_is_looked_up_and_never_submitted() {
    let mut world = World::new();
    let sample = Sample::file(7, before(hours(50)), "a.exe");
    let md5 = sample.hashes.md5.clone().unwrap();
    world.add_sample(sample);
    world.add_submission(Submission::finished(8, 7, before(hours(40)), Some(Verdict::Suspicious)));
    let place = Place::new(world);
    let unknown = "ab".repeat(32);
    let request = EnrichRequest::new(vec![Item::hash(&md5.to_uppercase()).unwrap(), Item::hash(&unknown).unwrap()]);
    let report = to_the_end(&place.process(), place.process().enrich(request).await).await;
    let [known, unknown] = report.items.as_slice() else { panic!("{report:?}") };
    assert_eq!((known.state, known.verdict.clone()), (ItemState::Known, Some(vmray::Verdict::Suspicious)));
    assert_eq!(unknown.state, ItemState::Unknown);
    assert!(unknown.reason.contains("send the file"), "{}", unknown.reason);
    assert_eq!(unknown.iocs.state, SectionState::NotRead);
    assert_eq!(report.summary, "VMRay: SUSPICIOUS: 1 of 2 hashes");
    assert_eq!(place.submits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_known_file_is_answered_by_its_hash_without_being_sent() {
    let place = Place::new(World::new());
    let process = place.process();
    let item = file("a.bin", b"some bytes").await;
    to_the_end(&process, process.enrich(EnrichRequest::new(vec![item.clone()])).await).await;
    assert_eq!(place.submits(), 1);
    let other = place.process();
    let report = to_the_end(&other, other.enrich(EnrichRequest::new(vec![item])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Known, 1));
}

#[tokio::test(start_paused = true)]
async fn a_url_that_cannot_be_searched_for_is_still_paid_for_once() {
    let place = Place::new(World::new());
    let process = place.process();
    for _ in 0..2 {
        let report = to_the_end(&process, process.enrich(urls(&["https://a.example/?q=\"x\""])).await).await;
        assert_eq!(report.items[0].state, ItemState::Analysed);
    }
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_submitted_just_now_is_waited_for() {
    let mut world = World::new();
    let url = "https://a.example/x";
    world.add_sample(Sample::url(7, before(hours(1)), url));
    let mut running = Submission::unfinished(8, 7, before(jiff::SignedDuration::from_secs(30)));
    running.finished_at = Some(before(jiff::SignedDuration::from_secs(-90)));
    running.verdict = Some(Verdict::Clean);
    world.add_submission(running);
    let place = Place::new(world);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&[url])).await).await;
    assert_eq!(place.submits(), 0);
    assert_eq!(report.verdict, OverallVerdict::Clean);
    assert!(report.items[0].not_done[0].contains("somebody else"), "{:?}", report.items[0].not_done);
}
