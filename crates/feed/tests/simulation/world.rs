//! A world that goes on living: what happens at VMRay before, between and during runs.
//!
//! Events are drawn from the seed and applied to the simulator's world. [`Living`] also remembers what no snapshot of
//! the world can tell (what a sample has ever shown, since when it was missing), and that memory is what `truth` is
//! computed from. A new kind of event is a variant of [`Event`] with its line in [`Living::apply`]; whatever it makes
//! true for ever goes into [`Made`].

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulators::{Access, Hashes, Ioc, IocKind, IocSource, Sample, Submission, Verdict, VmraySimulator, World};

use crate::plan::Plan;

/// What becomes of a value that is odd.
pub(crate) const HOSTILE: [(IocKind, &str, &str); 12] = [
    (IocKind::Domain, "localhost", "reserved_name"),
    (IocKind::Domain, "printer.local", "reserved_name"),
    (IocKind::Domain, "co.uk", "public_suffix"),
    (IocKind::Domain, "no domain at all!", "unparsable"),
    (IocKind::Domain, "-", "null_value"),
    (IocKind::Ip, "10.1.2.3", "private_address"),
    (IocKind::Ip, "999.1.1.1", "unparsable"),
    (IocKind::Ip, "fe80::1", "private_address"),
    (IocKind::Url, "http://[fe80::1]/x", "private_address"),
    (IocKind::Url, "nonsense", "unparsable"),
    (IocKind::Url, "http://printer.local/a'b\\c", "reserved_name"),
    (IocKind::Url, "", "null_value"),
];

/// Values with this in them are refused by Sentinel.
pub(crate) const REFUSED: &str = "refused";

/// Something that happens at VMRay.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A sample is submitted for the first time.
    Submitted { iocs: Vec<Ioc>, submission: Told, access: Access, garbage: bool },
    /// A sample is submitted again; what it shows grows and changes.
    SubmittedAgain { nth: usize, submission: Told, iocs: Vec<Ioc>, verdicts_change: bool },
    /// Somebody may see a sample that nobody could, or the other way round.
    AccessChanges { nth: usize, access: Access },
}

/// A submission to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// When it finishes, seconds from its becoming visible; before that when negative.
    pub(crate) finishes_in: i64,
    pub(crate) verdict: Option<Verdict>,
    /// Whether it tells its finish time.
    pub(crate) tells: bool,
    /// Whether its id is lower than those of submissions that were seen before.
    pub(crate) id_is_late: bool,
}

/// What is remembered of a sample.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    /// What it shows now.
    pub(crate) iocs: Vec<Ioc>,
    /// All that it has ever shown.
    pub(crate) ever: Vec<Ioc>,
    /// Whether its lists hold entries that are none.
    pub(crate) has_garbage: bool,
    /// When it was first and last missing.
    pub(crate) missing: Option<(Timestamp, Timestamp)>,
    /// Since when nobody may read it; `None` when it can be read.
    pub(crate) closed_since: Option<Timestamp>,
}

/// The world's life.
#[derive(Debug)]
pub(crate) struct Living {
    draw: Rng,
    pub(crate) made: BTreeMap<u64, Made>,
    used: BTreeSet<u64>,
    next_id: u64,
    named: u64,
    /// Shared values, so that samples meet in one indicator.
    shared: Vec<Ioc>,
    largest: usize,
    refuses: bool,
    /// Of eight values, so many are shared.
    shared_of_eight: u8,
}

