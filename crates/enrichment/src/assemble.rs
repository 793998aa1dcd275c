//! Writing the report from what is known of the items. A part that cannot be read is marked; the rest is there.

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use vmray::Verdict;

use crate::dossier::{Ask, Reading};
use crate::facts::Facts;
use crate::publish::Parcel;
use crate::record::{Asked, AskedItem, Outcome, Thing};
use crate::report::{
    ItemKind, ItemReport, ItemState, OverallVerdict, Report, SampleReport, Section, SectionState, UploadReport,
    UploadState,
};
use crate::seen::seen;
use crate::{Enrichment, Error, JobId};

/// IOCs of one item in a report.
const MAX_IOCS: usize = 300;

impl Enrichment {
    /// Writes the report of a request and sends its indicators. Where there is no time to ask VMRay, what is not known
    /// is marked, the report is not complete, and nothing is sent.
    pub(crate) async fn report(
        &self,
        job: &JobId,
        asked: &Asked,
        outcomes: &[Outcome],
        ask: Ask,
    ) -> Result<Report, Error> {
        let now = self.clock.now();
        let readings = self.readings(outcomes, ask).await?;
        let is_unanswered = readings.iter().flatten().any(|(_, reading)| *reading == Reading::Unanswered);
        let running = is_unanswered || outcomes.iter().any(Outcome::is_running);
        let mut items = Vec::with_capacity(asked.items.len());
        let mut parcels = Vec::new();
        for (n, ((item, outcome), readings)) in asked.items.iter().zip(outcomes).zip(&readings).enumerate() {
            let mut report = item_report(item, outcome, now);
            complete_samples(&mut report, readings);
            report.iocs = iocs(outcome, readings);
            report.indicators = section(outcome, readings);
            let findings = self.findings(asked, readings, &mut report);
            if !findings.is_empty() {
                parcels.push(Parcel { item: n, findings });
            }
            items.push(report);
        }
        let upload = if !asked.upload {
            UploadReport::of(UploadState::NotAsked, None)
        } else if ask == Ask::State {
            UploadReport::of(UploadState::Pending, Some("it waits for VMRay's answers".to_owned()))
        } else {
            match Box::pin(self.publish(job, parcels.clone(), running)).await {
                Ok(upload) => upload,
                Err(error) => {
                    let reason = format!("{error}; it is tried again the next time this answer is asked for");
                    UploadReport::of(UploadState::Pending, Some(reason))
                }
            }
        };
        // After the upload, which may have changed what they are to Sentinel.
        self.indicators(&parcels, &mut items).await?;
        let verdict = overall(&items, outcomes);
        Ok(Report {
            job: *job,
            complete: !running,
            verdict,
            summary: summary(verdict, &items),
            incident: asked.incident.clone(),
            made_at: now,
            deadline_at: running.then_some(asked.deadline_at),
            items,
            upload,
        })
    }

    /// Reads what VMRay found in the samples that it calls malicious or suspicious, for each item, side by side.
    async fn readings<'a>(&self, outcomes: &'a [Outcome], ask: Ask) -> Result<Vec<Vec<(&'a Facts, Reading)>>, Error> {
        let wanted =
            outcomes.iter().enumerate().filter(|(_, outcome)| !outcome.is_running()).flat_map(|(n, outcome)| {
                outcome.samples().filter(|facts| facts.is_bad() && !facts.locked).map(move |facts| (n, facts))
            });
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let reading = wanted.map(|(n, facts)| {
            let reading = async move {
                let reading = match ask {
                    Ask::Vmray => self.dossiers().read(&self.vmray, facts).await?,
                    Ask::State => self.dossiers().kept(facts).await?.unwrap_or(Reading::Unanswered),
                };
                Ok::<_, Error>((n, facts, reading))
            };
            reading.boxed()
        });
        let mut readings: Vec<Vec<(&'a Facts, Reading)>> = outcomes.iter().map(|_| Vec::new()).collect();
        for read in join_all(reading.collect::<Vec<_>>()).await {
            let (n, facts, reading) = read?;
            if let Some(of_item) = readings.get_mut(n) {
                of_item.push((facts, reading));
            }
        }
        Ok(readings)
    }
}

