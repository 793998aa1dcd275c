//! Any file as a report from disk: no panic, no item costs its neighbours, every indicator is read as it is written.
#![no_main]

use std::sync::LazyLock;

use indicators::{Rules, Style};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vmray::{Entry, MitreAttack, Report, ReportKind, Technique};
use vmray_sentinel_fuzz::{all_rules, composed, mapped, style};

/// Sections of version 2 and how many of their items were read.
type Section = (&'static str, fn(&Report) -> usize);

const SECTIONS: [Section; 8] = [
    ("domains", |report| read(&report.iocs.domains)),
    ("ip_addresses", |report| read(&report.iocs.ips)),
    ("urls", |report| read(&report.iocs.urls)),
    ("files", |report| read(&report.iocs.files)),
    ("filenames", |report| read(&report.iocs.filenames)),
    ("registry_records", |report| read(&report.iocs.registry)),
    ("mutexes", |report| read(&report.iocs.mutexes)),
    ("processes", |report| read(&report.iocs.processes)),
];

static RULES: LazyLock<Rules> = LazyLock::new(all_rules);
static STYLE: LazyLock<Style> = LazyLock::new(style);

fuzz_target!(|data: &[u8]| {
    if let Ok(report) = Report::parse(data) {
        converted(&report);
    }
    // A report is one JSON value: one that breaks JSON's own rules anywhere is refused as a whole, and says so.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        neighbours(&value);
    }
});

/// What `convert` does with a report.
fn converted(report: &Report) {
    let techniques = report.techniques.iter().cloned().map(Entry::<Technique>::Read).collect();
    let attack = MitreAttack { techniques, ..MitreAttack::default() };
    for finding in &mapped(&report.iocs, &RULES, &indicators::tactics(&attack)).findings {
        composed(finding, &STYLE);
    }
}

fn neighbours(value: &Value) {
    let mut root = serde_json::json!({"_type": "summary_v2", "artifacts": {}, "analysis_metadata": value, "vti": value});
    for (section, _) in SECTIONS {
        root[section] = serde_json::json!({"a": {}, "b": value, "c": {}});
    }
    let report = Report::parse(root.to_string().as_bytes()).unwrap();
    assert_eq!(report.kind, ReportKind::SummaryV2);
    for (section, count) in SECTIONS {
        assert!(count(&report) >= 2, "an item of {section} cost its neighbours");
    }
    converted(&report);
}

fn read<T>(entries: &[Entry<T>]) -> usize {
    vmray::readable(entries).count()
}