impl Living {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let mut living = Self {
            draw: Rng::with_seed(seed ^ 0x6c69_7665),
            made: BTreeMap::new(),
            used: BTreeSet::new(),
            next_id: 1001,
            named: 0,
            shared: Vec::new(),
            largest: plan.largest,
            refuses: plan.refuses,
            shared_of_eight: if plan.contested { 7 } else { 2 },
        };
        living.shared = (0..5).map(|_| living.ioc(false)).collect();
        living
    }

    /// Draws what happens next.
    pub(crate) fn draw_event(&mut self) -> Event {
        let place = self.draw.f64();
        if self.made.is_empty() || place < 0.55 {
            let access = match self.draw.u8(0..20) {
                0 => Access::Forbidden,
                1 => Access::Missing,
                2 | 3 => Access::Waiting,
                4 => Access::Locked,
                _ => Access::Open,
            };
            let garbage = self.draw.u8(0..6) == 0;
            return Event::Submitted { iocs: self.iocs(), submission: self.submission(), access, garbage };
        }
        let nth = self.draw.usize(..);
        if place < 0.8 {
            let more = self.draw.usize(0..3);
            let iocs = (0..more).map(|_| self.ioc(true)).collect();
            let verdicts_change = self.draw.u8(0..4) == 0;
            return Event::SubmittedAgain { nth, submission: self.submission(), iocs, verdicts_change };
        }
        let access = match self.draw.u8(0..8) {
            0 => Access::Forbidden,
            1 => Access::Missing,
            2 => Access::Waiting,
            3 => Access::Locked,
            _ => Access::Open,
        };
        Event::AccessChanges { nth, access }
    }

    fn submission(&mut self) -> Told {
        let verdict = match self.draw.u8(0..20) {
            11..=14 => Some(Verdict::Suspicious),
            15 | 16 => Some(Verdict::Clean),
            17 => Some(Verdict::NotAvailable),
            18 => None,
            _ => Some(Verdict::Malicious),
        };
        let finishes_in = match self.draw.u8(0..10) {
            // Visible late: up to just under the overlap of an hour.
            0..=2 => -self.draw.i64(60..3500),
            3..=7 => -self.draw.i64(0..60),
            8 => self.draw.i64(1..120),
            _ => self.draw.i64(120..3600),
        };
        Told { finishes_in, verdict, tells: self.draw.u8(0..40) != 0, id_is_late: self.draw.u8(0..6) == 0 }
    }

    fn iocs(&mut self) -> Vec<Ioc> {
        let count = if self.draw.u8(0..12) == 0 { self.largest } else { self.draw.usize(0..6) };
        (0..count).map(|_| self.ioc(true)).collect()
    }

    fn ioc(&mut self, may_be_shared: bool) -> Ioc {
        if may_be_shared && self.draw.u8(0..8) < self.shared_of_eight {
            let mut ioc = self.draw.choice(&self.shared).unwrap().clone();
            // The same value, another opinion.
            if self.draw.bool() {
                ioc.verdict = Some(if self.draw.bool() { Verdict::Malicious } else { Verdict::Suspicious });
            }
            return ioc;
        }
        if may_be_shared && self.draw.u8(0..8) == 0 {
            let (kind, value, _) = self.draw.choice(HOSTILE).unwrap();
            return Ioc::new(kind, value, Verdict::Malicious);
        }
        self.named += 1;
        let n = self.named;
        let verdict = if self.draw.u8(0..4) == 0 { Verdict::Suspicious } else { Verdict::Malicious };
        let name = if self.refuses && self.draw.u8(0..12) == 0 {
            format!("{REFUSED}{n}.badsite.net")
        } else {
            format!("d{n}.badsite.net")
        };
        let mut ioc = match self.draw.u8(0..8) {
            0..=2 => Ioc::new(IocKind::Domain, &name, verdict),
            3 => Ioc::new(IocKind::Ip, &format!("11.{}.{}.7:8080", n / 250, n % 250), verdict),
            4 | 5 => Ioc::new(IocKind::Url, &format!("https://{name}/it's?a=\u{f6}"), verdict),
            _ => {
                let mut hashes = Hashes::invented(n ^ 0x5eed);
                match self.draw.u8(0..6) {
                    0 => hashes.md5 = None,
                    1 => hashes.sha1 = None,
                    _ => {}
                }
                Ioc::file(&format!("f{n}.exe"), hashes, verdict)
            }
        };
        ioc.threat_names = if self.draw.bool() { vec![format!("Threat.{}", n % 3)] } else { Vec::new() };
        if may_be_shared {
            match self.draw.u8(0..25) {
                0 => ioc.verdict = None,
                1 => ioc.verdict = Some(Verdict::NotAvailable),
                2 => ioc.verdict = Some(Verdict::Clean),
                3 => ioc.ioc = Some(false),
                4 if ioc.kind != IocKind::File => ioc.value = None,
                5 if ioc.kind == IocKind::File => ioc.categories = vec!["Memory Dump".to_owned()],
                _ => {}
            }
        }
        ioc
    }

    /// Makes an event true, and says what it did.
    pub(crate) fn apply(&mut self, event: &Event, vmray: &VmraySimulator, now: Timestamp) -> String {
        match event {
            Event::Submitted { iocs, submission, access, garbage } => {
                let id = self.fresh_id();
                let mut made =
                    Made { iocs: iocs.clone(), ever: iocs.clone(), has_garbage: *garbage, ..Made::default() };
                note_access(&mut made, *access, now);
                let submission = self.submitted(id, *submission, now);
                let line = format!("sample {id} ({access:?}), {}, with {}", shown(&submission), listed(iocs));
                vmray.edit(|world| {
                    let mut sample = Sample::file(id, submission.created, "sample.exe");
                    sample.access = *access;
                    sample.iocs = source(&made);
                    world.add_sample(sample);
                    world.add_submission(submission);
                });
                self.made.insert(id, made);
                line
            }
            Event::SubmittedAgain { nth, submission, iocs, verdicts_change } => {
                let Some(id) = self.pick(*nth) else { return "nothing to submit again".to_owned() };
                let submission = self.submitted(id, *submission, now);
                let mut line = format!("sample {id} again, {}", shown(&submission));
                // Only a submission that the feed reads may change what there is to read: nobody would look again.
                let is_read = submission.tells_finish_time && submission.verdict == Some(Verdict::Malicious);
                let made = self.made.get_mut(&id).unwrap();
                if is_read {
                    made.iocs.extend(iocs.iter().cloned());
                    if *verdicts_change {
                        made.iocs.iter_mut().step_by(2).for_each(|ioc| ioc.verdict = turned(ioc.verdict));
                    }
                    made.ever.extend(made.iocs.iter().cloned());
                    line.push_str(&format!(", now with {}", listed(&made.iocs)));
                }
                vmray.edit(|world| {
                    world.sample_mut(id).unwrap().iocs = source(made);
                    world.add_submission(submission);
                });
                line
            }
            Event::AccessChanges { nth, access } => {
                let Some(id) = self.pick(*nth) else { return "nothing to close".to_owned() };
                note_access(self.made.get_mut(&id).unwrap(), *access, now);
                vmray.edit(|world| world.sample_mut(id).unwrap().access = *access);
                format!("sample {id} becomes {access:?}")
            }
        }
    }

    /// Opens most of what is closed: what stays closed must be open in the ledger at the end.
    pub(crate) fn settle(&mut self, vmray: &VmraySimulator, now: Timestamp) {
        for (id, made) in &mut self.made {
            let stays = self.draw.u8(0..4) == 0;
            vmray.edit(|world: &mut World| {
                let sample = world.sample_mut(*id).unwrap();
                if !stays {
                    sample.access = Access::Open;
                }
                note_access(made, sample.access, now);
            });
        }
    }

    fn pick(&self, nth: usize) -> Option<u64> {
        let count = self.made.len();
        (count > 0).then(|| *self.made.keys().nth(nth % count).unwrap())
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 3;
        self.used.insert(self.next_id);
        self.next_id
    }

    fn submitted(&mut self, sample: u64, told: Told, now: Timestamp) -> Submission {
        let mut id = self.fresh_id();
        if told.id_is_late {
            // A gap that earlier submissions left.
            id = (1001..id).rev().find(|id| !self.used.contains(id)).unwrap_or(id);
            self.used.insert(id);
        }
        // VMRay's times are whole seconds.
        let now = Timestamp::from_second(now.as_second()).unwrap();
        let end = now + SignedDuration::from_secs(told.finishes_in);
        let mut submission = Submission::finished(id, sample, end, told.verdict);
        submission.created = submission.created.min(now);
        submission.tells_finish_time = told.tells;
        submission
    }
}

