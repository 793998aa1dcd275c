//! Manual pages and completions: what the program that was just built prints of itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::binary::NAME;
use crate::deb::Debian;

/// Each shell, and where Debian looks for its completions.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/vmray-sentinel"),
    ("zsh", "usr/share/zsh/vendor-completions/_vmray-sentinel"),
    ("fish", "usr/share/fish/vendor_completions.d/vmray-sentinel.fish"),
];

/// Adds them to a package.
pub(crate) fn add(debian: &mut Debian, program: &Path, scratch: &Path) -> anyhow::Result<()> {
    for (shell, path) in SHELLS {
        debian.file(path, ask(program, &["completions", shell])?);
    }
    let folder = scratch.to_str().context("the folder for manual pages has no plain name")?;
    ask(program, &["man", folder])?;
    for section in ["man1", "man5"] {
        for entry in fs::read_dir(scratch.join(section)).context("reading the manual pages")? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let page = fs::read(entry.path()).with_context(|| format!("reading {name}"))?;
            debian.compressed(&format!("usr/share/man/{section}/{name}"), &page)?;
        }
    }
    Ok(())
}

/// Runs the program without anything of ours in its environment: settings would be in what it prints.
fn ask(program: &Path, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let run = Command::new(program).args(arguments).env_clear().output();
    let run = run.with_context(|| format!("starting {}: packages are made on Linux on x86-64", program.display()))?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "{NAME} {} failed: {said}", arguments.join(" "));
    Ok(run.stdout)
}
