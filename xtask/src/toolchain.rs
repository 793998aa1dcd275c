//! Rust's tools and their files: what cargo told us when it started us, or the usual place.
#![expect(clippy::disallowed_methods, reason = "cargo tells by variables, and these are no settings of the program")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

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

/// Returns the variables of this process that change what compilers make of the same sources.
pub(crate) fn influences() -> Vec<OsString> {
    const NAMES: [&str; 5] = ["RUSTFLAGS", "CC", "CFLAGS", "AR", "ARFLAGS"];
    const BEGINNINGS: [&str; 9] = [
        "CARGO_PROFILE_",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_",
        "CC_",
        "CFLAGS_",
        "AR_",
        "ARFLAGS_",
        "TARGET_C",
        "TARGET_AR",
    ];
    let changes = |name: &str| NAMES.contains(&name) || BEGINNINGS.iter().any(|begin| name.starts_with(begin));
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(changes)).collect()
}

/// The compiler, as it tells of itself.
#[derive(Debug)]
pub(crate) struct Rustc {
    /// `1.95.0`.
    pub(crate) release: String,
    /// The commit that it was made from.
    pub(crate) commit: String,
    /// Version of the LLVM that it came with.
    pub(crate) llvm: String,
    /// Where it is.
    pub(crate) sysroot: PathBuf,
}

#[derive(Deserialize)]
struct ToolchainFile {
    toolchain: Toolchain,
}

#[derive(Deserialize)]
struct Toolchain {
    channel: String,
}

impl Rustc {
    /// Asks the compiler, which has to be the one that the workspace names.
    pub(crate) fn of(root: &Path) -> anyhow::Result<Self> {
        let told = ask(&["-vV"])?;
        let of = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned).with_context(|| format!("rustc -vV does not tell its {name}"))
        };
        let rustc = Self {
            release: of("release")?,
            commit: of("commit-hash")?,
            llvm: of("LLVM version")?,
            sysroot: ask(&["--print", "sysroot"])?.trim().into(),
        };
        let text = fs::read_to_string(root.join("rust-toolchain.toml")).context("reading rust-toolchain.toml")?;
        let named = toml::from_str::<ToolchainFile>(&text).context("reading rust-toolchain.toml")?.toolchain.channel;
        ensure!(
            rustc.release == named,
            "the package is made with Rust {named} (rust-toolchain.toml) and this is {}; start cargo without `+` and \
             without RUSTUP_TOOLCHAIN",
            rustc.release
        );
        Ok(rustc)
    }
}

fn ask(arguments: &[&str]) -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(arguments).output().context("starting rustc")?;
    ensure!(asked.status.success(), "rustc failed: {}", String::from_utf8_lossy(&asked.stderr));
    String::from_utf8(asked.stdout).context("reading what rustc tells")
}
