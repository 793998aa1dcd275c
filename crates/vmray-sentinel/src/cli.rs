//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, ValueHint};
use config::{Environment, LogFormat, Scope, duration};
use jiff::Timestamp;

use crate::set_flag::{SetFlag, assignment};
use crate::{hosting, invocation};

/// The port of the status page.
pub(crate) const PAGE_PORT: u16 = 8080;
/// Where the status page listens unless told otherwise.
const PAGE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PAGE_PORT);

/// What comes after the help.
const AFTER_HELP: &str = "Try `vmray-sentinel demo`: it needs no account and no key.\n\
    Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 stopped early, 4 done but quarantine holds records.";

/// The verdicts of VMRay as threat intelligence in Microsoft Sentinel.
#[derive(Debug, Parser)]
#[command(name = "vmray-sentinel", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Configuration file (TOML); the environment wins over it
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<String>,
    /// Override one setting, as in --set Tlp=green
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = SetFlag, hide_possible_values = true)]
    pub(crate) set: Vec<(String, String)>,
    /// Where the state is kept; short for --set StateUrl=...
    #[arg(long, global = true, value_name = "URL|FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) state_url: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to stderr, as in debug, or info,feed=trace
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it is logged
    #[arg(long, global = true, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: generated data, simulators for VMRay and Sentinel, no account needed
    Demo(Demo),
    /// Send the indicators of VMRay's verdicts to Sentinel, once or on the schedule
    Feed(Feed),
    /// Serve the API and the status page, and run the feed on its schedule
    Serve(Serve),
    /// Run under the Azure Functions host, which also starts it when no command is given
    Functions,
    /// Turn VMRay reports from disk into a STIX bundle, offline
    Convert(Convert),
    /// Look at what Sentinel refused or VMRay did not show, and retry or drop it
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// What the feed has done and what is open; exit 1 after a run that failed
    Status(Status),
    /// Export the state, or replace the key that signs links
    #[command(subcommand)]
    State(State),
    /// Check settings, keys, roles and state, and say how to fix what is wrong
    Doctor,
    /// Simulators of VMRay, Entra and Sentinel on this machine
    Simulate(Simulate),
    /// Show the effective settings or their schema
    #[command(subcommand)]
    Config(Config),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder, for those who make packages
    #[command(hide = true)]
    Man {
        /// The folder, where man1 and man5 are made
        #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

/// See it work.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after one run instead of serving the status page
    #[arg(long)]
    pub(crate) once: bool,
    /// Samples in the generated world
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) samples: u32,
    /// Seed of the generated world
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Where the status page listens
    #[arg(long, value_name = "ADDR:PORT", default_value_t = PAGE)]
    pub(crate) listen: SocketAddr,
}

/// The feed.
#[derive(Debug, Args)]
pub(crate) struct Feed {
    /// Run once and end; without it the feed runs on its schedule until stopped
    #[arg(long)]
    pub(crate) once: bool,
    /// Read from this time on instead of from the cursor, as in 2026-01-31 or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Option<Timestamp>,
    /// Read and compare, but send and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Stop cleanly after this long, as in 9m; uploads on the wire are waited for, 30 s at most
    #[arg(long, value_name = "DURATION", value_parser = budget)]
    pub(crate) time_budget: Option<Duration>,
}

/// API, status page and feed.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; addresses that other machines reach need ApiKeys
    #[arg(long, value_name = "ADDR:PORT", default_value_t = PAGE)]
    pub(crate) listen: SocketAddr,
}

/// Reports to STIX.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// summary_v2.json files and replies of /rest/sample/ID/iocs, folders with such files, or - for standard input
    #[arg(required = true, value_name = "FILE|FOLDER|-", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// When the values were seen; default: the time in the report, else that of the file (for standard input, now)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) seen: Option<Timestamp>,
}

/// What Sentinel refused.
#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List refused indicators and samples that could not be read
    List,
    /// Show one record or sample
    Show {
        /// Indicator id or a unique prefix, or sample id, as the list shows it
        id: String,
    },
    /// Send records and read samples again in the next run
    Replay(Selection),
    /// Forget records and give samples up in the next run
    Drop(Selection),
}

/// Which records.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// Indicator ids or unique prefixes, and sample ids, as the list shows them
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Every record and every sample
    #[arg(long)]
    pub(crate) all: bool,
}

/// What the feed has done.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// For monitors, one line: exit 1 when the last run failed or the next is overdue, 4 when something is held back
    #[arg(long, conflicts_with = "runs")]
    pub(crate) check: bool,
    /// List the last N runs, newest first; those of the last 30 days are always kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: Option<u32>,
    /// Only runs that started before this time
    #[arg(long, value_name = "TIME", value_parser = instant, requires = "runs")]
    pub(crate) before: Option<Timestamp>,
}

/// The state.
#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// Print every record as a line of JSON; may run beside a feed
    Export,
    /// Sign links to answers of the API with a new key; existing links work until they expire
    RotateLinkKey,
}

