//! Making the sample, the submission, its jobs and its children.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Item;
use super::parameters::Parameters;
use crate::vmray::State;
use crate::vmray::container::{Member, Opened};
use crate::vmray::options::{ArchiveAction, ChildrenEnd, MetadataText, SubmitOutcome};
use crate::world::{
    Access, Ending, Failure, Hashes, Ioc, IocKind, Job, MAX_JOBS, RelationKind, Sample, Submission, Verdict,
};

/// Containers within containers that are opened.
const MAX_DEPTH: usize = 8;

pub(super) struct Maker<'a> {
    state: &'a mut State,
    parameters: &'a Parameters,
    /// The second of the submit: the server keeps no fractions.
    now: Timestamp,
    /// Children that may still be made.
    children_left: u64,
}

/// Where a child hangs.
#[derive(Debug, Clone, Copy)]
struct Parent {
    sample: u64,
    submission: u64,
    /// When its children appear.
    opened_at: Timestamp,
    /// When they end.
    children_end: Timestamp,
    depth: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(state: &'a mut State, parameters: &'a Parameters, now: Timestamp) -> Self {
        let children_left = parameters.number("max_recursive_samples").unwrap_or(1000);
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { state, parameters, now, children_left }
    }

    /// Makes a submission with jobs of its own; returns sample and submission.
    pub(super) fn analysed(mut self, item: Item, known: Option<u64>) -> (u64, u64) {
        let options = &self.state.options;
        let starts_at = later(self.now, options.queue_time);
        let whole = options.analysis_time;
        let ended = later(starts_at, whole);
        let finished = later(ended, options.finishing_time);
        let count = self.job_count();
        let ending = self.ending(&item);
        let sample = self.sample(&item, known, self.now, ending.verdict());
        let id = self.state.world.next_id();
        let opened_at = later(starts_at, whole / 2);
        let children_end = match self.state.options.children_end {
            ChildrenEnd::BeforeParent => ended,
            ChildrenEnd::AfterParent => later(finished, whole),
        };
        let name = item.name.clone();
        // Children get higher ids than their parent.
        self.state.world.add_submission(Submission::unfinished(id, sample, self.now));
        let parent = Parent { sample, submission: id, opened_at, children_end, depth: 0 };
        let opens = self.parameters.archive_action(&self.state.options) == ArchiveAction::Sample
            || item.inside.kind() == Some("email");
        let worst = if opens { self.children(item.inside.into_members(), parent) } else { None };
        let mut made = self.submission(id, sample, &name);
        let hold = self.state.options.hold_submissions;
        let job = |place: usize| Job {
            starts_at,
            ends_at: (!hold).then(|| share(starts_at, ended, place + 1, count)),
            is_static: self.is_static(place, count),
            failure: ending.failure(place),
        };
        made.jobs = Some((0..count).map(job).collect());
        made.finished_at = (!hold).then_some(finished);
        made.has_errors = ending.has_errors();
        made.verdict = ending.verdict();
        if self.state.options.children_end == ChildrenEnd::BeforeParent && made.verdict.is_some() {
            made.verdict = worse(made.verdict, worst);
        }
        self.state.options.quota.1 += 1;
        self.state.world.add_submission(made);
        (sample, id)
    }

    /// Makes a submission that older analyses, or jobs still running, answer.
    pub(super) fn answered(self, item: &Item, analyses: Vec<u64>, maker: &Submission) -> (u64, u64) {
        let id = self.state.world.next_id();
        let mut made = self.submission(id, maker.sample_id, &item.name);
        made.jobs = Some(Vec::new());
        made.cached = analyses;
        made.used_cache = true;
        made.finished_at = maker.finished_at.map(|end| end.max(self.now));
        made.verdict = maker.verdict;
        made.has_errors = maker.has_errors;
        made.consumed_quota = u64::from(self.state.options.cached_costs_quota);
        self.state.options.quota.1 += made.consumed_quota;
        self.state.world.add_submission(made);
        (maker.sample_id, id)
    }

