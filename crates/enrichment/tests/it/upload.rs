//! Feed and enrichment write one object, and the incident stays on it.

use std::time::Duration;

use enrichment::{Answer, Enrichment, IndicatorState, Report, UploadState, Uploads};
use simulators::{Fault, FaultRule, Ioc, IocKind, Sample, ServiceName, StackOptions, Submission, Verdict, When, World};
use tokio_util::sync::CancellationToken;

use crate::place::{Place, add_known_url, hours, killed, known_url, to_the_end, urls};
use crate::store::Stop;

const URL: &str = "https://evil.example/a";

async fn enrich(process: &Enrichment, incident: &str, things: &[&str]) -> Report {
    let mut request = urls(things);
    request.incident = Some(incident.parse().unwrap());
    request.upload = true;
    to_the_end(process, process.enrich(request).await).await
}

fn place() -> Place {
    Place::new(known_url(URL, Verdict::Malicious, hours(3)))
}

fn labels(place: &Place) -> Vec<String> {
    place.sentinel()[&format!("[url:value = '{URL}']")].clone()
}

#[tokio::test(start_paused = true)]
async fn an_enrichment_sends_its_indicators_itself_and_the_feed_finds_nothing_to_add() {
    let place = place();
    let report = enrich(&place.process(), "INC-7", &[URL]).await;
    assert_eq!((report.upload.state, report.upload.accepted), (UploadState::Done, 1), "{:?}", report.upload);
    assert_eq!(report.items[0].indicators.entries[0].state, IndicatorState::Live, "it is there now");
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()), "{:?}", labels(&place));
    let sent = labels(&place);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        let summary = place.feed().await;
        assert_eq!(summary.counts["new"] + summary.counts["changed"] + summary.counts["refreshed"], 0, "{summary:?}");
        assert_eq!(labels(&place), sent);
        assert_eq!(place.store.names("/inbox/"), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_added_to_what_the_feed_has_sent_and_stays_there() {
    let place = place();
    place.feed().await;
    let before = labels(&place);
    assert!(before.iter().all(|label| !label.starts_with("incident_id")));
    let report = enrich(&place.process(), "INC-7", &[URL]).await;
    assert_eq!(report.items[0].indicators.entries[0].state, IndicatorState::Live);
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let uploads = place.stack.upload.row_count();
    place.feed().await;
    assert_eq!(place.stack.upload.row_count(), uploads, "the feed has nothing to add");
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()));
    let again = enrich(&place.process(), "INC-7", &[URL]).await;
    assert_eq!((again.upload.unchanged, again.upload.accepted), (1, 0));
    assert_eq!(place.stack.upload.row_count(), uploads, "the same incident adds nothing");
}

#[tokio::test(start_paused = true)]
async fn incidents_that_share_a_thing_are_all_named_before_and_after_the_feed_has_run() {
    let place = place();
    let (one, other) = (place.process(), place.process());
    futures::future::join(enrich(&one, "INC-1", &[URL]), enrich(&other, "INC-2", &[URL])).await;
    enrich(&one, "INC-3", &[URL]).await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        place.feed().await;
        for incident in ["INC-1", "INC-2", "INC-3"] {
            assert!(labels(&place).contains(&format!("incident_id: {incident}")), "{incident}: {:?}", labels(&place));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_label_of_an_incident_stays_however_many_incidents_and_samples_come_after_it() {
    let place = place();
    let process = place.process();
    let incidents: Vec<String> = (1..=15).map(|n| format!("INC-{n}")).collect();
    for incident in &incidents {
        enrich(&process, incident, &[URL]).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    place.feed().await;
    let all_are_named = |when: &str| {
        let labels = labels(&place);
        for incident in &incidents {
            assert!(labels.contains(&format!("incident_id: {incident}")), "{when}: {incident}: {labels:?}");
        }
    };
    all_are_named("after the first run");
    // Newer samples show the same value, each time its life is half over: the whole object is sent again.
    for ids in [2001..2013, 2013..2014] {
        tokio::time::sleep(Duration::from_secs(16 * 24 * 3600)).await;
        let now = place.clock.now();
        let show = |world: &mut World| {
            for id in ids.clone() {
                let ioc = Ioc::new(IocKind::Url, URL, Verdict::Malicious);
                let sample = Sample::url(id, now - hours(2), "https://other.example/").with_iocs(vec![ioc]);
                world.add_sample(sample);
                let submission = Submission::finished(id + 100_000, id, now - hours(1), Some(Verdict::Malicious));
                world.add_submission(submission);
            }
        };
        place.stack.vmray.edit(show);
        let rows = place.stack.upload.row_count();
        place.feed().await;
        assert!(place.stack.upload.row_count() > rows, "it was refreshed");
    }
    assert!(labels(&place).contains(&"sample_id: 2013".to_owned()));
    assert!(!labels(&place).contains(&"sample_id: 1001".to_owned()), "the incidents' sample is not among the newest");
    all_are_named("after newer samples");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_sees_the_value_for_the_first_time_keeps_the_label_of_an_enrichment_at_work() {
    let place = place();
    place.store.stop(Stop::Before(".sent"));
    killed(enrich(&place.process(), "INC-7", &[URL])).await;
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()), "it was sent and not marked");
    let rows = place.stack.upload.row_count();
    place.feed().await;
    assert!(place.stack.upload.row_count() > rows, "the run has sent it too");
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()), "{:?}", labels(&place));
}

