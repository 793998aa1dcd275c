//! `summary_v2.json`: maps of items that refer to each other by path.

use serde_json::Value;

use crate::report::{category, text, texts};
use crate::{
    AnalysisId, DomainIoc, EmailAddressIoc, EmailIoc, Entry, FileHashes, FileIoc, FilenameIoc, IocCommon, Iocs, IpIoc,
    MutexIoc, ProcessIoc, RegistryIoc, Report, ReportKind, SampleId, Technique, UrlIoc, Verdict, Vti, time,
};

/// Reads a summary; what is missing in it is missing in the report.
pub(crate) fn read(root: &Value) -> Report {
    let summary = Summary { root, analysis_id: number(&root["analysis_metadata"], "analysis_id") };
    let about = &root["analysis_metadata"];
    Report {
        iocs: summary.iocs(),
        vtis: summary.vtis(),
        techniques: summary.techniques(),
        sample_id: number(about, "sample_id").map(SampleId),
        analysis_id: summary.analysis_id.map(AnalysisId),
        verdict: verdict(about),
        created: text(about, "creation_time").and_then(|text| time::read(&text)),
        filename: text(about, "submission_filename"),
        sample_type: text(about, "sample_type"),
        sha256: summary.sample_sha256(),
        ..Report::empty(ReportKind::SummaryV2)
    }
}

struct Summary<'a> {
    root: &'a Value,
    analysis_id: Option<u64>,
}

