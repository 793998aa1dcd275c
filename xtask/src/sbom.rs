//! The bill of materials: a CycloneDX 1.6 document, as JSON.
//!
//! It holds neither a time nor a serial number, which the specification leaves open: both would make it another file each
//! time. Our own crates have no package URL: on the registry those names are other people's.

use serde::Serialize;
use serde_json::{Value, json};

use crate::binary::NAME;
use crate::linked::Crate;
use crate::runtime::Runtime;

/// A component as CycloneDX writes it.
#[derive(Serialize)]
struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: &'a str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    licenses: Vec<Value>,
    hashes: Vec<Value>,
    #[serde(rename = "externalReferences")]
    external_references: Vec<Value>,
}

/// Describes the binary with this SHA-256.
pub(crate) fn document(crates: &[Crate<'_>], runtimes: &[Runtime], binary_sha256: &str) -> Value {
    let (own, others): (Vec<_>, Vec<_>) = crates.iter().partition(|linked| linked.package.name == NAME);
    let program =
        own.first().map(|linked| Component { hashes: vec![sha256(binary_sha256)], ..component(linked, "application") });
    let runtime_references: Vec<_> = runtimes.iter().map(reference_of_runtime).collect();
    let dependencies: Vec<_> = crates
        .iter()
        .map(|linked| {
            let used = linked.uses.iter().filter_map(|place| crates.get(*place)).map(reference);
            let of_all = runtime_references.iter().filter(|_| linked.package.name == NAME).cloned();
            json!({ "ref": reference(linked), "dependsOn": used.chain(of_all).collect::<Vec<_>>() })
        })
        .chain(runtime_references.iter().map(|reference| json!({ "ref": reference, "dependsOn": [] })))
        .collect();
    let components = others.iter().map(|linked| component(linked, "library"));
    let components: Vec<_> = components.chain(runtimes.iter().map(component_of_runtime)).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": program,
            "tools": { "components": [{ "type": "application", "name": "cargo xtask package" }] },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// Refers to a crate in the document: its package URL, and for ours a name of our own.
fn reference(linked: &Crate<'_>) -> String {
    let Crate { package, .. } = linked;
    match package_url(linked) {
        Some(url) => url,
        None if package.name == NAME => format!("{NAME}@{}", package.version),
        None => format!("{NAME}/{}@{}", package.name, package.version),
    }
}

fn package_url(linked: &Crate<'_>) -> Option<String> {
    linked.package.source.as_ref()?;
    Some(url("cargo", &linked.package.name, &linked.package.version.to_string()))
}

fn url(kind: &str, name: &str, version: &str) -> String {
    // The `+` of build metadata would read as a blank.
    format!("pkg:{kind}/{name}@{}", version.replace('+', "%2B"))
}

fn reference_of_runtime(runtime: &Runtime) -> String {
    url("generic", runtime.name, &runtime.version)
}

fn component_of_runtime<'a>(runtime: &Runtime) -> Component<'a> {
    Component {
        kind: "library",
        reference: reference_of_runtime(runtime),
        name: runtime.name,
        version: runtime.version.clone(),
        purl: Some(reference_of_runtime(runtime)),
        licenses: vec![json!({ "expression": runtime.licence })],
        hashes: Vec::new(),
        external_references: Vec::new(),
    }
}

fn component<'a>(linked: &Crate<'a>, kind: &'static str) -> Component<'a> {
    let package = linked.package;
    let licence = package.license.iter().map(|licence| json!({ "expression": spdx(licence) }));
    let repository = package.repository.iter().map(|repository| json!({ "type": "vcs", "url": repository }));
    Component {
        kind,
        reference: reference(linked),
        name: &package.name,
        version: package.version.to_string(),
        purl: package_url(linked),
        licenses: licence.collect(),
        hashes: linked.checksum.iter().map(|checksum| sha256(checksum)).collect(),
        external_references: repository.collect(),
    }
}

fn sha256(digits: &str) -> Value {
    json!({ "alg": "SHA-256", "content": digits })
}

/// Older manifests write `/` for OR.
pub(crate) fn spdx(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::linked;

    #[test]
    fn the_program_is_the_root_ours_have_no_package_url_and_the_toolchains_libraries_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let workspace = linked::workspace(root).unwrap();
        let crates = linked::crates(root, &workspace).unwrap();
        let musl = Runtime { name: "musl", version: "1.2.5".to_owned(), licence: "MIT", texts: Vec::new() };
        let document = document(&crates, &[musl], "00");
        let program = &document["metadata"]["component"];
        assert_eq!((&program["name"], &program["hashes"][0]["content"]), (&json!(NAME), &json!("00")));
        let purl = |name: &str| {
            let components = document["components"].as_array().unwrap();
            components.iter().find(|component| component["name"] == name).unwrap()["purl"].clone()
        };
        assert_eq!((purl("stix"), purl("musl")), (Value::Null, json!("pkg:generic/musl@1.2.5")));
        assert!(purl("rustls").as_str().unwrap().starts_with("pkg:cargo/rustls@"));
        let root = document["dependencies"].as_array().unwrap().iter().find(|entry| entry["ref"] == program["bom-ref"]);
        assert!(root.unwrap()["dependsOn"].as_array().unwrap().contains(&json!("pkg:generic/musl@1.2.5")));
    }

    #[test]
    fn build_metadata_is_escaped() {
        assert_eq!(url("cargo", "toml", "1.2.1+spec-1.1.0"), "pkg:cargo/toml@1.2.1%2Bspec-1.1.0");
    }

    #[test]
    fn an_older_expression_becomes_one_of_spdx() {
        assert_eq!(spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("Apache-2.0 / MIT"), "Apache-2.0 OR MIT");
        assert_eq!(spdx("(MIT OR Apache-2.0) AND BSD-3-Clause"), "(MIT OR Apache-2.0) AND BSD-3-Clause");
    }
}
