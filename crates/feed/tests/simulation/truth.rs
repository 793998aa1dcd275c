//! What must be, what may be, and what must be told, computed from the world alone.
//!
//! Nothing of the pipeline is used here but the ids of values, whose test vectors stand in `stix`. What a value is fit
//! for is known because `world` chose it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use simulators::{Access, Hashes, Ioc, IocKind, Submission, Verdict, World};
use stix::Observable;

use crate::world::{HOSTILE, Living, Made};

/// What is true of one indicator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supported {
    pub(crate) value: String,
    /// Samples that show the value, by what they say of it: malicious or not.
    pub(crate) samples: BTreeMap<u64, bool>,
    /// Finish times of the wanted submissions of those samples.
    pub(crate) times: BTreeSet<Timestamp>,
}

/// A receipt that must be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) sample: u64,
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    pub(crate) reason: &'static str,
}

/// Everything that is true.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// Supported now by a sample that VMRay would list to us.
    pub(crate) must: BTreeMap<String, Supported>,
    /// Supported at some time by any sample, and what is in `must`.
    pub(crate) may: BTreeMap<String, Supported>,
    /// Receipts of samples that can be read.
    pub(crate) due: BTreeSet<Due>,
    /// All receipts that some reading of some sample may have left.
    pub(crate) possible: BTreeSet<Due>,
    /// Samples that the filter wants and that nobody may read, with whether they have been missing for a day.
    pub(crate) closed: BTreeMap<u64, bool>,
    /// Samples that the filter wants and that can be read.
    pub(crate) readable: BTreeSet<u64>,
    /// Samples that were missing for so long that giving them up was right.
    pub(crate) given_up: BTreeSet<u64>,
}

/// Which verdicts are wanted.
pub(crate) type Wanted = fn(Verdict) -> bool;

enum Fate {
    Sent { id: String, value: String, malicious: bool },
    Told { kind: &'static str, value: String, reason: &'static str },
}

/// Computes the truth of a world that has gone quiet.
pub(crate) fn truth(world: &World, living: &Living, wanted: Wanted, now: Timestamp) -> Truth {
    let mut truth = Truth::default();
    for (id, made) in &living.made {
        let wants = |submission: &&Submission| submission.verdict.is_some_and(wanted) && submission.is_finished(now);
        let listed: Vec<&Submission> =
            world.submissions_of(*id).filter(wants).filter(|submission| submission.tells_finish_time).collect();
        let all: BTreeSet<Timestamp> = world
            .submissions_of(*id)
            .filter(wants)
            .flat_map(|submission| [submission.finished_at.unwrap(), submission.created])
            .collect();
        let support = |into: &mut BTreeMap<String, Supported>, fate: &Fate| {
            if let Fate::Sent { id: indicator, value, malicious } = fate {
                let entry = into.entry(indicator.clone()).or_default();
                entry.value.clone_from(value);
                let says = entry.samples.entry(*id).or_default();
                *says = *says || *malicious;
                entry.times.extend(&all);
            }
        };
        if !all.is_empty() {
            for fate in made.ever.iter().flat_map(|ioc| fates(ioc, wanted)) {
                support(&mut truth.may, &fate);
                note(&mut truth.possible, *id, fate);
            }
            garbage(&mut truth.possible, *id, made);
        }
        // A process whose clock is some minutes off counts a day a little differently.
        let is_missing = world.sample(*id).is_some_and(|sample| sample.access == Access::Missing);
        let missing_long = made.missing.is_some_and(|(first, last)| {
            let last = if is_missing { now } else { last };
            last.duration_since(first) >= SignedDuration::from_hours(23)
        });
        if missing_long {
            truth.given_up.insert(*id);
        }
        if listed.is_empty() {
            continue;
        }
        let open = world.sample(*id).is_some_and(|sample| sample.access == Access::Open);
        if !open {
            truth.closed.insert(*id, missing_long);
        } else if !missing_long {
            truth.readable.insert(*id);
        }
        for fate in made.iocs.iter().flat_map(|ioc| fates(ioc, wanted)) {
            support(&mut truth.must, &fate);
            if open && !missing_long {
                note(&mut truth.due, *id, fate);
            }
        }
        if open && !missing_long {
            garbage(&mut truth.due, *id, made);
        }
    }
    truth
}

fn note(into: &mut BTreeSet<Due>, sample: u64, fate: Fate) {
    if let Fate::Told { kind, value, reason } = fate {
        into.insert(Due { sample, kind, value, reason });
    }
}

/// The entries that `world` puts among the others when a sample has garbage.
fn garbage(into: &mut BTreeSet<Due>, sample: u64, made: &Made) {
    if made.has_garbage {
        for kind in ["domain", "url"] {
            into.insert(Due { sample, kind, value: String::new(), reason: "null_verdict" });
        }
    }
}

fn fates(ioc: &Ioc, wanted: Wanted) -> Vec<Fate> {
    // VMRay shows what it calls an IOC, and nothing else.
    if ioc.ioc != Some(true) {
        return Vec::new();
    }
    let (kind, values): (&'static str, Vec<Option<String>>) = match ioc.kind {
        IocKind::Domain => ("domain", vec![ioc.value.clone()]),
        IocKind::Ip => ("ip", vec![ioc.value.clone()]),
        IocKind::Url => ("url", vec![ioc.value.clone()]),
        IocKind::File => ("file", ioc.hashes.iter().map(best).collect()),
        _ => return Vec::new(),
    };
    let told = |reason: &'static str| -> Vec<Fate> {
        let one = |value: &Option<String>| Fate::Told { kind, value: value.clone().unwrap_or_default(), reason };
        values.iter().map(one).collect()
    };
    match ioc.verdict {
        None => return told("null_verdict"),
        Some(Verdict::NotAvailable) => return told("verdict_not_available"),
        Some(verdict) if !wanted(verdict) => return Vec::new(),
        Some(_) => {}
    }
    if ioc.categories.iter().any(|category| category == "Memory Dump") {
        return told("memory_dump");
    }
    let Some(value) = &ioc.value else { return told("null_value") };
    if let Some((_, _, reason)) = HOSTILE.iter().find(|(kind, odd, _)| *kind == ioc.kind && odd == value) {
        return told(reason);
    }
    let malicious = ioc.verdict == Some(Verdict::Malicious);
    let observables: Vec<Observable> = match ioc.kind {
        IocKind::Domain => vec![Observable::domain(value).unwrap()],
        IocKind::Ip => vec![Observable::ip(value).unwrap().0],
        IocKind::Url => vec![Observable::url(value).unwrap()],
        _ => ioc.hashes.iter().flat_map(hashes).collect(),
    };
    observables
        .iter()
        .map(|one| Fate::Sent { id: one.id().to_string(), value: one.value().into_owned(), malicious })
        .collect()
}

fn hashes(hashes: &Hashes) -> Vec<Observable> {
    [
        hashes.md5.as_deref().map(|text| Observable::md5(text).unwrap()),
        hashes.sha1.as_deref().map(|text| Observable::sha1(text).unwrap()),
        hashes.sha256.as_deref().map(|text| Observable::sha256(text).unwrap()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn best(hashes: &Hashes) -> Option<String> {
    hashes.sha256.clone().or_else(|| hashes.sha1.clone()).or_else(|| hashes.md5.clone())
}
