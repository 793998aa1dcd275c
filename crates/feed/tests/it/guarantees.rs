//! The promises of the design's section on delivery, each in a test that says it.

use std::time::Duration;

use feed::{Outcome, RunOptions};
use jiff::SignedDuration;
use ledger::Command;
use rstest::rstest;
use simulators::{
    Access, Bound, Fault, FaultRule, Ioc, IocKind, Sample, ServiceName, StackOptions, Submission, TruncatedFlag,
    Verdict, VmrayOptions, When, World, WorldOptions,
};

use crate::world::{Setting, at};

const NOW: &str = "2026-02-01T12:00:00Z";

fn run() -> RunOptions {
    RunOptions::default()
}

fn domain(value: &str) -> Ioc {
    Ioc::new(IocKind::Domain, value, Verdict::Malicious)
}

fn malicious(world: &mut World, id: u64, finished: &str, iocs: Vec<Ioc>) {
    world.add_sample(Sample::file(id, at(finished), "sample.exe").with_iocs(iocs));
    world.add_submission(Submission::finished(id + 1000, id, at(finished), Some(Verdict::Malicious)));
}

#[rstest]
fn what_vmray_calls_malicious_is_in_sentinel_or_in_a_receipt(#[values(1, 2, 3, 4)] seed: u64) {
    let world = World::generate(&WorldOptions { seed, samples: 120, ..WorldOptions::default() });
    let setting = Setting::new(world, StackOptions { seed, ..StackOptions::default() }, at(NOW));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.outcome, Outcome::Done);
    assert!(setting.indicators().len() > 100);
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[rstest]
fn a_second_run_sends_nothing_and_only_lists(#[values(1, 2)] seed: u64) {
    let world = World::generate(&WorldOptions { seed, samples: 60, ..WorldOptions::default() });
    let setting = Setting::new(world, StackOptions { seed, ..StackOptions::default() }, at(NOW));
    setting.run(&run()).unwrap();
    let rows = setting.stack.upload.row_count();
    let uploads = setting.stack.upload.requests().len();
    let asked = setting.stack.vmray.requests().len();
    setting.clock.pass(SignedDuration::from_mins(2));
    setting.run(&run()).unwrap();
    assert_eq!(setting.stack.upload.row_count(), rows);
    assert_eq!(setting.stack.upload.requests().len(), uploads);
    let open = setting.known().open;
    for request in setting.stack.vmray.requests().iter().skip(asked) {
        let of_open = |id: &u64| request.path.starts_with(&format!("/rest/sample/{id}/"));
        assert!(
            request.path.starts_with("/rest/submission")
                || request.path.starts_with("/rest/continuation")
                || open.iter().any(of_open),
            "{}",
            request.path
        );
    }
}

#[test]
fn a_null_verdict_or_value_never_loses_its_neighbours() {
    let mut world = World::new();
    let null_verdict = Ioc { verdict: None, ..domain("null.example.net") };
    let null_value = Ioc { value: None, ..domain("x.example.net") };
    malicious(
        &mut world,
        1,
        "2026-01-20T10:00:00Z",
        vec![domain("first.example.net"), null_verdict, null_value, domain("last.example.net")],
    );
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(setting.indicators().len(), 2);
    assert_eq!(summary.counts["receipts"], 2);
    let mut reasons: Vec<_> = setting.known().receipts.into_iter().map(|receipt| receipt.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["null_value", "null_verdict"]);
}

#[test]
fn one_forbidden_sample_stays_open_and_changes_no_other() {
    let mut world = World::new();
    for id in 1..=3 {
        malicious(&mut world, id, "2026-01-20T10:00:00Z", vec![domain(&format!("d{id}.example.net"))]);
    }
    world.sample_mut(2).unwrap().access = Access::Forbidden;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.samples_open, 1);
    assert_eq!(setting.known().open, [2]);
    assert_eq!(setting.indicators().len(), 2);

    setting.stack.vmray.edit(|world| world.sample_mut(2).unwrap().access = Access::Open);
    setting.clock.pass(SignedDuration::from_mins(10));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.samples_open, 0);
    assert_eq!(setting.indicators().len(), 3);
    for object in setting.indicators().values() {
        assert_eq!(object["created"], "2026-01-20T10:00:00.000Z");
    }
}

#[rstest]
#[case::missing_for_a_day(Access::Missing, 25, "sample_not_found")]
#[case::forbidden_for_a_month(Access::Forbidden, 24 * 31, "sample_unreadable")]
fn a_sample_that_is_never_readable_ends_as_a_receipt(#[case] access: Access, #[case] hours: i64, #[case] reason: &str) {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    world.sample_mut(1).unwrap().access = access;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    assert_eq!(setting.run(&run()).unwrap().samples_open, 1);
    setting.clock.pass(SignedDuration::from_hours(hours));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.samples_open, 0);
    let receipts = setting.known().receipts;
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].reason, reason);
}

