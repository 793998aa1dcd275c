//! Makes what is released.
//!
//! `cargo xtask package` builds the static binary, the packages for Azure Functions and Debian and the container image, reproducibly:
//! the same sources, toolchain and C compiler give the same bytes, in any folder.
//!
//! | module | does |
//! |---|---|
//! | [`binary`] | builds the program without a trace of where it was built |
//! | [`linked`] | which crates are in it |
//! | [`runtime`] | what the toolchain adds to them |
//! | [`sbom`] | the same as a CycloneDX document |
//! | [`licences`] | under which terms, with the texts |
//! | [`archive`] | the zip that the Functions host takes |
//! | [`deb`] | the package for Debian |
//! | [`printed`] | the manual pages and completions, as the program prints them |
//! | [`tarball`] | a tar without a trace of where it was made |
//! | [`image`] | the container image |
//! | [`toolchain`] | where Rust's tools are |
//! | [`package`] | all of it, into one folder |

mod archive;
mod binary;
mod deb;
mod image;
mod licences;
mod linked;
mod package;
mod printed;
mod runtime;
mod sbom;
mod tarball;
mod toolchain;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Makes what is released")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the static binary, the zip for Azure Functions, the container image, the Debian package, bill of
    /// materials and checksums
    Package {
        /// The folder to write them to [default: target/package of the workspace]
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Package { into } = Arguments::parse().command;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no folder")?;
    let into = into.unwrap_or_else(|| root.join("target/package"));
    package::write(root, &into, &mut std::io::stdout().lock())
}
