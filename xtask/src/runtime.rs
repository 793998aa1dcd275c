//! What the toolchain links into every program besides crates: the C library, the unwinder, Rust's own library.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::binary::TARGET;
use crate::licences::tidy;
use crate::toolchain::Rustc;

/// The musl in Rust's toolchains, which they do not tell.
const MUSL: &str = "1.2.5";

/// A library that comes with the toolchain.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// As an SPDX expression.
    pub(crate) licence: &'static str,
    /// The texts of its terms.
    pub(crate) texts: Vec<String>,
}

/// Returns them.
pub(crate) fn of(root: &Path, rustc: &Rustc) -> anyhow::Result<Vec<Runtime>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let libraries = rustc.sysroot.join("lib/rustlib").join(TARGET).join("lib/self-contained");
    let libc = read(&libraries.join("libc.a"))?;
    let version = format!("\0{MUSL}\0");
    ensure!(
        libc.windows(version.len()).any(|part| part == version.as_bytes()),
        "this toolchain brings another musl than {MUSL}: say which in xtask/src/runtime.rs, and look at xtask/terms/musl.txt"
    );
    let exception = read(&rustc.sysroot.join("share/doc/rust/licenses/LLVM-exception.txt"))?;
    let apache = read(&root.join("LICENSE-APACHE"))?;
    Ok(vec![
        Runtime {
            name: "musl",
            version: MUSL.to_owned(),
            licence: "MIT",
            texts: vec![tidy(&read(&root.join("xtask/terms/musl.txt"))?)],
        },
        Runtime {
            name: "llvm-libunwind",
            version: rustc.llvm.clone(),
            licence: "Apache-2.0 WITH LLVM-exception",
            texts: vec![format!("{}\n\n{}", tidy(&apache), tidy(&exception))],
        },
        Runtime {
            name: "rust-std",
            version: rustc.release.clone(),
            licence: "MIT OR Apache-2.0",
            texts: vec!["RUST-LICENSES.html has the terms of Rust's standard library and of what it holds.".to_owned()],
        },
    ])
}

/// Returns the terms of the standard library as the toolchain tells them: HTML.
pub(crate) fn terms_of_std(rustc: &Rustc) -> anyhow::Result<Vec<u8>> {
    let file = rustc.sysroot.join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| format!("reading {}, which comes with rustup's toolchains", file.display()))
}
