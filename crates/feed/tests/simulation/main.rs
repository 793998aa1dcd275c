//! Whole lives of the feed under a seeded world and seeded faults, SlateDB included.
//!
//! A seed draws the settings of a world ([`plan`]), which then goes on living ([`world`]) while processes come and go
//! ([`life`]): each runs once on a runtime of its own and is killed, told to stop, or left to its end, while the
//! services and the store ([`store`]) fail as planned. Then the faults stop, a bounded number of runs follows, and what
//! Sentinel and the ledger hold is compared with what is true ([`truth`]) by [`invariants`].
//!
//! * `cargo test -p feed --test simulation` runs a few seeds; `SIMULATION_SEEDS=100000` or `SIMULATION_MINUTES=60`
//!   sets how many, `SIMULATION_FIRST=1000000` where they begin.
//! * `SIMULATION_SEED=n cargo test -p feed --test simulation one_seed -- --nocapture` runs one with its trace.
//! * `.ci/simulate` does it the quick way, mutants included.
//!
//! To let it grow: a new kind of event is a variant of `world::Event`, what it makes true goes into `world::Made` and
//! `truth`, a new rule is a function in `invariants`. Retraction and recheck are events (a verdict cleared, a
//! submission without a time) and a stricter truth; several routes are several feeds in one life over one store, each
//! with its own truth; the inbox is one more writer of objects beside the ledger.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::format_push_string,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on panics, and says what it saw"
)]

mod coverage;
mod invariants;
mod life;
#[cfg(feature = "mutants")]
mod mutants;
mod plan;
mod seed;
#[path = "../it/world.rs"]
#[allow(dead_code, reason = "shared with the tests of single behaviours")]
mod setting;
mod store;
mod trace;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coverage::Coverage;
use invariants::Broken;

/// Seeds that failed once. They run always.
///
/// * 27: a process that started seconds behind the last write was locked out of its state for good.
/// * 124: a token that ended while its upload waited for its turn was used all the same.
/// * 261: a run whose uploads had been told to wait was still on minutes after its budget.
/// * 253: a sample that called a value malicious when its life was over raised what was sent later, not what the ledger knew.
/// * 329: an upload's answer was not written down while the run waited for VMRay.
const REGRESSIONS: [u64; 6] = [27, 124, 253, 261, 329, 1984];
/// Seeds of an ordinary test run, which must be quick.
const FEW: u64 = 10;

#[test]
fn seeds_that_failed_once_pass() {
    for seed in REGRESSIONS {
        assert_holds(seed);
    }
}

#[test]
fn every_seed_keeps_the_promises() {
    let first = asked("SIMULATION_FIRST").unwrap_or(0);
    let minutes = asked("SIMULATION_MINUTES").map(|minutes| Duration::from_secs(60 * minutes));
    let seeds = asked("SIMULATION_SEEDS").unwrap_or(if minutes.is_some() { u64::MAX - first } else { FEW });
    soak(first, seeds, minutes);
}

#[test]
fn one_seed() {
    let seed = asked("SIMULATION_SEED").unwrap_or(0);
    let verdict = seed::run(seed);
    println!("{}{}", verdict.trace, verdict.coverage);
    assert!(verdict.broken.is_empty(), "{}", words(seed, &verdict.broken));
}

/// Runs seeds on all cores until all are through or many have failed.
fn soak(first: u64, seeds: u64, within: Option<Duration>) {
    const ENOUGH_FAILURES: usize = 20;
    let next = AtomicU64::new(0);
    let seen = Mutex::new((Coverage::default(), BTreeMap::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while within.is_none_or(|within| began.elapsed() < within) {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= seeds || seen.lock().unwrap().1.len() >= ENOUGH_FAILURES {
                        return;
                    }
                    let verdict = seed::run(first + n);
                    let mut seen = seen.lock().unwrap();
                    seen.0.absorb(verdict.coverage);
                    if !verdict.broken.is_empty() {
                        seen.1.insert(first + n, verdict.broken);
                    }
                }
            });
        }
    });
    let (coverage, failed) = seen.into_inner().unwrap();
    println!("{coverage}{} seeds from {first} in {:.1} s", coverage.get("seeds"), began.elapsed().as_secs_f64());
    let words: Vec<String> = failed.iter().map(|(seed, broken)| words(*seed, broken)).collect();
    assert!(words.is_empty(), "{} seeds failed\n{}", words.len(), words.join("\n"));
}

fn assert_holds(seed: u64) {
    let verdict = seed::run(seed);
    assert!(verdict.broken.is_empty(), "{}", words(seed, &verdict.broken));
}

fn words(seed: u64, broken: &[Broken]) -> String {
    let broken: Vec<String> = broken.iter().map(|one| format!("  {}: {}", one.invariant, one.what)).collect();
    format!(
        "seed {seed} broke\n{}\nrun it alone with its trace:\n  \
         SIMULATION_SEED={seed} cargo test -p feed --test simulation one_seed -- --nocapture\n",
        broken.join("\n")
    )
}

#[expect(clippy::disallowed_methods, reason = "how a person tells a test what to run")]
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
