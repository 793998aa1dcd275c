//! Whoever waits has an answer in time, with what is there; what is missing then is not lost.

use std::time::Duration;

use enrichment::{Answer, EnrichRequest, Item, ItemState, OverallVerdict, Report, SectionState};
use rstest::rstest;
use simulators::{Fault, FaultRule, Latency, Sample, ServiceName, StackOptions, Submission, Verdict, When, World};
use tokio::time::Instant;

use crate::place::{Place, add_known_url, before, file, hours, known_url, to_the_end, urls};

const URL: &str = "https://evil.example/a";

fn rule(fault: Fault, path: &str) -> FaultRule {
    FaultRule::new(ServiceName::Vmray, When::Always, fault).on_path(path)
}

fn pending(answer: Answer) -> Report {
    match answer {
        Answer::Pending { report_so_far, .. } => *report_so_far,
        Answer::Done(report) => panic!("it is done: {report:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_known_hashes_are_read_side_by_side() {
    let mut world = World::new();
    let mut items = Vec::new();
    for id in 1..=20 {
        let sample = Sample::file(id, before(hours(4)), "a.exe");
        items.push(Item::hash(sample.hashes.sha256.as_ref().unwrap()).unwrap());
        world.add_sample(sample);
        world.add_submission(Submission::finished(id + 1000, id, before(hours(3)), Some(Verdict::Malicious)));
    }
    let mut options = StackOptions::default();
    options.vmray.latency = Latency::Fixed(Duration::from_secs(1));
    let place = Place::with(world, options);
    let began = Instant::now();
    let report = to_the_end(&place.process(), place.process().enrich(EnrichRequest::new(items)).await).await;
    assert_eq!((report.items.len(), report.verdict), (20, OverallVerdict::Malicious));
    assert!(report.items.iter().all(|item| item.iocs.state == SectionState::Ok));
    // By hash, its submissions, what came out of it, its findings: one call after the other is four.
    assert_eq!(began.elapsed(), Duration::from_secs(4));
}

#[rstest]
#[case::hanging(Fault::Hang)]
#[case::failing(Fault::Status(500))]
#[case::slow(Fault::Delay(Duration::from_secs(25)))]
#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_is_kept_whatever_vmray_does(
    #[case] fault: Fault,
    #[values("/submission/search", "/sample/", "/submission", "/iocs", "/api_key/quota", "/sample/submit")] path: &str,
) {
    let mut world = known_url(URL, Verdict::Malicious, hours(3));
    add_known_url(&mut world, 2001, "https://fine.example/", Verdict::Clean, hours(3));
    let place = Place::with(world, StackOptions { faults: vec![rule(fault, path)], ..StackOptions::default() });
    let mut request = urls(&[URL, "https://fine.example/", "https://new.example/"]);
    request.options.deadline = Some(Duration::from_secs(10));
    let began = Instant::now();
    let answer = place.process().enrich(request).await;
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    let report = pending(answer.unwrap());
    assert_eq!(report.items.len(), 3);
    // The link tells the same once the deadline is over, and the rest when it is there.
    place.stack.faults().clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let process = place.process();
    assert!(matches!(process.job(&report.job).await.unwrap(), Answer::Done(_)));
    tokio::time::sleep(Duration::from_secs(900)).await;
    process.job(&report.job).await.unwrap();
    tokio::time::sleep(Duration::from_secs(900)).await;
    let Answer::Done(report) = process.job(&report.job).await.unwrap() else { panic!("the deadline is over") };
    assert_eq!((report.complete, report.verdict), (true, OverallVerdict::Malicious), "{report:?}");
    assert_eq!(report.items[0].iocs.entries.len(), 1);
    assert_eq!(report.items[1].verdict, Some(vmray::Verdict::Clean));
    // Of two submissions whose answers are lost no third is made.
    let is_lost = path == "/sample/submit" && report.items[2].state == ItemState::Failed;
    assert!(report.items[2].verdict.is_some() || is_lost, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_caller_is_answered_before_it_gives_up() {
    let faults = vec![rule(Fault::Delay(Duration::from_secs(29)), "/"), rule(Fault::Hang, "/iocs")];
    let place =
        Place::with(known_url(URL, Verdict::Malicious, hours(3)), StackOptions { faults, ..StackOptions::default() });
    let began = Instant::now();
    let report = pending(place.process().enrich(urls(&[URL])).await.unwrap());
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
    // What is there: VMRay's verdict, without what it found.
    assert_eq!((report.items[0].state, report.verdict), (ItemState::Known, OverallVerdict::Malicious));
    assert_eq!(report.items[0].iocs.state, SectionState::Waiting);
    place.stack.faults().clear();
    let process = place.process();
    let answer = process.job(&report.job).await;
    assert_eq!(to_the_end(&process, answer).await.items[0].iocs.entries.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_link_of_a_job_is_answered_in_time_too() {
    let mut options = StackOptions::default();
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    let place = Place::with(World::new(), options);
    let process = place.process();
    let report = pending(process.enrich(urls(&["https://new.example/"])).await.unwrap());
    tokio::time::sleep(Duration::from_secs(180)).await;
    place.stack.faults().add(rule(Fault::Delay(Duration::from_secs(29)), "/"));
    place.stack.faults().add(rule(Fault::Hang, "/iocs"));
    let began = Instant::now();
    let late = pending(process.job(&report.job).await.unwrap());
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
    assert_eq!((late.verdict, late.items[0].state), (OverallVerdict::Unknown, ItemState::Running));
    place.stack.faults().clear();
    let answer = process.job(&report.job).await;
    assert!(to_the_end(&process, answer).await.complete);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_submitted_although_its_caller_had_to_be_answered_before() {
    let faults = vec![rule(Fault::Delay(Duration::from_secs(20)), "/sample/sha256")];
    let place = Place::with(World::new(), StackOptions { faults, ..StackOptions::default() });
    let process = place.process();
    let mut request = EnrichRequest::new(vec![file("a.bin", b"some bytes").await]);
    request.options.deadline = Some(Duration::from_secs(10));
    let (work, reply) = process.begin(request).unwrap();
    let (answer, ()) = tokio::join!(reply.wait(), work);
    let report = pending(answer.unwrap());
    assert_eq!(place.submits(), 1);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let Answer::Done(report) = process.job(&report.job).await.unwrap() else { panic!("the deadline is over") };
    assert_eq!((report.complete, report.items[0].state), (true, ItemState::Analysed), "{report:?}");
}
