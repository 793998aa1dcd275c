//! The IOCs of a sample: ten lists, one model each.

use std::collections::BTreeMap;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lenient::Soft;
use crate::record::{Object, record};
use crate::{Entry, ReportStatus, Verdict};

/// Answer to a question for a sample's IOCs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IocsReply {
    /// Whether the analyses behind it have ended.
    pub status: ReportStatus,
    /// The IOCs; whether a waiting reply holds a part of them is not known.
    pub iocs: Iocs,
}

impl<'de> Deserialize<'de> for IocsReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            status: Option<Soft<ReportStatus>>,
            #[serde(default)]
            iocs: Option<Box<RawValue>>,
        }

        let Object(body) = Object::<Body>::deserialize(deserializer)?;
        let status = body.status.map(|status| status.0).unwrap_or_default();
        let iocs = match body.iocs {
            Some(raw) => {
                let iocs: Iocs = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
                if iocs == Iocs::default() && holds_only_unknown(raw.get()) {
                    return Err(D::Error::custom("iocs holds none of the lists that are known"));
                }
                iocs
            }
            // An absent list must not read as "this sample has no IOCs", unless there is more to come.
            None if status == ReportStatus::Finished => return Err(D::Error::custom("iocs is missing")),
            None => Iocs::default(),
        };
        Ok(Self { status, iocs })
    }
}

/// Says whether an object has fields, and all of them are of another format than ours.
fn holds_only_unknown(iocs: &str) -> bool {
    #[expect(clippy::zero_sized_map_values, reason = "a map is what JSON is read into, and its values are passed over")]
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_str(iocs).unwrap_or_default();
    let known: serde_json::Map<String, Value> = match serde_json::to_value(Iocs::default()) {
        Ok(Value::Object(known)) => known,
        _ => return false,
    };
    !fields.is_empty() && !fields.keys().any(|name| known.contains_key(name))
}

record! {
    /// All IOCs of a sample. A list that the server left out is empty.
    pub struct Iocs {
        /// Domains.
        domains: Vec<Entry<DomainIoc>> = "domains",
        /// IP addresses.
        ips: Vec<Entry<IpIoc>> = "ips",
        /// URLs.
        urls: Vec<Entry<UrlIoc>> = "urls",
        /// Files, with their hashes.
        files: Vec<Entry<FileIoc>> = "files",
        /// Names of files.
        filenames: Vec<Entry<FilenameIoc>> = "filenames",
        /// E-mail addresses.
        email_addresses: Vec<Entry<EmailAddressIoc>> = "email_addresses",
        /// E-mails.
        emails: Vec<Entry<EmailIoc>> = "emails",
        /// Registry keys.
        registry: Vec<Entry<RegistryIoc>> = "registry",
        /// Mutexes.
        mutexes: Vec<Entry<MutexIoc>> = "mutexes",
        /// Processes.
        processes: Vec<Entry<ProcessIoc>> = "processes",
    }
}

record! {
    /// What every IOC carries.
    pub struct IocCommon {
        /// Always 0 in recordings.
        id: Option<u64> = "id",
        /// Version of the entry's format.
        version: Option<u64> = "version",
        /// `domain_artifact`, `file_artifact`, ...
        artifact_type: Option<String> = "type",
        /// `domain`, `ip`, `url`, `file`, `process`, ...
        ioc_type: Option<String> = "ioc_type",
        /// Whether it is an IOC, not only an artifact.
        ioc: Option<bool> = "ioc",
        /// VMRay's verdict on this value; null is not rare.
        verdict: Option<Verdict> = "verdict",
        /// Older form of the verdict.
        severity: Option<String> = "severity",
        /// Older form of the verdict: 4 malicious, 3 suspicious, 0 clean.
        numeric_severity: Option<i64> = "numeric_severity",
        /// Why the verdict is missing; a number on some servers.
        verdict_reason_code: Option<String> = "verdict_reason_code",
        /// Why the verdict is missing, in words.
        verdict_reason_description: Option<String> = "verdict_reason_description",
        /// Analyses that saw it.
        analysis_ids: Vec<u64> = "analysis_ids",
    }
}

