//! Findings: a value, and what one sample says about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stix::{Observable, StixId};

use crate::excerpt::excerpt;
use crate::texts::Texts;
use crate::verdict_filter::Severity;

/// Texts kept of each list. One file entry with 398 names and 210 references is on record.
pub(crate) const MAX_TEXTS: usize = 32;
/// Characters kept of each text.
pub(crate) const MAX_TEXT_CHARS: usize = 128;
/// Analyses kept: the newest.
const MAX_ANALYSES: usize = 100;
/// Incidents kept: the newest.
const MAX_INCIDENTS: usize = 10;
/// Characters of an indicator's name.
pub(crate) const MAX_NAME_CHARS: usize = 512;

/// A value to send, seen in one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Id of its indicator.
    pub id: StixId,
    /// The value.
    pub observable: Observable,
    /// What the sample says.
    pub support: Support,
}

/// Why a value is bad, as one sample says: small, so that one can be kept for each value and sample. Lists are shared by
/// the values of a sample that have the same ones: all of them have its tactics, the hashes of a file its names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// The sample.
    pub sample_id: u64,
    /// Its newest supporting submission.
    pub submission_id: u64,
    /// VMRay's verdict on the value itself, the worst if it is listed more than once.
    pub severity: Severity,
    /// Earliest finish time of a supporting submission.
    pub first_seen: Timestamp,
    /// Latest finish time of a supporting submission.
    pub last_seen: Timestamp,
    /// Analyses that saw it, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analysis_ids: Vec<u64>,
    /// Names of malware, sorted.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub threat_names: Texts,
    /// Kinds of malware, sorted.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub classifications: Texts,
    /// What it is to the sample, sorted.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub categories: Texts,
    /// Name of the file whose hash it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// ATT&CK tactics of the sample, sorted.
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    pub tactics: Texts,
    /// Incidents for which the sample was looked at, oldest first; what VMRay lists by itself has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<String>,
}

impl Support {
    /// Takes in what another entry of the same sample says about the same value. The order of entries does not decide
    /// what is kept: of texts the first by name, of analyses, which are cut at the end, the newest.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        self.severity = self.severity.max(other.severity);
        self.analysis_ids.append(&mut other.analysis_ids);
        self.threat_names.unite(&other.threat_names);
        self.classifications.unite(&other.classifications);
        self.categories.unite(&other.categories);
        // The first by name: as good as any, and the same one every time.
        self.file_name = match (self.file_name.take(), other.file_name.take()) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// Takes in the incidents of an earlier reading of the same sample, which come first.
    pub fn remember_incidents(&mut self, before: &Self) {
        let ours = std::mem::replace(&mut self.incidents, before.incidents.clone());
        for incident in ours {
            if !self.incidents.contains(&incident) {
                self.incidents.push(incident);
            }
        }
        let surplus = self.incidents.len().saturating_sub(MAX_INCIDENTS);
        self.incidents.drain(..surplus);
    }

    /// Sorts the analyses and keeps the newest.
    pub(crate) fn settle(&mut self) {
        self.analysis_ids.sort_unstable();
        self.analysis_ids.dedup();
        let surplus = self.analysis_ids.len().saturating_sub(MAX_ANALYSES);
        self.analysis_ids.drain(..surplus);
    }
}

/// Returns the name for a finding's indicator: the file's, else the value.
pub fn name_of(finding: &Finding) -> String {
    match &finding.support.file_name {
        Some(name) => name.clone(),
        None => excerpt(&finding.observable.value(), MAX_NAME_CHARS),
    }
}
