//! What can be checked on this machine.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use jiff::Timestamp;
use ledger::{Reader, StateUrl, Storage};

use super::report::Check;
use crate::config::{Problems, ROUTE, SentinelConfig, Settings};
use crate::{state as state_words, words};

/// Settings: one failure for each problem.
pub(super) fn settings(settings: &Settings, problems: &Problems, sentinel: Option<&SentinelConfig>) -> Vec<Check> {
    if problems.is_empty() {
        let chosen = settings.count_chosen();
        let check = Check::good("settings", format!("all can be read, {chosen} of them set by you"));
        let warning = sentinel.and_then(SentinelConfig::warning).map(|warning| {
            Check::warning("settings", warning)
                .step("lower UploadsPerMinute to 95, or ask Microsoft for a higher limit")
        });
        return std::iter::once(check).chain(warning).collect();
    }
    problems
        .iter()
        .map(|problem| {
            let check = Check::failed("settings", &problem.message);
            problem.hints.iter().fold(check, Check::step)
        })
        .collect()
}

/// State: can it be written, and what does it hold?
pub(super) async fn state(url: &StateUrl, now: Timestamp) -> Check {
    if let StateUrl::Folder(folder) = url
        && let Err((place, error)) = writable(folder)
    {
        return Check::failed("state", format!("{} cannot be written: {error}", place.display()))
            .step(format!(
                "make the folder and give it to the user that runs the feed: `sudo install -d -o USER {}`",
                folder.display()
            ))
            .step("or set StateUrl to a folder of that user");
    }
    match describe(url, now).await {
        Ok(detail) => Check::good("state", detail),
        Err(error) => Check::failed("state", error.to_string()).step(state_words::hint(&error)),
    }
}

async fn describe(url: &StateUrl, now: Timestamp) -> Result<String, ledger::Error> {
    if *url == StateUrl::Memory {
        return Ok("memory: is forgotten when the process ends; fine for a trial".to_owned());
    }
    let reader = Reader::open(&Storage::existing(url)?, ROUTE).await?;
    let records = reader.records();
    let runs = records.newest_runs(1).await?;
    let Some(last) = runs.first() else {
        return Ok(format!("{url} can be written; no run yet"));
    };
    let quarantine = records.quarantine().await?.len();
    let open = records.open_samples().await?.len();
    Ok(format!(
        "{url} can be written; last run {} ({}), {} in quarantine, {} open",
        words::ago(now, last.ended),
        last.outcome,
        words::count(quarantine, "record"),
        words::count(open, "sample"),
    ))
}

/// Makes and removes one empty file, in the folder or in the nearest one above it that exists.
fn writable(folder: &Path) -> Result<(), (&Path, io::Error)> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let probe = existing.join(format!(".vmray-sentinel-doctor-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|_| fs::remove_file(&probe)).map_err(|error| (existing, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_write_access_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        writable(&folder.path().join("not/there/yet")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let state = file.join("state");
        let (place, _) = writable(&state).unwrap_err();
        assert_eq!(place, file);
    }
}
