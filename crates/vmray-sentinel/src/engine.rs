//! The feed as this process runs it: built from the settings, one run at a time.

use std::sync::Arc;
use std::time::Duration;

use config::{
    HealthConfig, IndicatorConfig, Problems, ROUTE, Reader, Schedule, SentinelConfig, Settings, StateConfig,
    VmrayConfig, initial_fetch, schedule, transport,
};
use feed::{Failed, Feed, Limits, Progress, RunOptions, RunSummary};
use indicators::Style;
use jiff::{SignedDuration, Timestamp};
use ledger::{StateUrl, Storage};
use outbound::{Clock, Pacer, RetryPolicy, Transport};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug_span};

use crate::api::{ApiConfig, ApiSettings};
use crate::connect::Clients;
use crate::failure::Failure;
use crate::health::Health;
use crate::state;
pub(crate) use crate::state::Changes;

/// How often whoever watches a run hears of it, even where nothing changes: a wait counts down.
const TICK: Duration = Duration::from_secs(1);

/// Everything that the feed needs, read and valid.
#[derive(Debug)]
pub(crate) struct FeedConfig {
    vmray: VmrayConfig,
    sentinel: SentinelConfig,
    indicators: IndicatorConfig,
    api: ApiSettings,
    initial_fetch: SignedDuration,
    health: Option<HealthConfig>,
    /// What everything is sent through.
    pub(crate) transport: Arc<dyn Transport>,
    /// When it runs.
    pub(crate) schedule: Schedule,
    /// Where its state is.
    pub(crate) state: StateConfig,
}

impl FeedConfig {
    /// Reads the settings, or says everything that is wrong with them.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let vmray = VmrayConfig::read(&mut reader);
        let sentinel = SentinelConfig::read(&mut reader);
        let indicators = IndicatorConfig::read(&mut reader);
        let api = ApiSettings::read(&mut reader);
        let initial_fetch = initial_fetch(&mut reader);
        let schedule = schedule(&mut reader);
        let health = HealthConfig::read(&mut reader);
        let state = StateConfig::read(&mut reader);
        let transport = transport(&mut reader).map(|transport| Arc::new(transport) as Arc<dyn Transport>);
        let whole = (|| {
            Some(Self {
                vmray: vmray?,
                sentinel: sentinel?,
                indicators: indicators?,
                api: api?,
                initial_fetch: initial_fetch?,
                health: health?,
                transport: transport?,
                schedule: schedule?,
                state: state?,
            })
        })();
        reader.finish(whole)
    }

    /// What the API needs of it.
    pub(crate) fn for_api(&self) -> ApiConfig {
        ApiConfig {
            vmray: self.vmray.clone(),
            indicators: self.indicators.clone(),
            sentinel: Some(self.sentinel.clone()),
            api: self.api.clone(),
            transport: Arc::clone(&self.transport),
            state: self.state.clone(),
        }
    }

    /// Makes the clients of the process, which are given to everything that is built from these settings.
    pub(crate) fn clients(&self, clock: &Arc<dyn Clock>) -> Clients {
        Clients::new(&self.transport, clock)
    }

    /// What is allowed, but likely a mistake.
    pub(crate) fn warning(&self) -> Option<String> {
        self.sentinel.warning()
    }
}

/// A feed that is ready to run.
#[derive(Debug)]
pub(crate) struct Engine {
    feed: Feed,
    /// Where its state is.
    pub(crate) storage: Storage,
    /// The same, as an address.
    pub(crate) state_url: StateUrl,
    /// When it runs.
    pub(crate) schedule: Schedule,
    health: Option<Health>,
    clock: Arc<dyn Clock>,
}

