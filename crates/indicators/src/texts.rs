//! Short lists of texts that many values share.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::excerpt::excerpts;
use crate::finding::{MAX_TEXT_CHARS, MAX_TEXTS};

/// A sorted list of at most 32 texts, each once and cut, that costs nothing to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Arc<[String]>);

impl Texts {
    /// Takes what fits of a list: of too many the first by name, so that their order does not decide.
    pub fn of(list: &[String]) -> Self {
        if list.is_empty() {
            return Self::default();
        }
        Self(excerpts(list.iter().map(String::as_str), MAX_TEXT_CHARS, MAX_TEXTS).into())
    }

    /// Adds another list.
    pub(crate) fn unite(&mut self, other: &Self) {
        if other.is_empty() || self == other {
            return;
        }
        let all: BTreeSet<&String> = self.iter().chain(other.iter()).collect();
        self.0 = all.into_iter().take(MAX_TEXTS).cloned().collect();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Texts {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Texts {
    /// Takes a list as it was written.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Vec::deserialize(deserializer)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: std::ops::Range<u32>) -> Texts {
        Texts::of(&range.map(|number| format!("{number:03}")).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_kept_does_not_depend_on_the_order() {
        let lists = [numbers(20..45), numbers(0..30), numbers(40..90)];
        let together = |order: [usize; 3]| {
            let mut texts = Texts::default();
            for at in order {
                texts.unite(&lists[at]);
            }
            texts
        };
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            assert_eq!(together(order), numbers(0..90), "{order:?}");
        }
    }

    #[test]
    fn is_written_as_a_list_and_read_as_it_was_written() {
        let json = serde_json::to_string(&numbers(1..3)).unwrap();
        assert_eq!(json, r#"["001","002"]"#);
        assert_eq!(serde_json::from_str::<Texts>(&json).unwrap(), numbers(1..3));
    }
}
