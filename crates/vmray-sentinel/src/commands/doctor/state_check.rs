//! The state: can it be written, and what does it hold?

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use config::{ROUTE, StateConfig};
use jiff::Timestamp;
use ledger::{Objects, Reader, StateUrl, Storage};
use outbound::{Clock, Transport};

use super::report::Check;
use crate::state::{self, Changes};
use crate::words;

pub(super) async fn state(config: &StateConfig, transport: &Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Check {
    if let StateConfig::Here(StateUrl::Folder(folder)) = config
        && let Err((place, error)) = writable(folder)
    {
        return Check::failed("state", format!("{} cannot be written: {error}", place.display()))
            .step(format!(
                "make the folder and give it to the user that runs the feed: `sudo install -d -o USER {}`",
                folder.display()
            ))
            .step("or set StateUrl to a folder of that user");
    }
    match describe(config, transport, clock).await {
        Ok(detail) => Check::good("state", detail),
        Err(error) => Check::failed("state", error.to_string()).step(state::hint(&error)),
    }
}

async fn describe(
    config: &StateConfig,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
) -> Result<String, ledger::Error> {
    if matches!(config, StateConfig::Here(StateUrl::Memory)) {
        return Ok("memory: is forgotten when the process ends; fine for a trial".to_owned());
    }
    let storage = state::open(config, transport, clock, Changes::None)?;
    let now = clock.now();
    if let StateConfig::Blob(_) = config {
        probe(&storage, now).await?;
    }
    let url = config.url();
    let reader = Reader::open(&storage, ROUTE).await?;
    let records = reader.records();
    // All of it, since the engine finds damage where it reads.
    let mut all = records.export().await?;
    while all.next().await?.is_some() {}
    enrichment::check_objects(&storage).await?;
    let runs = records.newest_runs(1).await?;
    let Some(last) = runs.first() else {
        return Ok(format!("{url} can be written; no run yet"));
    };
    let quarantine = records.count_quarantine().await?;
    let open = records.count_open_samples().await?;
    Ok(format!(
        "{url} can be written; last run {} ({}), {} in quarantine, {} open",
        words::ago(now, last.ended),
        last.outcome,
        words::count(quarantine, "record"),
        words::count(open, "sample"),
    ))
}

/// Makes and removes one small object: what may be read need not be writable.
async fn probe(storage: &Storage, now: Timestamp) -> Result<(), ledger::Error> {
    let objects = Objects::of(storage, "doctor");
    let name = format!("{}-{}", now.as_nanosecond(), std::process::id());
    objects.create(&name, "doctor".into()).await?;
    objects.delete(&name).await
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
