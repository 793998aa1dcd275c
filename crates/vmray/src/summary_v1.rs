//! `summary.json`: lists close to those of IOC replies, with severities in place of verdicts.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::report::{category, each_common, text, texts};
use crate::{AnalysisId, Iocs, Report, ReportKind, SampleId, Technique, Verdict, Vti, time};

/// Reads a summary.
pub(crate) fn read(root: &Value) -> Result<Report, serde_json::Error> {
    let (about, sample) = (&root["analysis_details"], &root["sample_details"]);
    let mut iocs: Iocs = serde_json::from_value(renamed(root["artifacts"].clone()))?;
    each_common(&mut iocs, |common| {
        if common.verdict.is_none() {
            common.verdict = common.severity.as_deref().and_then(verdict_of);
        }
    });
    Ok(Report {
        iocs,
        vtis: vtis(root),
        techniques: techniques(root),
        sample_id: sample.get("id").and_then(Value::as_u64).map(SampleId),
        analysis_id: about.get("analysis_id").and_then(Value::as_u64).map(AnalysisId),
        created: text(about, "creation_time").and_then(|text| created(&text)),
        filename: text(sample, "filename"),
        sample_type: text(sample, "sample_type"),
        sha256: text(sample, "sha256_hash"),
        ..Report::empty(ReportKind::SummaryV1)
    })
}

/// Gives fields that are singular here the names that replies use.
fn renamed(mut artifacts: Value) -> Value {
    let rename = |list: &mut Value, names: &[(&str, &str)]| {
        for entry in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            for (from, to) in names {
                if let Some(value) = entry.get(*from).cloned().filter(|_| !entry.contains_key(*to)) {
                    entry.insert((*to).to_owned(), value);
                }
            }
            if let Some(Value::String(text)) = entry.get("category") {
                let categories = json!([category(text)]);
                entry.entry("categories").or_insert(categories);
            }
        }
    };
    for (list, entries) in artifacts.as_object_mut().into_iter().flatten() {
        match list.as_str() {
            "urls" => rename(entries, &[("operations", "methods")]),
            "processes" => rename(entries, &[("image_name", "image_names"), ("process_name", "process_names")]),
            _ => {}
        }
        rename(
            entries,
            &[
                ("related_process_cmd_lines", "parent_processes"),
                ("related_process_names", "parent_processes_names"),
                ("parent_file", "parent_files"),
            ],
        );
    }
    artifacts
}

/// Returns the verdict that a severity stands for; `unknown` stands for none.
fn verdict_of(severity: &str) -> Option<Verdict> {
    match severity {
        "malicious" | "blacklisted" => Some(Verdict::Malicious),
        "suspicious" => Some(Verdict::Suspicious),
        "not_suspicious" | "whitelisted" => Some(Verdict::Clean),
        _ => None,
    }
}

/// Reads `2020-05-09 02:10 (UTC+2)`.
fn created(text: &str) -> Option<Timestamp> {
    let Some((local, zone)) = text.split_once(" (UTC") else {
        return time::read(text);
    };
    let (hours, minutes) = {
        let zone = zone.trim_end_matches(')');
        let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "0"));
        let hours: i32 = if hours.is_empty() { 0 } else { hours.parse().ok()? };
        (hours, minutes.parse::<i32>().ok()?)
    };
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60 * hours.signum())?)?;
    let local: DateTime = local.trim().parse().ok()?;
    Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok()
}

fn vtis(root: &Value) -> Vec<Vti> {
    let matches = root.pointer("/vti/vti_rule_matches").and_then(Value::as_array).into_iter().flatten();
    matches
        .map(|matched| Vti {
            category: text(matched, "category_desc"),
            operation: text(matched, "operation_desc"),
            score: matched.get("rule_score").and_then(Value::as_i64),
            classifications: texts(matched, "rule_classifications"),
            ..Vti::default()
        })
        .collect()
}

fn techniques(root: &Value) -> Vec<Technique> {
    let attack = &root["mitre_attack"];
    let techniques = attack.get("techniques").and_then(Value::as_array).into_iter().flatten();
    techniques
        .map(|technique| Technique {
            technique_id: text(technique, "id"),
            technique: text(technique, "description"),
            tactics: texts(technique, "tactics"),
            matrix_version: text(attack, "matrix_version"),
            version: technique.get("technique_version").and_then(Value::as_f64),
            ..Technique::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2020-05-09 02:10 (UTC+2)", Some("2020-05-09T00:10:00Z"))]
    #[case("2020-05-09 02:10 (UTC-3:30)", Some("2020-05-09T05:40:00Z"))]
    #[case("2020-05-09 02:10 (UTC)", Some("2020-05-09T02:10:00Z"))]
    #[case("2020-05-09 02:10", Some("2020-05-09T02:10:00Z"))]
    #[case("2020-05-09 02:10 (UTC+99999999)", None)]
    #[case("2020-05-09 02:10 (UTC+x)", None)]
    #[case("then (UTC+1)", None)]
    fn reads_times_with_an_offset(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(created(text), expected.map(|time| time.parse().unwrap()));
    }

    #[test]
    fn a_severity_stands_in_for_a_missing_verdict() {
        let root = json!({
            "artifacts": {
                "domains": [
                    {"domain": "a.example", "severity": "malicious", "ioc": true},
                    {"domain": "b.example", "severity": "unknown"},
                    {"domain": "c.example"}, 5
                ],
                "files": [{"category": "DROPPED", "severity": "not_suspicious", "parent_file": null}],
                "processes": [{"process_name": "a.exe", "related_process_names": ["b.exe"]}],
                "urls": "gone", "version": 2
            },
            "sample_details": {"id": 9}, "analysis_details": {"creation_time": "2019-11-04 07:25 (UTC+1)"}
        });
        let report = read(&root).unwrap();
        let verdicts: Vec<_> =
            crate::readable(&report.iocs.domains).map(|domain| domain.common.verdict.clone()).collect();
        assert_eq!(verdicts, [Some(Verdict::Malicious), None, None]);
        let file = report.iocs.files[0].read().unwrap();
        assert_eq!((&file.categories[..], &file.common.verdict), (&["Dropped".to_owned()][..], &Some(Verdict::Clean)));
        let process = report.iocs.processes[0].read().unwrap();
        assert_eq!(
            (&process.process_names[0], &process.parent_processes_names[0]),
            (&"a.exe".to_owned(), &"b.exe".to_owned())
        );
        assert_eq!(report.created, Some("2019-11-04T06:25:00Z".parse().unwrap()));
    }
}
