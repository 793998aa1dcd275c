//! A feed between stand-ins, with a clock that outlives a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use feed::{Error, Failed, Feed, Limits, Progress, RunOptions, RunSummary};
use indicators::{Expiry, NoiseList, Rules, Style};
use jiff::{SignedDuration, Timestamp};
use ledger::{Command, Commands, Objects, OpenSample, Reader, ReceiptRecord, Storage};
use object_store::memory::InMemory;
use outbound::{Clock, Exchange, Pacer, RetryPolicy, Transport};
use sentinel::{Cloud, Identity, Tokens, UploadClient};
use simulators::{EntryKind, Stack, StackOptions, World};
use stix::{Kind, Observable, Tlp};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The wall clock of a world in which processes come and go.
#[derive(Debug)]
pub(crate) struct WorldClock(Mutex<(Timestamp, Option<Instant>)>);

impl WorldClock {
    pub(crate) fn new(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new((start, None))))
    }

    /// Begins a process: tokio's time starts anew, the world's goes on.
    pub(crate) fn begin(&self) {
        self.0.lock().unwrap().1 = Some(Instant::now());
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        let now = self.now();
        *self.0.lock().unwrap() = (now, None);
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.0.lock().unwrap().0 += time;
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        let (start, origin) = *self.0.lock().unwrap();
        let elapsed = origin.map_or(SignedDuration::ZERO, |origin| origin.elapsed().try_into().unwrap());
        start + elapsed
    }
}

