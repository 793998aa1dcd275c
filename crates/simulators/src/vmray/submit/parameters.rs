//! What a submit says: parameters from query, form, JSON or multipart, each checked as the references tell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outbound::Request;
use serde_json::Value;
use url::Url;

use super::multipart;
use crate::answer;
use crate::vmray::container::Passwords;
use crate::vmray::filter::{boolean, integer};
use crate::vmray::options::{AnalysisCaching, ArchiveAction, UnknownParameter, VmrayOptions};
use crate::vmray::refusal::Refusal;

/// What is sent to be analysed.
#[derive(Debug)]
pub(super) enum Target {
    File { name: String, content: Bytes },
    Url(String),
}

/// A submit that was understood.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) target: Target,
    pairs: Vec<(String, String)>,
}

const FREE_TEXT: [&str; 22] = [
    "archive_password",
    "child_relations",
    "cmd_line",
    "dll_call_mode",
    "dll_calls",
    "document_password",
    "entry_point",
    "known_benign",
    "known_malicious",
    "live_interaction",
    "ml_based_phishing_detection",
    "prescript_file",
    "prescript_force_admin",
    "prescript_id",
    "reputation_mode",
    "sample_filename_b64enc",
    "sample_type",
    "sample_url",
    "system_time",
    "triage_error_handling",
    "whois_mode",
    "disable_known_config",
];

/// Whether something has a host on the Internet: with a scheme, or without one but with a dot.
fn is_url(text: &str) -> bool {
    match Url::parse(text) {
        Ok(url) if url.has_host() => true,
        _ => Url::parse(&format!("http://{text}"))
            .is_ok_and(|url| url.host_str().is_some_and(|host| host.contains('.') && !host.starts_with('.'))),
    }
}

const ANALYZER_MODES: [&str; 5] =
    ["reputation", "reputation_static", "reputation_static_dynamic", "static_dynamic", "static"];

impl Parameters {
    /// Reads a request.
    pub(super) fn read(
        request: &Request,
        query: Vec<(String, String)>,
        options: &VmrayOptions,
    ) -> Result<Self, Refusal> {
        let mut pairs = query;
        let mut file = None;
        if answer::has_type(request.headers(), "multipart/form-data") {
            let malformed = || Refusal::new(400, "The multipart body is malformed");
            for part in multipart::parts(request.headers(), request.body()).ok_or_else(malformed)? {
                if part.name == "sample_file" {
                    file = Some((part.filename.unwrap_or_default(), part.body));
                } else {
                    pairs.push((part.name, String::from_utf8_lossy(&part.body).into_owned()));
                }
            }
        } else if answer::has_type(request.headers(), "application/x-www-form-urlencoded") {
            pairs.extend(answer::pairs(request.body()));
        } else if answer::has_type(request.headers(), "application/json") {
            pairs.extend(from_json(request.body()).ok_or_else(|| Refusal::new(400, "The JSON body is malformed"))?);
        } else if !request.body().is_empty() {
            return Err(Refusal::new(400, "The content type is not supported"));
        }
        for (name, value) in &pairs {
            check(name, value, options)?;
        }
        let value = |name: &str| answer::value_of(&pairs, name);
        let target = match (file, value("sample_url").map(str::trim)) {
            (Some((given, content)), None) => {
                let encoded = value("sample_filename_b64enc").filter(|_| given == "@param=sample_filename_b64enc");
                let name = match encoded {
                    Some(encoded) => {
                        let bytes = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                        bytes.ok_or_else(|| Refusal::bad_parameter("sample_filename_b64enc"))?
                    }
                    None => given,
                };
                if u64::try_from(content.len()).unwrap_or(u64::MAX) > options.max_upload_bytes {
                    let why = format!(
                        "The file is larger than the maximum upload size of {} bytes",
                        options.max_upload_bytes
                    );
                    return Err(Refusal::new(400, why));
                }
                Target::File { name: sanitised(name, content.len()), content }
            }
            (None, Some(url)) if !url.is_empty() => {
                if !is_url(url) {
                    return Err(Refusal::bad_parameter("sample_url"));
                }
                Target::Url(url.to_owned())
            }
            _ => return Err(Refusal::new(400, "Exactly one of \"sample_file\" and \"sample_url\" is required")),
        };
        Ok(Self { target, pairs })
    }

