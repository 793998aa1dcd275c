//! A finding and its JSON, list by list, as VMRay gives it.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::Verdict;

/// Code of every reason: which numbers VMRay has is not public.
pub(crate) const REASON_CODE: u32 = 1004;

/// The ten lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IocKind {
    /// `domains`
    Domain,
    /// `email_addresses`
    EmailAddress,
    /// `emails`
    Email,
    /// `filenames`
    Filename,
    /// `files`
    File,
    /// `ips`
    Ip,
    /// `mutexes`
    Mutex,
    /// `processes`
    Process,
    /// `registry`
    Registry,
    /// `urls`
    Url,
}

impl IocKind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Domain,
        Self::EmailAddress,
        Self::Email,
        Self::Filename,
        Self::File,
        Self::Ip,
        Self::Mutex,
        Self::Process,
        Self::Registry,
        Self::Url,
    ];

    /// Returns the name of its list.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Domain => "domains",
            Self::EmailAddress => "email_addresses",
            Self::Email => "emails",
            Self::Filename => "filenames",
            Self::File => "files",
            Self::Ip => "ips",
            Self::Mutex => "mutexes",
            Self::Process => "processes",
            Self::Registry => "registry",
            Self::Url => "urls",
        }
    }

    /// Reads an `ioc_type`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ioc_type() == word)
    }

    /// Returns its `ioc_type`.
    pub(crate) fn ioc_type(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::EmailAddress => "email_address",
            Self::Email => "email",
            Self::Filename => "filename",
            Self::File => "file",
            Self::Ip => "ip",
            Self::Mutex => "mutex",
            Self::Process => "process",
            Self::Registry => "registry",
            Self::Url => "url",
        }
    }

    /// Returns the field that holds the value (of a file its name).
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::EmailAddress => "email_address",
            Self::Email => "subject",
            Self::Filename | Self::File => "filename",
            Self::Ip => "ip_address",
            Self::Mutex => "mutex_name",
            Self::Process => "cmd_line",
            Self::Registry => "reg_key_name",
            Self::Url => "url",
        }
    }
}

/// Hashes of a file, each of which may be null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Hashes {
    /// MD5.
    pub md5: Option<String>,
    /// SHA-1.
    pub sha1: Option<String>,
    /// SHA-256.
    pub sha256: Option<String>,
}

impl Hashes {
    /// Returns hashes of a file that does not exist.
    pub fn invented(seed: u64) -> Self {
        let mut draw = Rng::with_seed(seed ^ 0x6861_7368);
        let mut bytes = [0; 32];
        let mut hash = |length: usize| {
            draw.fill(&mut bytes);
            bytes.get(..length).map(hex)
        };
        Self { md5: hash(16), sha1: hash(20), sha256: hash(32) }
    }

    /// Returns the hashes of the empty file.
    pub fn of_nothing() -> Self {
        Self {
            md5: Some("d41d8cd98f00b204e9800998ecf8427e".to_owned()),
            sha1: Some("da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned()),
            sha256: Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned()),
        }
    }
}

/// A finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Ioc {
    /// Its list.
    pub kind: IocKind,
    /// Its value; of a file the name.
    pub value: Option<String>,
    /// Hashes of a file.
    pub hashes: Vec<Hashes>,
    /// Its own verdict.
    pub verdict: Option<Verdict>,
    /// Whether the entry has the field at all; in lists of old servers there is only the severity.
    pub tells_verdict: bool,
    /// Why it is what it is; it then has a code, too.
    pub verdict_reason: Option<String>,
    /// Whether VMRay calls it an indicator of compromise; null occurs.
    pub ioc: Option<bool>,
    /// Analyses that saw it; empty: those of the sample's first submission.
    pub analysis_ids: Vec<u64>,
    /// Categories (files, URLs, file names).
    pub categories: Vec<String>,
    /// Classifications (files, file names, processes).
    pub classifications: Vec<String>,
    /// Threat names (files, file names, processes).
    pub threat_names: Vec<String>,
    /// All names of a file; `None`: just its name.
    pub file_names: Option<Vec<String>>,
    /// References to VTIs (files, processes).
    pub vtis: usize,
}

impl Ioc {
    /// Returns a finding of any list but files.
    pub fn new(kind: IocKind, value: &str, verdict: Verdict) -> Self {
        Self {
            kind,
            value: Some(value.to_owned()),
            hashes: Vec::new(),
            verdict: Some(verdict),
            tells_verdict: true,
            verdict_reason: None,
            ioc: Some(true),
            analysis_ids: Vec::new(),
            categories: Vec::new(),
            classifications: Vec::new(),
            threat_names: Vec::new(),
            file_names: None,
            vtis: 0,
        }
    }

    /// Returns a file.
    pub fn file(name: &str, hashes: Hashes, verdict: Verdict) -> Self {
        Self {
            hashes: vec![hashes],
            categories: vec!["Dropped File".to_owned()],
            ..Self::new(IocKind::File, name, verdict)
        }
    }

    /// Returns a memory dump.
    pub fn memory_dump(hashes: Hashes, verdict: Verdict) -> Self {
        Self {
            value: None,
            categories: vec!["Memory Dump".to_owned()],
            file_names: Some(Vec::new()),
            ..Self::file("", hashes, verdict)
        }
    }

