//! One life of the process: its runtime, its end.
//!
//! A life is a current-thread runtime on paused time that is dropped whole, engine tasks included: after so many polls
//! of the run, after so much time, or at an operation on the store, before or after that took effect.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use feed::{Error, Failed, Feed, Outcome, Progress, RunOptions, RunSummary};
use jiff::Timestamp;
use outbound::Clock as _;
use simulators::Stack;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::coverage::Coverage;
use crate::setting::WorldClock;
use crate::store::{FaultyStore, LastOperation, StoreWeather};
use crate::trace::Trace;
use crate::world::{Event, Living};

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kill {
    Never,
    AfterPolls(u64),
    AfterTime(Duration),
    AtOperation(LastOperation),
}

/// What a life is given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) kill: Kill,
    pub(crate) store: StoreWeather,
    pub(crate) budget: Option<Duration>,
    /// When it is told to stop.
    pub(crate) stop_after: Option<Duration>,
    /// Longest that it may take.
    pub(crate) limit: Duration,
    /// What happens while it is on.
    pub(crate) events: Vec<(Duration, Event)>,
}

/// How a life ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a life has one end at a time")]
pub(crate) enum End {
    Finished(Result<RunSummary, Error>),
    Killed,
    /// It was still on when its limit was over.
    Overran,
}

impl End {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Finished(Ok(RunSummary { outcome: Outcome::Done, .. })))
    }

    /// Says whether its ledger was closed, so that all that it had settled is durable.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Finished(Ok(_)) => true,
            Self::Finished(Err(error)) => !matches!(error, Error::State(_)),
            Self::Killed | Self::Overran => false,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Finished(Ok(RunSummary { outcome: Outcome::Done, .. })) => "done",
            Self::Finished(Ok(_)) => "stopped early",
            Self::Finished(Err(Error::State(_))) => "failed: state",
            Self::Finished(Err(Error::Vmray(_))) => "failed: VMRay",
            Self::Finished(Err(Error::Upload(_))) => "failed: upload",
            Self::Finished(Err(_)) => "failed: other",
            Self::Killed => "killed",
            Self::Overran => "overran",
        }
    }
}

/// A life that is over.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: usize,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) end: End,
    /// Its requests in the logs of the services.
    pub(crate) vmray: Range<usize>,
    pub(crate) entra: Range<usize>,
    pub(crate) upload: Range<usize>,
    /// Its operations on the store.
    pub(crate) operations: u64,
    pub(crate) store_was_calm: bool,
}

/// What outlives a life.
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<WorldClock>,
    pub(crate) stack: Stack,
    pub(crate) store: FaultyStore,
    pub(crate) living: Arc<Mutex<Living>>,
    pub(crate) trace: Trace,
    /// What the processes that were killed did last.
    pub(crate) deaths: Mutex<Coverage>,
}

impl Surroundings {
    pub(crate) fn deaths(&self) -> Coverage {
        self.deaths.lock().unwrap().clone()
    }

    /// Returns what the process did last, on the store or with a service.
    fn latest(&self) -> String {
        let asked = [
            ("VMRay", self.stack.vmray.requests().pop()),
            ("Entra", self.stack.entra.requests().pop()),
            ("Sentinel", self.stack.upload.requests().pop()),
        ];
        let asked = asked.into_iter().filter_map(|(service, seen)| Some((seen?.at, format!("request to {service}"))));
        asked
            .chain(self.store.latest())
            .max_by_key(|(at, _)| *at)
            .map_or_else(|| "nothing".to_owned(), |(_, what)| what)
    }

    fn logs(&self) -> [usize; 3] {
        [self.stack.vmray.request_count(), self.stack.entra.request_count(), self.stack.upload.request_count()]
            .map(|count| usize::try_from(count).unwrap())
    }

    pub(crate) fn happen(&self, event: &Event) {
        let now = self.clock.now();
        let line = self.living.lock().unwrap().apply(event, &self.stack.vmray, now);
        self.trace.say(now, format!("world: {line}"));
    }

    /// Lives once.
    #[expect(clippy::needless_pass_by_value, reason = "a life uses up what it was given")]
    pub(crate) fn live(self: &Arc<Self>, number: usize, feed: impl FnOnce() -> Feed, given: Given) -> Life {
        let began = self.clock.now();
        let before = self.logs();
        let shown = (given.kill, given.budget, given.stop_after);
        self.trace.say(began, format!("== life {number} begins: {shown:?}, {:?}", given.store));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let end = runtime.block_on(async {
            self.clock.begin();
            let end = Box::pin(self.within(feed(), &given)).await;
            self.clock.end();
            end
        });
        // Everything that the process was doing ends here, wherever it was.
        drop(runtime);
        let ended = self.clock.now();
        if matches!(end, End::Killed) {
            self.deaths.lock().unwrap().one(format!("killed after {}", self.latest()));
        }
        let after = self.logs();
        let told = match &end {
            End::Finished(Err(error)) => format!("{}: {}", end.name(), causes(error)),
            End::Finished(Ok(summary)) => format!("{}: {:?}", end.name(), summary.counts),
            _ => end.name().to_owned(),
        };
        self.trace.say(ended, format!("== life {number} ends: {told}"));
        let [vmray, entra, upload] = [0, 1, 2].map(|n| before[n]..after[n]);
        let operations = self.store.operations();
        let store_was_calm = given.store.is_calm();
        Life { number, began, ended, end, vmray, entra, upload, operations, store_was_calm }
    }

    async fn within(self: &Arc<Self>, feed: Feed, given: &Given) -> End {
        let last = if let Kill::AtOperation(last) = given.kill { Some(last) } else { None };
        let dead = self.store.begin(given.store, last);
        let stop = CancellationToken::new();
        let (progress, _) = watch::channel(Progress::default());
        let options = RunOptions { time_budget: given.budget, ..RunOptions::default() };
        let (around, events) = (Arc::clone(self), given.events.clone());
        let began = tokio::time::Instant::now();
        tokio::spawn(async move {
            for (after, event) in events {
                tokio::time::sleep_until(began + after).await;
                around.happen(&event);
            }
        });
        if let Some(after) = given.stop_after {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                stop.cancel();
            });
        }
        let polls = if let Kill::AfterPolls(polls) = given.kill { Some(polls) } else { None };
        let run = async { feed.run(&options, &progress, &stop).await.map_err(Failed::into_error) };
        let run = Mortal { run: Box::pin(run), polls };
        let time = if let Kill::AfterTime(time) = given.kill { Some(time) } else { None };
        tokio::select! {
            biased;
            () = dead.cancelled() => End::Killed,
            () = after(time) => End::Killed,
            outcome = run => outcome.map_or(End::Killed, End::Finished),
            () = tokio::time::sleep(given.limit) => End::Overran,
        }
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// A run that ends with nothing after so many polls.
struct Mortal<F> {
    run: Pin<Box<F>>,
    polls: Option<u64>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.polls {
            Some(0) => return Poll::Ready(None),
            Some(polls) => *polls -= 1,
            None => {}
        }
        self.run.as_mut().poll(context).map(Some)
    }
}

pub(crate) fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
