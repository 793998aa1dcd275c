//! What becomes of one sample's IOCs.

use std::collections::BTreeSet;
use std::fmt::Write;

use indicators::{Reading, ReceiptReason, Rules, Severity, VerdictFilter, map, name_of};
use serde_json::{Value, json};
use stix::Kind;
use vmray::Iocs;

use crate::sample::{all_rules, entry, found, held, map_json, time};

const MD5: &str = "0123456789abcdef0123456789abcdef";
const SHA1: &str = "0123456789abcdef0123456789abcdef01234567";
const SHA256: &str = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn with(mut entry: Value, field: &str, value: impl Into<Value>) -> Value {
    entry[field] = value.into();
    entry
}

#[test]
fn every_kind_is_found() {
    let hashes = json!([{"md5_hash": MD5, "sha1_hash": SHA1, "sha256_hash": SHA256, "imp_hash": null}]);
    let mapped = map_json(
        json!({
            "domains": [entry("domain", "Evil.Example")],
            "ips": [entry("ip_address", "198.51.100.7:8080"), entry("ip_address", "2001:DB8::1")],
            "urls": [entry("url", "HTTPS://Evil.Example/It's")],
            "files": [entry("hashes", hashes)],
            "email_addresses": [with(entry("email_address", "A@Evil.Example"), "sender", true)],
            "emails": [entry("sender", "Bob <bob@evil.example>")],
            "registry": [entry("reg_key_name", r"HKEY_CURRENT_USER\Software\x")],
            "mutexes": [entry("mutex_name", "<b>ö</b>")],
            "processes": [entry("cmd_line", "cmd /c 'a'")],
            "filenames": [entry("filename", "a.exe")],
        }),
        &all_rules(),
    );
    assert_eq!(
        found(&mapped),
        set([
            "domain:evil.example",
            "ip:198.51.100.7",
            "ip:2001:db8::1",
            "url:https://evil.example/It's",
            &format!("file:{MD5}"),
            &format!("file:{SHA1}"),
            &format!("file:{}", SHA256.to_lowercase()),
            "email:A@evil.example",
            "email:bob@evil.example",
            r"registry:HKEY_CURRENT_USER\Software\x",
            "mutex:<b>ö</b>",
            "process:cmd /c 'a'",
        ])
    );
    assert_eq!(held(&mapped), set([]));
    assert!(mapped.findings.is_sorted_by_key(|finding| finding.id));
    assert!(mapped.findings.iter().all(|finding| finding.id == finding.observable.id()));
}

#[test]
fn kinds_not_asked_for_leave_no_trace() {
    let mapped = map_json(
        json!({"mutexes": [entry("mutex_name", "a"), entry("mutex_name", "-"), 7], "domains": [entry("domain", "evil.example")]}),
        &Rules::default(),
    );
    assert_eq!(found(&mapped), set(["domain:evil.example"]));
    assert_eq!((mapped.receipts.len(), mapped.filtered_out), (0, 0));
}

