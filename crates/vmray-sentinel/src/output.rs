//! What goes to stdout: results, and nothing else.
//!
//! A reader that closed the pipe (`| head`) is no failure of ours.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

/// Writes a text as it is.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to standard output"),
        _ => Ok(()),
    }
}

/// Writes a line.
pub(crate) fn line(line: impl std::fmt::Display) -> anyhow::Result<()> {
    text(&format!("{line}\n"))
}

/// Writes one JSON object.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let shown = serde_json::to_string_pretty(value).context("writing JSON")?;
    line(shown)
}
