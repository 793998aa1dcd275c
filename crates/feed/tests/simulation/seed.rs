//! One seed from its first life to the verdict on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feed::{Feed, Limits};
use indicators::Expiry;
use jiff::SignedDuration;
use ledger::{Command, IndicatorRecord, QuarantineRecord, Reader, ReceiptRecord, Storage};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use outbound::Clock as _;
use simulators::{Row, Seen, World};

use crate::coverage::Coverage;
use crate::invariants::{self, Broken};
use crate::life::{Given, Kill, Life, Surroundings};
use crate::plan::Plan;
use crate::setting::{Setting, at, block_on};
use crate::store::{FaultyStore, StoreWeather};
use crate::trace::Trace;
use crate::truth::{Truth, truth};
use crate::world::{Living, REFUSED};

/// What the ledger knows at the end.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) indicators: BTreeMap<String, IndicatorRecord>,
    pub(crate) quarantine: BTreeMap<String, QuarantineRecord>,
    pub(crate) outbox: Vec<String>,
    pub(crate) open: Vec<u64>,
    pub(crate) receipts: Vec<ReceiptRecord>,
}

/// All that the invariants are held against.
pub(crate) struct Evidence {
    pub(crate) plan: Plan,
    pub(crate) truth: Truth,
    pub(crate) known: Known,
    /// Every accepted object in the order of arrival.
    pub(crate) rows: Vec<Row>,
    /// The newest row of each id.
    pub(crate) newest: BTreeMap<String, Row>,
    pub(crate) vmray: Vec<Seen>,
    pub(crate) entra: Vec<Seen>,
    pub(crate) upload: Vec<Seen>,
    pub(crate) lives: Vec<Life>,
    /// Number of the first life without faults.
    pub(crate) quiet_from: usize,
    pub(crate) token_lifetime: SignedDuration,
    pub(crate) now: jiff::Timestamp,
}

/// What came of a seed.
pub(crate) struct Verdict {
    pub(crate) broken: Vec<Broken>,
    pub(crate) coverage: Coverage,
    pub(crate) trace: String,
}

/// Between the fault-free runs at the end. A sample that is open for more than a day is tried once a day.
const QUIET_GAPS: [i64; 6] = [600, 600, 25 * 3600, 600, 600, 600];
/// Before this one, what is in quarantine is replayed.
const REPLAY_BEFORE: usize = 4;
const QUIET_LIMIT: Duration = Duration::from_secs(2 * 3600);

/// Runs a seed.
pub(crate) fn run(seed: u64) -> Verdict {
    let mut plan = Plan::of(seed);
    let trace = Trace::default();
    let mut setting = Setting::new(World::new(), plan.stack.clone(), at("2026-02-01T12:00:00Z"));
    let folder = plan.on_disk.then(|| tempfile::tempdir().unwrap());
    let base: Arc<dyn object_store::ObjectStore> = match &folder {
        Some(folder) => Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()),
        None => Arc::new(InMemory::new()),
    };
    let store = FaultyStore::new(base, setting.clock.clone(), trace.clone(), seed);
    setting.storage = Storage::over(Arc::new(store.clone()));
    setting.verdicts = plan.verdicts;
    setting.per_minute = plan.per_minute;
    let around = Arc::new(Surroundings {
        clock: setting.clock.clone(),
        stack: setting.stack.clone(),
        store,
        living: Arc::new(Mutex::new(Living::new(seed, &plan))),
        trace: trace.clone(),
        deaths: Mutex::default(),
    });
    let mut lives = Vec::new();
    chaos(&mut plan, &mut setting, &around, &mut lives);
    setting.offset = SignedDuration::ZERO;
    let quiet_from = lives.len();
    quiet(&plan, &setting, &around, &mut lives);
    let evidence = evidence(plan, &setting, &around, lives, quiet_from);
    let broken = invariants::hold(&evidence);
    let coverage = coverage(&evidence, &around);
    let trace = if broken.is_empty() {
        String::new()
    } else {
        let Evidence { vmray, entra, upload, .. } = evidence;
        format!("{:#?}\n{}", evidence.plan, trace.told(&[("vmray", vmray), ("entra", entra), ("sentinel", upload)]))
    };
    Verdict { broken, coverage, trace }
}

fn chaos(plan: &mut Plan, setting: &mut Setting, around: &Arc<Surroundings>, lives: &mut Vec<Life>) {
    let mut operations = 0;
    for _ in 0..plan.rounds {
        for _ in 0..plan.events_between() {
            let event = around.living.lock().unwrap().draw_event();
            around.happen(&event);
        }
        let faults = around.stack.faults();
        faults.clear();
        for rule in plan.faults() {
            around.trace.say(around.clock.now(), format!("weather: {rule:?}"));
            faults.add(rule);
        }
        setting.offset = plan.clock_error();
        let given = plan.life(&mut around.living.lock().unwrap(), operations);
        let life = around.live(lives.len(), || feed(plan, setting), given);
        operations = life.operations;
        lives.push(life);
        setting.clock.pass(plan.gap());
    }
}

