//! `serve`: the feed on its schedule, with the status page.

use feed::RunOptions;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::App;
use crate::cli::Serve;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::Live;
use crate::pages::{Pages, Server};
use crate::{daemon, output, signals};

pub(crate) async fn run(app: &App, args: &Serve) -> Result<Exit, Failure> {
    let config = FeedConfig::load(&app.settings)?;
    if let Some(warning) = config.warning() {
        warn!("{warning}");
    }
    let server = Server::bind(args.listen).await?;
    let engine = Engine::build(config, &app.clock, Changes::Kept)?;
    let stop = signals::stop_token();
    info!(url = server.url(), "serving the status page");
    if app.json {
        output::json(&json!({ "url": server.url() }))?;
    }
    feed_and_pages(&engine, server, &stop).await?;
    Ok(Exit::Done)
}

/// Runs both until told to stop; when one fails, the other is stopped too.
pub(crate) async fn feed_and_pages(engine: &Engine, server: Server, stop: &CancellationToken) -> Result<(), Failure> {
    let live = watch::Sender::new(Live::default());
    let pages = Pages {
        storage: engine.storage.clone(),
        state_url: engine.state_url.to_string(),
        schedule: engine.schedule.to_string(),
        live: live.subscribe(),
        clock: engine.clock().clone(),
        stop: stop.clone(),
    };
    let feed = async {
        let ended = daemon::run(engine, RunOptions::default(), &live, stop).await;
        stop.cancel();
        ended
    };
    let pages = async {
        let ended = server.answer(pages).await.map_err(Failure::from);
        stop.cancel();
        ended
    };
    let (feed, pages) = tokio::join!(feed, pages);
    feed.and(pages)
}
