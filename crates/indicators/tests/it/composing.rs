//! The indicator's JSON.

use indicators::{Expiry, Parts, Severity, Style, Support, Texts, compose, identity};
use stix::{Indicator, Observable, Tlp};

use crate::sample::time;

fn style() -> Style {
    Style {
        vmray_base: Some("https://vmray.example/".to_owned()),
        tlp: Tlp::Amber,
        expiry: Expiry::default(),
        created_by: identity().id,
    }
}

fn support(sample_id: u64) -> Support {
    Support {
        sample_id,
        submission_id: sample_id + 100,
        severity: Severity::Malicious,
        first_seen: time("2026-11-01T10:00:00Z"),
        last_seen: time("2026-11-02T10:00:00Z"),
        analysis_ids: vec![10, 11],
        threat_names: Texts::of(&["EICAR-Test-File (not a virus)".to_owned(), "Gen:Variant.Ulise.379246".to_owned()]),
        classifications: Texts::of(&["Phishing".to_owned()]),
        categories: Texts::of(&["Contacted".to_owned()]),
        file_name: None,
        tactics: Texts::of(&["Defense Evasion".to_owned(), "Persistence".to_owned()]),
        incidents: Vec::new(),
    }
}

fn composed(supports: &[Support], style: &Style) -> Indicator {
    let observable = Observable::url("https://evil.example/it's").unwrap();
    let parts = Parts {
        observable: &observable,
        name: "https://evil.example/it's",
        created: time("2026-11-01T10:00:00Z"),
        modified: time("2026-11-02T11:00:00.5Z"),
        valid_until: time("2026-12-02T10:00:00Z"),
        supports,
        incidents: &[],
    };
    compose(&parts, style)
}

#[test]
fn has_the_originals_forms() {
    insta::assert_json_snapshot!(composed(&[support(1)], &style()));
}

#[test]
fn a_report_from_disk_leaves_out_what_it_does_not_say() {
    let unknown = Support {
        sample_id: 0,
        submission_id: 0,
        severity: Severity::Suspicious,
        threat_names: Texts::default(),
        classifications: Texts::default(),
        categories: Texts::default(),
        tactics: Texts::default(),
        incidents: Vec::new(),
        ..support(0)
    };
    insta::assert_json_snapshot!(composed(&[unknown], &Style { vmray_base: None, ..style() }));
}

#[test]
fn labels_name_the_newest_ten_samples() {
    let supports: Vec<Support> = (1..=400).rev().map(support).collect();
    let indicator = composed(&supports, &style());
    let labels = |prefix: &str| indicator.labels.iter().filter(|label| label.starts_with(prefix)).count();
    assert_eq!(indicator.labels[0], "sample_id: 400");
    assert_eq!((labels("sample_id: "), labels("submission_id: ")), (10, 10));
    assert_eq!((labels("threat_names: "), labels("Classifications: ")), (1, 1));
    assert!(serde_json::to_string(&indicator).unwrap().len() < 4_000);
}

#[test]
fn the_worst_verdict_counts() {
    let suspicious = Support { severity: Severity::Suspicious, ..support(2) };
    let indicator = composed(&[suspicious.clone(), support(1)], &style());
    assert_eq!(indicator.confidence.map(u8::from), Some(100));
    let indicator = composed(&[suspicious], &style());
    assert_eq!(indicator.confidence.map(u8::from), Some(75));
    assert_eq!(serde_json::to_value(&indicator).unwrap()["indicator_types"][0], "anomalous-activity");
}

#[test]
fn the_end_is_after_the_begin() {
    let observable = Observable::domain("evil.example").unwrap();
    let created = time("2026-11-01T10:00:00Z");
    let parts = Parts {
        observable: &observable,
        name: "evil.example",
        created,
        modified: created,
        valid_until: time("2026-01-01T00:00:00Z"),
        supports: &[],
        incidents: &[],
    };
    let indicator = compose(&parts, &style());
    assert_eq!(indicator.valid_until, time("2026-11-01T10:00:01Z"));
    assert_eq!(indicator.confidence, None);
}

#[test]
fn the_same_parts_are_the_same_text() {
    let text = || serde_json::to_string(&composed(&[support(2), support(1)], &style())).unwrap();
    assert_eq!(text(), text());
    let read: Indicator = serde_json::from_str(&text()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text());
}
