//! More to send than waits in memory: the outbox has the rest.

use std::time::Duration;

use feed::{Outcome, RunOptions};
use simulators::{Ioc, IocKind, Sample, StackOptions, Submission, Verdict, World};

use crate::world::{Setting, at};

const SAMPLES: usize = 120;
const VALUES_EACH: usize = 12;
const VALUES: usize = SAMPLES * VALUES_EACH;

/// Samples that are read far faster than what is found can be sent.
fn setting() -> Setting {
    let mut world = World::new();
    let finished = at("2026-01-20T10:00:00Z");
    for id in 1..=SAMPLES as u64 {
        let value = |n| Ioc::new(IocKind::Domain, &format!("d{n}.s{id}.example.net"), Verdict::Malicious);
        world.add_sample(Sample::file(id, finished, "a.exe").with_iocs((0..VALUES_EACH).map(value).collect()));
        world.add_submission(Submission::finished(id + 1000, id, finished, Some(Verdict::Malicious)));
    }
    let mut setting = Setting::new(world, StackOptions::default(), at("2026-02-01T12:00:00Z"));
    setting.most_waiting = 250;
    // Two uploads at once, then one every half minute.
    setting.per_minute = 2;
    setting
}

/// Each value is with Sentinel, and was sent once, as was our identity.
fn assert_all_arrived_once(setting: &Setting) {
    setting.assert_nothing_lost_and_nothing_wrong();
    assert_eq!(setting.indicators().len(), VALUES);
    assert_eq!(setting.stack.upload.row_count(), VALUES + 1);
    assert_eq!(setting.known().outbox, Vec::<String>::new());
}

#[test]
fn a_backlog_larger_than_what_waits_in_memory_arrives_whole_and_once() {
    let setting = setting();
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((summary.counts["accepted"], summary.outbox_left), (VALUES as u64 + 1, 0));
    assert_all_arrived_once(&setting);
}

#[test]
fn a_backlog_that_a_run_has_no_time_for_is_sent_by_the_next_each_object_once() {
    let setting = setting();
    let cut_off = RunOptions { time_budget: Some(Duration::from_secs(90)), ..RunOptions::default() };
    let summary = setting.run(&cut_off).unwrap();
    assert_eq!((summary.outcome, summary.counts["new"]), (Outcome::StoppedEarly, VALUES as u64));
    assert!(summary.outbox_left > 1_000, "{summary:?}");
    assert_eq!(summary.outbox_left, setting.known().outbox.len() as u64);
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((summary.outcome, summary.outbox_left), (Outcome::Done, 0));
    assert_all_arrived_once(&setting);
}

#[test]
fn a_backlog_that_sentinel_refuses_as_a_whole_is_read_to_its_end_and_sent_when_it_may_be() {
    let setting = setting();
    let allowed = setting.stack.upload.edit(|options| std::mem::take(&mut options.contributors));
    let failed = setting.fail(&RunOptions::default());
    assert_eq!(failed.summary.unwrap().outbox_left, VALUES as u64 + 1);
    setting.stack.upload.edit(|options| options.contributors = allowed);
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((summary.counts["samples_read"], summary.outbox_left), (0, 0));
    assert_all_arrived_once(&setting);
}
