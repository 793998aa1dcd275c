//! The terms of everything in the binary, with the texts that have to go with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::linked::Crate;
use crate::sbom::spdx;
use crate::toolchain;

/// How the files begin that hold terms.
const BEGINNINGS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Returns one text: who, under which terms, then each text once with all that come with it.
pub(crate) fn text(root: &Path, crates: &[Crate<'_>]) -> anyhow::Result<String> {
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for linked in crates.iter().filter(|linked| linked.package.source.is_some()) {
        let package = linked.package;
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().with_context(|| format!("{name} names no licence"))?;
        writeln!(list, "{name}: {}", spdx(licence))?;
        for text in of_package(root, linked)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut whole = format!("The program holds these libraries, each under one of the terms named:\n\n{list}");
    for (text, names) in texts {
        write!(whole, "\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "))?;
    }
    Ok(whole)
}

/// The texts in a package, or the general one of a licence that it offers.
fn of_package(root: &Path, linked: &Crate<'_>) -> anyhow::Result<Vec<String>> {
    let package = linked.package;
    let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {folder}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        let is_source = Path::new(&name).extension().is_some_and(|extension| extension == "RS");
        if entry.file_type()?.is_file() && BEGINNINGS.iter().any(|begin| name.starts_with(begin)) && !is_source {
            files.push(entry.path());
        }
    }
    files.sort();
    let texts: Vec<_> = files.iter().map(|file| Ok(tidy(&fs::read(file)?))).collect::<anyhow::Result<_>>()?;
    if !texts.is_empty() {
        return Ok(texts);
    }
    let licence = package.license.as_deref().unwrap_or_default();
    if licence.contains("Apache-2.0") {
        return Ok(vec![tidy(&fs::read(root.join("LICENSE-APACHE"))?)]);
    }
    if licence.contains("MIT") {
        ensure!(!package.authors.is_empty(), "{} comes without a text and names no author", package.name);
        let ours = tidy(&fs::read(root.join("LICENSE-MIT"))?);
        let (_, permission) = ours.split_once("\n\nPermission").context("LICENSE-MIT has another shape")?;
        let authors = package.authors.join(", ");
        return Ok(vec![format!("MIT License\n\nCopyright (c) {authors}\n\nPermission{permission}")]);
    }
    bail!("{} comes without the text of `{licence}`", package.name)
}

/// One form of line ends and outer space, so that the same text is one text.
fn tidy(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Returns the terms of Rust's standard library, which is in the binary too, as the toolchain tells them: HTML.
pub(crate) fn of_standard_library() -> anyhow::Result<Vec<u8>> {
    let file = toolchain::sysroot()?.join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| format!("reading {}, which comes with rustup's toolchains", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linked;

    #[test]
    fn every_library_in_the_binary_comes_with_the_text_of_its_terms() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let workspace = linked::workspace(root).unwrap();
        let crates = linked::crates(root, &workspace).unwrap();
        let text = text(root, &crates).unwrap();
        let (list, texts) = text.split_at(text.find("-----").unwrap());
        for linked in crates.iter().filter(|linked| linked.package.source.is_some()) {
            let name = format!("{} {}", linked.package.name, linked.package.version);
            assert!(list.contains(&format!("\n{name}: ")), "{name} is not listed");
            assert!(texts.contains(&name), "{name} has no text");
        }
        // It comes without a text of its own.
        assert!(texts.contains("Copyright (c) Microsoft"), "azure_core's author is not named");
    }

    #[test]
    fn the_same_text_with_other_line_ends_is_the_same() {
        assert_eq!(tidy(b"\xef\xbb\xbf\r\nOne \r\nTwo\r\n\r\n"), tidy(b"One\nTwo"));
    }
}
