//! Many ask for the same, one submission is made.

use std::collections::BTreeSet;
use std::time::Duration;

use enrichment::{Answer, EnrichRequest, Error, ItemState, JobId, OverallVerdict, Swept};
use simulators::{Fault, FaultRule, ServiceName, StackOptions, Verdict, When, World};
use tokio_util::sync::CancellationToken;

use crate::place::{Place, add_known_url, at, file, hours, to_the_end, urls};

fn submit_fault(fault: Fault, when: When) -> FaultRule {
    FaultRule::new(ServiceName::Vmray, when, fault).on_path("/sample/submit")
}

#[tokio::test(start_paused = true)]
async fn ten_enrichments_of_one_url_in_two_processes_make_one_submission() {
    let place = Place::new(World::new());
    let processes = [place.process(), place.process()];
    let asks = (0..10).map(|n| processes[n % 2].enrich(urls(&["https://a.example/x"])));
    let answers = futures::future::join_all(asks).await;
    for (n, answer) in answers.into_iter().enumerate() {
        let report = to_the_end(&processes[n % 2], answer).await;
        assert_eq!(report.items[0].state, ItemState::Analysed, "{report:?}");
    }
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_bill_for_incidents_that_share_things_is_what_the_distinct_things_cost() {
    let place = Place::new(World::new());
    let process = place.process();
    let all = ["https://a.example/1", "https://a.example/2", "https://a.example/3", "https://a.example/4"];
    let mut asks = Vec::new();
    for n in 0..12 {
        let mut request = urls(&[all[n % 4], all[(n + 1) % 4], all[(n * 3) % 4]]);
        request.incident = Some(format!("incident {n}").parse().unwrap());
        asks.push(process.enrich(request));
    }
    for answer in futures::future::join_all(asks).await {
        assert!(to_the_end(&process, answer).await.complete);
    }
    assert_eq!(place.submits(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_is_answered_under_its_name_by_any_process() {
    let place = Place::new(World::new());
    let answer = place.process().enrich(urls(&["https://a.example/x"])).await.unwrap();
    let Answer::Pending { job, retry_after, report_so_far } = answer else { panic!("{answer:?}") };
    assert!(retry_after >= Duration::from_secs(5));
    assert_eq!(report_so_far.items[0].state, ItemState::Running);
    assert!(report_so_far.summary.ends_with("1 still running"), "{}", report_so_far.summary);
    let other = place.process();
    let id: JobId = job.to_string().parse().unwrap();
    let report = to_the_end(&other, other.job(&id).await).await;
    assert!(report.complete);
    let calls = place.stack.vmray.request_count();
    let Answer::Done(again) = other.job(&id).await.unwrap() else { panic!("it has ended") };
    assert_eq!(again.items, report.items);
    assert_eq!(place.stack.vmray.request_count(), calls, "what has ended is not asked for again");
    let nobody: JobId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert!(matches!(other.job(&nobody).await, Err(Error::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_outlives_its_deadline_says_what_is_there_and_what_still_runs() {
    let mut options = StackOptions::default();
    options.vmray.analysis_time = Duration::from_secs(3600);
    let mut world = World::new();
    add_known_url(&mut world, 1001, "https://known.example/", Verdict::Malicious, hours(1));
    let place = Place::with(world, options);
    let process = place.process();
    let mut request = urls(&["https://known.example/", "https://slow.example/"]);
    request.options.deadline = Some(Duration::from_secs(600));
    let report = to_the_end(&process, process.enrich(request).await).await;
    assert!(!report.complete);
    assert_eq!(report.verdict, OverallVerdict::Malicious);
    assert_eq!(report.items[1].state, ItemState::Running);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let Answer::Done(late) = process.job(&report.job).await.unwrap() else { panic!("the deadline is over") };
    assert!(late.complete);
    assert_eq!(late.items[1].state, ItemState::Analysed);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_begun_anew_by_the_next_who_asks() {
    let options = StackOptions {
        faults: vec![submit_fault(Fault::Throttled { retry_after: Duration::from_secs(40) }, When::Nth(1))],
        ..StackOptions::default()
    };
    let place = Place::with(World::new(), options);
    let process = place.process();
    let error = process.enrich(urls(&["https://a.example/x"])).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { retry_after } if retry_after == Duration::from_secs(40)), "{error:?}");
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(report.items[0].state, ItemState::Analysed);
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_answer_was_lost_is_found_and_not_repeated() {
    let options =
        StackOptions { faults: vec![submit_fault(Fault::ResetAfter, When::Nth(1))], ..StackOptions::default() };
    let place = Place::with(World::new(), options);
    let process = place.process();
    let request = EnrichRequest::new(vec![file("a.bin", b"some bytes").await]);
    let report = to_the_end(&process, process.enrich(request).await).await;
    assert_eq!(report.items[0].state, ItemState::Analysed);
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_never_arrived_is_repeated_once_and_the_report_says_so() {
    let options =
        StackOptions { faults: vec![submit_fault(Fault::ResetBefore, When::Nth(1))], ..StackOptions::default() };
    let place = Place::with(World::new(), options);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(report.items[0].state, ItemState::Analysed);
    assert_eq!(place.submits(), 2);
    assert!(report.items[0].not_done.iter().any(|text| text.contains("submitted twice")), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn no_third_submission_is_made_when_two_answers_were_lost() {
    let options =
        StackOptions { faults: vec![submit_fault(Fault::ResetBefore, When::Always)], ..StackOptions::default() };
    let place = Place::with(World::new(), options);
    let process = place.process();
    let error = process.enrich(urls(&["https://a.example/x"])).await.unwrap_err();
    assert!(matches!(error, Error::Vmray { .. }), "{error:?}");
    assert_eq!(place.submits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_not_taken_for_a_dead_one() {
    let faults = vec![submit_fault(Fault::Delay(Duration::from_secs(290)), When::Nth(1))];
    let options = StackOptions { faults, ..StackOptions::default() };
    let place = Place::with(World::new(), options);
    let (one, other) = (place.process(), place.process());
    let item = file("large.bin", &vec![7; 60_000_000]).await;
    let (work, first) = one.begin(EnrichRequest::new(vec![item])).unwrap();
    let second = async {
        tokio::time::sleep(Duration::from_secs(200)).await;
        let open = place.store.names("/open/");
        let id: JobId = open[0].rsplit('/').next().unwrap().parse().unwrap();
        let Answer::Pending { report_so_far, .. } = other.job(&id).await.unwrap() else { panic!("it runs") };
        assert_eq!(report_so_far.items[0].state, ItemState::Running);
    };
    let (answer, (), ()) = tokio::join!(first.wait(), work, second);
    assert_eq!(to_the_end(&other, answer).await.items[0].state, ItemState::Analysed);
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_nobody_asks_about_come_to_their_end_and_are_forgotten_after_thirty_days() {
    let place = Place::new(World::new());
    let process = place.process();
    process.enrich(urls(&["https://a.example/x"])).await.unwrap();
    assert_eq!(place.process().sweep(&CancellationToken::new()).await.unwrap().finished, 0);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let swept = place.process().sweep(&CancellationToken::new()).await.unwrap();
    assert_eq!((swept.looked_at, swept.finished, swept.failed), (1, 1, 0));
    assert_eq!(place.process().sweep(&CancellationToken::new()).await.unwrap().looked_at, 0);
    assert!(!place.store.names("/jobs/default/u-").is_empty());
    tokio::time::sleep(Duration::from_secs(31 * 24 * 3600)).await;
    place.process().sweep(&CancellationToken::new()).await.unwrap();
    assert_eq!(place.store.names("/jobs/default/u-"), Vec::<String>::new());
    assert_eq!(place.store.names("/requests/"), Vec::<String>::new());
    assert!(place.clock.now() > at("2026-04-01T00:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_things_or_with_too_many_is_refused() {
    let place = Place::new(World::new());
    let error = place.process().enrich(EnrichRequest::new(Vec::new())).await.unwrap_err();
    assert!(matches!(error, Error::BadRequest { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_stopped_goes_on_with_the_requests_that_it_did_not_come_to() {
    let place = Place::new(World::new());
    let process = place.process();
    for host in ["a", "b", "c"] {
        process.enrich(urls(&[&format!("https://{host}.example/x")])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert_eq!(process.sweep(&stopped).await.unwrap(), Swept::default());

    // Told to stop while it looks at the first: each sweep looks at one, and at none twice before the others.
    for _ in 0..3 {
        let stop = CancellationToken::new();
        place.store.tell("/asked", stop.clone());
        assert_eq!(process.sweep(&stop).await.unwrap().looked_at, 1);
    }
    assert_eq!(place.store.seen().into_iter().collect::<BTreeSet<_>>().len(), 3, "{:?}", place.store.seen());
}
