//! A machine whose clock is wrong.

use feed::{Error, RunOptions};
use jiff::SignedDuration;
use rstest::rstest;
use simulators::{Ioc, IocKind, Sample, StackOptions, Submission, Verdict, World, WorldOptions};

use crate::world::{Setting, at};

const NOW: &str = "2026-02-01T12:00:00Z";

#[rstest]
#[case::fast(24, "1 day ahead of VMRay's")]
#[case::very_fast(400 * 24, "400 days ahead of VMRay's")]
#[case::slow(-3, "3 h behind VMRay's")]
fn a_clock_over_an_hour_off_ends_the_run_before_anything_is_decided(#[case] hours: i64, #[case] words: &str) {
    let world = World::generate(&WorldOptions { seed: 3, samples: 60, ..WorldOptions::default() });
    let mut setting = Setting::new(world, StackOptions { seed: 3, ..StackOptions::default() }, at(NOW));
    setting.offset = SignedDuration::from_hours(hours);
    let failed = setting.fail(&RunOptions::default());
    assert!(matches!(failed.error, Error::Clock { .. }), "{failed:?}");
    assert!(failed.error.to_string().contains(words), "{}", failed.error);
    let known = setting.known();
    assert!(known.receipts.is_empty() && known.cursor.is_none() && known.outbox.is_empty(), "{known:?}");
    assert!(setting.stack.upload.requests().is_empty());
    // With the clock set right, nothing is missing.
    setting.offset = SignedDuration::ZERO;
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
}

fn one_sample(setting_lives: SignedDuration) -> Setting {
    let mut world = World::new();
    // Its life of 180 days is over this long after now.
    let finished = at(NOW) - SignedDuration::from_hours(180 * 24) + setting_lives;
    let ioc = Ioc::new(IocKind::Domain, "late.example.net", Verdict::Malicious);
    world.add_sample(Sample::file(1, finished, "a.exe").with_iocs(vec![ioc]));
    world.add_submission(Submission::finished(1001, 1, finished, Some(Verdict::Malicious)));
    Setting::new(world, StackOptions::default(), at(NOW))
}

fn since() -> RunOptions {
    RunOptions { since: Some(at("2025-07-01T00:00:00Z")), ..RunOptions::default() }
}

#[test]
fn a_life_is_over_by_the_earlier_of_both_clocks() {
    let mut setting = one_sample(SignedDuration::from_mins(20));
    setting.offset = SignedDuration::from_mins(40);
    setting.run(&since()).unwrap();
    assert_eq!((setting.indicators().len(), setting.known().receipts.len()), (1, 0));
}

#[test]
fn since_reads_again_what_was_taken_for_expired() {
    let mut setting = one_sample(-SignedDuration::from_hours(1));
    setting.run(&since()).unwrap();
    let known = setting.known();
    assert_eq!((setting.indicators().len(), known.receipts[0].reason.as_str()), (0, "expired"));
    // A life that is longer by then.
    setting.days = 200;
    setting.clock.pass(SignedDuration::from_mins(10));
    setting.run(&RunOptions::default()).unwrap();
    assert_eq!(setting.indicators().len(), 0);
    let summary = setting.run(&since()).unwrap();
    assert_eq!((summary.counts["samples_read"], setting.indicators().len()), (1, 1));
    setting.clock.pass(SignedDuration::from_mins(10));
    assert_eq!(setting.run(&since()).unwrap().counts["samples_read"], 0);
}
