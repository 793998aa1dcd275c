//! Stand-ins, a state and the service between them, on paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use enrichment::{Answer, EnrichRequest, Enrichment, Error, Item, Parts, Report, Settings, SpoolRoom, Uploads};
use feed::{Feed, Limits, Progress, RunOptions, RunSummary};
use indicators::{Expiry, NoiseList, Rules, Style};
use jiff::{SignedDuration, Timestamp};
use ledger::Storage;
use outbound::{Clock, Exchange, Pacer, RetryPolicy, TokioClock, Transport};
use sentinel::{Cloud, Identity, Tokens, UploadClient};
use serde_json::Value;
use simulators::{Ioc, IocKind, Sample, Stack, StackOptions, Submission, Verdict, World};
use stix::{Kind, Tlp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::Stamped;

pub(crate) const START: &str = "2026-03-01T00:00:00Z";

pub(crate) struct Place {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stack: Stack,
    pub(crate) store: Arc<Stamped>,
    pub(crate) storage: Storage,
    pub(crate) settings: Settings,
    pub(crate) noise: NoiseList,
    pub(crate) uploads_per_minute: usize,
    /// What stands before VMRay.
    pub(crate) before_vmray: Option<Arc<dyn Transport>>,
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn before(time: SignedDuration) -> Timestamp {
    at(START) - time
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

impl Place {
    pub(crate) fn new(world: World) -> Self {
        Self::with(world, StackOptions::default())
    }

    pub(crate) fn with(world: World, options: StackOptions) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(at(START)));
        let stack = Stack::new(world, options, clock.clone());
        let store = Arc::new(Stamped::new(clock.clone()));
        let storage = Storage::over(store.clone());
        Self {
            clock,
            stack,
            store,
            storage,
            settings: Settings::default(),
            noise: NoiseList::built_in(),
            uploads_per_minute: 5,
            before_vmray: None,
        }
    }

    fn exchange(&self) -> Exchange {
        let mut network = self.stack.in_process();
        if let Some(before) = &self.before_vmray {
            network = network.with_host(Stack::VMRAY_HOST, before.clone());
        }
        let transport: Arc<dyn Transport> = Arc::new(network);
        Exchange::new(transport, RetryPolicy::default()).with_seed(1)
    }

    fn vmray(&self) -> vmray::Client {
        let settings: BTreeMap<_, _> = self.stack.settings().into_iter().collect();
        let base = settings["VmrayBaseURL"].parse().unwrap();
        vmray::Client::new(self.exchange(), base, settings["VmrayAPIKey"].clone().into(), "test", self.clock.clone())
    }

    fn upload(&self, per_minute: usize) -> UploadClient {
        let settings: BTreeMap<_, _> = self.stack.settings().into_iter().collect();
        let cloud = Cloud {
            authority: settings["AZURE_AUTHORITY_HOST"].parse().unwrap(),
            ti_endpoint: settings["SentinelTiEndpoint"].parse().unwrap(),
            ..Cloud::public()
        };
        let identity = Identity::ClientSecret {
            tenant: settings["AzureTenantID"].parse().unwrap(),
            client_id: settings["AzureClientID"].parse().unwrap(),
            secret: settings["AzureClientSecret"].clone().into(),
        };
        let transport: Arc<dyn Transport> = Arc::new(self.stack.in_process());
        let tokens = Arc::new(Tokens::new(transport, self.clock.clone(), &cloud, identity).with_seed(1));
        UploadClient::new(
            self.exchange().with_pacer(Pacer::per_minute(per_minute)),
            &cloud,
            settings["AzureWorkspaceID"].parse().unwrap(),
            tokens,
            self.clock.clone(),
            "VMRayThreatIntelligence",
        )
    }

    fn rules(&self) -> Rules {
        Rules {
            verdicts: "Malicious & Suspicious".parse().unwrap(),
            ioc_types: Kind::USUAL.iter().copied().collect(),
            noise: self.noise.clone(),
        }
    }

    fn style() -> Style {
        Style {
            vmray_base: Some("https://vmray.test".to_owned()),
            tlp: Tlp::Amber,
            expiry: "30".parse::<Expiry>().unwrap(),
            created_by: indicators::identity().id,
        }
    }

    /// Begins another process that shares the state.
    pub(crate) fn process(&self) -> Enrichment {
        Enrichment::new(self.parts(Uploads::To { client: Box::new(self.upload(self.uploads_per_minute)) }))
    }

    pub(crate) fn parts(&self, uploads: Uploads) -> Parts {
        Parts {
            vmray: self.vmray(),
            rules: self.rules(),
            style: Self::style(),
            storage: self.storage.clone(),
            uploads,
            settings: self.settings.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Runs the feed once.
    pub(crate) async fn feed(&self) -> RunSummary {
        let feed = Feed {
            vmray: self.vmray(),
            upload: self.upload(95),
            rules: self.rules(),
            style: Self::style(),
            storage: self.storage.clone(),
            route: "default".to_owned(),
            limits: Limits {
                vmray_concurrency: 16,
                uploads_in_flight: 12,
                most_waiting: 2_000,
                initial_fetch: hours(90 * 24),
            },
            clock: self.clock.clone(),
        };
        let (progress, _) = watch::channel(Progress::default());
        Box::pin(feed.run(&RunOptions::default(), &progress, &CancellationToken::new())).await.unwrap()
    }

    /// Returns how many submits VMRay took.
    pub(crate) fn submits(&self) -> usize {
        self.calls("POST", "/rest/sample/submit")
    }

    pub(crate) fn calls(&self, method: &str, path: &str) -> usize {
        let requests = self.stack.vmray.requests();
        requests.iter().filter(|seen| seen.method == method && seen.path.starts_with(path)).count()
    }

    /// Returns the labels of what Sentinel holds, by pattern.
    pub(crate) fn sentinel(&self) -> BTreeMap<String, Vec<String>> {
        let pattern = |object: &Value| object["pattern"].as_str().map(str::to_owned);
        let labels = |object: &Value| {
            let labels = object["labels"].as_array().cloned().unwrap_or_default();
            labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect()
        };
        let objects = self.stack.upload.objects();
        objects.values().map(simulators::Row::object).filter_map(|row| Some((pattern(&row)?, labels(&row)))).collect()
    }
}

/// Asks about URLs.
pub(crate) fn urls(urls: &[&str]) -> EnrichRequest {
    EnrichRequest::new(urls.iter().map(|url| Item::url(url).unwrap()).collect())
}

pub(crate) async fn file(name: &str, content: &[u8]) -> Item {
    let mut spool = SpoolRoom { folder: None, max_bytes: 100_000_000 }.begin().await.unwrap();
    spool.write(content).await.unwrap();
    Item::file(Some(name), spool.finish().await.unwrap())
}

/// Asks until there is a report.
pub(crate) async fn to_the_end(process: &Enrichment, answer: Result<Answer, Error>) -> Report {
    let mut answer = answer.unwrap();
    for _ in 0..200 {
        match answer {
            Answer::Done(report) => return *report,
            Answer::Pending { job, retry_after, .. } => {
                tokio::time::sleep(retry_after).await;
                answer = process.job(&job).await.unwrap();
            }
        }
    }
    panic!("it never ends");
}

/// Runs a call for a while and drops it there: what a kill does.
pub(crate) async fn killed<T>(call: impl Future<Output = T>) {
    assert!(tokio::time::timeout(Duration::from_secs(20), call).await.is_err(), "it ended before it was killed");
}

/// A world in which VMRay knows one URL.
pub(crate) fn known_url(url: &str, verdict: Verdict, age: SignedDuration) -> World {
    let mut world = World::new();
    add_known_url(&mut world, 1001, url, verdict, age);
    world
}

pub(crate) fn add_known_url(world: &mut World, id: u64, url: &str, verdict: Verdict, age: SignedDuration) {
    let finished = before(age);
    let iocs = vec![Ioc::new(IocKind::Url, url, verdict)];
    world.add_sample(Sample::url(id, finished - hours(1), url).with_iocs(iocs));
    world.add_submission(Submission::finished(id + 100_000, id, finished, Some(verdict)));
}