    /// Makes a submission that only reputation is asked for, as the older refusal of a quota does.
    pub(super) fn reputation_only(mut self, item: &Item, known: Option<u64>) -> (u64, u64) {
        let sample = self.sample(item, known, self.now, None);
        let id = self.state.world.next_id();
        let mut made = self.submission(id, sample, &item.name);
        made.jobs = Some(Vec::new());
        made.finished_at = Some(later(self.now, self.state.options.analysis_time));
        made.consumed_quota = 0;
        self.state.world.add_submission(made);
        (sample, id)
    }

    /// Makes children; returns their worst verdict.
    fn children(&mut self, members: Vec<Member>, parent: Parent) -> Option<Verdict> {
        let mut worst = None;
        for member in members {
            if self.children_left == 0 || parent.depth >= MAX_DEPTH {
                break;
            }
            self.children_left -= 1;
            let relation = member.relation;
            let item = Item::of(self.state, member.name, member.content, self.parameters);
            worst = worse(worst, self.child(item, relation, parent));
        }
        worst
    }

    fn child(&mut self, item: Item, relation: RelationKind, parent: Parent) -> Option<Verdict> {
        let known = super::known::sample_of(&self.state.world, item.url.as_deref(), &item.hashes);
        let ending = self.ending(&item);
        let sample = self.sample(&item, known, parent.opened_at, ending.verdict());
        let id = self.state.world.next_id();
        let mut made = Submission::unfinished(id, sample, parent.opened_at);
        made.parent = Some(parent.submission);
        made.filename = Some(item.name.clone());
        made.quota_type.clone_from(&self.state.options.quota_type);
        self.state.world.add_submission(made.clone());
        self.state.world.relate(parent.sample, sample, relation);
        let below = Parent {
            sample,
            submission: id,
            opened_at: share(parent.opened_at, parent.children_end, 1, 2),
            depth: parent.depth + 1,
            ..parent
        };
        let worst = self.children(item.inside.into_members(), below);
        made.jobs = Some(vec![Job {
            starts_at: parent.opened_at,
            ends_at: Some(parent.children_end),
            is_static: false,
            failure: ending.failure(0),
        }]);
        made.finished_at = Some(parent.children_end);
        made.has_errors = ending.has_errors();
        made.verdict = ending.verdict().and_then(|own| worse(Some(own), worst));
        let verdict = made.verdict;
        self.state.options.quota.1 += 1;
        self.state.world.add_submission(made);
        verdict
    }

    /// A submission with what the request says of it.
    fn submission(&self, id: u64, sample: u64, name: &str) -> Submission {
        let value = |name: &str| self.parameters.value(name);
        let mut made = Submission::unfinished(id, sample, self.now);
        made.filename = Some(name.to_owned());
        made.tags = value("tags").map(|tags| tags.split(',').map(str::to_owned).collect()).unwrap_or_default();
        made.metadata = self.metadata(value("submission_metadata").unwrap_or("{}"));
        made.comment = value("comment").map(str::to_owned);
        made.shareable = self.parameters.flag("shareable") == Some(true);
        made.quota_type.clone_from(&self.state.options.quota_type);
        let options = &self.state.options;
        let caching = value("analysis_caching").map_or(options.analysis_caching.as_str(), |word| word);
        caching.clone_into(&mut made.caching);
        self.parameters.archive_action(options).as_str().clone_into(&mut made.archive_action);
        made
    }

    fn metadata(&self, text: &str) -> String {
        match (self.state.options.metadata_text, serde_json::from_str::<Value>(text)) {
            (MetadataText::Respaced, Ok(value)) => respaced(&value),
            _ => text.to_owned(),
        }
    }

