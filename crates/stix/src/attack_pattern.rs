//! ATT&CK techniques.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ObjectType, StixId};
use crate::reference::{ExternalReference, KillChainPhase};
use crate::vocabulary::SpecVersion;

/// A technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "attack-pattern")]
pub struct AttackPattern {
    /// Version of STIX.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// Id, from the technique's id: [`AttackPattern::id_of`].
    pub id: StixId,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_ref: Option<StixId>,
    /// When it was made.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    /// When this version was made.
    #[serde(with = "crate::time")]
    pub modified: Timestamp,
    /// Reference to ATT&CK.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_references: Vec<ExternalReference>,
    /// TLP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object_marking_refs: Vec<StixId>,
    /// Name.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tactics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kill_chain_phases: Vec<KillChainPhase>,
}

impl AttackPattern {
    /// Returns the id for a technique such as `T1060`.
    pub fn id_of(technique_id: &str) -> StixId {
        StixId::derived(ObjectType::AttackPattern, "attack-pattern", technique_id)
    }
}
