//! Waits that services ask for, stops while uploads wait for their turn, and what of it is told.

use std::time::Duration;

use feed::{Outcome, Progress, RunOptions, RunSummary, Service};
use jiff::SignedDuration;
use ledger::Reader;
use rstest::rstest;
use simulators::{Fault, FaultRule, Ioc, IocKind, Sample, ServiceName, StackOptions, Submission, Verdict, When, World};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::world::{Setting, at, block_on};

const NOW: &str = "2026-02-01T12:00:00Z";

/// `samples` samples of a hundred values each: an upload each.
fn setting(samples: u64) -> Setting {
    let mut world = World::new();
    for id in 1..=samples {
        let finished = at("2026-01-20T10:00:00Z");
        let value = |n| Ioc::new(IocKind::Domain, &format!("d{n}.s{id}.example.net"), Verdict::Malicious);
        world.add_sample(Sample::file(id, finished, "a.exe").with_iocs((0..100).map(value).collect()));
        world.add_submission(Submission::finished(id + 1000, id, finished, Some(Verdict::Malicious)));
    }
    Setting::new(world, StackOptions::default(), at(NOW))
}

fn ask_to_wait(setting: &Setting, service: ServiceName, when: When, seconds: u64) {
    let fault = Fault::Throttled { retry_after: Duration::from_secs(seconds) };
    setting.stack.faults().add(FaultRule::new(service, when, fault));
}

/// Runs in a process of its own; `stop_after` tells it to stop. Returns how long it took and all it said of itself.
fn run(setting: &Setting, options: &RunOptions, stop_after: Option<u64>) -> (RunSummary, Duration, Vec<Progress>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        setting.clock.begin();
        let feed = setting.feed();
        let (progress, mut seen) = watch::channel(Progress::default());
        let stop = CancellationToken::new();
        let started = Instant::now();
        let mut said = Vec::new();
        let mut run = Box::pin(feed.run(options, &progress, &stop));
        let stop_at = started + Duration::from_secs(stop_after.unwrap_or(1_000_000_000));
        let summary = loop {
            tokio::select! {
                outcome = &mut run => break outcome.unwrap(),
                Ok(()) = seen.changed() => said.push(*seen.borrow_and_update()),
                () = tokio::time::sleep_until(stop_at), if !stop.is_cancelled() => stop.cancel(),
            }
        };
        drop(run);
        said.push(*seen.borrow());
        setting.clock.end();
        (summary, started.elapsed(), said)
    })
}

/// The newest run as the ledger tells it.
fn last_run(setting: &Setting) -> (String, Option<String>) {
    block_on(async {
        let reader = Reader::open(&setting.storage, "default").await.unwrap();
        let run = reader.records().newest_runs(1).await.unwrap().remove(0);
        (run.outcome, run.error)
    })
}

#[rstest]
#[case(ServiceName::Vmray, Service::Vmray)]
#[case(ServiceName::Upload, Service::Sentinel)]
fn a_wait_of_years_ends_the_run_at_once_with_who_asked_and_until_when(
    #[case] asks: ServiceName,
    #[case] service: Service,
) {
    let setting = setting(3);
    ask_to_wait(&setting, asks, When::First(1), 999_999_999);
    let (summary, took, said) = run(&setting, &RunOptions::default(), None);
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(summary.outcome, Outcome::StoppedEarly);
    let wait = summary.gave_up_waiting.unwrap();
    assert_eq!((wait.service, wait.asked.as_secs()), (service, 999_999_999));
    assert!(wait.until > at("2057-01-01T00:00:00Z"));
    let last = said.last().unwrap();
    assert_eq!(last.vmray_wait.or(last.sentinel_wait), Some(wait));
    let (outcome, words) = last_run(&setting);
    assert_eq!(outcome, "stopped_early");
    assert!(words.unwrap().starts_with(&format!("{service} asks us to wait until 20")));
    // Another process asks again, and nothing is lost.
    setting.run(&RunOptions::default()).unwrap();
    assert_eq!((setting.indicators().len(), setting.known().outbox.len()), (300, 0));
}

#[test]
fn vmrays_long_wait_does_not_hold_up_what_is_staged() {
    let setting = setting(4);
    // The listing and the first sample are answered.
    ask_to_wait(&setting, ServiceName::Vmray, When::Nth(4), 999_999_999);
    let (summary, _, _) = run(&setting, &RunOptions::default(), None);
    assert_eq!(summary.outcome, Outcome::StoppedEarly);
    assert_eq!((summary.outbox_left, summary.samples_open), (0, 0));
    assert_eq!(setting.stack.upload.objects().len() as u64, summary.counts["accepted"]);
    setting.run(&RunOptions::default()).unwrap();
    assert_eq!(setting.indicators().len(), 400);
}

