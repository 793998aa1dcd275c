//! Bundles: several objects in one file.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::attack_pattern::AttackPattern;
use crate::id::{ObjectType, StixId};
use crate::identity::Identity;
use crate::indicator::Indicator;
use crate::relationship::Relationship;

/// A bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "bundle")]
pub struct Bundle {
    /// Id.
    pub id: StixId,
    /// The objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
}

impl Bundle {
    /// Bundles objects. The id comes from theirs, so that the same input is the same file.
    pub fn new(objects: Vec<Object>) -> Self {
        let mut names = String::with_capacity(objects.len() * 48);
        for object in &objects {
            names.push_str(&object.id().to_string());
            names.push('\n');
        }
        Self { id: StixId::derived(ObjectType::Bundle, "bundle", &names), objects }
    }
}

/// Any object of a bundle or an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// An indicator.
    Indicator(Box<Indicator>),
    /// An identity.
    Identity(Identity),
    /// A technique.
    AttackPattern(AttackPattern),
    /// An arrow.
    Relationship(Relationship),
}

impl Object {
    /// Returns the object's id.
    pub fn id(&self) -> StixId {
        match self {
            Self::Indicator(object) => object.id,
            Self::Identity(object) => object.id,
            Self::AttackPattern(object) => object.id,
            Self::Relationship(object) => object.id,
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let object_type = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let object = match object_type.as_str() {
            "indicator" => serde_json::from_value(value).map(Self::Indicator),
            "identity" => serde_json::from_value(value).map(Self::Identity),
            "attack-pattern" => serde_json::from_value(value).map(Self::AttackPattern),
            "relationship" => serde_json::from_value(value).map(Self::Relationship),
            _ => return Err(D::Error::custom(format_args!("unknown object type {object_type:?}"))),
        }
        .map_err(D::Error::custom)?;
        if object.id().object_type().as_str() == object_type {
            Ok(object)
        } else {
            Err(D::Error::custom("the id belongs to an object of another type"))
        }
    }
}

impl From<Indicator> for Object {
    fn from(object: Indicator) -> Self {
        Self::Indicator(Box::new(object))
    }
}

impl From<Identity> for Object {
    fn from(object: Identity) -> Self {
        Self::Identity(object)
    }
}

impl From<AttackPattern> for Object {
    fn from(object: AttackPattern) -> Self {
        Self::AttackPattern(object)
    }
}

impl From<Relationship> for Object {
    fn from(object: Relationship) -> Self {
        Self::Relationship(object)
    }
}
