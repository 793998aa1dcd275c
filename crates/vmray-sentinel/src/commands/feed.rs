//! `feed`: once, or on the schedule.

use std::fmt::Write as _;

use feed::{RunOptions, RunSummary};
use serde::Serialize;
use tokio::sync::watch;
use tracing::warn;

use crate::app::App;
use crate::cli::Feed;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::Live;
use crate::progress::Display;
use crate::visible::visible;
use crate::{daemon, output, signals, summary};

/// Characters of a value that are shown.
const MAX_SHOWN: usize = 120;

/// What `--json` prints. A `Value` would sort the counts of the run by name.
#[derive(Serialize)]
struct Ended<'a> {
    dry_run: bool,
    run: &'a RunSummary,
    would_send: &'a [String],
}

pub(crate) async fn run(app: &App, args: &Feed) -> Result<Exit, Failure> {
    let config = FeedConfig::load(&app.settings)?;
    if let Some(warning) = config.warning() {
        warn!("{warning}");
    }
    let changes = if args.dry_run { Changes::None } else { Changes::Kept };
    let clients = config.clients(&app.clock);
    let engine = Engine::build(config, &clients, changes)?;
    let options = RunOptions { since: args.since, dry_run: args.dry_run, time_budget: args.time_budget };
    let stop = signals::stop_token(app);
    if !args.once {
        let live = watch::Sender::new(Live::default());
        daemon::run(&engine, options, &live, &stop).await?;
        return Ok(Exit::Done);
    }
    let mut display = Display::start(&app.bars, engine.upload_pacer(), &app.clock);
    let ended = engine.run(&options, &stop, |progress| display.show(progress)).await;
    display.finish();
    let took = ended.took;
    if let Ok(run) = &ended.outcome {
        summary::log(run);
    }
    let run = ended.tell().await?;
    let would_send = if args.dry_run { run.notes.first_staged() } else { &[] };
    if app.json {
        output::json(&Ended { dry_run: args.dry_run, run: &run, would_send })?;
    } else {
        output::text(&first_values(would_send))?;
        output::text(&summary::text(&run, took, args.dry_run, app.out))?;
    }
    Ok(summary::exit(&run))
}

/// What a dry run would have sent, to be looked at before the first real run.
fn first_values(values: &[String]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut text = String::from("The first values that a real run would send:\n\n");
    for value in values {
        let shown: String = visible(value).chars().take(MAX_SHOWN).collect();
        writeln!(text, "  {shown}").unwrap_or_default();
    }
    writeln!(text).unwrap_or_default();
    text
}
