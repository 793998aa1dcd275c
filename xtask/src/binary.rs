//! The program, built so that nothing in it tells where.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use cargo_metadata::Metadata;

use crate::toolchain::{self, Rustc};

/// Static, so that it runs on any Linux of this processor, an empty one included.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";
/// The program, and the package that it is built from.
pub(crate) const NAME: &str = "vmray-sentinel";

/// Builds it and returns where it lies.
pub(crate) fn build(root: &Path, workspace: &Metadata, rustc: &Rustc) -> anyhow::Result<PathBuf> {
    let target = workspace.target_directory.as_std_path();
    let mut cargo = toolchain::cargo();
    for name in toolchain::influences() {
        cargo.env_remove(name);
    }
    let status = cargo
        .args(["build", "--locked", "--release", "--package", NAME, "--bin", NAME, "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", without_paths(target, rustc)?.join("\u{1f}"))
        .status()
        .context("starting cargo")?;
    ensure!(
        status.success(),
        "the static build failed; it needs `rustup target add {TARGET}` and musl-gcc (Debian: musl-tools)"
    );
    Ok(target.join(TARGET).join("release").join(NAME))
}

/// Messages of panics name source files. Ours are compiled under names within the checkout; these flags take the machine out
/// of the names of libraries, of what their builds generate, and of the standard library, whose sources the compiler
/// names by a path of the machine where `rust-src` is installed.
fn without_paths(target: &Path, rustc: &Rustc) -> anyhow::Result<Vec<String>> {
    let folders = [
        (toolchain::cargo_home()?, "cargo".to_owned()),
        (target.to_owned(), "target".to_owned()),
        (rustc.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{}", rustc.commit)),
    ];
    Ok(folders.iter().map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display())).collect())
}
