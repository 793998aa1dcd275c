//! A distinct sample is read once a run, however its submissions are spread.

use std::collections::BTreeMap;
use std::time::Duration;

use feed::RunOptions;
use jiff::SignedDuration;
use ledger::Reader;
use rstest::rstest;
use simulators::{
    Fault, FaultRule, Ioc, IocKind, Latency, Sample, ServiceName, StackOptions, Submission, Verdict, VmrayOptions,
    When, World,
};

use crate::world::{Setting, at, block_on};

const NOW: &str = "2026-02-01T12:00:00Z";
const SAMPLES: u64 = 40;

/// Forty samples, each submitted six times over eighty days, so that pages and windows mix them.
fn spread(delay_ms: u64) -> Setting {
    spread_over(StackOptions::default().seed, Latency::None, delay_ms)
}

fn spread_over(seed: u64, latency: Latency, delay_ms: u64) -> Setting {
    let mut world = World::new();
    for id in 1..=SAMPLES {
        let first = at("2025-11-10T10:00:00Z");
        let ioc = |kind, value: String| Ioc::new(kind, &value, Verdict::Malicious);
        let iocs =
            vec![ioc(IocKind::Domain, format!("d{id}.example.net")), ioc(IocKind::Url, format!("http://e.net/{id}"))];
        world.add_sample(Sample::file(id, first, "a.exe").with_iocs(iocs));
        for round in 0..6_u64 {
            let finished = first + SignedDuration::from_hours(i64::try_from(round * 24 * 13 + id).unwrap());
            let number = 1000 + round * SAMPLES + id;
            world.add_submission(Submission::finished(number, id, finished, Some(Verdict::Malicious)));
        }
    }
    let vmray = VmrayOptions { api_items_per_request: 30, max_api_items: 30, latency, ..VmrayOptions::default() };
    let setting = Setting::new(world, StackOptions { seed, vmray, ..StackOptions::default() }, at(NOW));
    let slow = Fault::Delay(Duration::from_millis(delay_ms));
    setting.stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Probability(0.4), slow));
    setting
}

fn iocs_asked(setting: &Setting) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for request in setting.stack.vmray.requests() {
        if request.path.ends_with("/iocs") {
            *asked.entry(request.path.clone()).or_default() += 1;
        }
    }
    asked
}

#[rstest]
fn a_distinct_sample_is_read_once_a_run_whatever_the_timing(#[values(0, 3, 50, 900, 5000)] delay_ms: u64) {
    let setting = spread(delay_ms);
    let summary = setting.run(&RunOptions::default()).unwrap();
    let asked = iocs_asked(&setting);
    assert_eq!(asked.len() as u64, SAMPLES);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    assert_eq!(summary.counts["samples_read"], SAMPLES);
    setting.assert_nothing_lost_and_nothing_wrong();
    // The newest submission counts, whichever page it stood on.
    let last_seen = |id: &str| {
        let id = id.to_owned();
        block_on(async {
            let reader = Reader::open(&setting.storage, "default").await.unwrap();
            reader.records().indicator(&id).await.unwrap().unwrap().last_seen
        })
    };
    for id in setting.indicators().keys() {
        assert!(last_seen(id) > at("2026-01-14T00:00:00Z"), "{id}: {}", last_seen(id));
    }
}

#[test]
fn a_distinct_sample_is_read_once_a_run_at_latencies_of_any_seed() {
    for seed in 0..6 {
        let longest = Duration::from_millis(40 * 3_u64.pow(u32::try_from(seed).unwrap()));
        let setting = spread_over(seed, Latency::Uniform(Duration::ZERO, longest), 0);
        setting.run(&RunOptions::default()).unwrap();
        let asked = iocs_asked(&setting);
        assert_eq!(asked.len() as u64, SAMPLES, "seed {seed}");
        assert!(asked.values().all(|times| *times == 1), "seed {seed}: {asked:?}");
    }
}

#[test]
fn a_submission_that_finishes_during_the_run_is_read() {
    let setting = spread(0);
    let late = at(NOW) + SignedDuration::from_mins(5);
    setting.stack.vmray.edit(|world| {
        world.add_submission(Submission::finished(5000, 1, late, Some(Verdict::Malicious)));
    });
    setting.clock.pass(SignedDuration::from_mins(6));
    setting.run(&RunOptions::default()).unwrap();
    let before = iocs_asked(&setting);
    setting.stack.vmray.edit(|world| {
        let finished = at(NOW) + SignedDuration::from_mins(7);
        world.add_submission(Submission::finished(5001, 1, finished, Some(Verdict::Malicious)));
    });
    setting.clock.pass(SignedDuration::from_mins(6));
    setting.run(&RunOptions::default()).unwrap();
    assert_eq!(iocs_asked(&setting).values().sum::<usize>(), before.values().sum::<usize>() + 1);
}
