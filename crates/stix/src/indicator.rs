//! Indicators.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::StixId;
use crate::pattern::Pattern;
use crate::reference::{ExternalReference, KillChainPhase};
use crate::vocabulary::{Confidence, IndicatorType, PatternType, SpecVersion};

/// An indicator. The order of the fields is the order in JSON, so equal content is equal text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "indicator")]
pub struct Indicator {
    /// Version of STIX.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// Id, from kind and value.
    pub id: StixId,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_ref: Option<StixId>,
    /// When it was made, the same in all versions of the id.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    /// When this version was made.
    #[serde(with = "crate::time")]
    pub modified: Timestamp,
    /// Never true for what we send: Sentinel keeps a revoked id dead for ever.
    #[serde(default)]
    pub revoked: bool,
    /// Shown as tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How sure we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_references: Vec<ExternalReference>,
    /// TLP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object_marking_refs: Vec<StixId>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is a sign of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indicator_types: Vec<IndicatorType>,
    /// What to look for.
    pub pattern: Pattern,
    /// Language of the pattern.
    #[serde(default)]
    pub pattern_type: PatternType,
    /// Version of the pattern's language.
    #[serde(default)]
    pub pattern_version: SpecVersion,
    /// From when it holds.
    #[serde(with = "crate::time")]
    pub valid_from: Timestamp,
    /// Until when it holds, later than `valid_from`.
    #[serde(with = "crate::time")]
    pub valid_until: Timestamp,
    /// Tactics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kill_chain_phases: Vec<KillChainPhase>,
}
