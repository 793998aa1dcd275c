//! `state export`: all that is known, as lines of JSON.

use ledger::Reader;
use serde_json::json;

use crate::app::App;
use crate::cli::State;
use crate::config::ROUTE;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::state::{self, DoingWithState as _};

/// Characters written at once.
const PIECE: usize = 64 * 1024;

pub(crate) async fn run(app: &App, which: &State) -> Result<Exit, Failure> {
    match which {
        State::Export => export(app).await,
    }
}

async fn export(app: &App) -> Result<Exit, Failure> {
    let (_, storage) = state::existing(app)?;
    let reader = Reader::open(&storage, ROUTE).await.doing("reading the state")?;
    let mut records = reader.records().export().await.doing("reading the state")?;
    let (mut lines, mut count) = (String::new(), 0_u64);
    while let Some(record) = records.next().await.doing("reading the state")? {
        lines.push_str(&serde_json::to_string(&record).map_err(anyhow::Error::from)?);
        lines.push('\n');
        count += 1;
        if lines.len() >= PIECE {
            output::text(&lines)?;
            lines.clear();
        }
    }
    output::text(&lines)?;
    if app.json {
        output::json(&json!({ "records": count }))?;
    }
    Ok(Exit::Done)
}
