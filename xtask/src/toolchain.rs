//! Where Rust's tools and their files are: what cargo told us when it started us, or the usual place.
#![expect(clippy::disallowed_methods, reason = "cargo tells by variables, and these are no settings of the program")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Returns the cargo that started us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Returns where cargo keeps the sources of libraries.
pub(crate) fn cargo_home() -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(std::env::home_dir().context("neither CARGO_HOME nor a home folder is known")?.join(".cargo")),
    }
}

/// Returns the folder of the toolchain.
pub(crate) fn sysroot() -> anyhow::Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "sysroot"]).output().context("starting rustc")?;
    ensure!(asked.status.success(), "rustc does not tell its folder: {}", String::from_utf8_lossy(&asked.stderr));
    Ok(String::from_utf8(asked.stdout).context("reading the toolchain's folder")?.trim().into())
}