impl Engine {
    /// Builds the feed and opens its state: for writing, unless nothing is to be changed.
    pub(crate) fn build(config: FeedConfig, clients: &Clients, changes: Changes) -> Result<Self, Failure> {
        let FeedConfig { vmray, sentinel, indicators, initial_fetch, health, schedule, state, .. } = config;
        let clock = clients.clock();
        let state_url = state.url();
        let opened = state::open(&state, clients.transport(), clock, changes);
        let storage = opened.map_err(|error| state::failed(&state_url, error))?;
        let health = health.map(|config| {
            let client = clients.logs(&config, &sentinel, Health::POLICY);
            Health::new(client, config, &sentinel.identity, schedule.clone())
        });
        let style = Style {
            vmray_base: Some(vmray.base.to_string()),
            tlp: indicators.tlp,
            expiry: indicators.expiry,
            created_by: indicators::identity().id,
        };
        let feed = Feed {
            vmray: clients.vmray(&vmray, RetryPolicy::default()),
            upload: clients.upload(&sentinel, RetryPolicy::default()),
            rules: indicators.rules,
            style,
            storage: storage.clone(),
            route: ROUTE.to_owned(),
            limits: Limits {
                vmray_concurrency: vmray.concurrency,
                uploads_in_flight: sentinel.uploads_in_flight,
                most_waiting: feed::MOST_WAITING,
                initial_fetch,
            },
            clock: Arc::clone(clock),
        };
        Ok(Self { feed, storage, state_url, schedule, health, clock: Arc::clone(clock) })
    }

    /// Sets how long the health tables may be written to after a run, where the usual time is longer than that.
    #[must_use]
    pub(crate) fn with_health_within(mut self, limit: Duration) -> Self {
        self.health = self.health.map(|health| health.within(limit));
        self
    }

    /// Returns the time.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the pace of uploads.
    pub(crate) fn upload_pacer(&self) -> &Pacer {
        self.feed.upload.pacer()
    }

    /// Runs once and tells `watcher` how far it is: on each change, every second, and when it has ended. The health tables
    /// hear of it by [`Ended::tell`].
    ///
    /// Dropping it is what a kill does: safe, and the next run continues.
    pub(crate) async fn run(
        &self,
        options: &RunOptions,
        stop: &CancellationToken,
        watcher: impl FnMut(&Progress),
    ) -> Ended<'_> {
        let started = self.clock.now();
        let clock = Instant::now();
        let (outcome, before_it_failed) = match self.feed(options, stop, watcher).await {
            Ok(summary) => (Ok(summary), None),
            Err(Failed { error, summary }) => (Err(Failure::from_run(error)), summary),
        };
        let health = self.health.as_ref().filter(|_| !options.dry_run);
        Ended { health, started, at: self.clock.now(), took: clock.elapsed(), outcome, before_it_failed }
    }

    async fn feed(
        &self,
        options: &RunOptions,
        stop: &CancellationToken,
        mut watcher: impl FnMut(&Progress),
    ) -> Result<RunSummary, Failed> {
        let (progress, mut seen) = watch::channel(Progress::default());
        let run = self.feed.run(options, &progress, stop).instrument(debug_span!("run", route = ROUTE));
        let mut run = Box::pin(run);
        let mut tick = tokio::time::interval(TICK);
        let outcome = loop {
            tokio::select! {
                outcome = &mut run => break outcome,
                Ok(()) = seen.changed() => {}
                _ = tick.tick() => {}
            }
            let now = *seen.borrow_and_update();
            watcher(&now);
        };
        watcher(&seen.borrow());
        outcome
    }
}

/// A run that has ended, of which the health tables do not know yet.
#[derive(Debug)]
#[must_use = "the health tables are to hear of it"]
pub(crate) struct Ended<'a> {
    health: Option<&'a Health>,
    started: Timestamp,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// How long it took.
    pub(crate) took: Duration,
    /// What became of it.
    pub(crate) outcome: Result<RunSummary, Failure>,
    before_it_failed: Option<Box<RunSummary>>,
}

impl Ended<'_> {
    /// Tells the health tables what became of the run, where there are any: of a dry run nothing, and nothing of a run
    /// that gave way to another, which tells of itself. It is no part of the run, and its time counts for nothing.
    pub(crate) async fn tell(self) -> Result<RunSummary, Failure> {
        let Self { health, started, at, outcome, before_it_failed, .. } = self;
        if let Some(health) = health {
            Box::pin(match &outcome {
                Ok(summary) => health.tell(started, at, Some(summary), None),
                Err(failure) => health.tell(started, at, before_it_failed.as_deref(), Some(failure)),
            })
            .await;
        }
        outcome
    }
}
