//! Which fields an object has, by the version of the server.
//!
//! Objects are rendered with the fields of the vendor's description of 2026.2. Older servers have fewer: those of 2.1 and
//! 4.2 are as recordings of such servers show them, those of 2024 differ from 2026 only in the paths that they lack.

use serde_json::{Map, Value, json};

/// A generation of servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldSet {
    /// 2.1 (2017): no verdicts, only severities and scores.
    V2_1,
    /// 4.x (2021): verdicts; scores are numbers.
    V4,
    /// 2024: all but the paths of 2026.
    V2024,
    /// 2026.2: classifications and threat names have paths of their own.
    #[default]
    V2026,
}

impl FieldSet {
    /// All of them, with a word for each.
    pub const WORDS: [(&str, Self); 4] =
        [("2.1", Self::V2_1), ("4.x", Self::V4), ("2024", Self::V2024), ("2026", Self::V2026)];

    /// Returns a version of the generation, for `system_info`.
    pub fn version(self) -> (u32, u32, u32) {
        match self {
            Self::V2_1 => (2, 1, 0),
            Self::V4 => (4, 2, 0),
            Self::V2024 => (2024, 5, 1),
            Self::V2026 => (2026, 2, 1),
        }
    }

    /// Says whether the server lacks what hangs below a sample under this name.
    pub(super) fn lacks(self, what: &str) -> bool {
        match what {
            "classifications" | "threat_names" => self != Self::V2026,
            "mitre_attack" | "vtis" => self == Self::V2_1,
            _ => false,
        }
    }

    /// Leaves an object only the fields that this generation has.
    pub(super) fn fit(self, object: Object, value: Value) -> Value {
        let Value::Object(mut fields) = value else { return value };
        let (prefix, old, new) = object.names();
        let known = |name: &str, list: &[&str]| name.strip_prefix(prefix).is_some_and(|name| list.contains(&name));
        match self {
            Self::V2_1 => fields.retain(|name, _| known(name, old)),
            Self::V4 => fields.retain(|name, _| !known(name, new)),
            Self::V2024 | Self::V2026 => {}
        }
        if matches!(self, Self::V2_1 | Self::V4) && fields.contains_key("sample_vti_score") {
            fields.insert("sample_vti_score".to_owned(), fields.get("sample_score").cloned().unwrap_or_default());
        }
        if self == Self::V2_1
            && let Some(Value::String(text)) = fields.get_mut("analysis_result_str")
        {
            text.truncate(text.trim_end_matches('.').len());
        }
        Value::Object(fields)
    }

    /// Leaves the entries of `data.iocs` only the fields that this generation has.
    pub(super) fn fit_lists(self, lists: Value) -> Value {
        if self != Self::V2_1 {
            return lists;
        }
        let Value::Object(lists) = lists else { return lists };
        let old = |list: &str, entry: Value| {
            let Value::Object(mut entry) = entry else { return entry };
            entry.retain(|name, _| !name.starts_with("verdict") && name != "numeric_severity");
            if list == "domains" {
                // The first version of these entries says nothing of what they are worth.
                entry.remove("severity");
                entry.insert("version".to_owned(), json!(1));
            }
            Value::Object(entry)
        };
        let fitted: Map<String, Value> = lists
            .into_iter()
            .map(|(name, entries)| match entries {
                Value::Array(entries) => {
                    let entries = entries.into_iter().map(|entry| old(&name, entry)).collect();
                    (name, Value::Array(entries))
                }
                other => (name, other),
            })
            .collect();
        Value::Object(fitted)
    }
}

/// A kind of object whose fields differ.
#[derive(Debug, Clone, Copy)]
pub(super) enum Object {
    Submission,
    Sample,
    Analysis,
}

impl Object {
    /// Returns its prefix, the names that 2.1 has, and those that 4.2 has not.
    fn names(self) -> (&'static str, &'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Submission => ("submission_", &OLD_SUBMISSION, &NEW_SUBMISSION),
            Self::Sample => ("sample_", &OLD_SAMPLE, &["clusters", "emailhash"]),
            Self::Analysis => ("analysis_", &OLD_ANALYSIS, &[]),
        }
    }
}

const OLD_SUBMISSION: [&str; 22] = [
    "comment",
    "created",
    "document_password",
    "filename",
    "finish_time",
    "finished",
    "has_errors",
    "id",
    "ip_id",
    "ip_ip",
    "original_filename",
    "prescript_id",
    "priority",
    "sample_id",
    "sample_md5",
    "sample_sha1",
    "sample_sha256",
    "shareable",
    "tags",
    "type",
    "user_email",
    "webif_url",
];

const NEW_SUBMISSION: [&str; 8] = [
    "consumed_quota",
    "number_cached_analyses",
    "number_created_jobs",
    "quota_type",
    "recursive",
    "sample_verdict",
    "sample_verdict_reason_code",
    "used_cache",
];

const OLD_SAMPLE: [&str; 20] = [
    "created",
    "filename",
    "filesize",
    "highest_vti_score",
    "highest_vti_severity",
    "id",
    "is_multipart",
    "last_md_score",
    "last_reputation_severity",
    "last_vt_score",
    "md5hash",
    "priority",
    "score",
    "severity",
    "sha1hash",
    "sha256hash",
    "type",
    "url",
    "vti_score",
    "webif_url",
];

const OLD_ANALYSIS: [&str; 19] = [
    "analyzer_id",
    "analyzer_name",
    "configuration_name",
    "created",
    "id",
    "job_id",
    "job_started",
    "priority",
    "result_code",
    "result_str",
    "sample_id",
    "sample_sha256",
    "serialized_result",
    "severity",
    "submission_id",
    "tags",
    "vm_name",
    "vti_score",
    "webif_url",
];
