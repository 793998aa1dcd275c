//! The harness can fail: each deliberate mistake is caught, and without it the same seed holds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use outbound::Mutant;

use crate::seed;

/// Seeds that a mistake may take to be seen.
const PATIENCE: u64 = 600;

#[test]
fn every_mutant_is_caught() {
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(vec![String::new(); Mutant::ALL.len()]);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let n = next.fetch_add(1, Ordering::SeqCst)
                    && let Some(mutant) = Mutant::ALL.get(n)
                {
                    match caught(*mutant) {
                        Some(line) => lines.lock().unwrap()[n] = line,
                        None => missed.lock().unwrap().push(*mutant),
                    }
                }
            });
        }
    });
    println!("{}", lines.into_inner().unwrap().join("\n"));
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not caught within {PATIENCE} seeds: {missed:?}");
}

fn caught(mutant: Mutant) -> Option<String> {
    for seed in 0..PATIENCE {
        Mutant::choose(Some(mutant));
        let broken = seed::run(seed).broken;
        Mutant::choose(None);
        if let Some(first) = broken.first() {
            let clean = seed::run(seed).broken;
            assert!(clean.is_empty(), "seed {seed} fails without {mutant:?} too: {clean:?}");
            return Some(format!("{:<22} seed {seed:<4} {}", format!("{mutant:?}"), first.invariant));
        }
    }
    None
}