impl Summary<'_> {
    fn iocs(&self) -> Iocs {
        Iocs {
            domains: self.list("domains", |item| DomainIoc {
                domain: text(item, "domain"),
                original_domains: texts(item, "original_domains"),
                protocols: texts(item, "protocols"),
                ip_addresses: self.referred(item, "ref_ip_addresses", "ip_address"),
                sources: texts(item, "sources"),
                parent_processes: self.referred(item, "ref_processes", "cmd_line"),
                parent_processes_names: self.referred(item, "ref_processes", "image_name"),
                common: self.common(item, "domain"),
                ..DomainIoc::default()
            }),
            ips: self.list("ip_addresses", |item| IpIoc {
                ip_address: text(item, "ip_address"),
                protocols: texts(item, "protocols"),
                domains: self.referred(item, "ref_domains", "domain"),
                country: item.get("location").and_then(|place| text(place, "country")),
                country_code: item.get("location").and_then(|place| text(place, "country_code")),
                sources: texts(item, "sources"),
                parent_processes: self.referred(item, "ref_processes", "cmd_line"),
                parent_processes_names: self.referred(item, "ref_processes", "image_name"),
                common: self.common(item, "ip"),
                ..IpIoc::default()
            }),
            urls: self.list("urls", |item| UrlIoc {
                url: text(item, "url"),
                original_urls: texts(item, "original_urls"),
                categories: categories(item),
                methods: texts(item, "operations").iter().map(|method| method.to_ascii_uppercase()).collect(),
                ip_addresses: self.referred(item, "ref_ip_addresses", "ip_address"),
                sources: texts(item, "sources"),
                parent_processes: self.referred(item, "ref_processes", "cmd_line"),
                parent_processes_names: self.referred(item, "ref_processes", "image_name"),
                common: self.common(item, "url"),
                ..UrlIoc::default()
            }),
            files: self.list("files", |item| self.file(item)),
            filenames: self.list("filenames", |item| FilenameIoc {
                filename: text(item, "filename"),
                operations: texts(item, "operations"),
                categories: categories(item),
                classifications: texts(item, "classifications"),
                threat_names: texts(item, "threat_names"),
                common: self.common(item, "filename"),
            }),
            email_addresses: self.list("email_addresses", |item| EmailAddressIoc {
                email_address: text(item, "email_address"),
                sender: flag(item, "is_sender"),
                recipient: flag(item, "is_recipient"),
                subjects: texts(item, "subjects"),
                common: self.common(item, "email_address"),
            }),
            emails: self.list("emails", |item| EmailIoc {
                sender: text(item, "sender"),
                subject: text(item, "subject"),
                recipients: texts(item, "recipients"),
                nr_links: number(item, "nr_links"),
                nr_attachments: number(item, "nr_attachments"),
                attachment_types: texts(item, "attachment_types"),
                hashes: Vec::new(),
                common: self.common(item, "email"),
            }),
            registry: self.list("registry_records", |item| RegistryIoc {
                reg_key_name: text(item, "reg_key_name"),
                reg_key_value_types: texts(item, "reg_key_value_type"),
                operations: texts(item, "operations"),
                common: self.common(item, "registry"),
            }),
            mutexes: self.list("mutexes", |item| MutexIoc {
                mutex_name: text(item, "name"),
                operations: texts(item, "operations"),
                parent_processes: self.referred(item, "ref_processes", "cmd_line"),
                parent_processes_names: self.referred(item, "ref_processes", "image_name"),
                common: self.common(item, "mutex"),
                ..MutexIoc::default()
            }),
            processes: self.list("processes", |item| ProcessIoc {
                cmd_line: text(item, "cmd_line"),
                image_names: texts(item, "filename"),
                process_names: texts(item, "image_name"),
                process_ids: number(item, "monitor_id").into_iter().collect(),
                classifications: texts(item, "classifications"),
                threat_names: texts(item, "threat_names"),
                common: self.common(item, "process"),
                ..ProcessIoc::default()
            }),
        }
    }

    fn file(&self, item: &Value) -> FileIoc {
        let filenames = self.referred(item, "ref_filenames", "filename");
        let hashes = item.get("hash_values").map(|hashes| FileHashes {
            md5_hash: text(hashes, "md5"),
            sha1_hash: text(hashes, "sha1"),
            sha256_hash: text(hashes, "sha256"),
            ssdeep_hash: text(hashes, "ssdeep"),
            imp_hash: text(hashes, "imphash"),
        });
        FileIoc {
            filename: filenames.first().cloned(),
            norm_filename: filenames.first().cloned(),
            filenames,
            hashes: hashes.into_iter().map(Entry::Read).collect(),
            file_size: number(item, "size"),
            mime_type: text(item, "mime_type"),
            operations: texts(item, "operations"),
            categories: categories(item),
            classifications: texts(item, "classifications"),
            threat_names: texts(item, "threat_names"),
            common: self.common(item, "file"),
            ..FileIoc::default()
        }
    }

    /// Reads the artifacts of a section; other items only serve as something to refer to.
    fn list<T>(&self, section: &str, read: impl Fn(&Value) -> T) -> Vec<Entry<T>> {
        let items = self.root.get(section).and_then(Value::as_object).into_iter().flat_map(|items| items.values());
        let artifacts = items.filter(|item| flag(item, "is_artifact") != Some(false));
        artifacts
            .map(|item| {
                if item.is_object() {
                    Entry::Read(read(item))
                } else {
                    Entry::Unreadable { raw: item.clone(), reason: "expected an object".to_owned() }
                }
            })
            .collect()
    }

    fn common(&self, item: &Value, kind: &str) -> IocCommon {
        IocCommon {
            artifact_type: Some(format!("{kind}_artifact")),
            ioc_type: Some(kind.to_owned()),
            ioc: flag(item, "is_ioc"),
            verdict: verdict(item),
            analysis_ids: self.analysis_id.into_iter().collect(),
            ..IocCommon::default()
        }
    }

    /// Returns a field of the items that a list of references leads to.
    fn referred(&self, item: &Value, references: &str, field: &str) -> Vec<String> {
        let references = item.get(references).and_then(Value::as_array).into_iter().flatten();
        references.filter_map(|reference| text(self.resolve(reference)?, field)).collect()
    }

    fn resolve(&self, reference: &Value) -> Option<&Value> {
        let path = reference.get("path")?.as_array()?;
        path.iter().try_fold(self.root, |at, step| at.get(step.as_str()?))
    }

    fn vtis(&self) -> Vec<Vti> {
        let matches = self.root.pointer("/vti/matches").and_then(Value::as_object);
        let matches = matches.into_iter().flat_map(|matches| matches.values());
        matches
            .map(|matched| Vti {
                category: text(matched, "category_desc"),
                operation: text(matched, "operation_desc"),
                score: matched.get("analysis_score").and_then(Value::as_i64),
                classifications: texts(matched, "classifications"),
                analysis_ids: self.analysis_id.into_iter().collect(),
                id: None,
            })
            .collect()
    }

    fn techniques(&self) -> Vec<Technique> {
        let matrices = self.root.get("mitre_attack").and_then(Value::as_object).into_iter().flatten();
        let read = |matrix: &Value| -> Vec<Technique> {
            let techniques = matrix.get("techniques").and_then(Value::as_object).into_iter().flatten();
            techniques
                .map(|(key, technique)| Technique {
                    technique_id: Some(key.trim_start_matches("technique_").to_owned()),
                    technique: text(technique, "description"),
                    tactics: texts(technique, "tactics"),
                    matrix_version: text(matrix, "matrix_version"),
                    version: technique.get("technique_version").and_then(Value::as_f64),
                    analysis_ids: self.analysis_id.into_iter().collect(),
                    ..Technique::default()
                })
                .collect()
        };
        matrices
            .map(|(name, matrix)| (version(name), read(matrix)))
            .filter(|(_, techniques)| !techniques.is_empty())
            .max_by(|(one, _), (other, _)| one.cmp(other))
            .map(|(_, techniques)| techniques)
            .unwrap_or_default()
    }

    fn sample_sha256(&self) -> Option<String> {
        let mut files = self.root.get("files").and_then(Value::as_object)?.values();
        text(files.find(|file| flag(file, "is_sample") == Some(true))?.get("hash_values")?, "sha256")
    }
}

