//! A sample: a file or a URL that VMRay was given or found in another.

use jiff::Timestamp;
use serde_json::Value;

use super::{Hashes, Ioc};

/// What happens to a caller who asks for a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// It is shown.
    #[default]
    Open,
    /// 403.
    Forbidden,
    /// 404, as after its deletion.
    Missing,
    /// Its findings have the status `waiting`.
    Waiting,
    /// Only its verdict is paid for: 403 on findings, analyses are `locked`.
    Locked,
    /// Its findings are a reply that nobody expects: an object of other fields.
    Unreadable,
}

impl Access {
    /// All of them, with a word for each.
    pub const WORDS: [(&str, Self); 6] = [
        ("open", Self::Open),
        ("forbidden", Self::Forbidden),
        ("missing", Self::Missing),
        ("waiting", Self::Waiting),
        ("locked", Self::Locked),
        ("unreadable", Self::Unreadable),
    ];
}

/// Where the findings of a sample come from.
#[derive(Debug, Clone)]
pub enum IocSource {
    /// Derived from this seed by the world's recipe.
    Seeded(u64),
    /// As listed.
    Listed(Vec<Ioc>),
    /// A recorded value of `data.iocs`, served as it is.
    Recorded(Value),
}

/// A sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its id.
    pub id: u64,
    /// When it was first seen.
    pub created: Timestamp,
    /// File name; `sample.url` for a URL.
    pub filename: String,
    /// The URL when it is one.
    pub url: Option<String>,
    /// Its hashes.
    pub hashes: Hashes,
    /// Size.
    pub filesize: u64,
    /// VMRay's type, e.g. `Windows Exe (x86-32)`.
    pub kind: String,
    /// Classifications.
    pub classifications: Vec<String>,
    /// Threat names.
    pub threat_names: Vec<String>,
    /// Whether the sample itself tells both; newer servers may leave them null, and their own paths tell them.
    pub tells_names: bool,
    /// Kind of container (`archive`, `email`) when it holds children.
    pub container: Option<String>,
    /// Whether it wants a password.
    pub password_protected: bool,
    /// Who may see it.
    pub access: Access,
    /// Its findings.
    pub iocs: IocSource,
    /// Its VTIs as served; `None`: drawn from its id.
    pub vtis: Option<Vec<Value>>,
    /// Its ATT&CK techniques as served; `None`: drawn from its id.
    pub techniques: Option<Vec<Value>>,
}

impl Sample {
    /// Returns a file without findings, with invented hashes.
    pub fn file(id: u64, created: Timestamp, filename: &str) -> Self {
        Self {
            id,
            created,
            filename: filename.to_owned(),
            url: None,
            hashes: Hashes::invented(id),
            filesize: 4096 + id % 100_000,
            kind: "Windows Exe (x86-32)".to_owned(),
            classifications: Vec::new(),
            threat_names: Vec::new(),
            tells_names: true,
            container: None,
            password_protected: false,
            access: Access::Open,
            iocs: IocSource::Listed(Vec::new()),
            vtis: None,
            techniques: None,
        }
    }

    /// Returns a URL without findings.
    pub fn url(id: u64, created: Timestamp, url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            kind: "URL".to_owned(),
            filesize: u64::try_from(url.len()).unwrap_or(u64::MAX),
            ..Self::file(id, created, "sample.url")
        }
    }

    /// Sets the findings.
    #[must_use]
    pub fn with_iocs(mut self, iocs: Vec<Ioc>) -> Self {
        self.iocs = IocSource::Listed(iocs);
        self
    }
}