fn item_report(item: &AskedItem, outcome: &Outcome, now: Timestamp) -> ItemReport {
    let worst = outcome.samples().filter(|facts| !facts.running).max_by_key(|facts| {
        // Of equals the first: the thing itself before what came out of it.
        (OverallVerdict::of(facts.verdict.as_ref()), std::cmp::Reverse(facts.depth))
    });
    let missing = outcome.missing();
    // Nobody may call clean what was not looked at as a whole.
    let is_withheld =
        is_incomplete(outcome) && worst.is_some_and(|facts| matches!(facts.verdict, Some(Verdict::Clean)));
    let why = || {
        if is_withheld {
            format!("VMRay calls clean what could be looked at, but that is not all of it: {}", missing.join("; "))
        } else {
            why(worst)
        }
    };
    let (state, reason, mut not_done) = match outcome {
        Outcome::Known { not_done, .. } => (ItemState::Known, why(), not_done.clone()),
        Outcome::Analysed { not_done, .. } => (ItemState::Analysed, why(), not_done.clone()),
        Outcome::Running { what, not_done, trouble, .. } => {
            let mut not_done = not_done.clone();
            not_done
                .extend(trouble.as_ref().map(|trouble| format!("VMRay could not be asked: {}", trouble.sentence())));
            (ItemState::Running, what.clone(), not_done)
        }
        Outcome::Unknown { reason } => (ItemState::Unknown, reason.clone(), Vec::new()),
        Outcome::HeldBack { reason } => (ItemState::HeldBack, reason.clone(), Vec::new()),
        Outcome::Refused { trouble } => (ItemState::Refused, trouble.sentence(), Vec::new()),
        Outcome::Failed { trouble } => (ItemState::Failed, trouble.sentence(), Vec::new()),
    };
    not_done.extend(missing.iter().cloned());
    not_done.extend(item.not_done.iter().cloned());
    let told = worst.filter(|_| !is_withheld);
    let verdict_at = told.and_then(|facts| facts.finished_at);
    let reused = matches!(outcome, Outcome::Known { .. }).then(|| {
        "known, not resubmitted; ask again with resubmit to have it analysed again, which uses quota".to_owned()
    });
    ItemReport {
        kind: item.thing.kind(),
        value: item.thing.value().to_owned(),
        asked: item.thing.asked().to_owned(),
        file: match &item.thing {
            Thing::File { facts } => Some(facts.clone()),
            Thing::Url { .. } | Thing::Hash { .. } | Thing::Unreadable { .. } => None,
        },
        state,
        verdict: told.and_then(|facts| facts.verdict.clone()),
        reason,
        verdict_at,
        age_seconds: verdict_at.map(|at| now.duration_since(at).as_secs().max(0)),
        reused,
        samples: outcome.samples().map(sample_report).collect(),
        iocs: Section::not_read(NOTHING_TO_READ),
        indicators: Section::not_read(NOTHING_TO_READ),
        gates: item.gates.clone(),
        notes: item.notes.clone(),
        not_done,
    }
}

/// Says whether something of a thing was not looked at, or not yet.
fn is_incomplete(outcome: &Outcome) -> bool {
    outcome.is_running() || !outcome.missing().is_empty()
}

/// Returns the worst verdict of all items, which is not clean while something of one of them is not looked at.
fn overall(items: &[ItemReport], outcomes: &[Outcome]) -> OverallVerdict {
    let verdicts = items.iter().map(|item| OverallVerdict::of(item.verdict.as_ref()));
    match verdicts.max().unwrap_or(OverallVerdict::Unknown) {
        OverallVerdict::Clean if outcomes.iter().any(is_incomplete) => OverallVerdict::Unknown,
        worst => worst,
    }
}

const NOTHING_TO_READ: &str = "there is no malicious or suspicious verdict to read findings of";

/// Returns why the verdict is what it is.
fn why(worst: Option<&Facts>) -> String {
    let Some(facts) = worst else { return "VMRay lists no sample of it".to_owned() };
    let words = facts.reason.as_deref();
    let of_child = if facts.depth > 0 {
        let name = facts.name.as_deref().unwrap_or("a sample");
        format!(" because of what came out of it: {name} (sample {})", facts.sample_id)
    } else {
        String::new()
    };
    match (&facts.verdict, words) {
        (Some(verdict @ (Verdict::Malicious | Verdict::Suspicious | Verdict::Clean)), None) => {
            format!("VMRay's analysis ended with the verdict {verdict}{of_child}")
        }
        (Some(verdict), Some(words)) => format!("VMRay's verdict is {verdict}{of_child}: {words}"),
        (Some(verdict), None) => format!("VMRay's verdict is {verdict}"),
        (None, Some(words)) => format!("VMRay formed no verdict: {words}"),
        (None, None) => "VMRay formed no verdict and gave no reason".to_owned(),
    }
}

