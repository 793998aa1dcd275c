//! Opening what is submitted: ZIP archives, mails, and what a test described.

mod mail;
mod zip;
mod zip_crypto;

use crate::world::{Inside, RelationKind};

/// Members that are looked at.
const MAX_MEMBERS: usize = 1000;

/// Passwords that VMRay tries by itself.
const USUAL_PASSWORDS: [&str; 3] = ["infected", "malware", "virus"];

/// Something found in something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path in the container.
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) relation: RelationKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    File(Vec<u8>),
    Url(String),
}

/// What opening gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// A file like any other.
    Plain,
    /// A document that a password opened.
    Document,
    /// A container.
    Container { kind: &'static str, is_protected: bool, members: Vec<Member> },
    /// No password fits.
    Locked { kind: Option<&'static str> },
}

impl Opened {
    /// Returns the kind of container.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Container { kind, .. } => Some(kind),
            Self::Locked { kind } => *kind,
            Self::Plain | Self::Document => None,
        }
    }

    /// Says whether a password was needed.
    pub(super) fn is_protected(&self) -> bool {
        matches!(self, Self::Document | Self::Locked { .. } | Self::Container { is_protected: true, .. })
    }

    /// Takes the members.
    pub(super) fn into_members(self) -> Vec<Member> {
        match self {
            Self::Container { members, .. } => members,
            _ => Vec::new(),
        }
    }
}

/// The passwords of a submit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passwords<'a> {
    pub(super) archive: Option<&'a str>,
    pub(super) document: Option<&'a str>,
    /// Whether the links of a mail are followed.
    pub(super) follow_links: bool,
}

/// Opens a file.
pub(super) fn open(name: &str, content: &[u8], described: Option<&Inside>, given: Passwords<'_>) -> Opened {
    if let Some(inside) = described {
        return open_described(inside, given);
    }
    let passwords: Vec<&str> = given.archive.into_iter().chain(USUAL_PASSWORDS).collect();
    if let Some(opened) = zip::open(content, &passwords) {
        return opened;
    }
    let is_mail = name.rsplit('.').next().is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
    if is_mail {
        let members = mail::members(content, given.follow_links);
        return Opened::Container { kind: "email", is_protected: false, members };
    }
    Opened::Plain
}

fn open_described(inside: &Inside, given: Passwords<'_>) -> Opened {
    let kind = match inside.container.as_deref() {
        Some("email") => Some("email"),
        Some(_) => Some("archive"),
        None => None,
    };
    if let Some(password) = &inside.password {
        let tried: Vec<&str> = match kind {
            Some(_) => given.archive.into_iter().chain(USUAL_PASSWORDS).collect(),
            None => given.document.into_iter().collect(),
        };
        if !tried.contains(&password.as_str()) {
            return Opened::Locked { kind };
        }
    }
    let Some(kind) = kind else { return Opened::Document };
    let relation = if kind == "email" { RelationKind::Attachment } else { RelationKind::EmbeddedFile };
    let member = |(name, content): &(String, Vec<u8>)| Member {
        name: name.clone(),
        content: Content::File(content.clone()),
        relation,
    };
    let members = inside.members.iter().take(MAX_MEMBERS).map(member).collect();
    Opened::Container { kind, is_protected: inside.password.is_some(), members }
}
