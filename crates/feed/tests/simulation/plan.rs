//! What a seed stands for: the settings of its world, and the weather of each life.

use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use simulators::{
    AllRefused, Bound, EntraOptions, ErrorKey, Fault, FaultRule, Latency, ServiceName, StackOptions, StaleModified,
    TruncatedFlag, UploadOptions, Verdict, VmrayOptions, When,
};

use crate::life::{Given, Kill};
use crate::store::{LastOperation, StoreWeather};
use crate::truth::Wanted;
use crate::world::{Living, REFUSED};

/// How long after its budget a run may still be on: the calls on their way end within a minute each, and the ledger is
/// flushed, closed and merged.
pub(crate) const ALLOWANCE: Duration = Duration::from_secs(150);
/// The same where the store is slow and has to be asked again.
pub(crate) const STORE_ALLOWANCE: Duration = Duration::from_secs(900);

/// The settings of a seed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) verdicts: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) expiry_days: i64,
    pub(crate) per_minute: usize,
    pub(crate) in_flight: usize,
    /// Objects that wait in memory; the outbox has the rest.
    pub(crate) most_waiting: usize,
    pub(crate) concurrency: usize,
    pub(crate) largest: usize,
    pub(crate) refuses: bool,
    pub(crate) on_disk: bool,
    /// Whether samples mostly show the same few values, whose life is soon over, uploads are slow and runs are short: what one
    /// run leaves goes out at the start of the next, which makes a newer version meanwhile and ends before that goes out.
    pub(crate) contested: bool,
    pub(crate) stack: StackOptions,
    draw: Rng,
}

fn malicious(verdict: Verdict) -> bool {
    verdict == Verdict::Malicious
}

fn malicious_or_suspicious(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Malicious | Verdict::Suspicious)
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut draw = Rng::with_seed(seed ^ 0x706c_616e);
        let (verdicts, wanted): (_, Wanted) = if draw.u8(0..4) == 0 {
            ("Malicious", malicious)
        } else {
            ("Malicious & Suspicious", malicious_or_suspicious)
        };
        let refuses = draw.bool();
        let contested = seed % 10 == 3;
        let mut stack = stack(&mut draw, seed, refuses);
        if contested {
            stack.upload.latency = Latency::Uniform(Duration::from_secs(4), Duration::from_secs(9));
        }
        Self {
            rounds: if contested { 6 } else { draw.usize(2..7) },
            verdicts,
            wanted,
            expiry_days: if contested { 2 } else { pick(&mut draw, &[180, 180, 30, 2]) },
            per_minute: pick(&mut draw, &[95, 95, 20, 6, 2]),
            in_flight: pick(&mut draw, &[12, 12, 3, 1]),
            // Drawn apart, so that what a seed meant before stays what it means.
            most_waiting: pick(&mut Rng::with_seed(seed ^ 0x7761_6974), &[2_000, 300, 110, 100, 7]),
            concurrency: pick(&mut draw, &[16, 16, 4, 1]),
            largest: pick(&mut draw, &[20, 60, 130, 260]),
            refuses,
            on_disk: seed % 97 == 13,
            contested,
            stack,
            draw,
        }
    }

    /// Draws the weather of the services.
    pub(crate) fn faults(&mut self) -> Vec<FaultRule> {
        let draw = &mut self.draw;
        let mut rules = Vec::new();
        for service in [ServiceName::Vmray, ServiceName::Entra, ServiceName::Upload] {
            if draw.bool() {
                continue;
            }
            for _ in 0..draw.usize(1..4) {
                let fault = fault(draw, service);
                let when = match draw.u8(0..12) {
                    0 => When::Always,
                    1 | 2 => When::First(draw.u64(1..8)),
                    3 | 4 => When::Nth(draw.u64(1..12)),
                    _ => When::Probability(pick(draw, &[0.03, 0.1, 0.3, 0.6])),
                };
                let mut rule = FaultRule::new(service, when, fault);
                if service == ServiceName::Vmray && draw.u8(0..3) == 0 {
                    rule =
                        rule.on_path(pick(draw, &["/iocs", "mitre_attack", "/submission?", "continuation", "min_id"]));
                }
                rules.push(rule);
            }
        }
        rules
    }

    /// Draws what a life is given. `operations` is how many the life before had.
    pub(crate) fn life(&mut self, living: &mut Living, operations: u64) -> Given {
        let store = self.store();
        let draw = &mut self.draw;
        let kill = match draw.u8(0..20) {
            _ if self.contested => Kill::Never,
            0..=8 => Kill::Never,
            9..=11 => Kill::AfterTime(Duration::from_secs_f64(0.001 * 2_f64.powf(draw.f64() * 17.0))),
            12..=14 => Kill::AfterPolls(draw.u64(1..400)),
            _ => {
                let most = operations.max(30) * 6 / 5;
                Kill::AtOperation(LastOperation { number: draw.u64(1..=most), takes_effect: draw.bool() })
            }
        };
        let budget = if self.contested {
            Duration::from_secs_f64(0.2 + draw.f64() * 4.0)
        } else {
            Duration::from_secs(pick(draw, &[540, 540, 120, 20, 2]))
        };
        let stop_after = (draw.u8(0..12) == 0).then(|| Duration::from_secs_f64(draw.f64() * 20.0));
        let allowance = if store.is_calm() { ALLOWANCE } else { STORE_ALLOWANCE };
        let mut events: Vec<_> = (0..pick(draw, &[0, 0, 1, 3]))
            .map(|_| (Duration::from_secs_f64(draw.f64() * draw.f64() * 8.0), living.draw_event()))
            .collect();
        events.sort_by_key(|(after, _)| *after);
        Given { kill, store, budget: Some(budget), stop_after, limit: budget + allowance, events }
    }

    fn store(&mut self) -> StoreWeather {
        let draw = &mut self.draw;
        if draw.u8(0..10) < 6 {
            return StoreWeather::default();
        }
        let mut share = || if draw.bool() { 0.0 } else { pick(draw, &[0.01, 0.03, 0.1, 0.4]) };
        let mut weather = StoreWeather {
            write_fails: share(),
            write_lost: share(),
            read_fails: share(),
            body_breaks: share(),
            list_fails: share(),
            delete_fails: share(),
            slow: share(),
            ..StoreWeather::default()
        };
        weather.slow_by = Duration::from_millis(pick(draw, &[50, 500, 5000]));
        weather.full_from = (draw.u8(0..8) == 0).then(|| draw.u64(1..60));
        weather
    }

    /// Draws how many things happen between two lives.
    pub(crate) fn events_between(&mut self) -> usize {
        if self.contested { 4 } else { pick(&mut self.draw, &[0, 1, 2, 4, 8]) }
    }

    /// Draws how far the clock of the next process is off.
    pub(crate) fn clock_error(&mut self) -> SignedDuration {
        SignedDuration::from_secs(pick(&mut self.draw, &[0, 0, 0, 0, 0, 0, -600, -7, 7, 600]))
    }

    /// Draws how long it is until the next life.
    pub(crate) fn gap(&mut self) -> SignedDuration {
        let draw = &mut self.draw;
        if self.contested {
            return SignedDuration::from_hours(26);
        }
        SignedDuration::from_secs(pick(draw, &[0, 5, 600, 600, 600, 3600, 7 * 3600, 26 * 3600]))
    }
}

