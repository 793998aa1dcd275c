//! Samples whose replies are far larger than usual.

use feed::{Note, Outcome, Progress, RunOptions};
use simulators::{Ioc, IocKind, Sample, StackOptions, Submission, Verdict, World};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::world::{Setting, at};

const NOW: &str = "2026-02-01T12:00:00Z";

/// Samples with so many domains each.
fn setting(domains: &[usize]) -> Setting {
    let mut world = World::new();
    let finished = at("2026-01-20T10:00:00Z");
    for (id, domains) in (1..).zip(domains) {
        let value = |n| Ioc::new(IocKind::Domain, &format!("d{n}.s{id}.example.net"), Verdict::Malicious);
        world.add_sample(Sample::file(id, finished, "a.exe").with_iocs((0..*domains).map(value).collect()));
        world.add_submission(Submission::finished(id + 1000, id, finished, Some(Verdict::Malicious)));
    }
    Setting::new(world, StackOptions::default(), at(NOW))
}

#[test]
fn a_sample_with_thousands_of_values_arrives_in_parts() {
    let setting = setting(&[5, 2_600, 5]);
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((summary.counts["new"], summary.counts["samples_read"]), (2_610, 3));
    setting.assert_nothing_lost_and_nothing_wrong();
    // Its techniques are in all parts, as in a small sample's indicators.
    let phases = |object: &serde_json::Value| object["kill_chain_phases"].clone();
    let indicators = setting.indicators();
    let of_large: Vec<_> = indicators.values().filter(|object| object["name"].to_string().contains(".s2.")).collect();
    assert!(of_large.iter().all(|object| phases(object) == phases(of_large[0])));
    assert_eq!(setting.run(&RunOptions::default()).unwrap().counts["samples_read"], 0);
}

#[test]
fn a_large_sample_whose_run_ends_half_way_is_read_again() {
    let setting = setting(&[2_600]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let summary = runtime.block_on(async {
        setting.clock.begin();
        let feed = setting.feed();
        let (progress, mut seen) = watch::channel(Progress::default());
        let stop = CancellationToken::new();
        let options = RunOptions::default();
        let mut run = Box::pin(feed.run(&options, &progress, &stop));
        let summary = loop {
            tokio::select! {
                biased;
                // The first parts are staged.
                Ok(()) = seen.changed() => {
                    let now = *seen.borrow_and_update();
                    if now.accepted + now.objects_left > 600 {
                        stop.cancel();
                    }
                }
                outcome = &mut run => break outcome.unwrap(),
            }
        };
        drop(run);
        setting.clock.end();
        summary
    });
    assert_eq!((summary.outcome, summary.counts["samples_read"]), (Outcome::StoppedEarly, 0));
    assert!((500..2_600).contains(&summary.counts["new"]), "{summary:?}");
    assert_eq!((summary.samples_open, setting.known().open), (1, vec![1]), "what is cut off is listed as open");
    assert!(matches!(summary.notes.kept(), [Note::Open { sample_id: 1, .. }]), "{:?}", summary.notes);
    let again = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((again.counts["samples_read"], again.samples_open), (1, 0));
    setting.assert_nothing_lost_and_nothing_wrong();
    assert_eq!(setting.indicators().len(), 2_600);
}

#[test]
fn a_reply_that_is_too_large_leaves_its_sample_open_with_its_size_and_its_neighbours_arrive() {
    let setting = setting(&[5, 1, 5]);
    setting.stack.vmray.edit(|world| {
        let long = format!("http://long.example.net/?q={}", "a".repeat(60_000_000));
        let iocs = vec![Ioc::new(IocKind::Url, &long, Verdict::Malicious)];
        world.add_sample(Sample::file(2, at("2026-01-20T10:00:00Z"), "a.exe").with_iocs(iocs));
    });
    let summary = setting.run(&RunOptions::default()).unwrap();
    assert_eq!((summary.samples_open, setting.indicators().len()), (1, 10));
    let [Note::Open { sample_id: 2, reason }] = summary.notes.kept() else { panic!("{:?}", summary.notes) };
    assert!(reason.contains("120000") && reason.contains("bytes, more than the"), "{reason}");
}
