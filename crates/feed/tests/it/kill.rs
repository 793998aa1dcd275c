//! A process that is killed at any instant and started again ends where one that was never killed ends.

use std::time::Duration;

use feed::RunOptions;
use simulators::{Latency, StackOptions, UploadOptions, VmrayOptions, World, WorldOptions};

use crate::world::{Setting, at};

fn setting(seed: u64) -> Setting {
    let world = World::generate(&WorldOptions { seed, samples: 40, ..WorldOptions::default() });
    let slow = |low, high| Latency::Uniform(Duration::from_millis(low), Duration::from_millis(high));
    let options = StackOptions {
        seed,
        vmray: VmrayOptions { latency: slow(10, 120), ..VmrayOptions::default() },
        upload: UploadOptions { latency: slow(100, 900), ..UploadOptions::default() },
        ..StackOptions::default()
    };
    Setting::new(world, options, at("2026-02-01T12:00:00Z"))
}

#[test]
fn a_feed_killed_at_any_moment_ends_with_the_same_indicators() {
    for seed in 0..8 {
        let whole = setting(seed);
        whole.run(&RunOptions::default()).unwrap();
        whole.assert_nothing_lost_and_nothing_wrong();

        let killed = setting(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut lives = 0;
        while lives < 12 {
            lives += 1;
            let life = Duration::from_millis(rng.u64(0..2500));
            if killed.live(Some(life), &RunOptions::default()).is_some() {
                break;
            }
        }
        killed.run(&RunOptions::default()).unwrap();
        killed.assert_nothing_lost_and_nothing_wrong();

        let (whole, killed) = (whole.indicators(), killed.indicators());
        assert!(!whole.is_empty());
        assert_eq!(
            whole.keys().collect::<Vec<_>>(),
            killed.keys().collect::<Vec<_>>(),
            "seed {seed}: another set after {lives} lives"
        );
        for (id, object) in &whole {
            for field in ["created", "valid_from", "pattern", "confidence", "name"] {
                assert_eq!(object[field], killed[id][field], "seed {seed}: {field} of {id} after {lives} lives");
            }
        }
    }
}
