use std::collections::{BTreeMap, BTreeSet};

use simulators::{Access, EntryKind, Stack, StackOptions, Verdict, World, WorldOptions};

use crate::bench::{Bench, at};

fn odd() -> WorldOptions {
    WorldOptions { samples: 3000, odd_rate: 0.3, long_url_rate: 0.002, burst: 120, ..WorldOptions::default() }
}

async fn bytes_of(world: World) -> Vec<bytes::Bytes> {
    let bench = Bench::new(world, StackOptions::default());
    let mut bodies = Vec::new();
    for path in
        ["/submission", "/submission?_order=asc", "/sample/1001/iocs", "/sample/1002/mitre_attack", "/sample/1003/vtis"]
    {
        bodies.push(bench.vmray_answer(path).await.into_body());
    }
    bodies
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    let world = |seed| World::generate(&WorldOptions { seed, ..odd() });
    assert_eq!(bytes_of(world(1)).await, bytes_of(world(1)).await);
    assert_ne!(bytes_of(world(1)).await, bytes_of(world(2)).await);
}

#[test]
fn holds_what_breaks_naive_clients() {
    let world = World::generate(&odd());
    let (mut kinds, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut samples_of: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for entry in world.entries() {
        kinds.insert(entry.kind);
        let mut note = |what: &'static str, holds: bool| {
            if holds {
                found.insert(what);
            }
        };
        note("null verdict", entry.verdict.is_none());
        note("null value", entry.value.is_none());
        note("not an ioc", entry.ioc == Some(false));
        note("ioc null", entry.ioc.is_none());
        note("memory dump", entry.is_memory_dump);
        note("clean", entry.verdict == Some(Verdict::Clean));
        let Some(value) = entry.value else { continue };
        match entry.kind {
            EntryKind::Ip => {
                note("ip with port", value.matches(':').count() == 1);
                note("ipv6", value.matches(':').count() > 2);
                note("private", value.starts_with("192.168."));
                note("no ip", value.matches('.').count() > 3);
            }
            EntryKind::Url => {
                note("quote", value.contains('\''));
                note("backslash", value.contains('\\'));
                note("non-ASCII", !value.is_ascii());
                note("100 kB", value.len() > 100_000);
            }
            EntryKind::Md5 => {
                note("empty file", value == "d41d8cd98f00b204e9800998ecf8427e");
                note("short hash", value.len() == 5);
            }
            EntryKind::Mutex => note("empty name", value.is_empty()),
            _ => {}
        }
        samples_of.entry(value).or_default().insert(entry.sample_id);
    }
    assert!(samples_of.values().any(|samples| samples.len() > 3), "shared values");
    assert_eq!(kinds.len(), 12, "{kinds:?}");
    let expected = [
        "null verdict",
        "null value",
        "not an ioc",
        "ioc null",
        "memory dump",
        "clean",
        "ip with port",
        "ipv6",
        "private",
        "no ip",
        "quote",
        "backslash",
        "non-ASCII",
        "100 kB",
        "empty file",
        "short hash",
        "empty name",
    ];
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn submissions_ascend_repeat_run_on_and_gather_in_one_second() {
    let options = odd();
    let world = World::generate(&options);
    let all: Vec<_> = world.submissions().collect();
    assert!(all.is_sorted_by_key(|made| made.created));
    assert!(all.len() > options.samples + options.samples / 10);
    assert!(all.iter().any(|made| made.finished_at.is_none()));
    assert!(all.iter().any(|made| made.finished_at.is_some() && !made.tells_finish_time));
    assert!(all.iter().any(|made| made.finished_at > Some(options.end)));
    let mut per_second: BTreeMap<_, usize> = BTreeMap::new();
    for made in &all {
        *per_second.entry(made.finished_at).or_default() += 1;
    }
    per_second.remove(&None);
    assert!(*per_second.values().max().unwrap() >= 120);
    let verdicts = |sample| world.submissions_of(sample).map(|made| made.verdict).collect::<BTreeSet<_>>();
    assert!(world.samples().any(|sample| verdicts(sample.id).len() > 1));
    let reported: BTreeSet<_> = all.iter().map(|made| made.verdict).collect();
    assert_eq!(reported.len(), 5);
}

/// Says whether a count is what a rate makes of it, give or take half.
fn is_about(count: usize, of: usize, rate: f64) -> bool {
    let expected = f64::from(u32::try_from(of).unwrap()) * rate;
    (expected * 0.5..=expected * 1.5).contains(&f64::from(u32::try_from(count).unwrap()))
}

#[test]
fn a_generated_world_holds_refusals_late_children_mails_and_nulls_at_the_stated_rates() {
    let options = WorldOptions { samples: 10_000, ..WorldOptions::default() };
    let world = World::generate(&options);
    let count = |accept: &dyn Fn(&simulators::Sample) -> bool| world.samples().filter(|sample| accept(sample)).count();
    for (access, rate) in [
        (Access::Forbidden, 0.01),
        (Access::Missing, 0.005),
        (Access::Waiting, 0.01),
        (Access::Locked, 0.01),
        (Access::Unreadable, 0.005),
    ] {
        let found = count(&|sample| sample.access == access);
        assert!(is_about(found, 10_000, rate), "{access:?}: {found}");
    }
    let nameless = count(&|sample| !sample.tells_names);
    assert!(is_about(nameless, 10_000, options.null_names_rate), "{nameless}");
    let mails = count(&|sample| sample.kind == "E-Mail");
    assert!(is_about(mails, 7000, options.email_rate), "{mails}");
    let children: Vec<_> = world.submissions().filter(|made| made.parent.is_some()).collect();
    assert!(is_about(children.len(), 10_000, options.late_child_rate), "{}", children.len());
    for child in &children {
        let parent = world.submission(child.parent.unwrap()).unwrap();
        assert!(child.finished_at > parent.finished_at && child.created > parent.created, "{}", child.id);
        assert!(world.children(parent.sample_id, at("2027-01-01T00:00:00Z")).any(|(id, _)| id == child.sample_id));
    }
    let silent = world.submissions().filter(|made| !made.tells_errors).count();
    assert!(is_about(silent, 10_000, options.null_errors_rate), "{silent}");
    let iocs: Vec<_> = (1001..2001).flat_map(|sample| world.iocs(sample)).collect();
    let without = iocs.iter().filter(|ioc| !ioc.tells_verdict).count();
    assert!(is_about(without, iocs.len(), options.no_verdict_field_rate), "{without} of {}", iocs.len());
    let null_verdicts = iocs.iter().filter(|ioc| ioc.verdict.is_none()).count();
    assert!(is_about(null_verdicts, iocs.len(), options.null_verdict_rate), "{null_verdicts} of {}", iocs.len());
    let null_values = iocs.iter().filter(|ioc| ioc.value.is_none()).count();
    // Some of the odd ones have none either.
    let rate = options.null_value_rate + options.odd_rate / 20.0;
    assert!(is_about(null_values, iocs.len(), rate), "{null_values} of {}", iocs.len());
    let reasons = iocs.iter().filter(|ioc| ioc.verdict_reason.is_some()).count();
    assert!(is_about(reasons, iocs.len(), options.reason_rate), "{reasons} of {}", iocs.len());
}

#[test]
fn twice_as_odd_is_twice_as_much_and_never_more_than_all() {
    let rates = |times: f64| {
        let options = WorldOptions::default().with_odd(times);
        format!("{:.3} {:.3} {:.3}", options.forbidden_rate, options.odd_rate, options.malicious_rate)
    };
    assert_eq!(rates(1.0), "0.010 0.100 0.550");
    assert_eq!(rates(2.0), "0.020 0.200 0.550");
    assert_eq!(rates(100.0), "1.000 1.000 0.550");
}

#[test]
fn a_plain_world_has_nothing_odd() {
    let world = World::generate(&WorldOptions::plain(7, 300));
    assert!(world.entries().all(|entry| entry.value.is_some() && entry.verdict.is_some() && entry.ioc == Some(true)));
    assert!(world.samples().all(|sample| sample.access == Access::Open && sample.tells_names));
    assert!(
        world.submissions().all(|made| made.tells_errors && made.verdict_reason.is_none() && made.parent.is_none())
    );
    assert!(world.submissions().all(|made| made.tells_finish_time && made.finished_at > Some(made.created)));
}

#[test]
fn an_empty_world_and_one_of_one_sample_are_worlds() {
    assert_eq!(World::generate(&WorldOptions { samples: 0, ..WorldOptions::default() }).submissions().count(), 0);
    let end = WorldOptions::default().start;
    let world = World::generate(&WorldOptions { samples: 1, end, ..WorldOptions::default() });
    assert_eq!(world.samples().count(), 1);
}

#[test]
fn a_hundred_thousand_samples_are_a_world() {
    let world = World::generate(&WorldOptions { samples: 100_000, ..WorldOptions::default() });
    let late = at("2027-01-01T00:00:00Z");
    let children = world.samples().filter(|sample| world.parents(sample.id, late).next().is_some()).count();
    assert_eq!(world.samples().count() - children, 100_000);
    assert!(children > 1000, "{children}");
    assert!(!world.iocs(50_000).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_settings_point_at_the_stack() {
    let clock = std::sync::Arc::new(outbound::TokioClock::new(at("2026-01-01T00:00:00Z")));
    let settings = Stack::new(World::new(), StackOptions::default(), clock).settings();
    let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
    assert!(names.contains(&"VmrayBaseURL") && names.contains(&"SentinelTiEndpoint"));
    assert!(settings.iter().all(|(_, value)| !value.is_empty()));
}
