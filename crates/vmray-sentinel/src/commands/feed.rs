//! `feed`: once, or on the schedule.

use feed::RunOptions;
use serde_json::json;
use tokio::sync::watch;
use tracing::warn;

use crate::app::App;
use crate::cli::Feed;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::Live;
use crate::progress::Display;
use crate::{daemon, output, signals, summary};

pub(crate) async fn run(app: &App, args: &Feed) -> Result<Exit, Failure> {
    let config = FeedConfig::load(&app.settings)?;
    if let Some(warning) = config.warning() {
        warn!("{warning}");
    }
    let changes = if args.dry_run { Changes::None } else { Changes::Kept };
    let engine = Engine::build(config, &app.clock, changes)?;
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
    let run = ended.tell().await?;
    if app.json {
        output::json(&json!({ "dry_run": args.dry_run, "run": run }))?;
    } else {
        output::text(&summary::text(&run, took, args.dry_run, app.out))?;
    }
    Ok(summary::exit(&run))
}
