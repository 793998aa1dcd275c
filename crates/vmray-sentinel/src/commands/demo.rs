//! `demo`: everything at once, without an account.
//!
//! The stand-ins listen on this machine, so that the commands that the demo suggests work while it runs. No setting
//! of the operator reaches it: what it feeds is never a real workspace.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use config::{ApiKeys, Environment, Settings};
use feed::{RunOptions, RunSummary};
use jiff::SignedDuration;
use serde::Serialize;
use simulators::{Access, IocKind, Stack, StackOptions, UploadOptions, Verdict, VmrayOptions, World};
use tokio_util::sync::CancellationToken;

use super::serve::feed_and_site;
use super::simulate::{Making, Served};
use crate::app::App;
use crate::cli::Demo;
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::Server;
use crate::paint::Paint;
use crate::progress::Display;
use crate::{invocation, output, signals, summary, words};

/// How long VMRay's stand-in analyses what the demo's visitor submits: long enough to be seen, short enough to be waited for.
const ANALYSIS_TIME: Duration = Duration::from_secs(4);

/// What `--json` prints. A `Value` would sort the counts of the runs by name.
#[derive(Serialize)]
struct StoryData<'a> {
    objects_in_sentinel: usize,
    first_run: &'a RunSummary,
    first_run_ms: u64,
    second_run: &'a RunSummary,
    second_run_ms: u64,
    state_url: &'a str,
    page: Option<&'a str>,
}

/// One run and how long it took.
struct Timed {
    run: RunSummary,
    took: Duration,
}

/// What the demo has to tell.
struct Story<'a> {
    stack: &'a Stack,
    first: Timed,
    second: Timed,
    state: String,
    objects_url: String,
    page: Option<String>,
}

pub(crate) async fn run(app: &App, args: &Demo) -> Result<Exit, Failure> {
    let stop = signals::stop_token(app);
    // Taken first: a port in use is better known before the work than after it.
    let server = if args.once { None } else { Some(listen(args.listen).await?) };
    let making = Making { seed: args.seed, samples: args.samples, ends: app.clock.now(), odd: 1.0 };
    let mut world = World::generate(&making.options());
    let upload = UploadOptions { refused_texts: seed_troubles(&mut world), ..UploadOptions::default() };
    let vmray = VmrayOptions { analysis_time: ANALYSIS_TIME, ..VmrayOptions::default() };
    let options = StackOptions { seed: args.seed, vmray, upload, ..StackOptions::default() };
    let stack = Stack::new(world, options, app.clock.clone());
    let stand_ins = Served::start(&stack, SocketAddr::from(([127, 0, 0, 1], 0)), &app.clock).await?;

    let config = FeedConfig::load(&settings(app, &stand_ins))?;
    let api = config.for_api();
    let clients = config.clients(&app.clock);
    let engine = Engine::build(config, &clients, Changes::Kept)?;
    if !app.json {
        output::text(&opening(&stack, app.out))?;
    }
    let first = timed(app, &engine, &stop).await?;
    let second = timed(app, &engine, &stop).await?;
    let story = Story {
        stack: &stack,
        first,
        second,
        state: engine.state_url.to_string(),
        objects_url: stand_ins.objects_url(),
        page: server.as_ref().map(Server::url),
    };
    if app.json {
        output::json(&story.json())?;
    } else {
        output::text(&story.text(app.out))?;
    }
    if let Some(server) = server
        && !stop.is_cancelled()
    {
        feed_and_site(&engine, api, &clients, (server, ApiKeys::default()), &stop).await?;
    }
    stand_ins.stop().await;
    Ok(Exit::Done)
}

/// Gives quarantine something to hold: one sample that VMRay does not show, and one value that Sentinel is to refuse,
/// which is returned.
fn seed_troubles(world: &mut World) -> Vec<String> {
    let malicious = |world: &World, id: u64| {
        world.submissions_of(id).all(|made| made.verdict == Some(Verdict::Malicious) && made.tells_finish_time)
    };
    let shown = world.samples().filter(|sample| sample.access == Access::Open);
    let shown: Vec<u64> = shown.map(|sample| sample.id).filter(|id| malicious(world, *id)).collect();
    let value = shown.iter().skip(1).find_map(|id| {
        let found = world.iocs(*id).into_iter().find(|ioc| {
            ioc.kind == IocKind::Domain
                && ioc.verdict == Some(Verdict::Malicious)
                && ioc.tells_verdict
                && ioc.value.as_ref().is_some_and(|value| value.len() > 16 && value.is_ascii())
        });
        found?.value
    });
    if let Some(first) = shown.first().filter(|_| shown.len() > 1).and_then(|id| world.sample_mut(*id)) {
        first.access = Access::Forbidden;
    }
    value.into_iter().collect()
}

/// Takes the address, or a free port when the usual one is taken.
async fn listen(address: SocketAddr) -> Result<Server, Failure> {
    match Server::bind(address, &ApiKeys::default()).await {
        Err(failure) if address.port() == crate::cli::PAGE_PORT && failure.exit == Exit::Failed => {
            Server::bind(SocketAddr::new(address.ip(), 0), &ApiKeys::default()).await
        }
        outcome => outcome,
    }
}