#[tokio::test(start_paused = true)]
async fn a_label_that_a_run_takes_away_is_there_again_when_that_run_ends() {
    let place = place();
    place.feed().await;
    tokio::time::sleep(Duration::from_secs(20 * 24 * 3600)).await;
    let finished = place.clock.now() - hours(1);
    place.stack.vmray.edit(|world| {
        world.add_submission(Submission::finished(109_999, 1001, finished, Some(Verdict::Malicious)));
    });
    // What the run has staged goes out after what the enrichment sends meanwhile.
    place.stack.faults().add(FaultRule::new(ServiceName::Upload, When::First(1), Fault::Status(503)));
    let asked = place.stack.upload.requests().len();
    let process = place.process();
    let enriching = async {
        while place.stack.upload.requests().len() == asked {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let report = enrich(&process, "INC-7", &[URL]).await;
        assert_eq!(report.upload.accepted, 1, "{:?}", report.upload);
        labels(&place)
    };
    let (_, sent) = futures::join!(place.feed(), enriching);
    assert!(sent.contains(&"incident_id: INC-7".to_owned()), "{sent:?}");
    let rows = place.stack.upload.rows();
    let mut later = rows.iter().filter(|row| row.text.contains(URL)).skip_while(|row| !row.text.contains("INC-7"));
    assert!(later.any(|row| !row.text.contains("INC-7")), "nothing took the label away");
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()), "{:?}", labels(&place));
    let uploads = place.stack.upload.row_count();
    place.feed().await;
    assert_eq!(place.stack.upload.row_count(), uploads, "the next run has nothing to add");
}

