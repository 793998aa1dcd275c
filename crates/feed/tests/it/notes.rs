//! What a run tells besides its counts.

use feed::{AllDropped, Note, RunOptions};
use jiff::SignedDuration;
use simulators::{
    Access, Fault, FaultRule, Ioc, IocKind, Sample, ServiceName, StackOptions, Submission, UploadOptions, Verdict,
    When, World,
};

use crate::world::{Setting, at};

fn world() -> World {
    let mut world = World::new();
    for (id, value) in [(1, "good.example.net"), (2, "refused.example.net")] {
        let finished = at("2026-01-20T10:00:00Z");
        let ioc = Ioc::new(IocKind::Domain, value, Verdict::Malicious);
        let null = Ioc { value: None, ..ioc.clone() };
        world.add_sample(Sample::file(id, finished, "sample.exe").with_iocs(vec![ioc, null]));
        world.add_submission(Submission::finished(id + 1000, id, finished, Some(Verdict::Malicious)));
    }
    world
}

fn setting(world: World) -> Setting {
    let upload = UploadOptions { refused_texts: vec!["refused.example.net".to_owned()], ..UploadOptions::default() };
    Setting::new(world, StackOptions { upload, ..StackOptions::default() }, at("2026-02-01T12:00:00Z"))
}

#[test]
fn what_was_refused_and_dropped_is_told_by_the_run_that_did_it() {
    let setting = setting(world());
    let first = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((first.submissions_listed, first.outbox_left, first.quarantine_open), (2, 0, 1));
    let [Note::Quarantined { value, server, id }] = first.notes.kept() else { panic!("{:?}", first.notes) };
    assert_eq!(value, "refused.example.net");
    assert!(id.starts_with("indicator--") && server.contains("not allowed"), "{server}");
    assert_eq!(first.notes.dropped().get("null_value"), Some(&2));
    let second = setting.run(&RunOptions::default()).unwrap();
    assert!(second.notes.kept().is_empty() && second.notes.dropped().is_empty(), "{:?}", second.notes);
    assert_eq!(second.quarantine_open, 1);
}

/// Five samples with three findings each, as a server tells them that gives no verdict on findings, or on nothing.
fn silent_server(findings: Option<Verdict>, tells: bool, submissions: Option<Verdict>) -> World {
    let mut world = World::new();
    for id in 1..=10 {
        let finished = at("2026-01-20T10:00:00Z");
        let iocs = (0..3).map(|n| Ioc {
            verdict: findings,
            tells_verdict: tells,
            ..Ioc::new(IocKind::Domain, &format!("n{n}-{id}.example.net"), Verdict::Malicious)
        });
        world.add_sample(Sample::file(id, finished, "sample.exe").with_iocs(iocs.collect()));
        world.add_submission(Submission::finished(id + 1000, id, finished, submissions));
    }
    world
}

#[test]
fn a_run_that_drops_everything_for_one_reason_says_so() {
    let malicious = Some(Verdict::Malicious);
    let cases = [
        ("no field", silent_server(malicious, false, malicious), Some(("null_verdict", 30))),
        ("null", silent_server(None, true, malicious), Some(("null_verdict", 30))),
        ("no verdict at all", silent_server(malicious, true, None), Some((AllDropped::NO_SUBMISSION_VERDICT, 10))),
        ("all well", silent_server(malicious, true, malicious), None),
        ("left out by the filter", silent_server(Some(Verdict::Clean), true, malicious), None),
    ];
    for (case, world, expected) in cases {
        let setting = setting(world);
        let first = setting.run(&RunOptions::default()).unwrap();
        let said = first.all_dropped.as_ref().map(|dropped| (dropped.reason.as_str(), dropped.count));
        assert_eq!(said, expected, "{case}: {:?}", first.counts);
        setting.clock.pass(SignedDuration::from_hours(2));
        assert_eq!(setting.run(&RunOptions::default()).unwrap().all_dropped, None, "{case}: a run that reads nothing");
    }
    // Two reasons, or one value that is sent, is no sign of a server that says nothing.
    let mut mixed = silent_server(None, true, malicious);
    let one = Ioc::new(IocKind::Domain, "good.example.net", Verdict::Malicious);
    mixed.add_sample(Sample::file(1, at("2026-01-20T10:00:00Z"), "sample.exe").with_iocs(vec![one]));
    assert_eq!(setting(mixed).run(&RunOptions::default()).unwrap().all_dropped, None);
}

#[test]
fn an_open_sample_is_told_once_and_again_when_the_reason_changes() {
    let mut closed = world();
    closed.sample_mut(1).unwrap().access = Access::Forbidden;
    let setting = setting(closed);
    let told = || {
        let summary = setting.run(&RunOptions::default()).unwrap();
        setting.clock.pass(SignedDuration::from_mins(10));
        let open = summary.notes.kept().iter().filter(|note| matches!(note, Note::Open { sample_id: 1, .. })).count();
        (summary.samples_open, open)
    };
    assert_eq!([told(), told()], [(1, 1), (1, 0)]);
    setting.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Waiting);
    assert_eq!([told(), told()], [(1, 1), (1, 0)]);
}

#[test]
fn a_sample_that_is_given_up_is_told_as_dropped() {
    let mut closed = world();
    closed.sample_mut(1).unwrap().access = Access::Missing;
    let setting = setting(closed);
    setting.run(&RunOptions::default()).unwrap();
    setting.clock.pass(SignedDuration::from_hours(25));
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!(summary.notes.dropped().get("sample_not_found"), Some(&1), "{:?}", summary.notes);
}

#[test]
fn a_run_that_fails_half_way_tells_what_it_did() {
    let setting = setting(world());
    setting.stack.faults().add(FaultRule::new(ServiceName::Upload, When::Always, Fault::Status(403)));
    let failed = setting.fail(&RunOptions::default());
    assert!(matches!(failed.error, feed::Error::Upload(_)), "{failed:?}");
    let summary = failed.summary.unwrap();
    assert_eq!((summary.submissions_listed, summary.counts["samples_read"]), (2, 2));
    assert!(summary.outbox_left >= 2, "{}", summary.outbox_left);
}