fn stack(draw: &mut Rng, seed: u64, refuses: bool) -> StackOptions {
    let millis = |low, high| Latency::Uniform(Duration::from_millis(low), Duration::from_millis(high));
    let bound = |draw: &mut Rng| if draw.bool() { Bound::Inclusive } else { Bound::Exclusive };
    let (page, most) = pick(draw, &[(100, 1000), (100, 1000), (3, 8), (7, 7)]);
    let vmray = VmrayOptions {
        api_items_per_request: page,
        max_api_items: most,
        lower_bound: bound(draw),
        upper_bound: bound(draw),
        truncated_flag: pick(draw, &[TruncatedFlag::EveryPage, TruncatedFlag::FirstPage, TruncatedFlag::LastPage]),
        lists_while_waiting: draw.bool(),
        absent_endpoints: if draw.u8(0..8) == 0 { vec!["mitre_attack".to_owned()] } else { Vec::new() },
        retry_after_header: draw.bool(),
        latency: pick(draw, &[Latency::None, millis(5, 80), millis(50, 900)]),
        ..VmrayOptions::default()
    };
    let entra = EntraOptions {
        token_lifetime: Duration::from_secs(pick(draw, &[3599, 3599, 900, 120])),
        latency: pick(draw, &[Latency::None, millis(5, 300)]),
        ..EntraOptions::default()
    };
    let upload = UploadOptions {
        retry_after_header: draw.bool(),
        error_key: if draw.bool() { ErrorKey::ErrorMessages } else { ErrorKey::ValidationErrorMessages },
        all_refused: if draw.bool() { AllRefused::BadRequest } else { AllRefused::Listed },
        stale_modified: if draw.bool() { StaleModified::Append } else { StaleModified::Ignore },
        refused_texts: if refuses { vec![REFUSED.to_owned()] } else { Vec::new() },
        latency: pick(draw, &[Latency::None, millis(100, 900), millis(100, 9000)]),
        ..UploadOptions::default()
    };
    StackOptions { seed, faults: Vec::new(), vmray, entra, upload, ..StackOptions::default() }
}

fn fault(draw: &mut Rng, service: ServiceName) -> Fault {
    let seconds = Duration::from_secs;
    match draw.u8(0..16) {
        0 => Fault::Status(pick(draw, &[500, 502, 503, 504])),
        1 => Fault::StatusAfter(pick(draw, &[500, 503])),
        2 => Fault::ResetBefore,
        3 | 4 => Fault::ResetAfter,
        5 => Fault::CutBody,
        6 => Fault::HtmlPage,
        7 => Fault::Hang,
        8 => Fault::WrongJson,
        9 => Fault::Delay(Duration::from_secs_f64(draw.f64() * 40.0)),
        10 | 11 => Fault::Throttled { retry_after: seconds(pick(draw, &[1, 5, 37, 120, 400])) },
        12 => Fault::Status(401),
        13 => Fault::Status(403),
        _ => match service {
            ServiceName::Vmray => Fault::DropContinuation,
            ServiceName::Entra => Fault::Status(400),
            ServiceName::Upload | ServiceName::Logs => Fault::Status(pick(draw, &[400, 413])),
        },
    }
}

pub(crate) fn pick<T: Copy>(draw: &mut Rng, from: &[T]) -> T {
    from[draw.usize(..from.len())]
}
