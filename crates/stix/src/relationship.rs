//! Relationships between objects.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ObjectType, StixId};
use crate::vocabulary::SpecVersion;

/// An arrow from one object to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "relationship")]
pub struct Relationship {
    /// Version of STIX.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// Id, from both ends: [`Relationship::id_of`].
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
    /// TLP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object_marking_refs: Vec<StixId>,
    /// What the arrow means, such as `indicates`.
    pub relationship_type: String,
    /// Where it begins.
    pub source_ref: StixId,
    /// Where it ends.
    pub target_ref: StixId,
}

impl Relationship {
    /// Returns the id for an arrow.
    pub fn id_of(source: StixId, relationship_type: &str, target: StixId) -> StixId {
        let name = format!("{source}:{relationship_type}:{target}");
        StixId::derived(ObjectType::Relationship, "relationship", &name)
    }
}
