//! Holds the shape of the workspace: which crate may know which, and where versions are written.
//!
//! The table below is the one of the architecture page. A crate that needs another one is a decision about the data
//! path, so it is made here as well as in its `Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What each crate of ours may depend on, in the order of the data path.
const DIRECTION: &[(&str, &[&str])] = &[
    ("outbound", &[]),
    ("stix", &[]),
    ("ledger", &[]),
    ("vmray", &["outbound"]),
    ("sentinel", &["outbound", "stix"]),
    ("indicators", &["vmray", "stix"]),
    ("simulators", &["outbound", "vmray", "stix"]),
    ("delivery", &["outbound", "stix", "sentinel", "indicators", "ledger"]),
    ("feed", &["outbound", "stix", "vmray", "sentinel", "indicators", "ledger", "delivery"]),
    ("enrichment", &["outbound", "stix", "vmray", "sentinel", "indicators", "ledger", "delivery"]),
    ("azure-storage", &["outbound", "stix", "sentinel", "ledger"]),
    ("config", &["outbound", "stix", "sentinel", "indicators", "ledger", "azure-storage", "enrichment"]),
    (
        "vmray-sentinel",
        &[
            "outbound",
            "stix",
            "vmray",
            "sentinel",
            "indicators",
            "ledger",
            "delivery",
            "feed",
            "enrichment",
            "simulators",
            "azure-storage",
            "config",
        ],
    ),
    // Makes what is released of the whole, and knows none of it.
    ("xtask", &[]),
];

/// What is started by hand or by the host, and what reads its settings.
const PROGRAMS: [&str; 3] = ["vmray-sentinel", "config", "xtask"];

/// Libraries of the outermost layer: flags, configuration files, pages and the log set-up belong to these.
const ONLY_PROGRAMS: &[&str] = &["anyhow", "askama", "axum", "clap", "indicatif", "toml", "tracing-subscriber"];

#[test]
fn every_crate_depends_only_on_crates_before_it_on_the_data_path() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        DIRECTION.iter().map(|(name, before)| (*name, before.iter().copied().collect())).collect();
    let workspace = workspace();
    let mut wrong = Vec::new();
    for package in ours(&workspace) {
        let Some(before) = allowed.get(package.name.as_str()) else {
            wrong.push(format!("{} is not in the table", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            // Tests may drive any crate against the stand-ins; nothing that ships may know them.
            // The enrichment shares its state with the feed, and only both together show that.
            let is_driven = name == "simulators" || (package.name.as_str() == "enrichment" && name == "feed");
            let in_tests = dependency.kind == DependencyKind::Development && is_driven;
            if allowed.contains_key(name) && !before.contains(name) && !in_tests {
                wrong.push(format!("{} must not depend on {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_crates_has_no_cycle_and_names_no_crate_that_is_gone() {
    let workspace = workspace();
    let existing: BTreeSet<&str> = ours(&workspace).map(|package| package.name.as_str()).collect();
    let mut before = BTreeSet::new();
    for (name, allowed) in DIRECTION {
        assert!(existing.contains(name), "{name} is in the table and not in the workspace");
        for dependency in *allowed {
            assert!(before.contains(dependency), "{name} comes before {dependency}, so it cannot depend on it");
        }
        before.insert(*name);
    }
}

#[test]
fn only_programs_know_flags_files_and_pages() {
    let workspace = workspace();
    let mut wrong = Vec::new();
    for package in ours(&workspace).filter(|package| !PROGRAMS.contains(&package.name.as_str())) {
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            if ONLY_PROGRAMS.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_are_written_in_the_workspace_only_and_its_lints_hold_everywhere() {
    let workspace = workspace();
    let mut wrong = Vec::new();
    for package in ours(&workspace) {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&toml::Value::Boolean(true)) {
            wrong.push(format!("{} does not take the lints of the workspace", package.name));
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = manifest.get(section).and_then(toml::Value::as_table);
            for (name, entry) in entries.into_iter().flatten() {
                if entry.get("workspace") != Some(&toml::Value::Boolean(true)) {
                    wrong.push(format!("{}: {name} has its own version", package.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .unwrap()
}

fn ours(workspace: &Metadata) -> impl Iterator<Item = &Package> {
    workspace.workspace_packages().into_iter()
}
