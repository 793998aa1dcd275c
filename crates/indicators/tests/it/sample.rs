//! Samples to map.

use std::collections::BTreeSet;

use indicators::{Mapped, NoiseList, Reading, Rules, Severity, SubmissionFacts, VerdictFilter, map};
use jiff::Timestamp;
use serde_json::{Value, json};
use stix::Kind;
use vmray::Iocs;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Two submissions of one sample.
pub(crate) fn submissions() -> [SubmissionFacts; 2] {
    [
        SubmissionFacts { id: 11, finish_time: time("2026-11-01T10:00:00Z"), severity: Severity::Malicious },
        SubmissionFacts { id: 12, finish_time: time("2026-11-02T10:00:00Z"), severity: Severity::Malicious },
    ]
}

/// Every kind, both verdicts.
pub(crate) fn all_rules() -> Rules {
    Rules {
        verdicts: VerdictFilter { malicious: true, suspicious: true },
        ioc_types: BTreeSet::from(Kind::ALL),
        noise: NoiseList::parse("allowed.example").unwrap().with_built_in(),
    }
}

pub(crate) fn map_json(iocs: Value, rules: &Rules) -> Mapped {
    let iocs: Iocs = serde_json::from_value(iocs).unwrap();
    map_iocs(&iocs, rules)
}

pub(crate) fn map_iocs(iocs: &Iocs, rules: &Rules) -> Mapped {
    let tactics = ["Persistence".to_owned(), "Defense Evasion".to_owned()];
    map(&Reading { sample_id: 5, submissions: &submissions(), iocs, tactics: &tactics }, rules)
}

/// An entry as VMRay writes it, malicious, with one more field.
pub(crate) fn entry(field: &str, value: impl Into<Value>) -> Value {
    let mut entry = json!({"ioc": true, "verdict": "malicious", "severity": "malicious", "analysis_ids": [3, 1]});
    entry[field] = value.into();
    entry
}

/// Values found, by kind.
pub(crate) fn found(mapped: &Mapped) -> BTreeSet<String> {
    let values = mapped.findings.iter();
    values.map(|finding| format!("{}:{}", finding.observable.kind(), finding.observable)).collect()
}

/// Receipts as kind, value and code.
pub(crate) fn held(mapped: &Mapped) -> BTreeSet<String> {
    let receipts = mapped.receipts.iter();
    receipts.map(|receipt| format!("{} {:?} {}", receipt.kind, receipt.value, receipt.reason.code())).collect()
}