#[rstest]
fn waits_of_some_minutes_are_made_and_told(#[values(ServiceName::Vmray, ServiceName::Upload)] asks: ServiceName) {
    let setting = setting(3);
    ask_to_wait(&setting, asks, When::First(1), 400);
    let (summary, took, said) = run(&setting, &RunOptions::default(), None);
    assert!((400..460).contains(&took.as_secs()), "{took:?}");
    assert_eq!((summary.outcome, summary.samples_open), (Outcome::Done, 0));
    assert_eq!(setting.indicators().len(), 300);
    let waits: Vec<_> = said.iter().flat_map(|progress| progress.waits(at("2026-02-01T12:01:00Z"))).collect();
    assert!(!waits.is_empty() && waits.iter().all(|wait| wait.asked.as_secs() == 400), "{waits:?}");
}

#[test]
fn a_run_that_only_waits_is_seen_in_the_state_meanwhile() {
    let setting = setting(3);
    ask_to_wait(&setting, ServiceName::Vmray, When::First(1), 400);
    assert!(setting.live(Some(Duration::from_secs(60)), &RunOptions::default()).is_none());
    let (outcome, words) = last_run(&setting);
    assert_eq!(outcome, "waiting");
    assert_eq!(words.unwrap(), "VMRay asks us to wait until 2026-02-01 12:06:40 UTC (400 s)");
}

#[test]
fn waits_of_one_run_are_ten_minutes_in_all() {
    let setting = setting(3);
    ask_to_wait(&setting, ServiceName::Vmray, When::Always, 240);
    let (summary, took, _) = run(&setting, &RunOptions::default(), None);
    assert!((480..500).contains(&took.as_secs()), "{took:?}");
    assert_eq!(summary.gave_up_waiting.unwrap().service, Service::Vmray);
}

#[rstest]
#[case::told_to_stop(RunOptions::default(), Some(9))]
#[case::time_budget(RunOptions { time_budget: Some(Duration::from_secs(9)), ..RunOptions::default() }, None)]
fn a_stop_while_uploads_wait_for_their_turn_is_immediate(#[case] options: RunOptions, #[case] stop_after: Option<u64>) {
    let mut setting = setting(30);
    setting.per_minute = 5;
    let (summary, took, said) = run(&setting, &options, stop_after);
    assert!((9..11).contains(&took.as_secs()), "{took:?}");
    assert_eq!(summary.outcome, Outcome::StoppedEarly);
    assert!(summary.outbox_left > 2000, "{summary:?}");
    assert!(said.last().unwrap().stopping);
    // What counts is what Sentinel saw, not what was about to be sent.
    let requests = setting.stack.upload.requests().len() as u64;
    assert_eq!((summary.counts["uploads"], requests), (5, 5));
    assert!(said.iter().all(|progress| progress.uploads <= 5));
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn what_is_on_the_wire_is_waited_for_when_the_run_is_told_to_stop() {
    let setting = setting(3);
    let slow = Fault::Delay(Duration::from_secs(20));
    setting.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Always, slow));
    let (summary, took, _) = run(&setting, &RunOptions::default(), Some(9));
    assert!((19..23).contains(&took.as_secs()), "{took:?}");
    assert_eq!(summary.counts["accepted"], setting.stack.upload.objects().len() as u64);
    assert!(summary.counts["accepted"] > 100, "{summary:?}");
}

#[test]
fn the_numbers_of_uploads_are_those_of_sentinel_and_the_last_ones_are_complete() {
    let setting = setting(10);
    setting.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Nth(2), Fault::Status(503)));
    setting.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Nth(4), Fault::ResetAfter));
    let (summary, _, said) = run(&setting, &RunOptions::default(), None);
    assert_eq!(summary.counts["uploads"], setting.stack.upload.requests().len() as u64);
    let last = said.last().unwrap();
    assert_eq!((last.objects_left, last.samples_read, last.samples_total), (0, 10, 10));
    assert_eq!(last.accepted, 1001);
    assert_eq!(last.uploads, summary.counts["uploads"]);
    for progress in &said {
        assert!(progress.accepted + progress.objects_left <= 1001, "{progress:?}");
    }
}

#[test]
fn a_pause_that_outlives_a_run_is_an_hour_at_most() {
    let setting = setting(1);
    ask_to_wait(&setting, ServiceName::Vmray, When::First(1), 999_999_999);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        setting.clock.begin();
        // One process, as a daemon: what VMRay asked for outlives the run.
        let feed = setting.feed();
        let (progress, _) = watch::channel(Progress::default());
        let stop = CancellationToken::new();
        let options = RunOptions::default();
        let mut outcomes = Vec::new();
        for _ in 0..8 {
            outcomes.push(feed.run(&options, &progress, &stop).await.unwrap().outcome);
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count(), 3, "{outcomes:?}");
        setting.clock.end();
    });
    setting.clock.pass(SignedDuration::ZERO);
    setting.assert_nothing_lost_and_nothing_wrong();
}
