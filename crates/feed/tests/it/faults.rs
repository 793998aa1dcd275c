//! What goes wrong on the network, and that it costs time only.

use std::time::Duration;

use feed::{Error, RunOptions};
use jiff::SignedDuration;
use rstest::rstest;
use simulators::{EntraOptions, Fault, FaultRule, ServiceName, StackOptions, When, World, WorldOptions};

use crate::world::{Setting, at};

const NOW: &str = "2026-02-01T12:00:00Z";

fn with_faults(faults: Vec<FaultRule>) -> Setting {
    let world = World::generate(&WorldOptions { seed: 11, samples: 80, ..WorldOptions::default() });
    Setting::new(world, StackOptions { seed: 11, faults, ..StackOptions::default() }, at(NOW))
}

/// Runs until nothing is left to do; faults may end single runs.
fn run_until_quiet(setting: &Setting) {
    for _ in 0..12 {
        drop(setting.run(&RunOptions::default()));
        setting.clock.pass(SignedDuration::from_mins(10));
    }
    setting.stack.faults().clear();
    setting.run(&RunOptions::default()).unwrap();
}

#[rstest]
fn faults_cost_time_and_lose_nothing(
    #[values(ServiceName::Vmray, ServiceName::Entra, ServiceName::Upload)] service: ServiceName,
    #[values(
        Fault::Status(500),
        Fault::StatusAfter(503),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutBody,
        Fault::HtmlPage,
        Fault::Hang,
        Fault::WrongJson
    )]
    fault: Fault,
) {
    let setting = with_faults(vec![FaultRule::new(service, When::Probability(0.15), fault)]);
    run_until_quiet(&setting);
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[rstest]
fn a_storm_of_429_from_any_service_is_waited_out(
    #[values(ServiceName::Vmray, ServiceName::Entra, ServiceName::Upload)] service: ServiceName,
) {
    let throttled = Fault::Throttled { retry_after: Duration::from_secs(7) };
    let setting = with_faults(vec![FaultRule::new(service, When::First(6), throttled)]);
    for _ in 0..3 {
        drop(setting.run(&RunOptions::default()));
    }
    let expected = setting.expected();
    let sent = setting.indicators();
    assert!(!sent.is_empty());
    assert!(sent.keys().all(|id| expected.contains_key(id)));
    assert_eq!(setting.known().outbox, Vec::<String>::new());
}

#[rstest]
#[case("commands")]
#[case("inbox")]
fn a_damaged_request_is_left_out_and_told_when_everything_else_is_done(#[case] folder: &str) {
    let setting = with_faults(Vec::new());
    // What a disk leaves of an object after a power failure: a beginning.
    setting.leave_object(folder, "01KE00000000000000000000", "\u{1}{\"command\":\"repl");
    for _ in 0..2 {
        let error = setting.run(&RunOptions::default()).unwrap_err();
        let Error::State(damage) = &error else { panic!("{error:?}") };
        let text = damage.to_string();
        assert!(text.contains(&format!("damaged at v1/default/{folder}/01KE")), "{text}");
        setting.assert_nothing_lost_and_nothing_wrong();
    }
}

#[test]
fn an_upload_refused_whole_is_cut_until_its_good_part_is_in() {
    let setting = with_faults(vec![FaultRule::new(ServiceName::Upload, When::Every(3), Fault::Status(400))]);
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert!(summary.counts["accepted"] > 0);
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn vmray_down_for_the_whole_run_fails_the_run_and_moves_nothing() {
    let setting = with_faults(vec![FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(503))]);
    let error = setting.run(&RunOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Vmray(_)), "{error}");
    assert_eq!(setting.known().cursor, None);
    setting.stack.faults().clear();
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn vmray_down_leaves_open_samples_as_they_are_and_is_told_soon() {
    let setting = with_faults(Vec::new());
    setting.run(&RunOptions::default()).unwrap();
    let open = setting.open_samples();
    assert!(!open.is_empty(), "the world has samples that cannot be read");
    setting.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(503)));
    let before = setting.clock_now();
    let error = setting.run(&RunOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Vmray(_)), "{error}");
    assert_eq!(setting.open_samples(), open);
    // One call's repeats take a minute; no sample adds its own.
    assert!(setting.clock_now().duration_since(before) < SignedDuration::from_secs(90));
}

#[test]
fn sentinel_down_for_the_whole_run_keeps_everything_for_the_next() {
    let setting = with_faults(vec![FaultRule::new(ServiceName::Upload, When::Always, Fault::Status(503))]);
    let error = setting.run(&RunOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Upload(_)), "{error}");
    assert!(!setting.known().outbox.is_empty());
    setting.stack.faults().clear();
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn without_a_token_a_run_ends_soon_and_keeps_everything() {
    let setting = with_faults(vec![FaultRule::new(ServiceName::Entra, When::Always, Fault::Status(503))]);
    let before = setting.clock_now();
    let error = setting.run(&RunOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Upload(_)), "{error}");
    assert!(setting.clock_now().duration_since(before) < SignedDuration::from_secs(150));
    setting.stack.faults().clear();
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
}

#[test]
fn a_token_that_expires_during_the_run_is_replaced_once_a_lifetime() {
    let world = World::generate(&WorldOptions::plain(3, 200));
    let entra = EntraOptions { token_lifetime: Duration::from_secs(60), ..EntraOptions::default() };
    let latency = simulators::Latency::Fixed(Duration::from_secs(20));
    let upload = simulators::UploadOptions { latency, ..simulators::UploadOptions::default() };
    let setting = Setting::new(world, StackOptions { entra, upload, ..StackOptions::default() }, at(NOW));
    setting.run(&RunOptions::default()).unwrap();
    setting.assert_nothing_lost_and_nothing_wrong();
    let asked = setting.stack.entra.token_requests().len();
    assert!((1..=6).contains(&asked), "{asked} tokens");
}
