//! The crates that are in the binary.
//!
//! `cargo tree` knows which these are for one package, one target and its features, without what only builds or tests it;
//! `cargo metadata` knows what each of them is; the lock file holds the checksum of its source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use serde::Deserialize;

use crate::binary::{NAME, TARGET};
use crate::toolchain;

/// The workspace as cargo sees it for the target of the binary.
pub(crate) fn workspace(root: &Path) -> anyhow::Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", TARGET].map(str::to_owned).to_vec())
        .exec()
        .context("reading the workspace")
}

/// A crate that is in the binary.
#[derive(Debug)]
pub(crate) struct Crate<'a> {
    pub(crate) package: &'a Package,
    /// SHA-256 of its source as published; none for ours.
    pub(crate) checksum: Option<String>,
    /// Which others it uses, as places in the list.
    pub(crate) uses: BTreeSet<usize>,
}

/// Returns them by name and version.
pub(crate) fn crates<'a>(root: &Path, workspace: &'a Metadata) -> anyhow::Result<Vec<Crate<'a>>> {
    let linked = tree(root)?;
    let checksums = checksums(root)?;
    let mut packages: Vec<&Package> =
        workspace.packages.iter().filter(|package| linked.contains(&key(package))).collect();
    packages.sort_by_key(|package| key(package));
    ensure!(packages.len() == linked.len(), "cargo tree and cargo metadata name different crates");
    let places: BTreeMap<_, _> = packages.iter().enumerate().map(|(place, package)| (&package.id, place)).collect();
    let resolve = workspace.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let mut crates: Vec<_> = packages
        .iter()
        .map(|package| Crate { package, checksum: checksums.get(&key(package)).cloned(), uses: BTreeSet::new() })
        .collect();
    for node in &resolve.nodes {
        let Some(found) = places.get(&node.id).and_then(|place| crates.get_mut(*place)) else { continue };
        let normal = node
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        found.uses = normal.filter_map(|dependency| places.get(&dependency.pkg).copied()).collect();
    }
    Ok(crates)
}

/// Name and version.
type Key = (String, String);

fn key(package: &Package) -> Key {
    (package.name.to_string(), package.version.to_string())
}

fn tree(root: &Path) -> anyhow::Result<BTreeSet<Key>> {
    let listed = toolchain::cargo()
        .args(["tree", "--locked", "--package", NAME, "--target", TARGET])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(root)
        .output()
        .context("starting cargo tree")?;
    ensure!(listed.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).context("reading cargo tree")?;
    listed.lines().filter(|line| !line.is_empty()).map(line_of_tree).collect()
}

/// Reads `name v1.2.3 (/where/it/lies)`.
fn line_of_tree(line: &str) -> anyhow::Result<Key> {
    let mut words = line.split(' ');
    let name = words.next().context("an empty line of cargo tree")?;
    let version = words.next().and_then(|word| word.strip_prefix('v'));
    let version = version.with_context(|| format!("cargo tree wrote `{line}`"))?;
    Ok((name.to_owned(), version.to_owned()))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn checksums(root: &Path) -> anyhow::Result<BTreeMap<Key, String>> {
    let text = std::fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?;
    let lock: Lock = toml::from_str(&text).context("reading Cargo.lock")?;
    let packages = lock.package.into_iter();
    Ok(packages.filter_map(|locked| Some(((locked.name, locked.version), locked.checksum?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_linked_and_not_what_builds_or_tests_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let workspace = workspace(root).unwrap();
        let crates = crates(root, &workspace).unwrap();
        let names: BTreeSet<_> = crates.iter().map(|linked| linked.package.name.as_str()).collect();
        for linked in ["vmray-sentinel", "stix", "slatedb", "rustls"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for not in ["xtask", "zip", "serde_derive", "insta", "proptest", "cc"] {
            assert!(!names.contains(not), "{not} is not in the binary");
        }
        let own = workspace.workspace_packages();
        for linked in &crates {
            let is_ours = own.iter().any(|package| package.id == linked.package.id);
            assert_eq!(linked.checksum.is_none(), is_ours, "{}", linked.package.name);
        }
        let binary = crates.iter().find(|linked| linked.package.name == NAME).unwrap();
        assert!(!binary.uses.is_empty());
    }
}