/// Everything that survives a process.
pub(crate) struct Setting {
    pub(crate) clock: Arc<WorldClock>,
    pub(crate) stack: Stack,
    pub(crate) storage: Storage,
    pub(crate) seed: u64,
    pub(crate) verdicts: &'static str,
    pub(crate) offset: SignedDuration,
    pub(crate) per_minute: usize,
    /// Requests to VMRay at the same time, at the most.
    pub(crate) requests_at_once: usize,
    /// Objects that wait in memory.
    pub(crate) most_waiting: usize,
    /// Days that an indicator lives.
    pub(crate) days: u32,
    /// What stands before a host.
    pub(crate) before: Vec<(&'static str, Arc<dyn Transport>)>,
}

/// The feed's clock, which may be wrong.
#[derive(Debug)]
struct Wrong(Arc<WorldClock>, SignedDuration);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        self.0.now() + self.1
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Setting {
    pub(crate) fn new(world: World, options: StackOptions, now: Timestamp) -> Self {
        let clock = WorldClock::new(now);
        let seed = options.seed;
        let stack = Stack::new(world, options, clock.clone());
        let storage = Storage::over(Arc::new(InMemory::new()));
        Self {
            clock,
            stack,
            storage,
            seed,
            verdicts: "Malicious & Suspicious",
            offset: SignedDuration::ZERO,
            per_minute: 95,
            requests_at_once: 64,
            most_waiting: feed::MOST_WAITING,
            days: 180,
            before: Vec::new(),
        }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn feed(&self) -> Feed {
        let settings: BTreeMap<_, _> = self.stack.settings().into_iter().collect();
        let mut network = self.stack.in_process();
        for (host, before) in &self.before {
            network = network.with_host(host, before.clone());
        }
        let transport: Arc<dyn Transport> = Arc::new(network);
        let clock: Arc<dyn Clock> = Arc::new(Wrong(self.clock.clone(), self.offset));
        let exchange = || Exchange::new(transport.clone(), RetryPolicy::default()).with_seed(self.seed);
        let key = settings["VmrayAPIKey"].clone().into();
        let base = settings["VmrayBaseURL"].parse().unwrap();
        let vmray = vmray::Client::new(
            exchange().with_requests_at_once(self.requests_at_once),
            base,
            key,
            "test",
            clock.clone(),
        );
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
        let tokens = Arc::new(Tokens::new(transport.clone(), clock.clone(), &cloud, identity).with_seed(self.seed));
        let workspace = settings["AzureWorkspaceID"].parse().unwrap();
        let upload = UploadClient::new(
            exchange().with_pacer(Pacer::per_minute(self.per_minute)).with_requests_at_once(40),
            &cloud,
            workspace,
            tokens,
            clock.clone(),
            "VMRayThreatIntelligence",
        );
        Feed {
            vmray,
            upload,
            rules: Rules {
                verdicts: self.verdicts.parse().unwrap(),
                ioc_types: Kind::USUAL.iter().copied().collect(),
                noise: NoiseList::built_in(),
            },
            style: Style {
                vmray_base: Some(settings["VmrayBaseURL"].clone()),
                tlp: Tlp::Amber,
                expiry: self.days.to_string().parse::<Expiry>().unwrap(),
                created_by: indicators::identity().id,
            },
            storage: self.storage.clone(),
            route: "default".to_owned(),
            limits: Limits {
                vmray_concurrency: self.requests_at_once,
                uploads_in_flight: 40,
                most_waiting: self.most_waiting,
                initial_fetch: SignedDuration::from_hours(90 * 24),
            },
            clock,
        }
    }

    /// Runs once in a process of its own.
    pub(crate) fn run(&self, options: &RunOptions) -> Result<RunSummary, Error> {
        self.live(None, options).expect("nobody kills it").map_err(Failed::into_error)
    }

    /// The same for a run that must fail.
    pub(crate) fn fail(&self, options: &RunOptions) -> Failed {
        self.live(None, options).expect("nobody kills it").unwrap_err()
    }

    /// Runs in a process of its own that is killed after `life`; `None` when it was killed.
    pub(crate) fn live(
        &self,
        life: Option<std::time::Duration>,
        options: &RunOptions,
    ) -> Option<Result<RunSummary, Failed>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let outcome = runtime.block_on(async {
            self.clock.begin();
            let feed = self.feed();
            let (progress, _) = watch::channel(Progress::default());
            let stop = CancellationToken::new();
            let run = feed.run(options, &progress, &stop);
            let outcome = match life {
                None => Some(run.await),
                Some(life) => tokio::time::timeout(life, run).await.ok(),
            };
            self.clock.end();
            outcome
        });
        drop(runtime);
        outcome
    }

    /// Leaves a command for the next run.
    pub(crate) fn leave(&self, command: &Command) {
        block_on(Commands::of(&self.storage, "default").leave(command, self.clock.now())).unwrap();
    }

    /// Leaves an object beside the ledger, whatever is in it.
    pub(crate) fn leave_object(&self, folder: &str, name: &str, content: &'static str) {
        let objects = Objects::of(&self.storage, &format!("default/{folder}"));
        block_on(objects.create(name, content.into())).unwrap();
    }

    /// Reads the ledger.
    pub(crate) fn known(&self) -> Known {
        block_on(async {
            let reader = Reader::open(&self.storage, "default").await.unwrap();
            let records = reader.records();
            Known {
                cursor: records.cursor().await.unwrap().map(|cursor| cursor.until),
                outbox: records.outbox_after(None, usize::MAX).await.unwrap().into_iter().map(|(id, _)| id).collect(),
                quarantine: records.quarantine().await.unwrap().into_iter().map(|(id, _)| id).collect(),
                receipts: records.newest_receipts(usize::MAX).await.unwrap(),
                open: records.open_samples().await.unwrap().into_iter().map(|open| open.sample_id).collect(),
            }
        })
    }

    /// The samples that could not be read yet.
    pub(crate) fn open_samples(&self) -> Vec<OpenSample> {
        block_on(async {
            let reader = Reader::open(&self.storage, "default").await.unwrap();
            reader.records().open_samples().await.unwrap()
        })
    }

    /// What Sentinel holds: pattern to (created, object).
    pub(crate) fn indicators(&self) -> BTreeMap<String, serde_json::Value> {
        self.stack
            .upload
            .objects()
            .into_values()
            .filter(|row| row.stix_type == "indicator")
            .map(|row| (row.id.clone(), row.object()))
            .collect()
    }

    /// What VMRay's finished submissions say must be in Sentinel, told from the world alone.
    pub(crate) fn expected(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let now = self.clock.now();
        let wanted = |verdict: Option<simulators::Verdict>| {
            matches!(verdict, Some(simulators::Verdict::Malicious | simulators::Verdict::Suspicious))
        };
        let world = self.stack.vmray.world();
        let mut expected: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        world
            .entries()
            .filter(|entry| entry.finished_at.is_some_and(|at| at <= now) && entry.tells_finish_time)
            .filter(|entry| wanted(entry.submission_verdict) && wanted(entry.verdict))
            .filter(|entry| entry.ioc == Some(true) && !entry.is_memory_dump)
            .filter_map(|entry| {
                let value = entry.value?;
                let observable = match entry.kind {
                    EntryKind::Domain => Observable::domain(&value),
                    EntryKind::Ip => Observable::ip(&value).map(|(observable, _)| observable),
                    EntryKind::Url => Observable::url(&value),
                    EntryKind::Md5 => Observable::md5(&value),
                    EntryKind::Sha1 => Observable::sha1(&value),
                    EntryKind::Sha256 => Observable::sha256(&value),
                    _ => return None,
                };
                Some((observable.ok()?.id().to_string(), entry.sample_id))
            })
            .for_each(|(id, sample)| {
                expected.entry(id).or_default().insert(sample);
            });
        expected
    }
}

impl Setting {
    /// Holds the first promise: what VMRay called malicious is in Sentinel, in quarantine or in a receipt, and
    /// nothing else is.
    pub(crate) fn assert_nothing_lost_and_nothing_wrong(&self) {
        let expected = self.expected();
        let sent = self.indicators();
        let known = self.known();
        let told: BTreeSet<u64> =
            known.receipts.iter().map(|receipt| receipt.sample_id).chain(known.open.iter().copied()).collect();
        for (id, samples) in &expected {
            let accounted =
                sent.contains_key(id) || known.quarantine.contains(id) || samples.iter().all(|one| told.contains(one));
            assert!(accounted, "seed {}: {id} of samples {samples:?} is lost", self.seed);
        }
        // What VMRay does not show is open, or was given up with a receipt: it is never passed over in silence.
        let world = self.stack.vmray.world();
        let hidden = world.samples().filter(|sample| sample.access != simulators::Access::Open).map(|sample| sample.id);
        let hidden: BTreeSet<u64> = hidden.collect();
        for (id, samples) in &expected {
            for sample in samples.intersection(&hidden) {
                assert!(told.contains(sample), "seed {}: hidden sample {sample} of {id} is not told", self.seed);
            }
        }
        for id in sent.keys() {
            assert!(expected.contains_key(id), "seed {}: {id} was never called malicious", self.seed);
        }
        assert_eq!(known.outbox, Vec::<String>::new(), "seed {}", self.seed);
        for request in self.stack.upload.requests() {
            assert!(request.status != Some(429), "seed {}: we went too fast", self.seed);
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What the ledger says.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) cursor: Option<Timestamp>,
    pub(crate) outbox: Vec<String>,
    pub(crate) quarantine: BTreeSet<String>,
    pub(crate) receipts: Vec<ReceiptRecord>,
    pub(crate) open: Vec<u64>,
}
