//! `simulate`: the stand-ins on sockets, until told to stop.

mod control;
mod fault_file;
mod switches;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use outbound::Clock;
use serde_json::{Map, json};
use simulators::{Listening, ReportWorld, Stack, StackOptions, World, listen};

use self::control::Control;
pub(crate) use self::switches::Making;
use crate::app::App;
use crate::cli::Simulate;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{self, quoted};
use crate::{output, signals};

pub(crate) async fn run(app: &App, args: &Simulate) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage(anyhow::anyhow!(
            "--listen {} is not an address of this machine alone",
            args.listen
        ))
        .with_hint("the simulators accept a key that everybody can read here; use 127.0.0.1"));
    }
    let stop = signals::stop_token(app);
    let faults = args.faults.as_deref().map(fault_file::read).transpose().map_err(Failure::usage)?.unwrap_or_default();
    let ends = args.ends.unwrap_or_else(|| app.clock.now());
    let mut making = Making { seed: args.seed, samples: args.samples, ends, odd: args.odd }.options();
    let mut options = StackOptions { seed: args.seed, faults, ..StackOptions::default() };
    switches::apply(&args.switches, &mut options, &mut making)?;
    let world = match &args.reports {
        Some(folder) => reports(app, folder)?,
        None => World::generate(&making),
    };
    let stack = Stack::new(world, options, app.clock.clone());
    let served = Served::start(&stack, args.listen, &app.clock).await?;
    if app.json {
        let environment: Map<_, _> =
            served.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        output::json(
            &json!({ "environment": environment, "objects": served.objects_url(), "stats": served.stats_url() }),
        )?;
    } else {
        output::text(&served.exports())?;
    }
    stop.cancelled().await;
    served.stop().await;
    Ok(Exit::Done)
}

/// A world of recorded reports.
fn reports(app: &App, folder: &Path) -> Result<World, Failure> {
    let read = ReportWorld::read(folder, app.clock.now()).map_err(|error| Failure::usage(error.into()))?;
    for (file, reason) in &read.unreadable {
        app.say(&format!("skipped {}: {reason}\n", file.display()));
    }
    if read.world.samples().next().is_none() {
        return Err(Failure::usage(anyhow::anyhow!("{} holds no report", folder.display())).with_hint(
            "put summary_v2.json files or replies of /rest/sample/ID/iocs there; their names end in .json",
        ));
    }
    Ok(read.world)
}

/// The stand-ins on sockets, with a look inside.
#[derive(Debug)]
pub(crate) struct Served {
    sockets: Vec<Listening>,
    upload: String,
    /// What points a feed at them.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Served {
    /// Listens: VMRay on the given port and the others on the three after it, or each on a free one.
    pub(crate) async fn start(stack: &Stack, address: SocketAddr, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let at = |by: u16| {
            let port = if address.port() == 0 { 0 } else { address.port().saturating_add(by) };
            SocketAddr::new(address.ip(), port)
        };
        let context = "starting the simulators";
        let vmray = listen(stack.vmray.clone(), at(0)).await.context(context)?;
        let entra = listen(stack.entra.clone(), at(1)).await.context(context)?;
        let upload = listen(Arc::new(Control::new(stack, clock.clone())), at(2)).await.context(context)?;
        let logs = listen(stack.logs.clone(), at(3)).await.context(context)?;
        let url_of = |name: &str| match name {
            "VmrayBaseURL" => Some(vmray.base_url()),
            "AZURE_AUTHORITY_HOST" => Some(entra.base_url()),
            "SentinelTiEndpoint" => Some(upload.base_url()),
            "LogsIngestionEndpoint" => Some(logs.base_url()),
            _ => None,
        };
        let settings =
            stack.settings().into_iter().map(|(name, value)| (name, url_of(name).unwrap_or(value))).collect();
        Ok(Self { upload: upload.base_url(), sockets: vec![vmray, entra, upload, logs], settings })
    }

    /// Where the uploaded objects can be read.
    pub(crate) fn objects_url(&self) -> String {
        format!("{}{}", self.upload, control::OBJECTS)
    }

    fn stats_url(&self) -> String {
        format!("{}{}", self.upload, control::STATS)
    }

    /// Ends all connections.
    pub(crate) async fn stop(self) {
        futures::future::join_all(self.sockets.into_iter().map(Listening::stop)).await;
    }

    /// Lines that a shell can read.
    fn exports(&self) -> String {
        let mut text =
            String::from("# Simulators of VMRay, Entra and Sentinel; Ctrl-C ends them. In another terminal:\n");
        for (name, value) in &self.settings {
            writeln!(text, "export {name}={}", quoted(value)).unwrap_or_default();
        }
        let next = invocation::command("feed --once");
        writeln!(text, "# then: {next}\n# what was uploaded: {}", self.objects_url()).unwrap_or_default();
        text
    }
}