#[test]
fn one_404_does_not_give_up_a_sample_that_was_open_for_another_reason() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    world.sample_mut(1).unwrap().access = Access::Forbidden;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    setting.clock.pass(SignedDuration::from_hours(25));
    setting.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Missing);
    assert_eq!(setting.run(&run()).unwrap().samples_open, 1);
    setting.clock.pass(SignedDuration::from_hours(25));
    setting.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Open);
    assert_eq!(setting.run(&run()).unwrap().samples_open, 0);
    assert_eq!(setting.indicators().len(), 1);
}

#[test]
fn a_report_that_is_waiting_is_read_when_it_is_there() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    world.sample_mut(1).unwrap().access = Access::Waiting;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    assert_eq!(setting.run(&run()).unwrap().samples_open, 1);
    setting.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Open);
    assert_eq!(setting.run(&run()).unwrap().samples_open, 0);
    assert_eq!(setting.indicators().len(), 1);
}

#[rstest]
#[case::defaults(VmrayOptions::default())]
#[case::exclusive(VmrayOptions { lower_bound: Bound::Exclusive, upper_bound: Bound::Exclusive, ..VmrayOptions::default() })]
#[case::small_pages(VmrayOptions { api_items_per_request: 7, max_api_items: 20, ..VmrayOptions::default() })]
#[case::silent_truncation(VmrayOptions { max_api_items: 100, truncated_flag: TruncatedFlag::Never, ..VmrayOptions::default() })]
fn even_one_second_with_more_than_the_maximum_is_complete(#[case] vmray: VmrayOptions) {
    let mut world = World::new();
    for id in 1..=450 {
        malicious(&mut world, id, "2026-01-20T10:00:00Z", vec![domain(&format!("d{id}.example.net"))]);
    }
    let setting = Setting::new(world, StackOptions { vmray, ..StackOptions::default() }, at(NOW));
    setting.run(&run()).unwrap();
    assert_eq!(setting.indicators().len(), 450);
}

#[test]
fn what_finishes_late_is_found_by_the_overlap() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-02-01T11:50:00Z", vec![domain("d1.example.net")]);
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    // Becomes visible after the run, with an earlier finish time and a lower id.
    setting.stack.vmray.edit(|world| {
        world.add_sample(
            Sample::file(9, at("2026-02-01T11:00:00Z"), "late.exe").with_iocs(vec![domain("late.example.net")]),
        );
        world.add_submission(Submission::finished(900, 9, at("2026-02-01T11:40:00Z"), Some(Verdict::Malicious)));
    });
    setting.clock.pass(SignedDuration::from_mins(10));
    setting.run(&run()).unwrap();
    assert_eq!(setting.indicators().len(), 2);
}

#[rstest]
#[case::slow(-1)]
#[case::fast(1)]
fn a_clock_that_is_an_hour_off_loses_nothing(#[case] hours: i64) {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-02-01T11:59:00Z", vec![domain("d1.example.net")]);
    let mut setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.offset = SignedDuration::from_hours(hours);
    setting.run(&run()).unwrap();
    for n in 2..8 {
        setting.clock.pass(SignedDuration::from_mins(10));
        let finished = at(NOW) + SignedDuration::from_mins(10 * (i64::try_from(n).unwrap() - 1) - 5);
        setting
            .stack
            .vmray
            .edit(|world| malicious(world, n, &finished.to_string(), vec![domain(&format!("d{n}.example.net"))]));
        setting.run(&run()).unwrap();
    }
    assert_eq!(setting.indicators().len(), 7);
    assert!(setting.known().cursor.unwrap() <= at("2026-02-01T13:00:00Z"));
}

#[test]
fn another_supporting_sample_alone_sends_nothing_and_a_refresh_is_sent_when_due() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-31T10:00:00Z", vec![domain("d.example.net")]);
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    let rows = setting.stack.upload.row_count();

    setting.stack.vmray.edit(|world| malicious(world, 2, "2026-02-01T12:05:00Z", vec![domain("d.example.net")]));
    setting.clock.pass(SignedDuration::from_mins(10));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.counts["unchanged"], 1);
    assert_eq!(setting.stack.upload.row_count(), rows);

    // 100 of 180 days later less than half of its life is left.
    setting.clock.pass(SignedDuration::from_hours(24 * 100));
    setting.stack.vmray.edit(|world| malicious(world, 3, "2026-05-12T12:00:00Z", vec![domain("d.example.net")]));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.counts["refreshed"], 1);
    assert_eq!(setting.stack.upload.row_count(), rows + 1);
    let object = setting.indicators().into_values().next().unwrap();
    assert_eq!(object["created"], "2026-01-31T10:00:00.000Z");
    assert!(object["labels"].to_string().contains("sample_id: 3"), "{object}");
}

