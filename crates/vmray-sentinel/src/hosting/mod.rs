//! Azure Functions: this process as a custom handler.
//!
//! The host starts us with a port and calls us over loopback: `GET /` until anything answers, `POST /VMRay` when the
//! feed's timer is due, `POST /VMRayJobs` when that of open enrichments is, and the requests of callers as they came,
//! under `/api`. The port is taken before anything else is done, and **nothing that is wrong with the settings ends the
//! process**: three exits within half an hour stop the host, and then nobody sees why. Instead every invocation fails
//! with the fix in its log.
//!
//! # A timer run
//!
//! * One at a time. The host's lease sees to that for scheduled calls; a call by hand, or one after the host gave up
//!   on another, meets a run that is on. It is answered at once with 200 and says so: waiting would only use up the
//!   waiting call's own `functionTimeout`, whose end restarts us in the middle of the run that does the work.
//! * It stops by itself before `functionTimeout` ([`budget`]): past that the host does not hang up, it kills us. A connection
//!   that ends all the same, because the host died, stops the run too.
//! * A run that stopped early or left something in quarantine succeeded, for the host; a run that failed is a 500.
//! * SIGKILL, the host's only way to end us, is safe at any instant: the ledger's promise.
//!
//! Each line of an invocation's log carries its id, from a span. Headers and queries are never logged: they hold the
//! callers' keys.

mod budget;
mod invocation;
mod jobs;
mod leftover;
mod routes;
mod timer;
mod turn;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use config::{Environment, Problems, feed_is_configured};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::ApiConfig;
use crate::app::App;
use crate::connect::Clients;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::failure::Failure;
use crate::http::{self, Api};
use budget::Budget;
use timer::Ask;
use turn::Turn;

/// Where the host says which port to listen on; the second is the older name of the same.
const PORTS: [&str; 2] = ["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"];
/// How long a run may take to stop when we are told to.
const GRACE: Duration = Duration::from_secs(75);
/// How long answers may take that are then still open.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Says whether this process was started by the Functions host.
pub(crate) fn is_hosted(environment: &Environment) -> bool {
    matches!(environment.get(PORTS[0]), Ok(Some(_)))
}

/// Takes the port that the host chose.
pub(crate) async fn listen(environment: &Environment) -> Result<TcpListener, Failure> {
    let given = PORTS.iter().find_map(|name| environment.get(name).ok().flatten());
    let Some((name, text)) = given else {
        return Err(Failure::usage(anyhow::anyhow!("{} is not set", PORTS[0]))
            .with_hint("this command is started by the Azure Functions host, which sets it")
            .with_hint("elsewhere `vmray-sentinel serve` runs the feed on its schedule"));
    };
    let Ok(port) = text.trim().parse::<u16>() else {
        return Err(Failure::usage(anyhow::anyhow!("{name} is `{text}`, which is no port")));
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    Ok(listener)
}

/// What callers are answered with.
#[derive(Debug)]
struct Callers {
    api: Arc<Api>,
    routes: Router,
}

/// What invocations share.
#[derive(Debug)]
pub(crate) struct Handler {
    app: App,
    /// What was wrong with the settings of the log, which is written as if they were not there.
    log_problems: Option<Problems>,
    budget: Budget,
    /// Made by whichever of the two is built first.
    clients: OnceLock<Clients>,
    engine: OnceCell<Engine>,
    api: OnceCell<Callers>,
    turn: Turn,
    jobs_turn: Turn,
    asks: mpsc::Sender<Ask>,
    stop: CancellationToken,
}

/// Answers the host until `stop`, then waits for the run that is on. `log_problems` are served like any other.
pub(crate) async fn serve(
    app: App,
    log_problems: Option<Problems>,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("reading the address of the listener")?;
    let budget = Budget::read(app.settings.environment());
    info!(port = address.port(), run_budget = ?budget.run(), "answering the Functions host");
    let (asks, asked) = mpsc::channel(1);
    let (clients, engine, api) = (OnceLock::new(), OnceCell::new(), OnceCell::new());
    let (turn, jobs_turn) = (Turn::default(), Turn::default());
    let handler = Arc::new(Handler { app, log_problems, budget, clients, engine, api, turn, jobs_turn, asks, stop });
    let answered = CancellationToken::new();
    let serving = axum::serve(listener, routes::router(handler.clone()))
        .with_graceful_shutdown(answered.clone().cancelled_owned());
    let running = async {
        // Said at the start too, so that it is in the log before the first timer.
        if let Err(failure) = handler.engine().await {
            log_failure(&failure, "no run is possible until this is fixed");
        }
        timer::serve(&handler, asked).await;
    };
    let too_long = async {
        handler.stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let ending = async {
        tokio::select! {
            () = running => {}
            () = too_long => warn!("the run did not stop in time and is ended; the next one continues where it was"),
        }
        answered.cancel();
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = serving => served.context("answering the Functions host"),
        () = ending => Ok(()),
    }
}

impl Handler {
    /// Returns the feed, built when it is first needed: what was wrong then may be right now.
    async fn engine(&self) -> Result<&Engine, Failure> {
        self.engine
            .get_or_try_init(|| async {
                if let Some(problems) = &self.log_problems {
                    return Err(Failure::from(problems.clone()));
                }
                let config = FeedConfig::load(&self.app.settings)?;
                if let Some(warning) = config.warning() {
                    warn!("{warning}");
                }
                let clients = self.clients.get_or_init(|| config.clients(&self.app.clock));
                let engine = Engine::build(config, clients, Changes::Kept)?;
                Ok(match self.budget.last_rows() {
                    Some(limit) => engine.with_health_within(limit),
                    None => engine,
                })
            })
            .await
    }

    /// Returns the API with its routes, built when it is first needed. Without a workspace it needs fewer settings than
    /// the feed, and uploads nothing.
    async fn api(&self) -> Result<&Callers, Failure> {
        self.api
            .get_or_try_init(|| async {
                let settings = &self.app.settings;
                let config = if feed_is_configured(settings) {
                    FeedConfig::load(settings)?.for_api()
                } else {
                    ApiConfig::load(settings)?
                };
                let clients = self.clients.get_or_init(|| config.clients(&self.app.clock));
                let api = Arc::new(config.open(clients)?);
                Ok(Callers { routes: http::api(Arc::clone(&api)), api })
            })
            .await
    }
}

/// Writes a failure to the log, a line for each thing to mend, and returns the lines.
fn log_failure(failure: &Failure, what: &str) -> Vec<String> {
    let lines: Vec<_> = failure.lines().into_iter().map(|line| format!("{what}: {line}")).collect();
    for line in &lines {
        error!("{line}");
    }
    lines
}
