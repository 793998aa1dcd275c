//! What holds for every reply.

use proptest::prelude::*;
use serde_json::{Value, json};
use stix::{Pattern, Property};
use vmray::Iocs;

use crate::sample::{all_rules, map_iocs};

/// Few values, so that the same one comes in several entries.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("Evil.example")),
        Just(json!("evil.EXAMPLE")),
        Just(json!("http://Evil.example/'\\")),
        Just(json!("HTTP://evil.example/'\\")),
        Just(json!("198.51.100.7:80")),
        Just(json!("198.51.100.7")),
        Just(json!("a@evil.example")),
        Just(json!("HKLM\\a")),
        Just(json!(["a list"])),
        Just(json!(7)),
        any::<String>().prop_map(Value::from),
    ]
}

fn texts() -> impl Strategy<Value = Value> {
    prop::collection::vec("[a-d][a-z]", 0..40).prop_map(Value::from)
}

fn entry() -> impl Strategy<Value = Value> {
    let verdict = prop_oneof![
        4 => Just(json!("malicious")),
        2 => Just(json!("suspicious")),
        1 => Just(json!("clean")),
        1 => Just(json!("not_available")),
        1 => Just(json!("other")),
        1 => Just(Value::Null),
    ];
    let hash = prop_oneof![Just(Value::Null), Just(json!("0".repeat(32))), Just(json!("A".repeat(32))), value()];
    let rest = (prop::collection::vec(hash, 0..4), texts(), texts(), prop::collection::vec(0..120_u64, 0..120));
    let read = (value(), verdict, prop::option::of(any::<bool>()), rest);
    let read = read.prop_map(|(value, verdict, flag, (hashes, texts, names, analyses))| {
        let hashes: Vec<Value> = hashes.into_iter().map(|hash| json!({"md5_hash": hash})).collect();
        json!({
            "domain": value, "ip_address": value, "url": value, "email_address": value, "sender": value,
            "reg_key_name": value, "mutex_name": value, "cmd_line": value, "filename": value,
            "hashes": hashes, "verdict": verdict, "ioc": flag, "categories": texts, "threat_names": names,
            "classifications": texts, "filenames": names, "analysis_ids": analyses,
        })
    });
    prop_oneof![9 => read, 1 => value()]
}

fn replies() -> impl Strategy<Value = (Iocs, Iocs)> {
    let list = || prop::collection::vec(entry(), 0..6);
    (list(), list(), list(), list(), list(), list(), list(), list(), list()).prop_flat_map(|lists| {
        let (domains, ips, urls, files, addresses, emails, registry, mutexes, processes) = lists;
        let lists = [domains, ips, urls, files, addresses, emails, registry, mutexes, processes];
        let shuffled: Vec<_> = lists.iter().map(|list| Just(list.clone()).prop_shuffle()).collect();
        (Just(iocs(lists.to_vec())), shuffled.prop_map(iocs))
    })
}

fn iocs(lists: Vec<Vec<Value>>) -> Iocs {
    let names = ["domains", "ips", "urls", "files", "email_addresses", "emails", "registry", "mutexes", "processes"];
    let reply: serde_json::Map<String, Value> =
        names.into_iter().map(str::to_owned).zip(lists.into_iter().map(Value::from)).collect();
    serde_json::from_value(reply.into()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_order_of_lists_changes_nothing((iocs, shuffled) in replies()) {
        prop_assert_eq!(map_iocs(&iocs, &all_rules()), map_iocs(&shuffled, &all_rules()));
    }

    #[test]
    fn neighbours_do_not_matter((iocs, _) in replies(), odd in entry()) {
        let before = map_iocs(&iocs, &all_rules());
        let mut more = iocs;
        more.domains.insert(0, serde_json::from_value(odd).unwrap());
        let after = map_iocs(&more, &all_rules());
        for finding in &before.findings {
            prop_assert!(after.findings.iter().any(|other| other.id == finding.id));
        }
        for receipt in &before.receipts {
            prop_assert!(after.receipts.contains(receipt));
        }
    }

    #[test]
    fn every_finding_reads_back_and_is_bounded((iocs, _) in replies()) {
        let mapped = map_iocs(&iocs, &all_rules());
        for finding in &mapped.findings {
            let pattern = finding.observable.pattern();
            prop_assert!(Pattern::means(&pattern.to_string(), Property::of(&finding.observable), pattern.text()));
            prop_assert!(finding.support.analysis_ids.len() <= 100);
            prop_assert!(finding.support.threat_names.len() <= 32);
        }
        for pair in mapped.findings.windows(2) {
            prop_assert!(pair[0].id < pair[1].id);
        }
        prop_assert!(mapped.receipts.iter().all(|receipt| receipt.value.chars().count() <= 512));
    }
}