/// Returns `[14, 1]` for `v14_1`.
fn version(name: &str) -> Vec<u32> {
    name.trim_start_matches('v').split('_').map_while(|part| part.parse().ok()).collect()
}

fn categories(item: &Value) -> Vec<String> {
    texts(item, "categories").iter().map(|text| category(text)).collect()
}

fn verdict(item: &Value) -> Option<Verdict> {
    text(item, "verdict").map(|text| Verdict::from(text.as_str()))
}

fn flag(item: &Value, field: &str) -> Option<bool> {
    item.get(field)?.as_bool()
}

fn number(item: &Value, field: &str) -> Option<u64> {
    item.get(field)?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_and_their_absence_are_followed() {
        let root = json!({
            "_type": "summary_v2", "artifacts": {},
            "analysis_metadata": {"analysis_id": 7, "sample_id": 9, "verdict": "malicious",
                "creation_time": "2024-09-24T18:10:23.406000+00:00"},
            "filenames": {"filename_0": {"filename": "c:\\a.exe", "is_artifact": false}, "filename_1": 5},
            "files": {"file_0": {
                "is_ioc": true, "is_artifact": true, "is_sample": true, "verdict": "malicious",
                "categories": ["memory_dump"], "hash_values": {"sha256": "ab", "md5": null},
                "ref_filenames": [{"path": ["filenames", "filename_0"]}, {"path": ["gone", 5]}, {}, null]
            }},
            "mitre_attack": {"_type": "x", "v4": {"techniques": {"technique_T1060": {}}},
                "v14_1": {"techniques": {"technique_T1547": {"tactics": ["Persistence"]}}}},
            "vti": {"matches": {"vti_match_0": {"analysis_score": 4, "category_desc": "Antivirus"}}}
        });
        let report = read(&root);
        assert_eq!(report.created, Some("2024-09-24T18:10:23.406Z".parse().unwrap()));
        assert_eq!((report.sample_id, report.sha256.as_deref()), (Some(SampleId(9)), Some("ab")));
        assert!(matches!(report.iocs.filenames[..], [Entry::Unreadable { .. }]));
        let file = report.iocs.files[0].read().unwrap();
        assert_eq!(file.filenames, ["c:\\a.exe"]);
        assert_eq!(file.categories, ["Memory Dump"]);
        assert_eq!((file.common.ioc, &file.common.analysis_ids[..]), (Some(true), &[7][..]));
        assert_eq!(report.techniques.len(), 1);
        assert_eq!(report.techniques[0].technique_id.as_deref(), Some("T1547"));
        assert_eq!(report.vtis[0].score, Some(4));
    }
}
