//! Writing the report from what is known of the items. A part that cannot be read is marked; the rest is there.

use delivery::{Change, Standing};
use indicators::{Finding, Mapped, Reading as Map, Severity, SubmissionFacts, map};
use jiff::Timestamp;
use ledger::Reader;
use serde_json::Value;
use vmray::Verdict;

use crate::dossier::{Dossier, Reading};
use crate::facts::Facts;
use crate::publish::{Parcel, of_delivery};
use crate::record::{Asked, AskedItem, Outcome, Thing};
use crate::report::{
    IndicatorReport, IndicatorState, ItemKind, ItemReport, ItemState, OverallVerdict, Report, SampleReport, Section,
    SectionState, UploadReport, UploadState,
};
use crate::seen::seen;
use crate::{Enrichment, Error, JobId};

/// IOCs of one item in a report.
const MAX_IOCS: usize = 300;
/// Indicators of one item in a report.
const MAX_INDICATORS: usize = 300;

impl Enrichment {
    /// Writes the report of a request and sends its indicators.
    pub(crate) async fn report(&self, job: &JobId, asked: &Asked, outcomes: &[Outcome]) -> Result<Report, Error> {
        let now = self.clock.now();
        let running = outcomes.iter().any(Outcome::is_running);
        let mut items = Vec::with_capacity(asked.items.len());
        let mut parcels = Vec::new();
        let mut reader = None;
        for (n, (item, outcome)) in asked.items.iter().zip(outcomes).enumerate() {
            let readings = self.readings(outcome).await?;
            let mut report = item_report(item, outcome, now);
            complete_samples(&mut report, &readings);
            report.iocs = iocs(outcome, &readings);
            let findings = self.indicators(asked, outcome, &readings, &mut report, &mut reader).await?;
            if !findings.is_empty() {
                parcels.push(Parcel { item: n, findings });
            }
            items.push(report);
        }
        let upload = if asked.upload {
            match Box::pin(self.publish(job, parcels, running)).await {
                Ok(upload) => upload,
                Err(error) => {
                    let reason = format!("{error}; it is tried again the next time this answer is asked for");
                    UploadReport::of(UploadState::Pending, Some(reason))
                }
            }
        } else {
            UploadReport::of(UploadState::NotAsked, None)
        };
        let verdict = items.iter().map(|item| OverallVerdict::of(item.verdict.as_ref())).max();
        let verdict = verdict.unwrap_or(OverallVerdict::Unknown);
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

    /// Reads what VMRay found in the samples that it calls malicious or suspicious.
    async fn readings<'a>(&self, outcome: &'a Outcome) -> Result<Vec<(&'a Facts, Reading)>, Error> {
        let mut readings = Vec::new();
        if outcome.is_running() {
            return Ok(readings);
        }
        for facts in outcome.samples().iter().filter(|facts| facts.is_bad() && !facts.locked) {
            readings.push((facts, self.dossiers().read(&self.vmray, facts).await?));
        }
        Ok(readings)
    }

    /// Fills the section of indicators; returns the findings behind them.
    async fn indicators(
        &self,
        asked: &Asked,
        outcome: &Outcome,
        readings: &[(&Facts, Reading)],
        report: &mut ItemReport,
        reader: &mut Option<Reader>,
    ) -> Result<Vec<Finding>, Error> {
        report.indicators = section(outcome, readings);
        let mut findings = Vec::new();
        let mut entries = Vec::new();
        let mut filtered_out = 0;
        for (facts, reading) in readings {
            let (Reading::Whole(dossier) | Reading::Waiting(dossier)) = reading else { continue };
            let mapped = self.mapped(facts, dossier);
            filtered_out += mapped.filtered_out;
            entries.extend(mapped.receipts.into_iter().map(|receipt| IndicatorReport {
                id: None,
                kind: receipt.kind.to_string(),
                value: receipt.value,
                state: IndicatorState::HeldBack,
                reason: Some(receipt.reason.to_string()),
                valid_until: None,
                stix: None,
            }));
            for mut finding in mapped.findings {
                finding.support.tactics.clone_from(&dossier.tactics);
                finding.support.incidents = asked.incident.iter().map(ToString::to_string).collect();
                findings.push(finding);
            }
        }
        if filtered_out > 0 {
            report.not_done.push(format!(
                "{filtered_out} IOCs became no indicators because VmraySampleVerdict leaves their verdict out"
            ));
        }
        if !findings.is_empty() {
            let reader = match reader {
                Some(reader) => reader,
                None => reader.insert(Reader::open(&self.storage, &self.settings.route).await?),
            };
            let mut standing = Standing::new(reader.records(), &self.style, self.clock.now());
            findings.sort_by_key(|finding| (finding.id, finding.support.sample_id));
            for finding in &findings {
                let effect = standing.take(finding.clone()).await.map_err(of_delivery)?;
                let object = effect.object(&self.style).map_err(of_delivery)?;
                let record = &effect.merged.record;
                let id = finding.id.to_string();
                let expired = effect.merged.change == Change::Expired;
                let entry = IndicatorReport {
                    kind: record.kind.clone(),
                    value: record.value.clone(),
                    state: match effect.merged.change {
                        Change::New => IndicatorState::New,
                        Change::Changed | Change::Refresh => IndicatorState::Changed,
                        Change::Unchanged => IndicatorState::Live,
                        Change::Expired => IndicatorState::HeldBack,
                    },
                    reason: expired.then(|| "its time was over before it was sent".to_owned()),
                    valid_until: Some(record.valid_until),
                    stix: serde_json::from_str::<Value>(&object).ok().filter(|_| !expired),
                    id: (!expired).then(|| id.clone()),
                };
                match entries.iter_mut().find(|entry| entry.id.as_ref() == Some(&id)) {
                    // Two samples of the item show the same value: what the first says of its state holds.
                    Some(before) => *before = IndicatorReport { state: before.state, ..entry },
                    None => entries.push(entry),
                }
            }
        }
        let left_out = entries.len().saturating_sub(MAX_INDICATORS);
        // Held back ones are cut before those that are sent.
        entries.sort_by_key(|entry| entry.state == IndicatorState::HeldBack);
        entries.truncate(MAX_INDICATORS);
        report.indicators.left_out = left_out as u64;
        report.indicators.entries = entries;
        Ok(findings)
    }

