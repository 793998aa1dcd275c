//! `state export`: all that is known, as lines of JSON. `state rotate-link-key`: another key for links to answers.

use config::ROUTE;
use ledger::{Error, Reader};
use serde_json::json;

use crate::app::App;
use crate::cli::State;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::state::{self, Changes, DoingWithState as _};

/// Characters written at once.
const PIECE: usize = 64 * 1024;

pub(crate) async fn run(app: &App, which: &State) -> Result<Exit, Failure> {
    match which {
        State::Export => export(app).await,
        State::RotateLinkKey => rotate_link_key(app).await,
    }
}

async fn rotate_link_key(app: &App) -> Result<Exit, Failure> {
    let (url, storage) = state::of(app, Changes::Kept)?;
    enrichment::rotate_link_key(&storage, app.clock.now()).await.doing("writing the new key")?;
    if app.json {
        output::json(&json!({ "state_url": url.to_string(), "rotated": true }))?;
    } else {
        output::text("A new key signs links within two minutes; existing links work until they expire.\n")?;
    }
    Ok(Exit::Done)
}

async fn export(app: &App) -> Result<Exit, Failure> {
    let (_, storage) = state::of(app, Changes::None)?;
    let (reader, damage) = Reader::salvage(&storage, ROUTE).await.doing("reading the state")?;
    let mut records = reader.records().export().await.doing("reading the state")?;
    let (mut lines, mut count) = (String::new(), 0_u64);
    let damage = loop {
        let record = match records.next().await {
            Ok(Some(record)) => record,
            Ok(None) => break damage,
            // What has been read is kept; the first damage is the one to name.
            Err(found @ Error::Damaged { .. }) => break damage.or(Some(found)),
            Err(error) => return Err(error).doing("reading the state"),
        };
        lines.push_str(&serde_json::to_string(&record).map_err(anyhow::Error::from)?);
        lines.push('\n');
        count += 1;
        if lines.len() >= PIECE {
            output::text(&lines)?;
            lines.clear();
        }
    };
    output::text(&lines)?;
    if let Some(damage) = damage {
        return Err(damage).doing("reading the state; what can still be read of it was written");
    }
    if app.json {
        output::json(&json!({ "records": count }))?;
    }
    Ok(Exit::Done)
}
