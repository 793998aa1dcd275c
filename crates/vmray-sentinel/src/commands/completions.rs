//! `completions SHELL`.

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use crate::app::App;
use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(app: &App, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vmray-sentinel", &mut script);
    let script = String::from_utf8(script).context("writing the completion script")?;
    // In a name with a hyphen clap_complete writes two labels for one place, and bash completes nothing after a command
    // (clap issue 6421).
    let script = script.replace("vmray__subcmd__sentinel", "vmray__sentinel");
    if app.json {
        output::json(&json!({ "shell": shell.to_string(), "script": script }))?;
    } else {
        output::text(&script)?;
    }
    Ok(Exit::Done)
}