#[test]
fn what_is_not_sent_has_a_receipt() {
    let malicious = |value: Value| entry("domain", value);
    let mapped = map_json(
        json!({
            "domains": [
                with(malicious("null-verdict.example".into()), "verdict", Value::Null),
                with(malicious("no-verdict.example".into()), "verdict", "not_available"),
                with(malicious("odd-verdict.example".into()), "verdict", "blacklisted"),
                with(malicious("artifact.example".into()), "ioc", false),
                with(malicious("clean.example".into()), "verdict", "clean"),
                malicious(Value::Null),
                malicious("".into()),
                malicious("evil[.]example".into()),
                malicious("allowed.example".into()),
                malicious("ocsp.digicert.com".into()),
                malicious("co.uk".into()),
                malicious("localhost".into()),
                malicious("dc.internal".into()),
                malicious("198.51.100.7".into()),
                "no object",
                malicious("good-to-send.example".into()),
            ],
            "ips": [entry("ip_address", "192.168.0.1"), entry("ip_address", "300.1.1.1"), entry("ip_address", "8.8.8.8")],
            "urls": [
                entry("url", format!("http://evil.example/{}", "a".repeat(100_000))),
                entry("url", "http://127.0.0.1/a"),
                entry("url", "http://a.allowed.example/"),
                entry("url", "/relative"),
            ],
            "mutexes": [entry("mutex_name", "-"), entry("mutex_name", "")],
        }),
        &all_rules(),
    );
    assert_eq!(found(&mapped), set(["domain:good-to-send.example"]));
    assert_eq!(mapped.filtered_out, 1);
    let mut lines = String::new();
    for receipt in &mapped.receipts {
        assert_eq!(receipt.sample_id, 5);
        let value: String = receipt.value.chars().take(60).collect();
        writeln!(lines, "{} {value:?}: {}", receipt.kind, receipt.reason).unwrap();
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn a_file_is_found_by_every_hash_of_every_entry() {
    let second = "f".repeat(64);
    let mapped = map_json(
        json!({"files": [with(
            entry("hashes", json!([
                {"md5_hash": MD5, "sha256_hash": SHA256},
                {"sha256_hash": second, "md5_hash": "d41d8"},
                {"imp_hash": "a"},
                "no object",
            ])),
            "filename", "C:\\evil.exe",
        )]}),
        &all_rules(),
    );
    assert_eq!(
        found(&mapped),
        set([&format!("file:{MD5}"), &format!("file:{}", SHA256.to_lowercase()), &format!("file:{second}")])
    );
    assert_eq!(
        held(&mapped),
        set([r#"file "d41d8" unparsable"#, r#"file "C:\\evil.exe" null_value"#, r#"file "\"no object\"" unreadable"#])
    );
    assert!(mapped.findings.iter().all(|finding| name_of(finding) == "C:\\evil.exe"));
}

#[test]
fn files_that_say_nothing_are_held_whole() {
    let hashes = |md5: &str| entry("hashes", json!([{"md5_hash": md5, "sha1_hash": SHA1, "sha256_hash": null}]));
    let mapped = map_json(
        json!({"files": [
            with(hashes(MD5), "categories", json!(["Memory Dump"])),
            with(hashes("d41d8cd98f00b204e9800998ecf8427e"), "filename", Value::Null),
            with(entry("hashes", json!([])), "filename", "nothing.exe"),
            with(entry("hashes", json!([])), "verdict", Value::Null),
        ]}),
        &all_rules(),
    );
    assert_eq!(found(&mapped), set([]));
    assert_eq!(
        held(&mapped),
        set([
            &format!("file {SHA1:?} memory_dump"),
            &format!("file {SHA1:?} empty_file"),
            r#"file "d41d8cd98f00b204e9800998ecf8427e" empty_file"#,
            r#"file "nothing.exe" null_value"#,
            r#"file "" null_verdict"#,
        ])
    );
}

#[test]
fn a_list_of_another_shape_is_one_receipt() {
    let mapped = map_json(json!({"domains": 7, "ips": [entry("ip_address", "198.51.100.7")]}), &all_rules());
    assert_eq!(found(&mapped), set(["ip:198.51.100.7"]));
    assert_eq!(mapped.receipts.len(), 1);
    assert!(matches!(mapped.receipts[0].reason, ReceiptReason::Unreadable { .. }));
}

#[test]
fn recipients_are_victims() {
    let address = |sender: Value| with(entry("email_address", "victim@ours.example"), "sender", sender);
    let mapped = map_json(
        json!({"email_addresses": [address(false.into()), address(Value::Null), with(address(false.into()), "verdict", Value::Null)]}),
        &all_rules(),
    );
    assert_eq!((mapped.findings.len(), mapped.receipts.len(), mapped.filtered_out), (0, 0, 0));
}

#[test]
fn the_filter_is_on_the_values_own_verdict() {
    let iocs = json!({"domains": [
        entry("domain", "malicious.example"),
        with(entry("domain", "suspicious.example"), "verdict", "suspicious"),
        with(entry("domain", "clean.example"), "verdict", "clean"),
    ]});
    let rules = |malicious, suspicious| Rules { verdicts: VerdictFilter { malicious, suspicious }, ..Rules::default() };
    let mapped = map_json(iocs.clone(), &rules(true, false));
    assert_eq!((found(&mapped), mapped.filtered_out), (set(["domain:malicious.example"]), 2));
    let mapped = map_json(iocs.clone(), &rules(false, true));
    assert_eq!((found(&mapped), mapped.filtered_out), (set(["domain:suspicious.example"]), 2));
    let mapped = map_json(iocs, &rules(true, true));
    assert_eq!(mapped.filtered_out, 1);
    let severities: BTreeSet<Severity> = mapped.findings.iter().map(|finding| finding.support.severity).collect();
    assert_eq!(severities, BTreeSet::from([Severity::Suspicious, Severity::Malicious]));
}

#[test]
fn one_value_in_several_entries_is_one_finding() {
    let url = |text: &str, verdict: &str, analyses: Value, categories: Value| {
        with(with(with(entry("url", text), "verdict", verdict), "analysis_ids", analyses), "categories", categories)
    };
    let mapped = map_json(
        json!({"urls": [
            url("http://evil.example/", "suspicious", json!([4, 2]), json!(["Embedded"])),
            url("HTTP://EVIL.example/", "malicious", json!([2, 1]), json!(["Contacted", "Embedded"])),
            url("http://evil.example/", "clean", json!([9]), json!(["Clean"])),
        ]}),
        &all_rules(),
    );
    assert_eq!(mapped.findings.len(), 1);
    let support = &mapped.findings[0].support;
    assert_eq!(support.severity, Severity::Malicious);
    assert_eq!(support.analysis_ids, [1, 2, 4]);
    assert_eq!(*support.categories, ["Contacted", "Embedded"]);
    assert_eq!((support.sample_id, support.submission_id), (5, 12));
    assert_eq!((support.first_seen, support.last_seen), (time("2026-11-01T10:00:00Z"), time("2026-11-02T10:00:00Z")));
    assert_eq!(*support.tactics, ["Defense Evasion", "Persistence"]);
}

#[test]
fn lists_without_end_are_cut() {
    let numbers = |n: usize| (0..n).map(|n| format!("{n:04}")).collect::<Vec<_>>();
    let mut file = entry("hashes", json!([{"sha256_hash": SHA256}]));
    for field in ["filenames", "vtis", "threat_names", "classifications", "categories"] {
        file[field] = json!(numbers(398));
    }
    file["filename"] = json!("n".repeat(5_000));
    file["analysis_ids"] = json!((0..5_000).collect::<Vec<u64>>());
    let mapped = map_json(json!({"files": [file]}), &all_rules());
    let finding = &mapped.findings[0];
    assert_eq!(name_of(finding).chars().count(), 512);
    assert_eq!(*finding.support.threat_names, numbers(32));
    assert_eq!(finding.support.classifications.len(), 32);
    assert_eq!(finding.support.categories.len(), 32);
    assert_eq!(finding.support.analysis_ids, (4_900..5_000).collect::<Vec<u64>>());
    assert!(serde_json::to_string(&finding.support).unwrap().len() < 8_000);
}

#[test]
fn the_name_is_the_file_or_the_value() {
    let hashes = || entry("hashes", json!([{"sha256_hash": SHA256}]));
    let name = |file: Value| {
        let mapped = map_json(json!({"files": [file]}), &all_rules());
        name_of(&mapped.findings[0])
    };
    assert_eq!(name(with(hashes(), "filename", "a.exe")), "a.exe");
    assert_eq!(name(with(with(hashes(), "filename", Value::Null), "norm_filename", "b.exe")), "b.exe");
    assert_eq!(name(with(hashes(), "filenames", json!(["d.exe", "", "c.exe"]))), "c.exe");
    assert_eq!(name(hashes()), SHA256.to_lowercase());
}

#[test]
fn without_a_supporting_submission_nothing_is_mapped() {
    let iocs: Iocs = serde_json::from_value(json!({"domains": [entry("domain", "evil.example")]})).unwrap();
    let reading = Reading { sample_id: 5, submissions: &[], iocs: &iocs, tactics: &[] };
    assert_eq!(map(&reading, &all_rules()).findings, []);
}

#[test]
fn kinds_are_those_of_the_setting() {
    let rules = Rules::default();
    assert_eq!(rules.ioc_types, BTreeSet::from([Kind::Domain, Kind::Ip, Kind::Url, Kind::File]));
}
