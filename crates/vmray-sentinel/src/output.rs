//! What goes to stdout: results, and nothing else.
//!
//! Values that malware chose are among them; none may turn around the direction in which a line reads.
//! A reader that closed the pipe (`| head`) is no failure of ours.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::visible::in_one_direction;

/// Writes a text.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(in_one_direction(text).as_bytes()).and_then(|()| out.flush()) {
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
