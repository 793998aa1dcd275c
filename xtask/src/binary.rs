//! The program, built so that nothing in it tells where.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use cargo_metadata::Metadata;

use crate::toolchain;

/// Static, so that it runs on any Linux of this processor, an empty one included.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";
/// The program, and the package that it is built from.
pub(crate) const NAME: &str = "vmray-sentinel";

/// Builds it and returns where it lies.
pub(crate) fn build(root: &Path, workspace: &Metadata) -> anyhow::Result<PathBuf> {
    let target = workspace.target_directory.as_std_path();
    let status = toolchain::cargo()
        .args(["build", "--locked", "--release", "--package", NAME, "--bin", NAME, "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", without_paths(target)?.join("\u{1f}"))
        .status()
        .context("starting cargo")?;
    ensure!(
        status.success(),
        "the static build failed; it needs `rustup target add {TARGET}` and musl-gcc (Debian: musl-tools)"
    );
    Ok(target.join(TARGET).join("release").join(NAME))
}

/// Messages of panics name source files. Ours are compiled under names within the checkout; these flags take the machine out
/// of the names of libraries, and of what their builds generate.
fn without_paths(target: &Path) -> anyhow::Result<Vec<String>> {
    let cargo_home = toolchain::cargo_home()?;
    let folders = [(&*cargo_home, "cargo"), (target, "target")];
    Ok(folders.iter().map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display())).collect())
}
