//! What a finding makes of an indicator: the one piece of code that a run and an enrichment share, so that both write
//! the same object.

use indicators::{Finding, Parts, Severity, Style, Support, compose, name_of};
use jiff::{SignedDuration, Timestamp};
use ledger::{IndicatorRecord, IndicatorState, Records};
use outbound::mutant;

use crate::Error;
use crate::diff::{Change, MALICIOUS, compare, confidence, content};

/// Samples that labels can name.
const NAMED_SAMPLES: usize = 10;

/// What is known of an indicator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// As it was last staged.
    pub(crate) record: Option<IndicatorRecord>,
    /// What the sample in question said of it before.
    pub(crate) before: Option<Support>,
}

/// An indicator with a finding taken in.
#[derive(Debug, Clone)]
pub struct Merged {
    /// What the finding changes.
    pub change: Change,
    /// What is known from now on.
    pub record: IndicatorRecord,
    /// The finding as it is kept.
    pub finding: Finding,
}

impl Known {
    /// Reads what the ledger knows of an indicator, and what it knows from one sample.
    pub(crate) async fn read(records: &Records, id: &str, sample_id: u64) -> Result<Self, Error> {
        let record = records.indicator(id).await?;
        let before = match &record {
            Some(_) => records.evidence(id, sample_id).await?,
            None => None,
        };
        Ok(Self { record, before })
    }

    /// Says whether a version of it is in the outbox.
    pub(crate) fn is_staged(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.state == IndicatorState::Staged)
    }

    /// Takes a finding in.
    pub(crate) fn merge(&self, mut finding: Finding, style: &Style, now: Timestamp) -> Merged {
        if let Some(before) = &self.before {
            finding.support.first_seen = finding.support.first_seen.min(before.first_seen);
            finding.support.last_seen = finding.support.last_seen.max(before.last_seen);
            finding.support.submission_id = finding.support.submission_id.max(before.submission_id);
            finding.support.remember_incidents(before);
        }
        let known = self.record.as_ref();
        let change = compare(known, self.before.as_ref(), &finding, style, now);
        let record = next_record(known.cloned(), &finding, change, style, now);
        Merged { change, record, finding }
    }
}

impl Merged {
    /// Returns the object as it is now, in JSON. `others` is what the newest samples say, see [`supports`].
    pub(crate) fn object(&self, others: &[Support], style: &Style) -> Result<String, Error> {
        let supports = self.supports(others);
        let parts = Parts {
            observable: &self.finding.observable,
            name: &self.record.name,
            created: self.record.created,
            modified: self.record.modified,
            valid_until: self.record.valid_until,
            supports: &supports,
            incidents: &self.incidents(&supports),
        };
        let mut indicator = compose(&parts, style);
        if self.record.confidence == MALICIOUS {
            // The malicious evidence may be older than the samples that are named.
            indicator.confidence = Some(Severity::Malicious.confidence());
            indicator.indicator_types = vec![Severity::Malicious.indicator_type()];
        }
        Ok(serde_json::to_string(&indicator)?)
    }

    /// Takes in what the newest samples said, of what is sent. One of them may have said worse when the indicator's life was
    /// over and nothing was sent, and the object tells it now.
    pub(crate) fn take_in(&mut self, others: &[Support], style: &Style) {
        if self.change.is_sent() && others.iter().any(|support| support.severity == Severity::Malicious) {
            self.record.confidence = MALICIOUS;
            self.record.content = content(self.record.confidence, style);
        }
    }

    /// Returns the incidents that led to it. Records of earlier versions have them with the samples only.
    fn incidents(&self, supports: &[Support]) -> Vec<String> {
        let mut known = self.record.incidents.clone();
        for incident in supports.iter().flat_map(|support| &support.incidents) {
            if !known.contains(incident) {
                known.push(incident.clone());
            }
        }
        known
    }

    /// Returns what the newest samples say, this finding's included.
    pub(crate) fn supports(&self, others: &[Support]) -> Vec<Support> {
        let own = &self.finding.support;
        let others = others.iter().filter(|support| support.sample_id != own.sample_id);
        let mut supports: Vec<Support> = others.chain([own]).cloned().collect();
        supports.sort_by_key(|support| std::cmp::Reverse(support.sample_id));
        supports
    }
}

/// Returns what the newest samples say of an indicator.
pub(crate) async fn supports(records: &Records, id: &str) -> Result<Vec<Support>, Error> {
    Ok(records.newest_evidence(id, NAMED_SAMPLES).await?)
}

fn next_record(
    known: Option<IndicatorRecord>,
    finding: &Finding,
    change: Change,
    style: &Style,
    now: Timestamp,
) -> IndicatorRecord {
    let kind = finding.observable.kind();
    let until = style.expiry.valid_until(kind, finding.support.last_seen);
    let confidence = confidence(known.as_ref(), finding);
    let Some(mut record) = known else {
        return IndicatorRecord {
            kind: kind.as_str().to_owned(),
            value: finding.observable.value().into_owned(),
            name: name_of(finding),
            created: finding.support.first_seen,
            modified: finding.support.first_seen,
            valid_until: until,
            last_seen: finding.support.last_seen,
            confidence,
            content: content(confidence, style),
            state: IndicatorState::Staged,
            accepted_at: None,
            incidents: finding.support.incidents.clone(),
        };
    };
    record.last_seen = record.last_seen.max(finding.support.last_seen);
    record.add_incidents(&finding.support.incidents);
    if change.is_sent() {
        record.confidence = confidence;
        record.content = content(confidence, style);
        record.valid_until = record.valid_until.max(until);
        record.modified = if mutant!(ModifiedGoesBack) { record.created } else { later(record.modified, now) };
    }
    record
}

/// A time after `before`, now where possible: STIX orders versions by it.
pub(crate) fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    before.checked_add(SignedDuration::from_millis(1)).map_or(now, |next| next.max(now))
}