    /// Returns the sample: the known one, or a new one seen at `seen`.
    fn sample(&mut self, item: &Item, known: Option<u64>, seen: Timestamp, verdict: Option<Verdict>) -> u64 {
        if let Some(id) = known {
            // One that a test wrote for later, or that another archive holds, is seen now.
            if let Some(sample) = self.state.world.sample_mut(id) {
                sample.created = sample.created.min(seen);
            }
            return id;
        }
        let id = self.state.world.next_id();
        let leaf = item.name.rsplit('/').next().unwrap_or(&item.name);
        let mut sample = match &item.url {
            Some(url) => Sample::url(id, seen, url),
            None => Sample::file(id, seen, leaf),
        };
        sample.filesize = item.size;
        sample.hashes = item.hashes.clone();
        sample.container = item.inside.kind().map(str::to_owned);
        sample.password_protected = item.inside.is_protected();
        if let Some(kind) = self.parameters.value("sample_type").filter(|_| item.url.is_none()) {
            kind.clone_into(&mut sample.kind);
        } else if let Some(kind) = item.inside.kind() {
            if kind == "email" { "E-Mail" } else { "ZIP Archive" }.clone_into(&mut sample.kind);
        }
        if self.state.options.quota_type == "verdict" {
            sample.access = Access::Locked;
        }
        let shown = verdict.unwrap_or(Verdict::Clean);
        let own = match &item.url {
            Some(url) => {
                sample.filename = format!("{}.url", item.hashes.sha256.as_deref().unwrap_or_default());
                Ioc::new(IocKind::Url, url, shown)
            }
            None => Ioc { categories: vec!["Sample".to_owned()], ..Ioc::file(leaf, item.hashes.clone(), shown) },
        };
        self.state.world.add_sample(sample.with_iocs(vec![Ioc { verdict, ..own }]));
        id
    }

    fn ending(&self, item: &Item) -> Ending {
        if matches!(item.inside, Opened::Locked { .. }) {
            return Ending::Error(Failure::wrong_password());
        }
        let verdict = self.state.options.submit_verdict.unwrap_or_else(|| Some(drawn_verdict(&item.hashes)));
        match self.state.options.submit_outcome {
            SubmitOutcome::Success => Ending::Success(verdict),
            SubmitOutcome::Warning => Ending::Warning(verdict),
            SubmitOutcome::Error => Ending::Error(Failure::worker_crashed()),
        }
    }

    fn job_count(&self) -> usize {
        let wanted = match self.parameters.value("analyzer_mode") {
            Some("reputation" | "reputation_static" | "static") => 1,
            _ => self.state.options.jobs_per_submission,
        };
        let most = self.parameters.number("max_jobs").unwrap_or(MAX_JOBS).clamp(1, MAX_JOBS);
        usize::try_from(wanted.clamp(1, most)).unwrap_or(1)
    }

    /// The first of several jobs is a static analysis, and the only one where nothing is run.
    fn is_static(&self, place: usize, count: usize) -> bool {
        match self.parameters.value("analyzer_mode") {
            Some("reputation" | "reputation_static" | "static") => true,
            _ => place == 0 && count > 1,
        }
    }
}

/// A verdict that depends on nothing but the content.
fn drawn_verdict(hashes: &Hashes) -> Verdict {
    match hashes.sha256.as_deref().and_then(|text| text.bytes().next()) {
        Some(b'0'..=b'7') => Verdict::Malicious,
        Some(b'8' | b'9') => Verdict::Suspicious,
        _ => Verdict::Clean,
    }
}

/// Returns the worse of two verdicts; they are declared from the worst on.
fn worse(one: Option<Verdict>, other: Option<Verdict>) -> Option<Verdict> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).unwrap_or(time)
}

/// Returns the end of a part of a time.
fn share(from: Timestamp, to: Timestamp, part: usize, parts: usize) -> Timestamp {
    let whole = u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default();
    let (part, parts) = (u64::try_from(part).unwrap_or(1), u64::try_from(parts.max(1)).unwrap_or(1));
    later(from, Duration::from_millis(whole * part / parts))
}

/// JSON with a space after each comma and colon, as Python writes it.
fn respaced(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), respaced(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(respaced).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}