/// The settings of the stand-ins, and a fresh state folder unless one is named by a flag.
fn settings(app: &App, served: &Served) -> Settings {
    let folder = format!("vmray-sentinel-demo-{}", app.clock.now().strftime("%Y%m%d-%H%M%S"));
    let folder = std::env::temp_dir().join(format!("{folder}-{}", std::process::id()));
    let flag = app.settings.state_url_flag();
    let state_url = flag.unwrap_or_else(|| folder.display().to_string());
    let stand_ins = served.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let both = ("VmraySampleVerdict".to_owned(), "Malicious & Suspicious".to_owned());
    let environment: Environment = stand_ins.chain([("StateUrl".to_owned(), state_url), both]).collect();
    Settings::load(&[], environment, None)
}

async fn timed(app: &App, engine: &Engine, stop: &CancellationToken) -> Result<Timed, Failure> {
    let mut display = Display::start(&app.bars, engine.upload_pacer(), &app.clock);
    let ended = engine.run(&RunOptions::default(), stop, |progress| display.show(progress)).await;
    display.finish();
    let took = ended.took;
    Ok(Timed { run: ended.tell().await?, took })
}

fn opening(stack: &Stack, paint: Paint) -> String {
    let world = stack.vmray.world();
    format!(
        "{}\nVMRay, Entra and Sentinel are simulated in this process: no account, no key, no other network.\n\n\
         VMRay holds {} and {}. The feed reads them.\n\n",
        paint.strong("VMRay for Microsoft Sentinel, demo"),
        words::count(world.samples().count(), "sample"),
        words::count(world.submissions().count(), "submission"),
    )
}

impl Story<'_> {
    fn text(&self, paint: Paint) -> String {
        let mut text = String::new();
        let objects = self.stack.upload.objects();
        let indicators = objects.values().filter(|row| row.stix_type == "indicator").count();
        let span = |took: Duration| words::span(SignedDuration::try_from(took).unwrap_or_default());
        let mut row = |name: &str, value: &str| writeln!(text, "  {name:<13}{value}").unwrap_or_default();
        let arrived = format!("{} in Sentinel", words::count(indicators, "indicator"));
        row("first run", &format!("{}   {}", paint.good(arrived), paint.faint(span(self.first.took))));
        row("", &words::counts(&self.first.run.counts));
        for note in [summary::found_again(&self.first.run), summary::sent_note(&self.first.run)].into_iter().flatten() {
            row("", &paint.faint(note).to_string());
        }
        row("second run", &format!("{}   {}", self.second(), paint.faint(span(self.second.took))));
        let held = self.second.run.quarantine_open + self.second.run.samples_open;
        if held > 0 {
            let why = "on purpose, so that you can try `quarantine`: Sentinel refuses a value, VMRay does not show some samples";
            row("held back", &format!("{}   {}", paint.warn(words::count(held, "record")), paint.faint(why)));
        }
        row("state", &self.state);
        writeln!(text, "\nTry next").unwrap_or_default();
        for command in ["status", "quarantine list"] {
            let command = invocation::command_on(&self.state, command);
            writeln!(text, "  {}", paint.command(command)).unwrap_or_default();
        }
        match &self.page {
            None => writeln!(text, "  {}", paint.command(invocation::command("demo"))).unwrap_or_default(),
            Some(page) => {
                writeln!(text, "  {}", paint.command(format!("curl {}", self.objects_url))).unwrap_or_default();
                let ask = format!("curl --json '{{\"items\":[{{\"url\":\"http://new.example/\"}}]}}' {page}api/enrich");
                writeln!(text, "  {}", paint.command(ask)).unwrap_or_default();
                // A line of its own: what stands beside a command is pasted with it.
                let wait = format!(
                    "The last one answers at once; ask again after {} s for the verdict.",
                    ANALYSIS_TIME.as_secs() + 1
                );
                writeln!(text, "\n{}", paint.faint(wait)).unwrap_or_default();
                let end = "The feed runs every ten minutes. Ctrl-C ends the demo; the state folder stays.";
                writeln!(
                    text,
                    "{end}\nStatus page: {}\nAPI:         {}",
                    paint.strong(page),
                    paint.strong(format!("{page}docs"))
                )
                .unwrap_or_default();
            }
        }
        text
    }

    /// What the second run did, for which there should be nothing to do but to ask for open samples again.
    fn second(&self) -> String {
        let mut counts = self.second.run.counts.clone();
        match counts.remove("samples_read") {
            Some(again) if again > 0 => {
                format!("{}, {} asked for again", words::counts(&counts), words::count(again, "open sample"))
            }
            _ => words::counts(&counts),
        }
    }

    fn json(&self) -> StoryData<'_> {
        let milliseconds = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        StoryData {
            objects_in_sentinel: self.stack.upload.objects().len(),
            first_run: &self.first.run,
            first_run_ms: milliseconds(self.first.took),
            second_run: &self.second.run,
            second_run_ms: milliseconds(self.second.took),
            state_url: &self.state,
            page: self.page.as_deref(),
        }
    }
}