/// The world goes quiet, and a bounded number of runs puts everything right.
fn quiet(plan: &Plan, setting: &Setting, around: &Arc<Surroundings>, lives: &mut Vec<Life>) {
    around.stack.faults().clear();
    around.store.begin(StoreWeather::default(), None);
    let now = around.clock.now();
    around.living.lock().unwrap().settle(&around.stack.vmray, now);
    around.trace.say(now, "== the world goes quiet".to_owned());
    // What is still running has finished by then.
    setting.clock.pass(SignedDuration::from_hours(1));
    for (n, gap) in QUIET_GAPS.into_iter().enumerate() {
        if n == REPLAY_BEFORE {
            replay(setting);
        }
        let given = Given {
            kill: Kill::Never,
            store: StoreWeather::default(),
            budget: None,
            stop_after: None,
            limit: QUIET_LIMIT,
            events: Vec::new(),
        };
        lives.push(around.live(lives.len(), || feed(plan, setting), given));
        setting.clock.pass(SignedDuration::from_secs(gap));
    }
}

/// Asks for everything in quarantine again: what a fault put there leaves it, what Sentinel refuses stays. More refused
/// objects than a run takes for a mishap would end it.
fn replay(setting: &Setting) {
    let quarantine = known(setting).quarantine;
    let (refused, others): (Vec<_>, Vec<_>) =
        quarantine.into_iter().partition(|(_, record)| record.value.contains(REFUSED));
    let ids = others.into_iter().chain(refused.into_iter().take(3)).map(|(id, _)| id).collect();
    setting.leave(&Command::ReplayQuarantine { ids });
}

fn feed(plan: &Plan, setting: &Setting) -> Feed {
    let mut feed = setting.feed();
    feed.style.expiry = plan.expiry_days.to_string().parse::<Expiry>().unwrap();
    feed.limits = Limits {
        vmray_concurrency: plan.concurrency,
        uploads_in_flight: plan.in_flight,
        most_waiting: plan.most_waiting,
        initial_fetch: SignedDuration::from_hours(90 * 24),
    };
    feed
}

fn known(setting: &Setting) -> Known {
    block_on(async {
        let reader = Reader::open(&setting.storage, "default").await.unwrap();
        let records = reader.records();
        Known {
            indicators: records.indicators().await.unwrap().into_iter().collect(),
            quarantine: records.quarantine().await.unwrap().into_iter().collect(),
            outbox: records.outbox_after(None, usize::MAX).await.unwrap().into_iter().map(|(id, _)| id).collect(),
            open: records.open_samples().await.unwrap().into_iter().map(|open| open.sample_id).collect(),
            receipts: records.newest_receipts(usize::MAX).await.unwrap(),
        }
    })
}

fn evidence(plan: Plan, setting: &Setting, around: &Surroundings, lives: Vec<Life>, quiet_from: usize) -> Evidence {
    let now = around.clock.now();
    let world = around.stack.vmray.world();
    let truth = truth(&world, &around.living.lock().unwrap(), plan.wanted, now);
    Evidence {
        truth,
        known: known(setting),
        rows: around.stack.upload.rows(),
        newest: around.stack.upload.objects(),
        vmray: around.stack.vmray.requests(),
        entra: around.stack.entra.requests(),
        upload: around.stack.upload.requests(),
        lives,
        quiet_from,
        token_lifetime: plan.stack.entra.token_lifetime.try_into().unwrap(),
        now,
        plan,
    }
}

fn coverage(evidence: &Evidence, around: &Surroundings) -> Coverage {
    let mut coverage = Coverage::default();
    coverage.one("seeds");
    coverage.add("seeds on disk", u64::from(evidence.plan.on_disk));
    for life in &evidence.lives {
        let quiet = life.number >= evidence.quiet_from;
        coverage.one(format!("lives {}: {}", if quiet { "in quiet" } else { "in chaos" }, life.end.name()));
    }
    for (service, seen) in [("VMRay", &evidence.vmray), ("Entra", &evidence.entra), ("Sentinel", &evidence.upload)] {
        coverage.add(format!("requests to {service}"), seen.len() as u64);
        for fault in seen.iter().filter_map(|one| one.fault) {
            let name = format!("{fault:?}");
            let name = name.split(['(', ' ']).next().unwrap_or_default();
            coverage.one(format!("faults of {service}: {name}"));
        }
    }
    for (name, count) in around.store.hits() {
        coverage.add(format!("faults of the {name}"), count);
    }
    coverage.add("objects accepted", evidence.rows.len() as u64);
    coverage.add("objects accepted again after a lost answer or a kill", repeats(&evidence.rows));
    coverage.add("indicators live at the end", evidence.newest.len() as u64);
    coverage.add("indicators that must be accounted for", evidence.truth.must.len() as u64);
    coverage.add("quarantined at the end", evidence.known.quarantine.len() as u64);
    coverage.add("receipts at the end", evidence.known.receipts.len() as u64);
    coverage.add("samples open at the end", evidence.known.open.len() as u64);
    coverage.add("samples given up", evidence.known.receipts.iter().filter(|one| one.kind == "sample").count() as u64);
    coverage.absorb(around.deaths());
    coverage
}

fn repeats(rows: &[Row]) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    rows.iter().filter(|row| !seen.insert((&row.id, &row.text))).count() as u64
}