    fn mapped(&self, facts: &Facts, dossier: &Dossier) -> Mapped {
        let mut supporting: Vec<SubmissionFacts> = facts
            .history
            .iter()
            .filter(|past| self.rules.verdicts.wants(&past.verdict))
            .filter_map(|past| {
                let severity = past.verdict.as_ref().and_then(Severity::of)?;
                Some(SubmissionFacts { id: past.submission_id, finish_time: past.finished_at, severity })
            })
            .collect();
        supporting.sort_by_key(|submission| submission.id);
        let reading = Map {
            sample_id: facts.sample_id,
            submissions: &supporting,
            iocs: &dossier.iocs,
            tactics: &dossier.tactics,
        };
        map(&reading, &self.rules)
    }
}

fn item_report(item: &AskedItem, outcome: &Outcome, now: Timestamp) -> ItemReport {
    let samples = outcome.samples();
    let worst = samples.iter().filter(|facts| !facts.running).max_by_key(|facts| {
        // Of equals the first: the thing itself before what came out of it.
        (OverallVerdict::of(facts.verdict.as_ref()), std::cmp::Reverse(facts.depth))
    });
    let (state, reason, mut not_done) = match outcome {
        Outcome::Known { not_done, .. } => (ItemState::Known, why(worst), not_done.clone()),
        Outcome::Analysed { not_done, .. } => (ItemState::Analysed, why(worst), not_done.clone()),
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
    not_done.extend(item.not_done.iter().cloned());
    let verdict_at = worst.and_then(|facts| facts.finished_at);
    let reused = matches!(outcome, Outcome::Known { .. }).then(|| {
        "known, not resubmitted; ask again with resubmit to have it analysed again, which uses quota".to_owned()
    });
    ItemReport {
        kind: item.thing.kind(),
        value: item.thing.value().to_owned(),
        asked: item.thing.asked().to_owned(),
        file: match &item.thing {
            Thing::File { facts } => Some(facts.clone()),
            Thing::Url { .. } | Thing::Hash { .. } => None,
        },
        state,
        verdict: worst.and_then(|facts| facts.verdict.clone()),
        reason,
        verdict_at,
        age_seconds: verdict_at.map(|at| now.duration_since(at).as_secs().max(0)),
        reused,
        samples: samples.iter().map(sample_report).collect(),
        iocs: Section::not_read(NOTHING_TO_READ),
        indicators: Section::not_read(NOTHING_TO_READ),
        gates: item.gates.clone(),
        notes: item.notes.clone(),
        not_done,
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
        let unseen = dossier
            .child_sample_ids
            .iter()
            .filter(|id| !report.samples.iter().any(|sample| sample.sample_id == **id))
            .count();
        if report.state == ItemState::Known && unseen > 0 {
            report.not_done.push(format!(
                "{unseen} samples that came out of sample {} were not looked at, because its verdict was known",
                facts.sample_id
            ));
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
    let samples = outcome.samples();
    if outcome.is_running() {
        section.state = SectionState::Waiting;
        section.reason = Some("VMRay is not done".to_owned());
        return section;
    }
    if readings.is_empty() && !samples.iter().any(|facts| facts.is_bad() && facts.locked) {
        return Section::not_read(NOTHING_TO_READ);
    }
    for (facts, reading) in readings {
        match reading {
            Reading::Whole(_) => {}
            Reading::Waiting(_) => {
                section.state = section.state.max(SectionState::Waiting);
                section.reason = Some(format!("VMRay is still gathering what it found in sample {}", facts.sample_id));
            }
            Reading::Failed(trouble) => {
                section.state = SectionState::Failed;
                section.reason = Some(format!("sample {}: {}", facts.sample_id, trouble.sentence()));
            }
        }
    }
    if let Some(locked) = samples.iter().find(|facts| facts.is_bad() && facts.locked) {
        section.state = SectionState::Failed;
        section.reason = Some(format!(
            "VMRay tells only the verdict of sample {}: its report is locked and can be unlocked in VMRay",
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
