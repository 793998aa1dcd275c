//! One element of a list: read, or kept as it came.
//!
//! The element's text is set aside before it is read, so nothing it contains can cost its neighbours.

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Characters of a reason that are kept: a parser quotes the value, and values can be long.
const REASON_CHARS: usize = 200;

/// One element of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<T> {
    /// An element as expected.
    Read(T),
    /// An element of another shape.
    Unreadable {
        /// The element; its text, if even JSON's own rules were broken.
        raw: Value,
        /// What is wrong with it.
        reason: String,
    },
}

impl<T> Entry<T> {
    /// Returns the element, if it was readable.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(item) => Some(item),
            Self::Unreadable { .. } => None,
        }
    }

    /// Returns the element itself, if it was readable.
    pub fn into_read(self) -> Option<T> {
        match self {
            Self::Read(item) => Some(item),
            Self::Unreadable { .. } => None,
        }
    }
}

impl<T> From<T> for Entry<T> {
    fn from(item: T) -> Self {
        Self::Read(item)
    }
}

/// Returns the readable elements of a list.
pub fn readable<T>(entries: &[Entry<T>]) -> impl Iterator<Item = &T> {
    entries.iter().filter_map(Entry::read)
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(match serde_json::from_str(raw.get()) {
            Ok(item) => Self::Read(item),
            Err(error) => unreadable(raw.get(), &error.to_string()),
        })
    }
}

impl<T: Serialize> Serialize for Entry<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Read(item) => item.serialize(serializer),
            Self::Unreadable { raw, .. } => raw.serialize(serializer),
        }
    }
}

/// Reads a list: null is an empty one, and what is no list is one unreadable element, so that it is seen.
pub(crate) fn read_list<T: DeserializeOwned>(raw: &str) -> Vec<Entry<T>> {
    match serde_json::from_str::<Option<Vec<Entry<T>>>>(raw) {
        Ok(list) => list.unwrap_or_default(),
        Err(error) => vec![unreadable(raw, &error.to_string())],
    }
}

fn unreadable<T>(raw: &str, reason: &str) -> Entry<T> {
    Entry::Unreadable {
        // Numbers out of range and broken surrogates pass as text, not as a value.
        raw: serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned())),
        reason: reason.chars().take(REASON_CHARS).collect(),
    }
}
