//! Ids: `<type>--<uuid>`, made from the content so that the same thing has the same id for ever.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest as _, Sha1};
use thiserror::Error;
use uuid::{Builder, Uuid};

/// `uuid5(NAMESPACE_DNS, "VMRay")`, the namespace of the product that we replace: its ids are ours.
const NAMESPACE: Uuid = Uuid::from_u128(0x10cc_84bf_f79f_5495_b733_886e_1d28_9427);

/// Id of a STIX object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StixId {
    object_type: ObjectType,
    uuid: Uuid,
}

impl StixId {
    /// Puts an id together.
    pub const fn new(object_type: ObjectType, uuid: Uuid) -> Self {
        Self { object_type, uuid }
    }

    /// Derives an id from what the object is about: `uuid5(uuid5(DNS, "VMRay"), "<scope>:<name>")`.
    pub fn derived(object_type: ObjectType, scope: &str, name: &str) -> Self {
        // `Uuid::new_v5` hashes in portable code; `sha1` takes the processor's instructions, and nothing is copied.
        let mut hash = Sha1::new_with_prefix(NAMESPACE);
        hash.update(scope);
        hash.update(b":");
        hash.update(name);
        let mut bytes = [0; 16];
        for (byte, hashed) in bytes.iter_mut().zip(hash.finalize()) {
            *byte = hashed;
        }
        Self { object_type, uuid: Builder::from_sha1_bytes(bytes).into_uuid() }
    }

    /// Returns the type in front of the two hyphens.
    pub fn object_type(&self) -> ObjectType {
        self.object_type
    }

    /// Returns the uuid behind the two hyphens.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl fmt::Display for StixId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}--{}", self.object_type.as_str(), self.uuid.hyphenated())
    }
}

impl FromStr for StixId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (object_type, uuid) = text.split_once("--").ok_or(IdError::NoSeparator)?;
        let object_type = ObjectType::from_name(object_type).ok_or(IdError::UnknownType)?;
        // `parse_str` also reads braces and URNs, which are no STIX ids.
        if uuid.len() != 36 {
            return Err(IdError::NotAUuid);
        }
        Ok(Self { object_type, uuid: Uuid::parse_str(uuid).map_err(|_| IdError::NotAUuid)? })
    }
}

impl Serialize for StixId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StixId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The object types that we make or point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// A technique.
    AttackPattern,
    /// Several objects in one file.
    Bundle,
    /// Who made the others.
    Identity,
    /// What to look for.
    Indicator,
    /// TLP; only ever referred to.
    MarkingDefinition,
    /// An arrow between two objects.
    Relationship,
}

impl ObjectType {
    /// Returns the name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttackPattern => "attack-pattern",
            Self::Bundle => "bundle",
            Self::Identity => "identity",
            Self::Indicator => "indicator",
            Self::MarkingDefinition => "marking-definition",
            Self::Relationship => "relationship",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [
            Self::Indicator,
            Self::AttackPattern,
            Self::Bundle,
            Self::Identity,
            Self::MarkingDefinition,
            Self::Relationship,
        ]
        .into_iter()
        .find(|known| known.as_str() == name)
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// No `--`.
    #[error("a STIX id has the form type--uuid")]
    NoSeparator,
    /// A type that we do not know.
    #[error("the id starts with an unknown type")]
    UnknownType,
    /// No uuid behind the type.
    #[error("the id does not end in a uuid")]
    NotAUuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_the_originals() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"VMRay"));
    }

    #[test]
    fn a_derived_uuid_is_of_version_5() {
        let id = StixId::derived(ObjectType::Indicator, "domain", "evil.example");
        assert_eq!(id.uuid(), Uuid::new_v5(&NAMESPACE, b"domain:evil.example"));
    }

    #[test]
    fn is_read_as_it_is_printed() {
        let id = StixId::derived(ObjectType::Indicator, "domain", "evil.example");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<StixId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn other_forms_are_refused() {
        let uuid = NAMESPACE.to_string();
        assert_eq!("indicator".parse::<StixId>(), Err(IdError::NoSeparator));
        assert_eq!(format!("malware--{uuid}").parse::<StixId>(), Err(IdError::UnknownType));
        assert_eq!(format!("indicator--{{{uuid}}}").parse::<StixId>(), Err(IdError::NotAUuid));
        assert_eq!("indicator--1".parse::<StixId>(), Err(IdError::NotAUuid));
    }
}