    /// Returns its entry.
    fn json(&self) -> Value {
        let mut entry = json!({
            "id": 0,
            "version": 3,
            "type": format!("{}_artifact", self.kind.ioc_type()),
            "ioc_type": self.kind.ioc_type(),
            "ioc": self.ioc,
            "verdict": self.verdict.map(Verdict::as_str),
            "severity": self.verdict.map(Verdict::severity),
            "numeric_severity": self.verdict.map(|verdict| match verdict {
                Verdict::Malicious => 4,
                Verdict::Suspicious => 3,
                Verdict::Clean | Verdict::NotAvailable => 0,
            }),
            "verdict_reason_code": self.verdict_reason.as_ref().map(|_| REASON_CODE),
            "verdict_reason_description": self.verdict_reason.as_deref().unwrap_or_default(),
            "analysis_ids": self.analysis_ids,
            self.kind.field(): self.value,
        });
        if let (Value::Object(entry), Value::Object(own)) = (&mut entry, self.own_fields()) {
            entry.extend(own);
            if !self.tells_verdict {
                entry.retain(|name, _| !name.starts_with("verdict"));
            }
        }
        entry
    }

    fn own_fields(&self) -> Value {
        let vtis: Vec<String> = (0..self.vtis).map(|n| format!("{n:032x}")).collect();
        let names = || self.value.iter().collect::<Vec<_>>();
        match self.kind {
            IocKind::Domain => json!({
                "original_domains": names(), "protocols": ["DNS"], "ip_addresses": [], "countries": [],
                "country_codes": [], "sources": ["Pcap"], "parent_processes": [], "parent_processes_ids": [],
                "parent_processes_names": [],
            }),
            IocKind::Ip => json!({
                "protocols": ["TCP"], "domains": [], "country": null, "country_code": null, "sources": ["Pcap"],
                "parent_processes": [], "parent_processes_ids": [], "parent_processes_names": [],
            }),
            IocKind::Url => json!({
                "original_urls": names(), "categories": self.categories, "methods": ["GET"], "user_agents": [],
                "referrers": [], "content_types": [], "ip_addresses": [], "countries": [], "country_codes": [],
                "parent_files": [], "sources": ["Pcap", "Web Engine"], "parent_processes": [],
                "parent_processes_ids": [], "parent_processes_names": [],
            }),
            IocKind::File => json!({
                "norm_filename": self.value.as_ref().map(|name| name.to_lowercase()),
                "filenames": self.file_names.clone().or_else(|| self.value.clone().map(|name| vec![name])),
                "hashes": self.hashes.iter().map(|hashes| json!({
                    "md5_hash": hashes.md5, "sha1_hash": hashes.sha1, "sha256_hash": hashes.sha256,
                    "ssdeep_hash": null, "imp_hash": null,
                })).collect::<Vec<_>>(),
                "file_size": 4096, "mime_type": "application/vnd.microsoft.portable-executable",
                "operations": ["Access", "Create", "Write"], "categories": self.categories,
                "classifications": self.classifications, "threat_names": self.threat_names, "vtis": vtis,
                "relations": [], "parent_files": [], "parent_processes": [], "parent_processes_ids": [],
                "parent_processes_names": [], "resource_url": [],
            }),
            IocKind::Filename => json!({
                "operations": ["Access"], "categories": self.categories, "classifications": self.classifications,
                "threat_names": self.threat_names,
            }),
            IocKind::Mutex => json!({
                "operations": ["Access", "Create"], "parent_processes": [], "parent_processes_ids": [],
                "parent_processes_names": [],
            }),
            IocKind::Registry => json!({"reg_key_value_types": ["REG_SZ"], "operations": ["Access", "Write"]}),
            IocKind::Process => json!({
                "image_names": [], "process_names": [], "process_ids": [1], "parent_processes": [],
                "parent_processes_ids": [], "parent_processes_names": [], "classifications": self.classifications,
                "threat_names": self.threat_names, "vtis": vtis, "relations": [],
            }),
            IocKind::Email => json!({
                "sender": "sender@mail.example", "recipients": [], "nr_links": 0, "nr_attachments": 0,
                "attachment_types": [], "hashes": [],
            }),
            IocKind::EmailAddress => json!({"sender": true, "recipient": false, "subjects": []}),
        }
    }
}

/// Returns bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Returns the ten lists.
pub(super) fn lists(iocs: &[Ioc]) -> Value {
    let mut lists = Map::new();
    for kind in IocKind::ALL {
        let entries = iocs.iter().filter(|ioc| ioc.kind == kind).map(Ioc::json).collect();
        lists.insert(kind.list().to_owned(), Value::Array(entries));
    }
    Value::Object(lists)
}

/// Reads the findings of a recorded `data.iocs` as far as they can be read.
pub(super) fn from_recording(recorded: &Value) -> Vec<Ioc> {
    let entries = |kind: IocKind| recorded.get(kind.list()).and_then(Value::as_array).into_iter().flatten();
    IocKind::ALL.into_iter().flat_map(|kind| entries(kind).map(move |entry| from_entry(kind, entry))).collect()
}

fn from_entry(kind: IocKind, entry: &Value) -> Ioc {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let texts = |key: &str| {
        let items = entry.get(key).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let hashes = entry.get("hashes").and_then(Value::as_array).into_iter().flatten().map(|hashes| Hashes {
        md5: text(hashes, "md5_hash"),
        sha1: text(hashes, "sha1_hash"),
        sha256: text(hashes, "sha256_hash"),
    });
    Ioc {
        kind,
        value: text(entry, kind.field()),
        hashes: if kind == IocKind::File { hashes.collect() } else { Vec::new() },
        verdict: entry.get("verdict").and_then(Value::as_str).and_then(Verdict::from_word),
        tells_verdict: entry.get("verdict").is_some(),
        verdict_reason: text(entry, "verdict_reason_description").filter(|reason| !reason.is_empty()),
        ioc: entry.get("ioc").and_then(Value::as_bool),
        analysis_ids: entry
            .get("analysis_ids")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect(),
        categories: texts("categories"),
        classifications: texts("classifications"),
        threat_names: texts("threat_names"),
        file_names: None,
        vtis: texts("vtis").len(),
    }
}
