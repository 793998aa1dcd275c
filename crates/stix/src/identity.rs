//! Identities: who made the other objects.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::StixId;
use crate::vocabulary::{IdentityClass, SpecVersion};

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "identity")]
pub struct Identity {
    /// Version of STIX.
    #[serde(default)]
    pub spec_version: SpecVersion,
    /// Id.
    pub id: StixId,
    /// When it was made.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
    /// When this version was made.
    #[serde(with = "crate::time")]
    pub modified: Timestamp,
    /// Name.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What kind of somebody it is.
    pub identity_class: IdentityClass,
}
