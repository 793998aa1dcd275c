//! The terms of everything in the binary, with the texts that have to go with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::linked::Crate;
use crate::runtime::Runtime;
use crate::sbom::spdx;

/// How the files begin that hold terms.
const BEGINNINGS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Folders of a package whose files are not in a program that uses it.
const NOT_LINKED: [&str; 5] = ["tests", "benches", "examples", "fuzz", "target"];
/// How deep terms lie in the folders of a package: those of what it took over from others.
const DEPTH: usize = 5;

/// Returns one text: who, under which terms, then each text once with all that come with it.
pub(crate) fn text(root: &Path, crates: &[Crate<'_>], runtimes: &[Runtime]) -> anyhow::Result<String> {
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for runtime in runtimes {
        let name = format!("{} {}", runtime.name, runtime.version);
        writeln!(list, "{name}: {}", runtime.licence)?;
        for text in &runtime.texts {
            texts.entry(text.clone()).or_default().push(name.clone());
        }
    }
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
    collect(folder.as_std_path(), DEPTH, &mut files)?;
    files.extend(package.license_file.as_ref().map(|file| folder.join(file).into_std_path_buf()));
    files.sort();
    files.dedup();
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

/// Adds the files below a folder that hold terms.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let is_linked = !NOT_LINKED.iter().any(|other| other.eq_ignore_ascii_case(&name));
            if is_linked && depth > 0 {
                collect(&entry.path(), depth - 1, files)?;
            }
            continue;
        }
        let is_source = Path::new(&name).extension().is_some_and(|extension| extension == "RS");
        if kind.is_file() && BEGINNINGS.iter().any(|begin| name.starts_with(begin)) && !is_source {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// One form of line ends and outer space, so that the same text is one text.
pub(crate) fn tidy(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
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
        let runtime = Runtime {
            name: "musl",
            version: "1".to_owned(),
            licence: "MIT",
            texts: vec!["Copyright of musl".to_owned()],
        };
        let text = text(root, &crates, &[runtime]).unwrap();
        let (list, texts) = text.split_at(text.find("-----").unwrap());
        for linked in crates.iter().filter(|linked| linked.package.source.is_some()) {
            let name = format!("{} {}", linked.package.name, linked.package.version);
            assert!(list.contains(&format!("\n{name}: ")), "{name} is not listed");
            assert!(texts.contains(&name), "{name} has no text");
        }
        for taken_over in ["fiat-crypto", "UNICODE LICENSE V3", "Copyright of musl"] {
            assert!(texts.contains(taken_over), "the terms of {taken_over} are missing");
        }
        // It comes without a text of its own.
        assert!(texts.contains("Copyright (c) Microsoft"), "azure_core's author is not named");
    }

    #[test]
    fn the_same_text_with_other_line_ends_is_the_same() {
        assert_eq!(tidy(b"\xef\xbb\xbf\r\nOne \r\nTwo\r\n\r\n"), tidy(b"One\nTwo"));
    }
}
