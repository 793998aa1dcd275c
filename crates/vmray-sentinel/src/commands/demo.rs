//! `demo`: everything at once, without an account.
//!
//! The stand-ins listen on this machine, so that the commands that the demo suggests work while it runs. No setting
//! of the operator reaches it: what it feeds is never a real workspace.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use feed::{RunOptions, RunSummary};
use jiff::SignedDuration;
use serde_json::json;
use simulators::{Stack, StackOptions};
use tokio_util::sync::CancellationToken;

use super::serve::feed_and_site;
use super::simulate::{Served, world};
use crate::app::App;
use crate::cli::Demo;
use crate::config::{ApiKeys, Environment, Settings};
use crate::engine::{Changes, Engine, FeedConfig};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::Server;
use crate::paint::Paint;
use crate::progress::Display;
use crate::{invocation, output, signals, words};

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
    let options = StackOptions { seed: args.seed, ..StackOptions::default() };
    let stack = Stack::new(world(args.seed, args.samples, app.clock.now()), options, app.clock.clone());
    let stand_ins = Served::start(&stack, SocketAddr::from(([127, 0, 0, 1], 0))).await?;

    let config = FeedConfig::load(&settings(app, &stand_ins))?;
    let api = config.for_api();
    let engine = Engine::build(config, &app.clock, Changes::Kept)?;
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
        feed_and_site(&engine, api, server, ApiKeys::default(), &stop).await?;
    }
    stand_ins.stop().await;
    Ok(Exit::Done)
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
        "{}\nVMRay, Entra and Sentinel are stand-ins in this process: no account, no key, no other network.\n\n\
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
        row(
            "second run",
            &format!("{}   {}", words::counts(&self.second.run.counts), paint.faint(span(self.second.took))),
        );
        let held = self.second.run.quarantine_open + self.second.run.samples_open;
        if held > 0 {
            row("held back", &paint.warn(words::count(held, "record")).to_string());
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
                let end = "The feed goes on every ten minutes. Ctrl-C ends the demo; the state folder stays.";
                writeln!(
                    text,
                    "\n{end}\nStatus page: {}\nAPI:         {}",
                    paint.strong(page),
                    paint.strong(format!("{page}docs"))
                )
                .unwrap_or_default();
            }
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let milliseconds = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        json!({
            "objects_in_sentinel": self.stack.upload.objects().len(),
            "first_run": self.first.run,
            "first_run_ms": milliseconds(self.first.took),
            "second_run": self.second.run,
            "second_run_ms": milliseconds(self.second.took),
            "state_url": self.state,
            "page": self.page,
        })
    }
}
