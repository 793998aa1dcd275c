//! Agreement with recorded verdicts and ids, where the recordings are at hand.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stix::{Kind, Pattern, PatternError};

/// Returns the file if the shared fixtures lie beside the checkout.
fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(path);
    if file.is_file() {
        return Some(file);
    }
    println!("skipped: no shared fixtures");
    None
}

#[derive(Deserialize)]
struct PatternCases {
    cases: Vec<PatternCase>,
}

#[derive(Deserialize)]
struct PatternCase {
    name: String,
    pattern: String,
    valid: bool,
}

#[test]
fn agrees_with_the_recorded_verdicts_on_patterns() {
    let Some(file) = shared("schemas/stix/pattern_cases.json") else { return };
    let cases: PatternCases = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(!cases.cases.is_empty());
    for PatternCase { name, pattern, valid } in cases.cases {
        let several = ["FOLLOWEDBY", " AND ", " OR "].iter().any(|word| pattern.contains(word));
        match Pattern::parse(&pattern) {
            Ok(read) => {
                assert!(valid && !several, "{name}");
                assert_eq!(Pattern::parse(&read.to_string()), Ok(read), "{name}");
            }
            Err(PatternError::Unsupported) => assert!(valid && several, "{name}"),
            Err(error) => assert!(!valid, "{name}: {error}"),
        }
    }
}

#[derive(Deserialize)]
struct IdVector {
    kind: Kind,
    value: String,
    id: String,
}

#[test]
fn agrees_with_the_recorded_ids() {
    let Some(file) = shared("sentinel/ti/indicator_id_vectors.json") else { return };
    let vectors: Vec<IdVector> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    for IdVector { kind, value, id } in vectors {
        assert_eq!(kind.id_of(&value).to_string(), id, "{kind}:{value}");
    }
}