record! {
    /// A domain.
    pub struct DomainIoc {
        /// The domain.
        domain: Option<String> = "domain",
        /// Its spellings in the sample.
        original_domains: Vec<String> = "original_domains",
        /// Protocols spoken with it.
        protocols: Vec<String> = "protocols",
        /// Addresses it resolved to.
        ip_addresses: Vec<String> = "ip_addresses",
        /// Countries of these addresses.
        countries: Vec<String> = "countries",
        /// Country codes of these addresses.
        country_codes: Vec<String> = "country_codes",
        /// Where VMRay saw it.
        sources: Vec<String> = "sources",
        /// Command lines of the processes that used it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that used it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that used it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// An IP address.
    pub struct IpIoc {
        /// The address, version 4 or 6.
        ip_address: Option<String> = "ip_address",
        /// Protocols spoken with it.
        protocols: Vec<String> = "protocols",
        /// Domains that resolved to it.
        domains: Vec<String> = "domains",
        /// Its country.
        country: Option<String> = "country",
        /// Its country's code.
        country_code: Option<String> = "country_code",
        /// Where VMRay saw it.
        sources: Vec<String> = "sources",
        /// Command lines of the processes that used it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that used it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that used it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// A URL.
    pub struct UrlIoc {
        /// The URL.
        url: Option<String> = "url",
        /// Its spellings in the sample.
        original_urls: Vec<String> = "original_urls",
        /// `Contacted`, ...
        categories: Vec<String> = "categories",
        /// HTTP methods used.
        methods: Vec<String> = "methods",
        /// User agents used.
        user_agents: Vec<String> = "user_agents",
        /// Pages that led to it.
        referrers: Vec<String> = "referrers",
        /// Content types of its answers.
        content_types: Vec<String> = "content_types",
        /// Addresses of its host.
        ip_addresses: Vec<String> = "ip_addresses",
        /// Countries of these addresses.
        countries: Vec<String> = "countries",
        /// Country codes of these addresses.
        country_codes: Vec<String> = "country_codes",
        /// Files that hold it.
        parent_files: Vec<String> = "parent_files",
        /// Where VMRay saw it.
        sources: Vec<String> = "sources",
        /// Command lines of the processes that used it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that used it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that used it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// A file.
    pub struct FileIoc {
        /// Its name; null for memory dumps.
        filename: Option<String> = "filename",
        /// Its name, normalised by VMRay.
        norm_filename: Option<String> = "norm_filename",
        /// All its names; hundreds occur.
        filenames: Vec<String> = "filenames",
        /// Its hashes, one set for each content seen.
        hashes: Vec<Entry<FileHashes>> = "hashes",
        /// Its size in bytes.
        file_size: Option<u64> = "file_size",
        /// Its MIME type.
        mime_type: Option<String> = "mime_type",
        /// What was done with it.
        operations: Vec<String> = "operations",
        /// `Sample`, `Dropped File`, `Memory Dump`, ...
        categories: Vec<String> = "categories",
        /// Kinds of malware.
        classifications: Vec<String> = "classifications",
        /// Names of malware; parentheses, dots and colons occur.
        threat_names: Vec<String> = "threat_names",
        /// Ids of the VTIs that mention it.
        vtis: Vec<String> = "vtis",
        /// Its relations to other artifacts, by analysis.
        relations: Vec<Value> = "relations",
        /// Files that hold it.
        parent_files: Vec<String> = "parent_files",
        /// Command lines of the processes that used it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that used it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that used it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        /// Where it was loaded from.
        resource_url: Vec<String> = "resource_url",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// The hashes of one content.
    pub struct FileHashes {
        /// MD5.
        md5_hash: Option<String> = "md5_hash",
        /// SHA-1.
        sha1_hash: Option<String> = "sha1_hash",
        /// SHA-256.
        sha256_hash: Option<String> = "sha256_hash",
        /// Fuzzy hash.
        ssdeep_hash: Option<String> = "ssdeep_hash",
        /// Hash of a program's imports.
        imp_hash: Option<String> = "imp_hash",
    }
}

record! {
    /// The name of a file.
    pub struct FilenameIoc {
        /// The name.
        filename: Option<String> = "filename",
        /// What was done with it.
        operations: Vec<String> = "operations",
        /// `Dropped File`, ...
        categories: Vec<String> = "categories",
        /// Kinds of malware.
        classifications: Vec<String> = "classifications",
        /// Names of malware.
        threat_names: Vec<String> = "threat_names",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// An e-mail address.
    pub struct EmailAddressIoc {
        /// The address.
        email_address: Option<String> = "email_address",
        /// Whether it sent.
        sender: Option<bool> = "sender",
        /// Whether it received.
        recipient: Option<bool> = "recipient",
        /// Subjects of its mails.
        subjects: Vec<String> = "subjects",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// An e-mail.
    pub struct EmailIoc {
        /// Its sender.
        sender: Option<String> = "sender",
        /// Its subject.
        subject: Option<String> = "subject",
        /// Its recipients.
        recipients: Vec<String> = "recipients",
        /// Number of links in it.
        nr_links: Option<u64> = "nr_links",
        /// Number of files attached to it.
        nr_attachments: Option<u64> = "nr_attachments",
        /// Types of these files.
        attachment_types: Vec<String> = "attachment_types",
        /// Hashes of the mail.
        hashes: Vec<Entry<FileHashes>> = "hashes",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// A registry key.
    pub struct RegistryIoc {
        /// The key.
        reg_key_name: Option<String> = "reg_key_name",
        /// Types of its values.
        reg_key_value_types: Vec<String> = "reg_key_value_types",
        /// What was done with it.
        operations: Vec<String> = "operations",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// A mutex.
    pub struct MutexIoc {
        /// Its name; empty and `-` occur.
        mutex_name: Option<String> = "mutex_name",
        /// What was done with it.
        operations: Vec<String> = "operations",
        /// Command lines of the processes that used it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that used it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that used it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        ..common: IocCommon, "What every IOC carries."
    }
}

record! {
    /// A process.
    pub struct ProcessIoc {
        /// Its command line.
        cmd_line: Option<String> = "cmd_line",
        /// Paths of its program.
        image_names: Vec<String> = "image_names",
        /// Its names.
        process_names: Vec<String> = "process_names",
        /// Its numbers.
        process_ids: Vec<u64> = "process_ids",
        /// Command lines of the processes that started it.
        parent_processes: Vec<String> = "parent_processes",
        /// Numbers of the processes that started it.
        parent_processes_ids: Vec<u64> = "parent_processes_ids",
        /// Names of the processes that started it.
        parent_processes_names: Vec<String> = "parent_processes_names",
        /// Kinds of malware.
        classifications: Vec<String> = "classifications",
        /// Names of malware.
        threat_names: Vec<String> = "threat_names",
        /// Ids of the VTIs that mention it.
        vtis: Vec<String> = "vtis",
        /// Its relations to other artifacts, by analysis.
        relations: Vec<Value> = "relations",
        ..common: IocCommon, "What every IOC carries."
    }
}
