//! `man FOLDER`: the manual pages, for those who make packages.
//!
//! A page for each command (section 1), made from the command line itself, and one for the settings (section 5), made from their
//! table: neither can say anything else than the program does.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use serde_json::json;

use crate::app::App;
use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// The page of the settings, where `man` looks for it.
const SETTINGS: &str = "man5/vmray-sentinel-settings.5";

pub(crate) fn run(app: &App, folder: &Path) -> Result<Exit, Failure> {
    let commands = folder.join("man1");
    for made in [&commands, &folder.join("man5")] {
        fs::create_dir_all(made).with_context(|| format!("making {}", made.display()))?;
    }
    clap_mangen::generate_to(Cli::command(), &commands)
        .with_context(|| format!("writing manual pages to {}", commands.display()))?;
    let settings = folder.join(SETTINGS);
    fs::write(&settings, config::manual_page()).with_context(|| format!("writing {}", settings.display()))?;
    if app.json {
        output::json(&json!({ "folder": folder }))?;
    } else {
        output::text(&format!("manual pages are in {}, below man1 and man5\n", folder.display()))?;
    }
    Ok(Exit::Done)
}