#[test]
fn a_suspicious_value_that_becomes_malicious_is_sent_again_under_the_same_id() {
    let mut world = World::new();
    let suspicious = Ioc::new(IocKind::Domain, "d.example.net", Verdict::Suspicious);
    malicious(&mut world, 1, "2026-01-31T10:00:00Z", vec![suspicious]);
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    setting.stack.vmray.edit(|world| malicious(world, 2, "2026-02-01T12:05:00Z", vec![domain("d.example.net")]));
    setting.clock.pass(SignedDuration::from_mins(10));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.counts["changed"], 1);
    let objects = setting.indicators();
    assert_eq!(objects.len(), 1);
    let object = objects.into_values().next().unwrap();
    assert_eq!(object["confidence"], 100);
    assert_eq!(object["created"], "2026-01-31T10:00:00.000Z");
    assert!(object["modified"].as_str() > object["created"].as_str());
}

#[test]
fn a_run_that_stops_at_its_time_budget_is_continued_by_the_next() {
    let world = World::generate(&WorldOptions::plain(5, 150));
    let vmray =
        VmrayOptions { latency: simulators::Latency::Fixed(Duration::from_millis(200)), ..VmrayOptions::default() };
    let mut setting = Setting::new(world, StackOptions { vmray, ..StackOptions::default() }, at(NOW));
    setting.requests_at_once = 16;
    let budget = RunOptions { time_budget: Some(Duration::from_secs(2)), ..run() };
    let summary = setting.run(&budget).unwrap();
    assert_eq!(summary.outcome, Outcome::StoppedEarly);
    let partly = setting.indicators().len();
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.outcome, Outcome::Done);
    assert!(setting.indicators().len() > partly);
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-31T10:00:00Z", vec![domain("d.example.net")]);
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    let summary = setting.run(&RunOptions { dry_run: true, ..run() }).unwrap();
    assert_eq!(summary.counts["new"], 1);
    assert_eq!(setting.stack.upload.requests().len(), 0);
    assert_eq!(setting.known().cursor, None);
}

#[test]
fn many_samples_that_vmray_cannot_serve_do_not_stop_the_others() {
    let mut world = World::new();
    for id in 1..=20 {
        malicious(&mut world, id, "2026-01-20T10:00:00Z", vec![domain(&format!("d{id}.example.net"))]);
    }
    let broken = |id: u64| {
        FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500)).on_path(&format!("/sample/{id}/iocs"))
    };
    let faults = (3..=14).map(broken).collect();
    let setting = Setting::new(world, StackOptions { faults, ..StackOptions::default() }, at(NOW));
    for _ in 0..2 {
        let summary = setting.run(&run()).unwrap();
        assert_eq!(summary.samples_open, 12);
        assert_eq!(setting.indicators().len(), 8);
        setting.clock.pass(SignedDuration::from_mins(10));
    }
    setting.stack.faults().clear();
    assert_eq!(setting.run(&run()).unwrap().samples_open, 0);
    assert_eq!(setting.indicators().len(), 20);
}

#[test]
fn techniques_that_cannot_be_read_withhold_no_indicator_for_long() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    let broken = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500)).on_path("mitre_attack");
    let setting = Setting::new(world, StackOptions { faults: vec![broken], ..StackOptions::default() }, at(NOW));
    setting.run(&run()).unwrap();
    setting.clock.pass(SignedDuration::from_mins(10));
    let summary = setting.run(&run()).unwrap();
    assert_eq!(summary.samples_open, 0);
    assert_eq!(setting.indicators().len(), 1);
}

#[test]
fn since_finds_what_a_narrower_filter_left_out() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    let suspicious = Ioc::new(IocKind::Domain, "s.example.net", Verdict::Suspicious);
    world.add_sample(Sample::file(2, at("2026-01-20T11:00:00Z"), "s.exe").with_iocs(vec![suspicious]));
    world.add_submission(Submission::finished(1002, 2, at("2026-01-20T11:00:00Z"), Some(Verdict::Suspicious)));
    let mut setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.verdicts = "Malicious";
    setting.run(&run()).unwrap();
    assert_eq!(setting.indicators().len(), 1);
    setting.verdicts = "Malicious & Suspicious";
    setting.run(&RunOptions { since: Some(at("2026-01-01T00:00:00Z")), ..run() }).unwrap();
    assert_eq!(setting.indicators().len(), 2);
    assert!(setting.known().cursor.unwrap() >= at("2026-02-01T11:59:00Z"));
}

