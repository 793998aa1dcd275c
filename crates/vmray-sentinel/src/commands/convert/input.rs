//! Where reports come from: files, folders with all below them, and standard input.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use vmray::Report;

/// The name of standard input.
const STDIN: &str = "-";
/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 8;

/// Something to read.
#[derive(Debug)]
pub(super) enum Input {
    Stdin,
    /// A file that was named.
    File(PathBuf),
    /// A file below a folder that was named.
    InFolder(PathBuf),
}

/// Returns what a name on the command line stands for. A folder stands for its `.json` files, in order.
pub(super) fn gather(path: &Path) -> anyhow::Result<Vec<Input>> {
    if path == Path::new(STDIN) {
        return Ok(vec![Input::Stdin]);
    }
    if !path.is_dir() {
        return Ok(vec![Input::File(path.to_owned())]);
    }
    let mut files = Vec::new();
    below(path, MAX_DEPTH, &mut files).with_context(|| format!("reading the folder {}", path.display()))?;
    files.sort();
    Ok(files.into_iter().map(Input::InFolder).collect())
}

/// Collects the `.json` files below a folder; links to folders are not followed.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, files)?;
            }
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
    Ok(())
}

impl Input {
    /// Reads it, and says when its values were seen: as told, as the report says, or when the file was written.
    /// Standard input has no time of its own, so it was seen now.
    pub(super) fn read(&self, told: Option<Timestamp>, now: Timestamp) -> anyhow::Result<(Report, Timestamp)> {
        let (bytes, written) = match self {
            Self::Stdin => {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes).context("reading standard input")?;
                (bytes, now)
            }
            Self::File(path) | Self::InFolder(path) => {
                let what = || format!("reading {}", path.display());
                let bytes = fs::read(path).with_context(what)?;
                let written = fs::metadata(path).and_then(|about| about.modified()).with_context(what)?;
                (bytes, Timestamp::try_from(written).with_context(what)?)
            }
        };
        let what = || match self {
            Self::Stdin => "reading standard input".to_owned(),
            Self::File(path) | Self::InFolder(path) => format!("reading {}", path.display()),
        };
        let report = Report::parse(&bytes).with_context(what)?;
        let seen = told.or(report.created).unwrap_or(written);
        // STIX times have milliseconds.
        let seen = Timestamp::from_millisecond(seen.as_millisecond()).with_context(what)?;
        Ok((report, seen))
    }
}
