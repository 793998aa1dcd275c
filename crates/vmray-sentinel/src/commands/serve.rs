//! `serve`: the API and the pages, and the feed on its schedule where a workspace is configured.

use std::sync::Arc;
use std::time::Duration;

use config::{ApiKeys, api_keys, feed_is_configured};
use feed::RunOptions;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::ApiConfig;
use crate::app::App;
use crate::cli::Serve;
use crate::connect::Clients;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::{Api, Pages, Server, site};
use crate::live::Live;
use crate::{daemon, output, signals};

pub(crate) async fn run(app: &App, args: &Serve) -> Result<Exit, Failure> {
    let keys = api_keys(&app.settings)?;
    let feed = if feed_is_configured(&app.settings) { Some(FeedConfig::load(&app.settings)?) } else { None };
    if let Some(warning) = feed.as_ref().and_then(FeedConfig::warning) {
        warn!("{warning}");
    }
    let api = match &feed {
        Some(feed) => feed.for_api(),
        None => ApiConfig::load(&app.settings)?,
    };
    let server = Server::bind(args.listen, &keys).await?;
    let clients = api.clients(&app.clock);
    let engine = feed.map(|feed| Engine::build(feed, &clients, Changes::Kept)).transpose()?;
    let stop = signals::stop_token(app);
    info!(url = server.url(), "serving the API and the status page");
    if app.json {
        output::json(&json!({ "url": server.url() }))?;
    }
    if let Some(engine) = engine {
        feed_and_site(&engine, api, &clients, (server, keys), &stop).await?;
    } else {
        info!("no workspace is configured, so there is no feed");
        site_alone(api, &clients, (server, keys), &stop).await?;
    }
    Ok(Exit::Done)
}

/// Runs both until told to stop; when one fails, the other is stopped too.
pub(crate) async fn feed_and_site(
    engine: &Engine,
    api: ApiConfig,
    clients: &Clients,
    (server, keys): (Server, ApiKeys),
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let live = watch::Sender::new(Live::default());
    let api = Arc::new(api.build(engine.storage.clone(), clients));
    let pages = Pages {
        recent: Arc::clone(&api.recent),
        state_url: engine.state_url.to_string(),
        schedule: Some(engine.schedule.to_string()),
        live: live.subscribe(),
        clock: engine.clock().clone(),
        stop: stop.clone(),
    };
    let feed = async {
        let ended = daemon::run(engine, RunOptions::default(), &live, stop).await;
        stop.cancel();
        ended
    };
    let (feed, (), ()) =
        tokio::join!(feed, sweep(&api, stop), server.answer(site(Arc::clone(&api), pages, keys), stop));
    last_tasks(&api.tasks).await;
    feed
}

async fn site_alone(
    api: ApiConfig,
    clients: &Clients,
    (server, keys): (Server, ApiKeys),
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let state_url = api.state.url();
    let api = Arc::new(api.open(clients)?);
    let pages = Pages {
        recent: Arc::clone(&api.recent),
        state_url: state_url.to_string(),
        schedule: None,
        live: watch::channel(Live::default()).1,
        clock: Arc::clone(clients.clock()),
        stop: stop.clone(),
    };
    tokio::join!(sweep(&api, stop), server.answer(site(Arc::clone(&api), pages, keys), stop));
    last_tasks(&api.tasks).await;
    Ok(())
}

/// How often requests are brought on that nobody asks about.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long what is being done for callers may take when we stop; what is cut off is taken up by the next process.
const GRACE: Duration = Duration::from_secs(5);

/// Brings open requests on until told to stop.
async fn sweep(api: &Api, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        // A request that waits for VMRay's leave can wait for an hour; dropped, it is taken up by the next process.
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let swept = tokio::select! {
            swept = api.sweep(stop) => swept,
            () = too_long => return,
        };
        if let Err(error) = swept {
            warn!(error = &error as &dyn std::error::Error, "open enrichments could not be looked at");
        }
    }
}

async fn last_tasks(tasks: &TaskTracker) {
    tasks.close();
    drop(tokio::time::timeout(GRACE, tasks.wait()).await);
}
