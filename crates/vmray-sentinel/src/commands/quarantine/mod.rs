//! `quarantine list|show|replay|drop`: what Sentinel refused, and samples that VMRay did not give.
//!
//! Looking needs no run. A change is left for the next run, which alone writes the state.

mod select;
mod shown;

use config::ROUTE;
use ledger::{Command, Commands, Reader, Storage};
use serde_json::json;

use self::select::{Held, Selected};
use crate::app::App;
use crate::cli::Quarantine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::state::{self, Changes, DoingWithState as _};
use crate::view;
use crate::{output, words};

pub(crate) async fn run(app: &App, which: &Quarantine) -> Result<Exit, Failure> {
    let (_, storage) = state::of(app, Changes::None)?;
    let reader = Reader::open(&storage, ROUTE).await.doing("reading the state")?;
    let (refused, open) = view::held(&storage, reader.records()).await.doing("reading the quarantine")?;
    let now = app.clock.now();
    match which {
        Quarantine::List if app.json => output::json(&json!({ "quarantine": refused, "open_samples": open }))?,
        Quarantine::List => output::text(&shown::list(&refused, &open, now, app.out))?,
        Quarantine::Show { id } => match select::find(&refused, &open, id)? {
            Held::Refused(found) => {
                let object = reader.records().quarantined(&found.id).await.doing("reading the record")?;
                let object = object.and_then(|record| serde_json::from_str(&record.refused.object).ok());
                let object: serde_json::Value = object.unwrap_or_default();
                if app.json {
                    output::json(&json!({ "record": found, "object": object }))?;
                } else {
                    output::text(&shown::refused(found, now, app.out))?;
                    output::line(serde_json::to_string_pretty(&object).unwrap_or_default())?;
                }
            }
            Held::Open(found) if app.json => output::json(&json!({ "sample": found }))?,
            Held::Open(found) => output::text(&shown::open(found, now))?,
        },
        Quarantine::Replay(selection) => {
            let selected = select::all_of(&refused, &open, selection)?;
            let commands = [
                Command::ReplayQuarantine { ids: selected.refused.clone() },
                Command::RetrySamples { ids: selected.open.clone() },
            ];
            leave(app, &storage, &selected, commands, Change::Replay).await?;
        }
        Quarantine::Drop(selection) => {
            let selected = select::all_of(&refused, &open, selection)?;
            let commands = [
                Command::DropQuarantine { ids: selected.refused.clone() },
                Command::DropSamples { ids: selected.open.clone() },
            ];
            leave(app, &storage, &selected, commands, Change::Drop).await?;
        }
    }
    Ok(Exit::Done)
}

/// What the next run is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Replay,
    Drop,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Drop => "drop",
        }
    }

    /// What happens to records and to samples.
    fn effects(self) -> (&'static str, &'static str) {
        match self {
            Self::Replay => ("sent again", "read again"),
            Self::Drop => ("forgotten", "given up"),
        }
    }
}

/// Leaves the commands for the next run; one without ids is not left.
async fn leave(
    app: &App,
    storage: &Storage,
    selected: &Selected,
    [records, samples]: [Command; 2],
    change: Change,
) -> Result<(), Failure> {
    let asked = [(records, selected.refused.is_empty()), (samples, selected.open.is_empty())];
    for (command, _) in asked.iter().filter(|(_, is_empty)| !is_empty) {
        Commands::of(storage, ROUTE)
            .leave(command, app.clock.now())
            .await
            .doing("leaving a command for the next run")?;
    }
    if app.json {
        let answer = json!({ "next_run": change.word(), "records": selected.refused, "samples": selected.open });
        output::json(&answer)?;
        return Ok(());
    }
    if selected.refused.is_empty() && selected.open.is_empty() {
        output::line("Quarantine is empty; nothing to do.")?;
    }
    let (to_records, to_samples) = change.effects();
    for (amount, noun, effect) in
        [(selected.refused.len(), "record", to_records), (selected.open.len(), "sample", to_samples)]
    {
        if amount > 0 {
            let verb = if amount == 1 { "is" } else { "are" };
            output::line(format!("{} {verb} {effect} by the next run.", words::count(amount, noun)))?;
        }
    }
    Ok(())
}