fn note_access(made: &mut Made, access: Access, now: Timestamp) {
    let was_missing =
        made.missing.is_some_and(|(_, last)| Some(last) >= made.closed_since) && made.closed_since.is_some();
    if access == Access::Missing || was_missing {
        let first = made.missing.map_or(now, |(first, _)| first);
        made.missing = Some((first, now));
    }
    made.closed_since = (access != Access::Open).then(|| made.closed_since.unwrap_or(now));
}

/// What a verdict becomes when VMRay thinks again.
fn turned(verdict: Option<Verdict>) -> Option<Verdict> {
    match verdict {
        Some(Verdict::Suspicious) => Some(Verdict::Malicious),
        Some(Verdict::Malicious) => Some(Verdict::Suspicious),
        other => other,
    }
}

/// The findings as VMRay serves them, with entries among them that are none.
fn source(made: &Made) -> IocSource {
    if !made.has_garbage {
        return IocSource::Listed(made.iocs.clone());
    }
    let mut world = World::new();
    world.add_sample(Sample::file(1, Timestamp::UNIX_EPOCH, "x").with_iocs(made.iocs.clone()));
    let mut lists = world.iocs_json(1);
    for (list, entry) in [("domains", json!({"ioc": true, "domain": {"a": [1]}})), ("urls", json!({"ioc": true}))] {
        lists[list].as_array_mut().unwrap().insert(0, entry);
    }
    IocSource::Recorded(lists)
}

fn shown(submission: &Submission) -> String {
    let verdict = submission.verdict.map_or("null", Verdict::as_str);
    let end = submission.finished_at.map_or_else(|| "never".to_owned(), |end| format!("{end:.0}"));
    let tells = if submission.tells_finish_time { "" } else { " (not told)" };
    format!("submission {} {verdict} finished {end}{tells}", submission.id)
}

fn listed(iocs: &[Ioc]) -> String {
    let shown = |ioc: &Ioc| {
        let value = ioc.value.as_deref().unwrap_or("null");
        format!("{value}={}", ioc.verdict.map_or("null", Verdict::as_str))
    };
    let mut text = iocs.iter().take(12).map(shown).collect::<Vec<_>>().join(" ");
    if iocs.len() > 12 {
        text.push_str(&format!(" and {} more", iocs.len() - 12));
    }
    if text.is_empty() { "nothing".to_owned() } else { text }
}
