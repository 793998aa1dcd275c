//! One module a command.

mod completions;
mod config;
mod convert;
mod demo;
mod doctor;
mod feed;
mod functions;
mod man;
mod quarantine;
mod serve;
mod simulate;
mod state;
mod status;

use ::config::{Environment, Settings};
use tracing::warn;

use crate::app::{App, Quiet};
use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::in_text;
use crate::output;

/// Runs the command and returns how the process ends. Prints the failure, if there is one.
pub(crate) fn start(cli: Cli, environment: &Environment) -> Exit {
    let settings = Settings::load(&cli.global.settings(), environment.clone(), cli.global.config.as_deref());
    let app = App::new(settings, environment, cli.global.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&app, &Failure::from(anyhow::Error::new(error).context("starting the runtime")));
            return Exit::Failed;
        }
    };
    let failure = match runtime.block_on(run(&app, cli.command)) {
        Ok(exit) => return exit,
        Err(failure) => failure,
    };
    report(&app, &failure);
    failure.exit
}

fn report(app: &App, failure: &Failure) {
    app.complain(failure);
    if app.json {
        // Standard output may be what failed; the exit code says so either way.
        drop(output::json(&failure.json()));
    }
}

async fn run(app: &App, command: Command) -> Result<Exit, Failure> {
    // The custom handler logs in its own way, and goes on when the settings of the log are wrong.
    if !matches!(command, Command::Functions) {
        app.start_logs(quiet(&command))?;
        warn_of_misspelt(app, &command);
    }
    match command {
        Command::Config(which) => config::run(app, &which),
        Command::Completions { shell } => completions::run(app, shell),
        Command::Man { folder } => man::run(app, &folder),
        Command::Convert(args) => convert::run(app, &args),
        Command::Simulate(args) => simulate::run(app, &args).await,
        Command::Quarantine(which) => quarantine::run(app, &which).await,
        Command::State(which) => state::run(app, &which).await,
        Command::Status(args) => status::run(app, &args).await,
        Command::Doctor => doctor::run(app).await,
        Command::Feed(args) => feed::run(app, &args).await,
        Command::Serve(args) => serve::run(app, &args).await,
        Command::Functions => functions::run(app).await,
        Command::Demo(args) => demo::run(app, &args).await,
    }
}

/// Says which variables look like settings and are none. `doctor` reports them itself, and `demo` reads no setting.
fn warn_of_misspelt(app: &App, command: &Command) {
    if matches!(command, Command::Doctor | Command::Demo(_)) {
        return;
    }
    for problem in app.settings.misspelt() {
        warn!("{}", in_text(&problem.to_string()));
    }
}

fn quiet(command: &Command) -> Quiet {
    match command {
        Command::Serve(_) => Quiet::Never,
        Command::Feed(feed) if !feed.once => Quiet::Never,
        _ => Quiet::OnTerminal,
    }
}