#[tokio::test(start_paused = true)]
async fn the_sixth_upload_in_a_minute_is_left_to_the_feed_at_once() {
    let mut world = World::new();
    let all: Vec<String> = (0..8).map(|n| format!("https://evil-{n}.example/a")).collect();
    for (n, url) in (0..).zip(&all) {
        add_known_url(&mut world, 1000 + n, url, Verdict::Malicious, hours(1));
    }
    let place = Place::new(world);
    let process = place.process();
    let began = tokio::time::Instant::now();
    let mut states = Vec::new();
    for url in &all {
        states.push(enrich(&process, "INC-7", &[url]).await.upload.state);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(states.iter().filter(|state| **state == UploadState::Done).count(), 5, "{states:?}");
    assert_eq!(states.last(), Some(&UploadState::HandedOver));
    tokio::time::sleep(Duration::from_secs(600)).await;
    place.feed().await;
    let held = place.sentinel();
    for url in &all {
        let labels = &held[&format!("[url:value = '{url}']")];
        assert!(labels.contains(&"incident_id: INC-7".to_owned()), "{url}: {labels:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_left_and_did_not_send_is_sent_by_the_feed() {
    for stop in [Stop::After("/inbox/"), Stop::Before(".sent")] {
        let place = place();
        place.store.stop(stop);
        let process = place.process();
        killed(enrich(&process, "INC-7", &[URL])).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        place.feed().await;
        assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()), "{stop:?}");
        assert_eq!(place.store.names("/inbox/"), Vec::<String>::new());
        let uploads = place.stack.upload.row_count();
        place.feed().await;
        assert_eq!(place.stack.upload.row_count(), uploads);
    }
}

#[tokio::test(start_paused = true)]
async fn what_sentinel_does_not_take_now_is_handed_to_the_feed() {
    let faults = vec![FaultRule::new(ServiceName::Upload, When::Always, Fault::Status(503))];
    let options = StackOptions { faults, ..StackOptions::default() };
    let place = Place::with(known_url(URL, Verdict::Malicious, hours(3)), options);
    let report = enrich(&place.process(), "INC-7", &[URL]).await;
    assert_eq!((report.upload.state, report.upload.handed_over), (UploadState::HandedOver, 1), "{:?}", report.upload);
    place.stack.faults().clear();
    tokio::time::sleep(Duration::from_secs(600)).await;
    place.feed().await;
    assert!(labels(&place).contains(&"incident_id: INC-7".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_is_analysed_is_sent_when_it_has_ended_although_nobody_asks() {
    let mut options = StackOptions::default();
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    let place = Place::with(World::new(), options);
    let process = place.process();
    let mut request = urls(&["https://new.example/x"]);
    request.upload = true;
    request.incident = Some("INC-7".parse().unwrap());
    process.enrich(request).await.unwrap();
    assert!(place.sentinel().is_empty());
    tokio::time::sleep(Duration::from_secs(300)).await;
    place.process().sweep(&CancellationToken::new()).await.unwrap();
    let held = place.sentinel();
    assert!(held["[url:value = 'https://new.example/x']"].contains(&"incident_id: INC-7".to_owned()), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn one_request_of_many_things_is_one_upload() {
    let mut world = World::new();
    let all: Vec<String> = (0..30).map(|n| format!("https://evil-{n}.example/a")).collect();
    for (n, url) in (0..).zip(&all) {
        add_known_url(&mut world, 1000 + n, url, Verdict::Malicious, hours(1));
    }
    let place = Place::new(world);
    let things: Vec<&str> = all.iter().map(String::as_str).collect();
    let report = enrich(&place.process(), "INC-7", &things).await;
    assert_eq!(report.upload.accepted, 30, "{:?}", report.upload);
    assert_eq!(place.stack.upload.requests().len(), 1);
    tokio::time::sleep(Duration::from_secs(600)).await;
    place.feed().await;
    assert_eq!(place.stack.upload.requests().len(), 1, "the feed takes it as sent");
}

#[tokio::test(start_paused = true)]
async fn an_upload_without_a_shared_state_is_refused_with_the_reason() {
    let place = place();
    let parts = place.parts(Uploads::Refused { reason: "StateUrl is memory:".to_owned() });
    let report = enrich(&Enrichment::new(parts), "INC-7", &[URL]).await;
    assert_eq!(report.upload.state, UploadState::Refused);
    assert_eq!(report.upload.reason.as_deref(), Some("StateUrl is memory:"));
    assert!(place.sentinel().is_empty());
    assert_eq!(report.items[0].indicators.entries.len(), 1, "the rest is there");
}

#[tokio::test(start_paused = true)]
async fn what_an_indicator_is_to_sentinel_follows_its_upload() {
    let place = place();
    let process = place.process();
    let asked = to_the_end(&process, process.enrich(urls(&[URL])).await).await;
    assert_eq!(asked.items[0].indicators.entries[0].state, IndicatorState::New, "nothing is sent");
    let sent = enrich(&process, "INC-7", &[URL]).await;
    assert_eq!(sent.items[0].indicators.entries[0].state, IndicatorState::Live);
    let Answer::Done(again) = process.enrich(urls(&[URL])).await.unwrap() else { panic!("it is known") };
    assert_eq!(again.items[0].indicators.entries[0].state, IndicatorState::Live, "before the feed has run");
    place.feed().await;
    let Answer::Done(again) = process.enrich(urls(&[URL])).await.unwrap() else { panic!("it is known") };
    assert_eq!(again.items[0].indicators.entries[0].state, IndicatorState::Live, "and after it");
}

#[tokio::test(start_paused = true)]
async fn an_indicator_that_sentinel_did_not_take_is_still_new() {
    let place = place();
    let down = FaultRule::new(ServiceName::Upload, When::Always, Fault::Status(500));
    place.stack.faults().add(down);
    let report = enrich(&place.process(), "INC-7", &[URL]).await;
    assert_eq!(report.upload.state, UploadState::HandedOver, "{:?}", report.upload);
    assert_eq!(report.items[0].indicators.entries[0].state, IndicatorState::New);
}
