//! What an analysis found: IOCs in their forms, VTIs, ATT&CK techniques.

use serde_json::{Map, Value, json};

use super::filter::boolean;
use super::options::{UnknownParameter, VmrayOptions};
use super::refusal::Refusal;
use crate::world::{IocKind, Verdict};

/// Which entries of the lists are wanted.
#[derive(Debug, Default)]
pub(super) struct Selection {
    all_artifacts: Option<bool>,
    kind: Option<IocKind>,
    verdict: Option<Wanted>,
    severity: Option<String>,
}

/// A verdict asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Null,
    Is(Verdict),
}

const SEVERITIES: [&str; 7] =
    ["malicious", "suspicious", "unknown", "not_suspicious", "whitelisted", "blacklisted", "null"];

impl Selection {
    /// Reads what follows `/iocs` in the path, and the query.
    pub(super) fn parse(path: &[&str], pairs: &[(String, String)], options: &VmrayOptions) -> Result<Self, Refusal> {
        let mut selection = Self::default();
        let mut rest = path;
        // Order in a path: type, then verdict, then severity; or all_artifacts alone.
        let order = ["type", "verdict", "severity"];
        let mut next = 0;
        while let Some((name, after)) = rest.split_first() {
            let (value, after) = after.split_first().ok_or_else(Refusal::method_not_allowed)?;
            let position = order.iter().position(|known| known == name);
            match position {
                Some(position) if position >= next => next = position + 1,
                None if *name == "all_artifacts" && path.len() == 2 => {}
                _ => return Err(Refusal::method_not_allowed()),
            }
            selection.set(name, value)?;
            rest = after;
        }
        for (name, value) in pairs {
            match name.as_str() {
                "all_artifacts" => selection.set(name, value)?,
                "ioc_type" | "ioc_verdict" | "ioc_severity" => {
                    selection.set(name.trim_start_matches("ioc_"), value)?;
                }
                _ if options.unknown_parameter == UnknownParameter::Ignore => {}
                _ => return Err(Refusal::unknown_parameter(name)),
            }
        }
        Ok(selection)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let bad = || Refusal::bad_parameter(name);
        match name {
            "all_artifacts" => self.all_artifacts = Some(boolean(value).ok_or_else(bad)?),
            "type" => {
                let kind = IocKind::ALL.into_iter().find(|kind| kind.ioc_type() == value);
                self.kind = Some(kind.ok_or_else(bad)?);
            }
            "verdict" if value == "null" => self.verdict = Some(Wanted::Null),
            "verdict" => {
                let verdict = Verdict::from_word(value).filter(|verdict| *verdict != Verdict::NotAvailable);
                self.verdict = Some(Wanted::Is(verdict.ok_or_else(bad)?));
            }
            _ if SEVERITIES.contains(&value) => self.severity = Some(value.to_owned()),
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// Returns the lists with only the wanted entries.
    pub(super) fn apply(&self, lists: Value, options: &VmrayOptions) -> Value {
        let Value::Object(lists) = lists else { return lists };
        let all = self.all_artifacts.unwrap_or(options.all_artifacts_by_default);
        let kept: Map<String, Value> = lists
            .into_iter()
            .map(|(name, entries)| {
                let wanted = self.kind.is_none_or(|kind| kind.list() == name);
                let Value::Array(entries) = entries else { return (name, entries) };
                let entries = entries.into_iter().filter(|entry| wanted && self.keeps(entry, all)).collect();
                (name, Value::Array(entries))
            })
            .collect();
        Value::Object(kept)
    }

    fn keeps(&self, entry: &Value, all: bool) -> bool {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        (all || entry.get("ioc") == Some(&Value::Bool(true)))
            && self.verdict.is_none_or(|wanted| match wanted {
                Wanted::Null => text("verdict").is_none(),
                Wanted::Is(verdict) => text("verdict") == Some(verdict.as_str()),
            })
            && self.severity.as_deref().is_none_or(|wanted| text("severity").unwrap_or("null") == wanted)
    }
}

/// Returns the ten lists, empty.
pub(super) fn no_lists() -> Value {
    Value::Object(IocKind::ALL.into_iter().map(|kind| (kind.list().to_owned(), json!([]))).collect())
}

/// Returns the VTIs of a sample, drawn from its id.
pub(super) fn vtis(sample: u64, analysis_ids: &[u64]) -> Vec<Value> {
    let known = [
        ("Persistence", "Installs system startup script or application", 4, ""),
        ("Obfuscation", "Resolves API functions dynamically", 1, ""),
        ("Network Connection", "Connects to remote host", 3, "Downloader"),
        ("Mutex", "Creates mutex", 1, ""),
        ("Reputation", "Known malicious file", 5, "Spyware"),
        ("Injection", "Writes into the memory of another process", 4, "Injector"),
    ];
    let mut draw = fastrand::Rng::with_seed(sample);
    (0_u64..)
        .zip(known)
        .filter(|_| draw.bool())
        .map(|(n, (category, operation, score, classification))| {
            let classifications: Vec<&str> = Some(classification).filter(|name| !name.is_empty()).into_iter().collect();
            json!({
                "analysis_ids": analysis_ids, "category": category, "classifications": classifications, "id": 74_202_000 + n,
                "operation": operation, "score": score,
            })
        })
        .collect()
}

/// Returns the ATT&CK techniques of a sample, drawn from its id.
pub(super) fn techniques(sample: u64, analysis_ids: &[u64]) -> Vec<Value> {
    let known: [(&str, &str, &[&str]); 4] = [
        ("T1060", "Registry Run Keys / Startup Folder", &["Persistence"]),
        ("T1055", "Process Injection", &["Defense Evasion", "Privilege Escalation"]),
        ("T1071", "Standard Application Layer Protocol", &["Command and Control"]),
        ("T1082", "System Information Discovery", &["Discovery"]),
    ];
    let mut draw = fastrand::Rng::with_seed(sample ^ 0x6d69_7472);
    let threat_indicators = vtis(sample, analysis_ids);
    (1_u64..)
        .zip(known)
        .filter(|_| draw.bool())
        .map(|(n, (technique_id, technique, tactics))| {
            json!({
                "analysis_ids": analysis_ids, "id": n, "matrix_version": "2019-04-25T20:53:07.719000",
                "tactics": tactics, "technique": technique, "technique_id": technique_id,
                "threat_indicators": threat_indicators, "version": 1.0,
            })
        })
        .collect()
}
