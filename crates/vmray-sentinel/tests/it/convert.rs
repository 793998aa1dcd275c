//! `convert`: reports from disk to one bundle.

use std::fs;

use serde_json::{Value, json};

use crate::binary::Setup;

fn reply(domain: &str, verdict: &str) -> String {
    json!({ "result": "ok", "data": { "iocs": { "domains": [
        { "id": 0, "ioc": true, "verdict": verdict, "domain": domain, "analysis_ids": [7] }
    ] } } })
    .to_string()
}

const SUMMARY: &str = r#"{
  "_type": "summary", "version": "2.5", "artifacts": {},
  "analysis_metadata": { "_type": "analysis_metadata", "analysis_id": 41, "creation_time": "2026-03-04T05:06:07+00:00" },
  "domains": { "domain_0": { "_type": "domain", "domain": "summary-panel-5e.top", "is_ioc": true, "verdict": "malicious" } }
}"#;

fn indicators(bundle: &Value) -> Vec<&Value> {
    bundle["objects"].as_array().unwrap().iter().filter(|object| object["type"] == "indicator").collect()
}

#[test]
fn the_same_files_give_the_same_bundle_in_any_order() {
    let setup = Setup::new();
    fs::write(setup.home().join("a.json"), reply("evil-panel-5e.top", "malicious")).unwrap();
    fs::write(setup.home().join("b.json"), SUMMARY).unwrap();
    let seen = ["--seen", "2026-03-01"];
    let one = setup.run(&[&["convert", "a.json", "b.json"][..], &seen].concat()).code(0);
    let other = setup.run(&[&["convert", "b.json", "a.json"][..], &seen].concat()).code(0);
    assert_eq!(one.stdout, other.stdout);
    let bundle = one.json();
    let patterns: Vec<_> = indicators(&bundle).iter().map(|object| object["pattern"].clone()).collect();
    assert_eq!(patterns.len(), 2);
    assert!(patterns.contains(&"[domain-name:value = 'evil-panel-5e.top']".into()), "{patterns:?}");
}

#[test]
fn what_a_report_does_not_say_is_left_out() {
    let setup = Setup::new();
    fs::write(setup.home().join("b.json"), SUMMARY).unwrap();
    let done = setup.run(&["convert", "b.json"]).code(0);
    assert!(!done.stdout.contains("submission_id") && !done.stdout.contains("external_references"), "{}", done.stdout);
    let bundle = done.json();
    assert_eq!(indicators(&bundle)[0]["valid_from"], "2026-03-04T05:06:07.000Z");
    assert_eq!(indicators(&bundle)[0]["valid_until"], "2026-04-03T05:06:07.000Z");
}

#[test]
fn an_unreadable_file_is_named_and_the_others_are_converted() {
    let setup = Setup::new();
    fs::write(setup.home().join("bad.json"), "MZ").unwrap();
    fs::write(setup.home().join("b.json"), SUMMARY).unwrap();
    let done = setup.run(&["convert", "bad.json", "gone.json", "b.json"]).code(1);
    assert!(done.stderr.contains("bad.json") && done.stderr.contains("gone.json"), "{}", done.stderr);
    assert_eq!(indicators(&done.json()).len(), 1);
}

#[test]
fn settings_decide_what_is_converted() {
    let setup = Setup::new();
    fs::write(setup.home().join("a.json"), reply("evil-panel-5e.top", "suspicious")).unwrap();
    let none = setup.run(&["convert", "a.json"]).code(0);
    assert!(indicators(&none.json()).is_empty());
    assert!(none.stderr.contains("1 entry left out by VmraySampleVerdict=Malicious"), "{}", none.stderr);
    let both = ["convert", "a.json", "--set", "VmraySampleVerdict=Malicious & Suspicious", "--set", "Tlp=red"];
    let bundle = setup.run(&both).code(0).json();
    assert_eq!(indicators(&bundle)[0]["confidence"], 75);
    let wrong = setup.run(&["convert", "a.json", "--set", "Tlp=purple"]).code(2);
    assert!(wrong.stderr.contains("purple"), "{}", wrong.stderr);
}
