//! Whole runs in process, and what they leave in the health tables.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::{Environment, Settings};
use feed::{Outcome, RunOptions, RunSummary};
use outbound::{Clock, TokioClock};
use serde_json::{Map, Value};
use simulators::{
    Access, Fault, FaultRule, Ioc, IocKind, LogsOptions, Sample, ServiceName, Stack, StackOptions, Submission,
    UploadOptions, Verdict, When, World,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;

use super::rows::{self, About};
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;

/// A feed with health tables, all of it in this process.
struct Bench {
    stack: Stack,
    engine: Engine,
    log: Log,
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Bench {
    /// Two samples: one whose values Sentinel takes and refuses, one that VMRay does not show.
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[(&str, &str)]) -> Self {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(now));
        let mut world = World::new();
        let ioc = |value: &str| Ioc::new(IocKind::Domain, value, Verdict::Malicious);
        let null = Ioc { value: None, ..ioc("x.example.net") };
        let iocs = vec![ioc("good.example.net"), ioc("refused.example.net"), null];
        world.add_sample(Sample::file(1, now, "a.exe").with_iocs(iocs));
        world.add_submission(Submission::finished(1001, 1, now, Some(Verdict::Malicious)));
        world.add_sample(Sample::file(2, now, "b.exe"));
        world.add_submission(Submission::finished(1002, 2, now, Some(Verdict::Malicious)));
        world.sample_mut(2).unwrap().access = Access::Forbidden;
        let upload =
            UploadOptions { refused_texts: vec!["refused.example.net".to_owned()], ..UploadOptions::default() };
        let stack = Stack::new(world, StackOptions { upload, ..StackOptions::default() }, clock.clone());
        let ours = [("StateUrl", "memory:"), ("AzureClientSecretExpires", "2027-06-30")];
        let mut pairs: BTreeMap<String, String> =
            stack.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        pairs.extend(ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let environment: Environment = pairs.into_iter().collect();
        let mut config = FeedConfig::load(&Settings::load(&[], environment, None)).unwrap();
        config.transport = Arc::new(stack.in_process());
        let clients = config.clients(&clock);
        let engine = Engine::build(config, &clients, Changes::Kept).unwrap();
        Self { stack, engine, log: Log::default() }
    }

    fn faults(&self, service: ServiceName, when: When, fault: Fault) {
        self.stack.faults().add(FaultRule::new(service, when, fault));
    }

    async fn run(&self) -> Result<RunSummary, Failure> {
        self.run_with(&RunOptions::default(), &CancellationToken::new()).await
    }

    async fn run_with(&self, options: &RunOptions, stop: &CancellationToken) -> Result<RunSummary, Failure> {
        let log = self.log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || log.clone()).with_ansi(false).finish();
        async { self.engine.run(options, stop, |_| {}).await.tell().await }.with_subscriber(subscriber).await
    }

    fn runs(&self) -> Vec<Map<String, Value>> {
        self.stack.logs.rows_of(LogsOptions::RUNS)
    }

    /// The events of the kind, without what all of them have.
    fn events(&self, kind: &str) -> Vec<Map<String, Value>> {
        let rows = self.stack.logs.rows_of(LogsOptions::EVENTS);
        rows.into_iter().filter(|row| row["Kind"] == kind).collect()
    }

    fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_run_is_one_row_and_one_event_for_each_thing_to_see() {
    let bench = Bench::new();
    let summary = bench.run().await.unwrap();
    let [run] = bench.runs().try_into().unwrap();
    assert_eq!((run["Outcome"].as_str(), run["Good"].as_bool()), (Some("done"), Some(true)));
    let count = |name: &str| run[name].as_u64().unwrap_or_else(|| panic!("{name}: {run:?}"));
    assert_eq!((count("Submissions"), count("Samples"), count("Staged")), (2, 2, 2));
    assert_eq!((count("Refused"), count("Receipts"), count("Unchanged")), (1, summary.counts["receipts"], 0));
    assert_eq!(count("Accepted"), summary.counts["accepted"]);
    assert_eq!((count("QuarantineOpen"), count("SamplesOpen"), count("OutboxLeft")), (1, 1, 0));
    assert_eq!((count("RetractionsHeld"), count("ScheduleSeconds")), (0, 600));
    assert_eq!(run["SecretExpiresAt"], "2027-06-30T00:00:00.000Z");
    assert!(run["ReadUpTo"].is_string() && run["Error"].is_null(), "{run:?}");
    assert_eq!((run["Route"].as_str(), run["Version"].as_str()), (Some("default"), Some(env!("CARGO_PKG_VERSION"))));

    let [refused] = bench.events("quarantined").try_into().unwrap();
    assert_eq!((refused["Value"].as_str(), refused["Reason"].as_str()), (Some("refused.example.net"), Some("refused")));
    assert!(refused["IndicatorId"].as_str().unwrap().starts_with("indicator--"));
    assert!(refused["Message"].as_str().unwrap().contains("not allowed"), "{refused:?}");
    let [open] = bench.events("open").try_into().unwrap();
    assert_eq!(open["SampleId"], 2);
    assert!(!open["Message"].as_str().unwrap().is_empty());
    let [dropped] = bench.events("dropped").try_into().unwrap();
    assert_eq!((dropped["Reason"].as_str(), dropped["Count"].as_u64()), (Some("null_value"), Some(1)));
    for event in [&refused, &open, &dropped] {
        assert_eq!((&event["RunId"], &event["TimeGenerated"]), (&run["RunId"], &run["TimeGenerated"]));
    }
    assert!(!bench.log().contains("WARN"), "{}", bench.log());
}

#[tokio::test(start_paused = true)]
async fn each_run_has_its_row_and_what_was_told_is_not_told_again() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.run().await.unwrap();
    }
    let ids: BTreeSet<String> = bench.runs().iter().map(|run| run["RunId"].to_string()).collect();
    assert_eq!((bench.runs().len(), ids.len()), (3, 3));
    assert_eq!((bench.events("quarantined").len(), bench.events("open").len()), (1, 1));
    assert!(bench.runs().iter().all(|run| run["QuarantineOpen"] == 1));
    // One token for uploads and one for rows.
    let tokens = bench.stack.entra.token_requests();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_says_why_and_what_it_did_before() {
    let bench = Bench::new();
    bench.faults(ServiceName::Upload, When::Always, Fault::Status(403));
    let failure = bench.run().await.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    let [run] = bench.runs().try_into().unwrap();
    assert_eq!((run["Outcome"].as_str(), run["Good"].as_bool()), (Some("failed"), Some(false)));
    let error = run["Error"].as_str().unwrap();
    assert!(error.contains("uploading to Sentinel") && error.contains("Microsoft Sentinel Contributor"), "{error}");
    assert_eq!((run["Submissions"].as_u64(), run["Accepted"].as_u64()), (Some(2), Some(0)));
    assert!(run["OutboxLeft"].as_u64() > Some(0), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_told_to_stop_is_a_good_one() {
    let bench = Bench::new();
    let stop = CancellationToken::new();
    stop.cancel();
    let summary = bench.run_with(&RunOptions::default(), &stop).await.unwrap();
    assert_eq!(summary.outcome, Outcome::StoppedEarly);
    let [run] = bench.runs().try_into().unwrap();
    assert_eq!((run["Outcome"].as_str(), run["Good"].as_bool()), (Some("stopped_early"), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_leaves_no_row() {
    let bench = Bench::new();
    let dry = RunOptions { dry_run: true, ..RunOptions::default() };
    bench.run_with(&dry, &CancellationToken::new()).await.unwrap();
    assert!(bench.stack.logs.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_the_settings_nothing_is_asked_of_azure_monitor() {
    let bench = Bench::with(&[("LogsIngestionEndpoint", ""), ("LogsIngestionRule", "")]);
    bench.run().await.unwrap();
    assert!(bench.stack.logs.requests().is_empty());
    assert_eq!(bench.stack.entra.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn rows_that_cannot_be_written_cost_a_warning_with_the_next_step_and_half_a_minute_at_most() {
    for (fault, words) in [
        (Fault::ResetBefore, "LogsIngestionEndpoint"),
        (Fault::Status(403), "Monitoring Metrics Publisher"),
        (Fault::Status(404), "LogsIngestionRule"),
        (Fault::Status(503), "azure.status.microsoft"),
        (Fault::HtmlPage, "HttpsProxy"),
        (Fault::Hang, "LogsIngestionEndpoint"),
        (Fault::Throttled { retry_after: Duration::from_secs(600) }, "12,000 calls a minute"),
    ] {
        let bench = Bench::new();
        bench.faults(ServiceName::Logs, When::Always, fault);
        let started = Instant::now();
        bench.run().await.unwrap();
        assert!(started.elapsed() <= Duration::from_secs(31), "{fault:?}: {:?}", started.elapsed());
        let log = bench.log();
        assert!(log.contains(words) && log.matches("The run").count() == 1, "{fault:?}: {log}");
        assert!(bench.runs().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn less_time_is_kept_too() {
    let mut bench = Bench::new();
    bench.engine = bench.engine.with_health_within(Duration::from_secs(5));
    bench.faults(ServiceName::Logs, When::Always, Fault::Hang);
    let started = Instant::now();
    bench.run().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5);
    assert!(bench.log().contains("not written to within 5 s"), "{}", bench.log());
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_row_was_lost_on_the_way_is_told_by_the_repeat() {
    let bench = Bench::new();
    bench.faults(ServiceName::Logs, When::First(2), Fault::Status(503));
    bench.run().await.unwrap();
    assert_eq!((bench.runs().len(), bench.events("open").len()), (1, 1));
    // A lost answer doubles the row, and its id says so.
    bench.faults(ServiceName::Logs, When::First(1), Fault::ResetAfter);
    bench.run().await.unwrap();
    let runs = bench.runs();
    assert_eq!((runs.len(), &runs[1]), (3, &runs[2]));
}

#[tokio::test(start_paused = true)]
async fn neither_a_row_nor_a_warning_holds_a_secret() {
    let bench = Bench::new();
    bench.faults(ServiceName::Logs, When::Nth(2), Fault::Status(403));
    bench.run().await.unwrap();
    bench.stack.entra.edit(|options| options.apps.clear());
    // The tokens are over by then, and no new ones are given.
    tokio::time::advance(Duration::from_secs(7200)).await;
    bench.run().await.unwrap();
    assert!(bench.log().contains("AADSTS700016"), "{}", bench.log());
    let told = format!("{:?} {}", bench.stack.logs.rows(), bench.log());
    for secret in [simulators::EntraOptions::CLIENT_SECRET, simulators::VmrayOptions::API_KEY, "Bearer", "eyJ"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_identity_writes_the_rows_where_one_is_named() {
    const WRITER: &str = "77777777-aaaa-4bbb-8ccc-000000000007";
    let bench = Bench::with(&[("LogsIngestionClientID", WRITER)]);
    bench.stack.logs.edit(|options| options.publishers = [WRITER.to_owned()].into());
    bench.run().await.unwrap();
    assert!(bench.runs().is_empty() && bench.log().contains("WARN"), "there is no such identity yet");
    bench.stack.entra.edit(|options| {
        if let Some(identities) = &mut options.managed_identity {
            identities.user_assigned.push(WRITER.to_owned());
        }
    });
    bench.run().await.unwrap();
    assert_eq!(bench.runs().len(), 1, "{}", bench.log());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_gives_way_to_another_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let bench = Bench::with(&[("StateUrl", state)]);
    let other = Bench::with(&[("StateUrl", state)]);
    other.faults(ServiceName::Vmray, When::Always, Fault::Delay(Duration::from_secs(5)));
    let (first, second) = tokio::join!(other.run(), async {
        // By then the other one has opened the state.
        tokio::time::sleep(Duration::from_secs(2)).await;
        bench.run().await
    });
    first.unwrap();
    assert_eq!(second.unwrap_err().exit, Exit::StoppedEarly);
    assert!(bench.stack.logs.requests().is_empty());
    assert_eq!(other.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_begin_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    Bench::with(&[("StateUrl", state)]).run().await.unwrap();
    let bench = Bench::with(&[("StateUrl", state), ("AzureWorkspaceID", "99999999-aaaa-4bbb-8ccc-000000000002")]);
    assert_eq!(bench.run().await.unwrap_err().exit, Exit::Usage);
    let [run] = bench.runs().try_into().unwrap();
    assert_eq!((run["Good"].as_bool(), &run["QuarantineOpen"]), (Some(false), &Value::Null));
    assert!(run["Error"].as_str().unwrap().contains("belongs to"), "{run:?}");
}

/// Names and types that a template declares.
fn declared(columns: &str) -> BTreeMap<String, String> {
    let columns: Vec<Map<String, Value>> = serde_json::from_str(columns).unwrap();
    let text = |column: &Map<String, Value>, key: &str| column[key].as_str().unwrap().to_owned();
    columns.iter().map(|column| (text(column, "name"), text(column, "type"))).collect()
}

/// The type in which a value arrives.
fn kind_of(name: &str, value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "long",
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "datetime",
        Value::String(_) => "string",
        other => panic!("{name}: {other}"),
    }
}

fn types(rows: &[Map<String, Value>]) -> BTreeMap<String, String> {
    let mut types = BTreeMap::new();
    for (name, value) in rows.iter().flatten().filter(|(_, value)| !value.is_null()) {
        let kind = kind_of(name, value).to_owned();
        let before = types.insert(name.clone(), kind.clone());
        assert!(before.is_none_or(|before| before == kind), "{name}");
    }
    types
}

#[tokio::test(start_paused = true)]
async fn the_rows_have_exactly_the_columns_of_the_template_and_their_types() {
    let bench = Bench::new();
    let summary = bench.run().await.unwrap();
    let time = "2026-11-24T12:00:00Z".parse().unwrap();
    let about = About {
        run_id: "id",
        route: "default",
        started: time,
        ended: time,
        schedule: Some(Duration::from_secs(600)),
        secret_expires: Some(time),
        host: Some("host"),
    };
    let failure = Failure::from(anyhow::anyhow!("why"));
    let run = rows::run(&about, Some(&summary), Some(&failure));
    assert_eq!(types(&[run]), declared(include_str!("../../../../azure/parts/runs-columns.json")));
    let events = rows::events(&about, Some(&summary));
    let columns = declared(include_str!("../../../../azure/parts/events-columns.json"));
    assert_eq!(types(&events), columns);
    // What is null in one is there all the same.
    for row in [rows::events(&about, Some(&summary)), vec![rows::run(&about, None, None)]].concat() {
        let names: BTreeSet<_> = row.keys().collect();
        assert!(names.len() == columns.len() || names.len() == 24, "{names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_take_half_a_minute_are_no_part_of_the_run_and_cost_no_tick() {
    // The first run starts 10 s before a full minute, and the tables hang for 30 s.
    let bench = Bench::with(&[("Polling", "* * * * *")]);
    bench.faults(ServiceName::Logs, When::Always, Fault::Hang);
    tokio::time::advance(Duration::from_secs(50)).await;
    let live = tokio::sync::watch::Sender::new(crate::live::Live::default());
    let stop = CancellationToken::new();
    let started = Instant::now();
    let daemon = crate::daemon::run(&bench.engine, RunOptions::default(), &live, &stop);
    let four_ticks = async {
        tokio::time::sleep(Duration::from_secs(10 + 3 * 60 + 55)).await;
        stop.cancel();
    };
    tokio::join!(async { daemon.await.unwrap() }, four_ticks);
    assert!(started.elapsed() < Duration::from_secs(300));
    let runs = ledger::Reader::open(&bench.engine.storage, "default").await.unwrap();
    let runs = runs.records().newest_runs(100).await.unwrap();
    // One at once and one a minute, none of them longer than the calls that it made.
    assert_eq!(runs.len(), 5, "{runs:?}");
    for run in &runs {
        assert!(run.ended.duration_since(run.started).as_secs() < 5, "{run:?}");
    }
    let ended = bench.engine.run(&RunOptions::default(), &CancellationToken::new(), |_| {}).await;
    let took = ended.took;
    assert!(took < Duration::from_secs(5), "{took:?}");
    ended.tell().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_counts_once_however_often_it_is_listed_and_read() {
    let bench = Bench::new();
    bench.run().await.unwrap();
    // A new submission of the sample has it read again; its value without text is no news.
    let now = bench.engine.clock().now();
    bench.stack.vmray.edit(|world| {
        world.add_submission(Submission::finished(1003, 1, now, Some(Verdict::Malicious)));
    });
    tokio::time::advance(Duration::from_secs(600)).await;
    let summary = bench.run().await.unwrap();
    // The sample that is open is looked at again, too.
    assert_eq!((summary.counts["samples_read"], summary.counts["receipts"]), (2, 0));
    let counted: u64 = bench.events("dropped").iter().map(|event| event["Count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 1);
}
