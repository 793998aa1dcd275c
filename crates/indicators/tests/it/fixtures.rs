//! Recorded replies, where they are at hand.

use std::path::Path;

use vmray::IocsReply;

use crate::sample::{all_rules, held, map_iocs};

fn recorded(name: &str) -> Option<IocsReply> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/vmray").join(name);
    if !file.is_file() {
        println!("skipped: no shared fixtures");
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let reply = value.get("data").unwrap_or(&value).clone();
    Some(serde_json::from_value(reply).unwrap())
}

#[test]
fn a_recorded_reply_with_files_maps_whole() {
    let Some(reply) = recorded("sample_iocs__files_processes.json") else { return };
    let mapped = map_iocs(&reply.iocs, &all_rules());
    assert!(!mapped.findings.is_empty());
    assert!(held(&mapped).iter().any(|receipt| receipt.ends_with("memory_dump")));
    for finding in &mapped.findings {
        assert_eq!(finding.observable.pattern().observable().as_ref(), Ok(&finding.observable));
    }
}

#[test]
fn a_clean_domain_is_filtered_out() {
    let Some(reply) = recorded("sample_iocs__one_domain_clean.json") else { return };
    let mapped = map_iocs(&reply.iocs, &all_rules());
    assert_eq!((mapped.findings.len(), mapped.receipts.len(), mapped.filtered_out), (0, 0, 1));
}
