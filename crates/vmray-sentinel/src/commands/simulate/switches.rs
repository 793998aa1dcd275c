//! `--switch SERVICE.NAME=VALUE`: how the stand-ins behave, and how the generated world is made.
//!
//! The same names are set on running stand-ins by the control paths.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::{EntraOptions, LogsOptions, Stack, StackOptions, Switches, UploadOptions, VmrayOptions, WorldOptions};

use crate::failure::Failure;

/// The time that a generated world covers; well within what the feed reads first.
const WORLD_COVERS: SignedDuration = SignedDuration::from_hours(24 * 20);

/// How a generated world is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    pub(crate) seed: u64,
    pub(crate) samples: u32,
    /// When its last submission finishes.
    pub(crate) ends: Timestamp,
    /// How much of it is odd: 0 nothing, 1 the usual share.
    pub(crate) odd: f64,
}

impl Making {
    /// Returns the options of the world.
    pub(crate) fn options(self) -> WorldOptions {
        WorldOptions {
            seed: self.seed,
            samples: usize::try_from(self.samples).unwrap_or(usize::MAX),
            start: self.ends.checked_sub(WORLD_COVERS).unwrap_or(self.ends),
            end: self.ends,
            ..WorldOptions::default().with_odd(self.odd)
        }
    }
}

/// Sets what the command line says.
pub(super) fn apply(
    switches: &[(String, String)],
    stack: &mut StackOptions,
    world: &mut WorldOptions,
) -> Result<(), Failure> {
    for (place, value) in switches {
        let outcome = match place.split_once('.') {
            Some(("vmray", name)) => stack.vmray.set(name, value),
            Some(("entra", name)) => stack.entra.set(name, value),
            Some(("upload", name)) => stack.upload.set(name, value),
            Some(("logs", name)) => stack.logs.set(name, value),
            Some(("world", name)) => world.set(name, value),
            _ => {
                return Err(Failure::usage(anyhow::anyhow!("--switch {place}={value} names no service"))
                    .with_hint("write vmray.NAME=VALUE, entra., upload., logs. or world.; see docs/simulators"));
            }
        };
        outcome.map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("reading --switch {place}={value}")))
                .with_hint(format!("names: {}", names(place).join(", ")))
        })?;
    }
    Ok(())
}

fn names(place: &str) -> &'static [&'static str] {
    match place.split('.').next() {
        Some("vmray") => VmrayOptions::NAMES,
        Some("entra") => EntraOptions::NAMES,
        Some("upload") => UploadOptions::NAMES,
        Some("logs") => LogsOptions::NAMES,
        _ => WorldOptions::NAMES,
    }
}

/// Returns all names by service.
pub(super) fn all_names() -> Value {
    let services = ["vmray", "entra", "upload", "logs", "world"];
    services
        .into_iter()
        .map(|service| (service.to_owned(), json!(names(service))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Sets options of a running service: all of them, or none when one is wrong; `None` when there is no such service.
pub(super) fn change(stack: &Stack, service: &str, pairs: &[(String, String)]) -> Option<Result<Value, String>> {
    fn all<T: Switches + Clone>(options: &mut T, pairs: &[(String, String)]) -> Result<Value, String> {
        let mut changed = options.clone();
        for (name, value) in pairs {
            changed.set(name, value).map_err(|error| error.to_string())?;
        }
        *options = changed;
        Ok(json!({}))
    }
    Some(match service {
        "vmray" => stack.vmray.edit_options(|options| all(options, pairs)),
        "entra" => stack.entra.edit(|options| all(options, pairs)),
        "upload" => stack.upload.edit(|options| all(options, pairs)),
        "logs" => stack.logs.edit(|options| all(options, pairs)),
        _ => return None,
    })
}