#[test]
fn requests_that_are_all_refused_do_not_fill_the_quarantine() {
    let world = World::generate(&WorldOptions::plain(3, 60));
    let refused = FaultRule::new(ServiceName::Upload, When::Always, Fault::Status(400));
    let setting = Setting::new(world, StackOptions { faults: vec![refused], ..StackOptions::default() }, at(NOW));
    let error = setting.run(&run()).unwrap_err();
    assert!(matches!(error, feed::Error::Upload(_)), "{error}");
    let known = setting.known();
    assert!(known.quarantine.len() <= 25, "{}", known.quarantine.len());
    assert!(known.outbox.len() > 50, "{}", known.outbox.len());
}

/// A world whose one indicator was refused.
fn refused() -> (Setting, String) {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    let refused = FaultRule::new(ServiceName::Upload, When::First(3), Fault::Status(400));
    let setting = Setting::new(world, StackOptions { faults: vec![refused], ..StackOptions::default() }, at(NOW));
    let summary = setting.run(&run()).unwrap();
    assert!(summary.quarantine_open >= 1);
    setting.stack.faults().clear();
    let known = setting.known();
    let id = known.quarantine.into_iter().find(|id| id.starts_with("indicator--")).unwrap();
    (setting, id)
}

#[test]
fn a_replayed_indicator_gets_the_life_of_its_last_sighting() {
    let (setting, id) = refused();
    setting.clock.pass(SignedDuration::from_hours(24 * 100));
    setting.stack.vmray.edit(|world| malicious(world, 2, "2026-05-12T12:00:00Z", vec![domain("d.example.net")]));
    setting.run(&run()).unwrap();
    assert!(!setting.indicators().contains_key(&id), "it stays in quarantine until it is replayed");

    setting.leave(&Command::ReplayQuarantine { ids: vec![id.clone()] });
    let summary = setting.run(&run()).unwrap();
    let object = setting.indicators().remove(&id).unwrap();
    assert_eq!(object["valid_until"], "2026-11-08T12:00:00.000Z");
    assert_eq!(object["created"], "2026-01-20T10:00:00.000Z");
    assert!(!setting.known().quarantine.contains(&id), "{summary:?}");
}

#[test]
fn a_dropped_indicator_is_sent_when_vmray_reports_it_again() {
    let (setting, id) = refused();
    setting.leave(&Command::DropQuarantine { ids: vec![id.clone()] });
    setting.run(&run()).unwrap();
    assert!(!setting.known().quarantine.contains(&id));
    assert!(!setting.indicators().contains_key(&id));
    setting.clock.pass(SignedDuration::from_mins(10));
    setting.stack.vmray.edit(|world| malicious(world, 2, "2026-02-01T12:05:00Z", vec![domain("d.example.net")]));
    setting.run(&run()).unwrap();
    assert!(setting.indicators().contains_key(&id));
}

#[test]
fn an_open_sample_that_is_not_due_is_read_when_it_is_asked_for() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    world.sample_mut(1).unwrap().access = Access::Forbidden;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    setting.clock.pass(SignedDuration::from_hours(25));
    setting.run(&run()).unwrap();
    setting.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Open);
    setting.clock.pass(SignedDuration::from_hours(1));
    assert_eq!(setting.run(&run()).unwrap().samples_open, 1, "after a day it is tried daily");

    setting.leave(&Command::RetrySamples { ids: vec![1, 77] });
    assert_eq!(setting.run(&run()).unwrap().samples_open, 0);
    assert_eq!(setting.indicators().len(), 1);
}

#[test]
fn a_dropped_sample_becomes_a_receipt_and_is_read_when_vmray_lists_something_new_of_it() {
    let mut world = World::new();
    malicious(&mut world, 1, "2026-01-20T10:00:00Z", vec![domain("d.example.net")]);
    world.sample_mut(1).unwrap().access = Access::Forbidden;
    let setting = Setting::new(world, StackOptions::default(), at(NOW));
    setting.run(&run()).unwrap();
    setting.leave(&Command::DropSamples { ids: vec![1, 77] });
    let summary = setting.run(&run()).unwrap();
    assert_eq!((summary.samples_open, summary.notes.dropped().get("sample_dropped")), (0, Some(&1)));
    let again = RunOptions { since: Some(at("2026-01-01T00:00:00Z")), ..run() };
    assert_eq!(setting.run(&again).unwrap().samples_open, 0, "it is not read again because it is listed again");
    let receipts = setting.known().receipts;
    assert_eq!((receipts.len(), receipts[0].reason.as_str(), receipts[0].sample_id), (1, "sample_dropped", 1));

    setting.stack.vmray.edit(|world| {
        world.sample_mut(1).unwrap().access = Access::Open;
        let again = Submission::finished(2001, 1, at("2026-02-01T12:30:00Z"), Some(Verdict::Malicious));
        world.add_submission(again);
    });
    setting.clock.pass(SignedDuration::from_hours(1));
    setting.run(&run()).unwrap();
    assert_eq!(setting.indicators().len(), 1);
}
