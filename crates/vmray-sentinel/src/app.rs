//! What every command is handed.

use std::io::{self, Write as _};
use std::sync::Arc;

use config::{Environment, LogConfig, Problems, Settings};
use indicatif::{MultiProgress, ProgressDrawTarget};
use outbound::{Clock, SystemClock};

use crate::failure::Failure;
use crate::paint::Paint;

/// The surroundings of a command.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// The merged settings, still as text.
    pub(crate) settings: Settings,
    /// Whether to print one JSON object.
    pub(crate) json: bool,
    /// Colour on stdout.
    pub(crate) out: Paint,
    /// Colour on stderr.
    pub(crate) err: Paint,
    /// Columns of stdout.
    pub(crate) width: usize,
    /// Progress bars; hidden unless stderr is a terminal.
    pub(crate) bars: MultiProgress,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl App {
    /// Gathers what a command needs.
    pub(crate) fn new(settings: Settings, environment: &Environment, json: bool) -> Self {
        Self {
            out: if json { Paint::plain() } else { Paint::for_stream(&io::stdout(), environment) },
            width: columns(),
            err: Paint::for_stream(&io::stderr(), environment),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            clock: Arc::new(SystemClock),
            settings,
            json,
        }
    }

    /// Writes a text to stderr, for people.
    pub(crate) fn say(&self, text: &str) {
        self.bars.suspend(|| {
            // Nobody can be told that stderr is gone.
            drop(io::stderr().lock().write_all(crate::visible::in_one_direction(text).as_bytes()));
        });
    }

    /// Writes a failure to stderr.
    pub(crate) fn complain(&self, failure: &Failure) {
        self.say(&failure.report(self.err));
    }

    /// Starts logging. A command that runs once and shows its own progress logs only what is wrong, unless the
    /// operator chose otherwise or nobody is watching.
    pub(crate) fn start_logs(&self, quiet: Quiet) -> Result<(), Problems> {
        use std::io::IsTerminal as _;

        let mut config = LogConfig::load(&self.settings)?;
        if quiet == Quiet::OnTerminal && io::stderr().is_terminal() && !config.chosen {
            "warn,slatedb=error".clone_into(&mut config.filter);
        }
        crate::telemetry::start(&config, &self.bars);
        Ok(())
    }
}

/// Lines are not longer than this, however wide the terminal is.
const LONGEST_LINE: usize = 110;
/// Below this a terminal wraps the lines itself.
const SHORTEST_LINE: usize = 40;

/// Returns how many columns a line of stdout has: those of the terminal, where it is one.
fn columns() -> usize {
    let columns = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    columns.unwrap_or(LONGEST_LINE).clamp(SHORTEST_LINE, LONGEST_LINE)
}

/// How much a command logs by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// As the setting says.
    Never,
    /// Only warnings when a person watches.
    OnTerminal,
}
