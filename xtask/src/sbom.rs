//! The bill of materials: a CycloneDX 1.6 document, as JSON.
//!
//! It holds neither a time nor a serial number, which the specification leaves open: both would make it another file each
//! time.

use serde::Serialize;
use serde_json::{Value, json};

use crate::binary::NAME;
use crate::linked::Crate;

/// A component as CycloneDX writes it.
#[derive(Serialize)]
struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: &'a str,
    version: String,
    purl: String,
    licenses: Vec<Value>,
    hashes: Vec<Value>,
    #[serde(rename = "externalReferences")]
    external_references: Vec<Value>,
}

/// Describes the binary with this SHA-256.
pub(crate) fn document(crates: &[Crate<'_>], binary_sha256: &str) -> Value {
    let (own, others): (Vec<_>, Vec<_>) = crates.iter().partition(|linked| linked.package.name == NAME);
    let program =
        own.first().map(|linked| Component { hashes: vec![sha256(binary_sha256)], ..component(linked, "application") });
    let dependencies: Vec<_> = crates
        .iter()
        .map(|linked| {
            let uses: Vec<_> = linked.uses.iter().filter_map(|place| crates.get(*place)).map(reference).collect();
            json!({ "ref": reference(linked), "dependsOn": uses })
        })
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": program },
        "components": others.iter().map(|linked| component(linked, "library")).collect::<Vec<_>>(),
        "dependencies": dependencies,
    })
}

/// A package URL names it, and refers to it in the document.
fn reference(linked: &Crate<'_>) -> String {
    // The `+` of build metadata would read as a blank.
    let version = linked.package.version.to_string().replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", linked.package.name)
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
        purl: reference(linked),
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
    use super::*;

    #[test]
    fn an_older_expression_becomes_one_of_spdx() {
        assert_eq!(spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("Apache-2.0 / MIT"), "Apache-2.0 OR MIT");
        assert_eq!(spdx("(MIT OR Apache-2.0) AND BSD-3-Clause"), "(MIT OR Apache-2.0) AND BSD-3-Clause");
    }
}
