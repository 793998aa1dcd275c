//! The indicator of a value, from the samples that support it.
//!
//! Labels, external reference and description have the forms of the original product, because saved queries and
//! playbooks look for them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use stix::{ExternalReference, Indicator, KillChainPhase, Observable, PatternType, SpecVersion, StixId, Tlp};

use crate::excerpt::excerpt;
use crate::expiry::Expiry;
use crate::finding::{MAX_NAME_CHARS, MAX_TEXT_CHARS, MAX_TEXTS, Support};
use crate::verdict_filter::Severity;

/// Samples that the labels name: the newest.
const NAMED_SAMPLES: usize = 10;
/// The original's name for where it all comes from.
const SOURCE_NAME: &str = "VMRay Threat Intelligence";

/// How indicators are written: what the operator chose, the same for all of a route.
#[derive(Clone, Debug)]
pub struct Style {
    /// Address of VMRay's web interface, for links to reports; `None` writes no links.
    pub vmray_base: Option<String>,
    /// Who may see the indicators.
    pub tlp: Tlp,
    /// How long they live.
    pub expiry: Expiry,
    /// Who made them.
    pub created_by: StixId,
}

/// What an indicator is written from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The value.
    pub observable: &'a Observable,
    /// The name it was given when it was first staged.
    pub name: &'a str,
    /// When it was first supported; also the begin of its validity.
    pub created: Timestamp,
    /// When this content was made.
    pub modified: Timestamp,
    /// When it stops being valid.
    pub valid_until: Timestamp,
    /// The samples that support it, newest first. With none the indicator has no confidence and no links.
    pub supports: &'a [Support],
    /// Incidents that led to it, oldest first.
    pub incidents: &'a [String],
}

/// Writes the indicator.
pub fn compose(parts: &Parts<'_>, style: &Style) -> Indicator {
    let Parts { observable, name, created, modified, valid_until, supports, incidents } = *parts;
    let severity = supports.iter().map(|support| support.severity).max();
    // STIX and the upload API want the end after the begin; a retracted indicator gets the shortest life there is.
    let earliest_end = created.checked_add(SignedDuration::from_secs(1)).unwrap_or(created);
    Indicator {
        spec_version: SpecVersion::V2_1,
        id: observable.id(),
        created_by_ref: Some(style.created_by),
        created,
        modified: modified.max(created),
        revoked: false,
        labels: labels(supports, incidents),
        confidence: severity.map(Severity::confidence),
        external_references: supports.first().and_then(|newest| reference(newest, style)).into_iter().collect(),
        object_marking_refs: vec![style.tlp.marking()],
        name: Some(excerpt(name, MAX_NAME_CHARS)),
        description: supports.first().map(|newest| description(newest, supports, style)),
        indicator_types: severity.map(Severity::indicator_type).into_iter().collect(),
        pattern: observable.pattern(),
        pattern_type: PatternType::Stix,
        pattern_version: SpecVersion::V2_1,
        valid_from: created,
        valid_until: valid_until.max(earliest_end),
        kill_chain_phases: kill_chain_phases(supports),
    }
}

/// Returns `sample_id: n` and `submission_id: n` of the newest samples, all incidents, then what is known of the
/// malware: a playbook finds its indicators by the incident, so a label of one must not go where samples do. An id of 0 is one that a report from disk does not say.
fn labels(supports: &[Support], incidents: &[String]) -> Vec<String> {
    let mut labels = Vec::with_capacity(2 * NAMED_SAMPLES.min(supports.len()) + 2);
    let mut add = |label: String| {
        if !labels.contains(&label) {
            labels.push(label);
        }
    };
    let named = || supports.iter().take(NAMED_SAMPLES);
    named().map(|support| support.sample_id).filter(|id| *id != 0).for_each(|id| add(format!("sample_id: {id}")));
    named()
        .map(|support| support.submission_id)
        .filter(|id| *id != 0)
        .for_each(|id| add(format!("submission_id: {id}")));
    for id in incidents {
        add(format!("incident_id: {}", excerpt(id, MAX_TEXT_CHARS)));
    }
    let threat_names = joined(named().flat_map(|support| support.threat_names.iter()));
    if !threat_names.is_empty() {
        add(format!("threat_names: {threat_names}"));
    }
    let classifications = joined(named().flat_map(|support| support.classifications.iter()));
    if !classifications.is_empty() {
        add(format!("Classifications: {classifications}"));
    }
    labels
}

fn reference(newest: &Support, style: &Style) -> Option<ExternalReference> {
    let url = report_link(newest, style);
    let mut ids = Vec::with_capacity(2);
    if newest.sample_id != 0 {
        ids.push(format!("Sample ID {}", newest.sample_id));
    }
    if newest.submission_id != 0 {
        ids.push(format!("Submission ID {}", newest.submission_id));
    }
    // STIX wants a description, a URL or an id beside the source's name.
    if ids.is_empty() && url.is_none() {
        return None;
    }
    Some(ExternalReference {
        source_name: SOURCE_NAME.to_owned(),
        description: (!ids.is_empty()).then(|| ids.join("\n")),
        url,
        external_id: None,
    })
}

fn report_link(newest: &Support, style: &Style) -> Option<String> {
    let base = style.vmray_base.as_deref()?.trim_end_matches('/');
    (newest.sample_id != 0).then(|| format!("{base}/sample/{}#summary", newest.sample_id))
}

fn description(newest: &Support, supports: &[Support], style: &Style) -> String {
    let mut text = String::new();
    if let Some(link) = report_link(newest, style) {
        text.push_str("Sample URL: ");
        text.push_str(&link);
        text.push_str(",\n");
    }
    text.push_str("Analysis IDs: ");
    let ids: Vec<String> = newest.analysis_ids.iter().map(u64::to_string).collect();
    text.push_str(&ids.join(", "));
    text.push_str(",\nCategories: ");
    text.push_str(&joined(supports.iter().take(NAMED_SAMPLES).flat_map(|support| support.categories.iter())));
    text
}

fn kill_chain_phases(supports: &[Support]) -> Vec<KillChainPhase> {
    let tactics = supports.iter().take(NAMED_SAMPLES).flat_map(|support| support.tactics.iter());
    let phases: BTreeSet<KillChainPhase> = tactics.filter_map(|tactic| KillChainPhase::tactic(tactic)).collect();
    phases.into_iter().take(MAX_TEXTS).collect()
}

/// Returns the texts sorted, each once, in one line.
fn joined<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let texts: BTreeSet<&str> = texts.map(String::as_str).collect();
    texts.into_iter().take(MAX_TEXTS).collect::<Vec<_>>().join(", ")
}