fn sample_report(facts: &Facts) -> SampleReport {
    SampleReport {
        sample_id: facts.sample_id,
        submission_id: facts.submission_id,
        parent_sample_id: facts.parent_sample_id,
        depth: facts.depth,
        name: facts.name.clone(),
        sample_type: None,
        sha256: facts.sha256.clone(),
        verdict: facts.verdict.clone(),
        reason: facts.reason.clone(),
        finished_at: facts.finished_at,
        running: facts.running,
        link: facts.link.clone(),
        threat_names: Vec::new(),
        classifications: Vec::new(),
    }
}

/// Adds what the readings say of the samples.
fn complete_samples(report: &mut ItemReport, readings: &[(&Facts, Reading)]) {
    for (facts, reading) in readings {
        let (Reading::Whole(dossier) | Reading::Waiting(dossier)) = reading else { continue };
        for sample in report.samples.iter_mut().filter(|sample| sample.sample_id == facts.sample_id) {
            sample.sample_type.clone_from(&dossier.sample_type);
            sample.threat_names.clone_from(&dossier.threat_names);
            sample.classifications.clone_from(&dossier.classifications);
            sample.name = sample.name.take().or_else(|| dossier.name.clone());
            sample.sha256 = sample.sha256.take().or_else(|| dossier.sha256.clone());
        }
    }
}

fn iocs(outcome: &Outcome, readings: &[(&Facts, Reading)]) -> Section<crate::report::IocReport> {
    let mut section = section(outcome, readings);
    for (facts, reading) in readings {
        if let Reading::Whole(dossier) | Reading::Waiting(dossier) = reading {
            section.entries.extend(seen(&dossier.iocs, facts.sample_id));
        }
    }
    section.left_out = section.entries.len().saturating_sub(MAX_IOCS) as u64;
    section.entries.truncate(MAX_IOCS);
    section
}

/// Returns the state of a section that is made of readings.
fn section<T>(outcome: &Outcome, readings: &[(&Facts, Reading)]) -> Section<T> {
    let mut section = Section::ok(Vec::new());
    let mut samples = outcome.samples();
    if outcome.is_running() {
        section.state = SectionState::Waiting;
        section.reason = Some("VMRay is not done".to_owned());
        return section;
    }
    if readings.is_empty() && !samples.clone().any(|facts| facts.is_bad() && facts.locked) {
        return Section::not_read(NOTHING_TO_READ);
    }
    for (facts, reading) in readings {
        match reading {
            Reading::Whole(_) => {}
            Reading::Waiting(_) => {
                section.state = section.state.max(SectionState::Waiting);
                section.reason = Some(format!("VMRay is still gathering what it found in sample {}", facts.sample_id));
            }
            Reading::Unanswered => {
                section.state = section.state.max(SectionState::Waiting);
                section.reason =
                    Some(format!("VMRay has not yet returned what it found in sample {}", facts.sample_id));
            }
            Reading::Failed(trouble) => {
                section.state = SectionState::Failed;
                section.reason = Some(format!("sample {}: {}", facts.sample_id, trouble.sentence()));
            }
        }
    }
    if let Some(locked) = samples.find(|facts| facts.is_bad() && facts.locked) {
        section.state = SectionState::Failed;
        section.reason = Some(format!(
            "VMRay shows only the verdict of sample {}: its report is locked and can be unlocked in VMRay",
            locked.sample_id
        ));
    }
    section
}

/// Returns one line that stands alone.
fn summary(verdict: OverallVerdict, items: &[ItemReport]) -> String {
    let count = items.iter().filter(|item| OverallVerdict::of(item.verdict.as_ref()) == verdict).count();
    let kinds: std::collections::BTreeSet<ItemKind> = items.iter().map(|item| item.kind).collect();
    let total = items.len();
    let noun = match (kinds.iter().next(), kinds.len()) {
        (Some(ItemKind::Url), 1) => "URL",
        (Some(ItemKind::Hash), 1) => "hash",
        (Some(ItemKind::File), 1) => "file",
        _ => "item",
    };
    let plural = match (total, noun) {
        (1, _) => "",
        (_, "hash") => "es",
        _ => "s",
    };
    let running = items.iter().filter(|item| item.state == ItemState::Running).count();
    let tail = if running > 0 { format!(", {running} still running") } else { String::new() };
    format!("VMRay: {}: {count} of {total} {noun}{plural}{tail}", verdict.capitals())
}