/// Simulators.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Seed of the generated world
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Samples in the generated world
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) samples: u32,
    /// When the last submission of the generated world finishes, instead of now: the same seed, samples and time are
    /// the same world
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) ends: Option<Timestamp>,
    /// Serve recorded reports instead: summary_v2.json files and /iocs replies in this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) reports: Option<PathBuf>,
    /// How much of the generated world is odd: 0 nothing, 1 the usual share, 5 five times as much
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = times)]
    pub(crate) odd: f64,
    /// Set an option of a simulator or the world, as in --switch vmray.field_set=2.1 (the book lists the names)
    #[arg(long = "switch", value_name = "SERVICE.NAME=VALUE", value_parser = switch)]
    pub(crate) switches: Vec<(String, String)>,
    /// Faults, as JSON in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) faults: Option<PathBuf>,
}

/// The settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print every setting with its value and where the value comes from; secrets are masked
    Show,
    /// Print the JSON schema of the configuration file
    Schema,
    /// Make a key for the API: prints it once, and its entry for ApiKeys
    ApiKey {
        /// Name of the caller, as the log shows it
        name: String,
        /// What it allows
        #[arg(long, value_name = "read|submit", value_enum, default_value_t = Scope::Read)]
        scope: Scope,
    },
    /// Print the reference page of the settings, as Markdown
    Reference,
}

impl Cli {
    /// Reads the command line. Ends the process itself for `--help` (0) and for a wrong command line (2).
    ///
    /// Under the Functions host no command means [`Command::Functions`].
    pub(crate) fn of_process(environment: &Environment) -> Self {
        let arguments: Vec<_> = std::env::args_os().collect();
        Self::read(arguments, environment).unwrap_or_else(|error| error.exit())
    }

    fn read(mut arguments: Vec<OsString>, environment: &Environment) -> Result<Self, clap::Error> {
        let program = arguments.first().and_then(|program| program.to_str()).map(str::to_owned);
        let help = invocation::in_text_of(program.as_deref(), environment, AFTER_HELP);
        let parse = |arguments: &[OsString]| {
            let mut command = Self::command().after_help(help.clone());
            let matches = command.try_get_matches_from_mut(arguments)?;
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
        };
        parse(&arguments).or_else(|error| match error.kind() {
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                if hosting::is_hosted(environment) =>
            {
                arguments.push("functions".into());
                parse(&arguments)
            }
            _ => Err(error),
        })
    }
}

/// Returns what this process was started as: a name, or a path.
pub(crate) fn program() -> Option<String> {
    std::env::args_os().next()?.into_string().ok()
}

impl Global {
    /// The settings among the flags.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let log_format = self.log_format.and_then(|format| format.to_possible_value());
        let named = [
            ("StateUrl", self.state_url.clone()),
            ("LogFilter", self.log.clone()),
            ("LogFormat", log_format.map(|value| value.get_name().to_owned())),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.set.iter().cloned().chain(named).collect()
    }
}

fn switch(text: &str) -> Result<(String, String), String> {
    assignment(text).ok_or_else(|| "expected SERVICE.NAME=VALUE, as in vmray.field_set=2.1".to_owned())
}

fn times(text: &str) -> Result<f64, String> {
    let times = text.parse::<f64>().ok().filter(|times| (0.0..=100.0).contains(times));
    times.ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

fn budget(text: &str) -> Result<Duration, String> {
    let budget = duration::parse(text).map_err(|error| format!("it {error}"))?;
    if budget.is_zero() { Err("a run needs some time".to_owned()) } else { Ok(budget) }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    text.parse::<Timestamp>()
        .or_else(|_| text.parse::<jiff::civil::DateTime>().and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time)))
        .map_err(|_| "expected a date or a UTC time, as in 2026-01-31 or 2026-01-31T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[rstest]
    #[case(&["vmray-sentinel"])]
    #[case(&["vmray-sentinel", "--log", "debug"])]
    fn under_the_functions_host_no_command_is_the_custom_handler(#[case] arguments: &[&str]) {
        let read = |environment: &Environment| Cli::read(arguments.iter().map(OsString::from).collect(), environment);
        let hosted = Environment::from([("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")]);
        assert!(matches!(read(&hosted).unwrap().command, Command::Functions));
        assert_eq!(read(&Environment::default()).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn under_the_functions_host_a_command_is_that_command_and_a_wrong_one_an_error() {
        let hosted = Environment::from([("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")]);
        let read = |command: &str| Cli::read(["vmray-sentinel", command].map(OsString::from).to_vec(), &hosted);
        assert!(matches!(read("status").unwrap().command, Command::Status(_)));
        assert_eq!(read("statsu").unwrap_err().exit_code(), 2);
    }

    #[rstest]
    #[case("2026-01-31", "2026-01-31T00:00:00Z")]
    #[case("2026-01-31T08:00:00", "2026-01-31T08:00:00Z")]
    #[case("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z")]
    fn reads_times(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(instant(text).unwrap().to_string(), shown);
    }

    #[test]
    fn refuses_times_and_budgets_that_mean_nothing() {
        assert!(instant("yesterday").is_err());
        assert!(budget("0").is_err());
        assert!(budget("9").unwrap_err().contains("no unit"));
    }
}