    /// Returns a parameter.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        answer::value_of(&self.pairs, name)
    }

    /// Returns a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.value(name).and_then(integer)
    }

    /// Returns a switch.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name).and_then(boolean)
    }

    /// Returns all parameters by name.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Returns what happens to something known: what the submit says wins over the setting of the key.
    pub(super) fn caching(&self, options: &VmrayOptions) -> AnalysisCaching {
        if let Some(word) = self.value("analysis_caching") {
            return AnalysisCaching::ALL.into_iter().find(|one| one.as_str() == word).unwrap_or_default();
        }
        match self.flag("reanalyze") {
            Some(true) => AnalysisCaching::Disabled,
            Some(false) => AnalysisCaching::Legacy,
            None => options.analysis_caching,
        }
    }

    /// Returns what becomes of a container; `compound_sample` is the older way to say it.
    pub(super) fn archive_action(&self, options: &VmrayOptions) -> ArchiveAction {
        let asked = self.value("archive_action").or_else(|| self.value("disk_image_action"));
        if let Some(word) = asked {
            return ArchiveAction::ALL.into_iter().find(|one| one.as_str() == word).unwrap_or_default();
        }
        match self.flag("compound_sample") {
            Some(true) => ArchiveAction::CompoundSample,
            Some(false) => ArchiveAction::SeparateSamples,
            None => options.archive_action,
        }
    }

    pub(super) fn passwords(&self) -> Passwords<'_> {
        Passwords {
            archive: self.value("archive_password"),
            document: self.value("document_password"),
            follow_links: self.flag("detonate_links_in_emails") == Some(true),
        }
    }
}

/// A JSON object of plain values.
fn from_json(body: &[u8]) -> Option<Vec<(String, String)>> {
    let Value::Object(fields) = serde_json::from_slice(body).ok()? else { return None };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    fields.into_iter().map(|(name, value)| Some((name, text(value)?))).collect()
}

fn check(name: &str, value: &str, options: &VmrayOptions) -> Result<(), Refusal> {
    let json = || serde_json::from_str::<Value>(value).ok();
    let valid = match name {
        "tags" => value.split(',').all(is_tag),
        "comment" => value.chars().count() <= 255,
        "submission_metadata" | "webhook_notification" => json().is_some_and(|value| value.is_object()),
        "user_config" | "jobrule_entries" => json().is_some(),
        "shareable" | "reanalyze" | "enable_reputation" | "enable_whois" | "enable_triage" | "compound_sample" => {
            boolean(value).is_some()
        }
        "max_jobs" | "max_recursive_samples" | "max_dynamic_analyses_per_sample" => integer(value).is_some(),
        "retention_period" => ["0", "60", "120", "180", "360"].contains(&value),
        "analysis_caching" => AnalysisCaching::ALL.into_iter().any(|one| one.as_str() == value),
        "archive_action" | "disk_image_action" => ArchiveAction::ALL.into_iter().any(|one| one.as_str() == value),
        "analyzer_mode" => ANALYZER_MODES.contains(&value),
        "ai_based_phishing_detection" => ["disabled", "conservative", "normal", "aggressive"].contains(&value),
        known if known.starts_with("detonate_links_in_") => boolean(value).is_some(),
        known if FREE_TEXT.contains(&known) => true,
        _ if options.unknown_parameter == UnknownParameter::Ignore => true,
        unknown => return Err(Refusal::unknown_parameter(unknown)),
    };
    if valid { Ok(()) } else { Err(Refusal::bad_parameter(name)) }
}

/// Letters, digits and some marks.
pub(in crate::vmray) fn is_tag(tag: &str) -> bool {
    (1..=255).contains(&tag.chars().count())
        && tag.chars().all(|c| c.is_alphanumeric() || r"_.!?;:+–=/$@%^&)(#\-".contains(c))
}

/// A name with a character that no file can have is replaced as a whole, and so is that of a device.
fn sanitised(name: String, seed: usize) -> String {
    let forbidden = |c: char| c.is_control() || r#"\/:*?"<>|"#.contains(c);
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = |device: &str| stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && ("1"..="9").contains(&n));
    let device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT");
    if name.is_empty() || name.contains(forbidden) || device {
        return format!("{:016x}", fastrand::Rng::with_seed(seed as u64).u64(..));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_few_marks() {
        assert!(is_tag("a") && is_tag("case:12/ä-_–") && is_tag(&"x".repeat(255)));
        assert!(!is_tag("") && !is_tag("a b") && !is_tag("a*") && !is_tag("a'") && !is_tag(&"x".repeat(256)));
    }

    #[test]
    fn names_of_devices_are_replaced() {
        assert_eq!(sanitised("console.exe".to_owned(), 1), "console.exe");
        assert_eq!(sanitised("com12".to_owned(), 1), "com12");
        for name in ["con.txt", "COM1", "a?b", ""] {
            assert_eq!(sanitised(name.to_owned(), 1).len(), 16, "{name}");
        }
    }
}
