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
fn unreadable_files_are_all_named_and_nothing_is_written() {
    let setup = Setup::new();
    fs::write(setup.home().join("bad.json"), "MZ").unwrap();
    fs::write(setup.home().join("b.json"), SUMMARY).unwrap();
    let done = setup.run(&["convert", "bad.json", "gone.json", "b.json"]).code(1);
    assert!(done.stderr.contains("bad.json") && done.stderr.contains("gone.json"), "{}", done.stderr);
    assert!(done.stderr.contains("nothing was written: 2 inputs could not be read"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    let done = setup.run(&["convert", "bad.json", "--json"]).code(1);
    assert_eq!(done.json()["outcome"], "failed");
}

#[test]
fn a_report_comes_from_standard_input() {
    let setup = Setup::new();
    let done = setup.run_with_input(&["convert", "-"], SUMMARY).code(0);
    assert_eq!(indicators(&done.json())[0]["valid_from"], "2026-03-04T05:06:07.000Z");
    let seen = ["convert", "-", "--seen", "2026-03-01"];
    let done = setup.run_with_input(&seen, &reply("evil-panel-5e.top", "malicious")).code(0);
    assert_eq!(indicators(&done.json())[0]["valid_from"], "2026-03-01T00:00:00.000Z");
    let done = setup.run_with_input(&["convert", "-"], "").code(1);
    assert!(done.stderr.contains("standard input") && done.stdout.is_empty(), "{}", done.stderr);
}

#[test]
fn a_folder_stands_for_the_reports_below_it() {
    let setup = Setup::new();
    let logs = setup.home().join("archive/logs");
    fs::create_dir_all(&logs).unwrap();
    fs::write(logs.join("summary_v2.json"), SUMMARY).unwrap();
    fs::write(logs.join("glog.json"), r#"{"calls": []}"#).unwrap();
    fs::write(logs.join("notes.txt"), "no").unwrap();
    fs::write(setup.home().join("archive/iocs.JSON"), reply("evil-panel-5e.top", "malicious")).unwrap();
    let done = setup.run(&["convert", "archive"]).code(0);
    assert_eq!(indicators(&done.json()).len(), 2);
    assert!(
        done.stderr.contains("left out archive/logs/glog.json") && !done.stderr.contains("notes.txt"),
        "{}",
        done.stderr
    );
    fs::create_dir(setup.home().join("empty")).unwrap();
    let done = setup.run(&["convert", "empty", "archive"]).code(1);
    assert!(done.stderr.contains("empty holds no report") && done.stdout.is_empty(), "{}", done.stderr);
}

#[test]
fn what_was_left_out_comes_with_the_setting_that_would_add_it() {
    let setup = Setup::new();
    let iocs = json!({ "result": "ok", "data": { "iocs": {
        "domains": [
            { "id": 0, "ioc": true, "verdict": "malicious", "domain": "evil-panel-5e.top" },
            { "id": 0, "ioc": true, "verdict": "suspicious", "domain": "odd-panel-5e.top" },
            { "id": 0, "ioc": true, "verdict": "malicious", "domain": "time.windows.com" },
        ],
        "mutexes": [{ "id": 0, "ioc": true, "verdict": "malicious", "mutex_name": "Global\\evil-5e" }],
    } } });
    fs::write(setup.home().join("a.json"), iocs.to_string()).unwrap();
    let done = setup.run(&["convert", "a.json"]).code(0);
    assert_eq!(indicators(&done.json()).len(), 1);
    let mut added = 0;
    for (reason, setting) in [
        ("left out by VmraySampleVerdict=Malicious;", "'VmraySampleVerdict=Malicious & Suspicious'"),
        ("1 mutex value left out by IocTypes;", "IocTypes=domain,ip,url,file,mutex"),
        ("on the allow-list", "AllowList=none"),
    ] {
        let line = done.stderr.lines().find(|line| line.contains(reason));
        let line = line.unwrap_or_else(|| panic!("{reason} is missing: {}", done.stderr));
        assert!(line.contains(&format!("--set {setting} would add 1 indicator")), "{line}");
        let set = setting.trim_matches('\'');
        added += indicators(&setup.run(&["convert", "a.json", "--set", set]).code(0).json()).len() - 1;
    }
    assert_eq!(added, 3, "each setting adds what was promised");
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
