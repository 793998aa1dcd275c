//! Which sample was found in which.

use std::collections::BTreeMap;

/// How a child came out of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationKind {
    Attachment,
    EmbeddedUrl,
    EmbeddedFile,
    ContactedUrl,
    DownloadedFile,
    DroppedFile,
}

impl RelationKind {
    /// Returns VMRay's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "Attachment",
            Self::EmbeddedUrl => "Embedded URL",
            Self::EmbeddedFile => "Embedded File",
            Self::ContactedUrl => "Contacted URL",
            Self::DownloadedFile => "Downloaded File",
            Self::DroppedFile => "Dropped File",
        }
    }
}

/// The relations in both directions.
#[derive(Debug, Clone, Default)]
pub(super) struct Relations {
    children: BTreeMap<u64, BTreeMap<u64, RelationKind>>,
    parents: BTreeMap<u64, BTreeMap<u64, RelationKind>>,
}

impl Relations {
    pub(super) fn add(&mut self, parent: u64, child: u64, kind: RelationKind) {
        self.children.entry(parent).or_default().insert(child, kind);
        self.parents.entry(child).or_default().insert(parent, kind);
    }

    pub(super) fn children(&self, sample: u64) -> impl Iterator<Item = (u64, RelationKind)> + '_ {
        self.children.get(&sample).into_iter().flatten().map(|(id, kind)| (*id, *kind))
    }

    pub(super) fn parents(&self, sample: u64) -> impl Iterator<Item = (u64, RelationKind)> + '_ {
        self.parents.get(&sample).into_iter().flatten().map(|(id, kind)| (*id, *kind))
    }

    /// Forgets a sample.
    pub(super) fn remove(&mut self, sample: u64) {
        for child in self.children.remove(&sample).unwrap_or_default().into_keys() {
            self.parents.entry(child).or_default().remove(&sample);
        }
        for parent in self.parents.remove(&sample).unwrap_or_default().into_keys() {
            self.children.entry(parent).or_default().remove(&sample);
        }
    }
}
