//! `status`: what the feed has done and what is open.
//!
//! Its exit code is the feed's: 1 after a run that failed. With `--check` it is a monitor's answer, one line and a
//! code: also when no run has come for too long, and 4 when something is held back.

mod check;

use std::fmt::Write as _;

use config::{self, ROUTE, Schedule};
use jiff::Timestamp;
use ledger::{Reader, RunRecord, StateUrl};
use serde::Serialize;

use self::check::Check;
use crate::app::App;
use crate::cli::Status;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{self, in_text};
use crate::paint::Paint;
use crate::state::{self, Changes, DoingWithState as _};
use crate::view::View;
use crate::visible::visible;
use crate::{output, words};

/// Column of the values.
const INDENT: usize = 16;

/// What `--json` prints. A `Value` would sort the counts of runs by name.
#[derive(Serialize)]
struct Placed<T> {
    state_url: String,
    route: &'static str,
    #[serde(flatten)]
    content: T,
}

impl<T> Placed<T> {
    fn new(url: &StateUrl, content: T) -> Self {
        Self { state_url: url.to_string(), route: ROUTE, content }
    }
}

#[derive(Serialize)]
struct Past<'a> {
    runs: &'a [RunRecord],
    older: bool,
}

#[derive(Serialize)]
struct Now<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a Check>,
    state: &'a View,
}

pub(crate) async fn run(app: &App, args: &Status) -> Result<Exit, Failure> {
    let mut reader = config::Reader::new(&app.settings);
    let schedule = config::schedule(&mut reader);
    let schedule = if args.check { Some(reader.finish(schedule)?) } else { None };
    let (url, storage) = state::of(app, Changes::None)?;
    let now = app.clock.now();
    if let Some(most) = args.runs {
        let reader = Reader::open(&storage, ROUTE).await.doing("reading the state")?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // One more than is shown says whether there are older ones.
        let asked = most.saturating_add(1);
        let runs = match args.before {
            Some(before) => reader.records().runs_before(before, asked).await,
            None => reader.records().newest_runs(asked).await,
        };
        let mut runs = runs.doing("reading the runs")?;
        let older = runs.len() > most;
        runs.truncate(most);
        if app.json {
            output::json(&Placed::new(&url, Past { runs: &runs, older }))?;
        } else {
            output::text(&past(&runs, older, app.out))?;
        }
        return Ok(Exit::Done);
    }
    let view = View::read(&storage).await.doing("reading the state")?;
    if let Some(schedule) = schedule {
        return checked(app, &url, &view, &schedule, now);
    }
    if app.json {
        output::json(&Placed::new(&url, Now { check: None, state: &view }))?;
    } else {
        output::text(&text(&url, &view, now, app.width, app.out))?;
    }
    Ok(if view.last_run().is_some_and(failed) { Exit::Failed } else { Exit::Done })
}

/// The monitor's answer.
fn checked(app: &App, url: &StateUrl, view: &View, schedule: &Schedule, now: Timestamp) -> Result<Exit, Failure> {
    let check = Check::of(view, schedule, now);
    if app.json {
        output::json(&Placed::new(url, Now { check: Some(&check), state: view }))?;
    } else {
        output::text(&check.text(app.out))?;
    }
    Ok(check.exit())
}

fn failed(run: &RunRecord) -> bool {
    run.outcome == "failed"
}

fn text(url: &StateUrl, view: &View, now: Timestamp, width: usize, paint: Paint) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| writeln!(text, "{name:<INDENT$}{value}").unwrap_or_default();
    row("state", url.to_string());
    let Some(last) = view.last_run() else {
        row("runs", in_text("none yet; start one with `vmray-sentinel feed --once`"));
        return text;
    };
    row("VMRay", view.vmray.clone().unwrap_or_default());
    row("workspace", view.workspace.clone().unwrap_or_default());
    let read_until = view.read_until.map(|until| format!("{} ({})", words::time(until), words::ago(now, until)));
    row("read until", read_until.unwrap_or_else(|| "-".to_owned()));
    row("last run", format!("{}, took {}", words::ago(now, last.ended), took(last)));
    let outcome = words::outcome(&last.outcome);
    row("outcome", if failed(last) { paint.bad(outcome).to_string() } else { outcome.to_owned() });
    let lines = |value: &str| words::wrapped(value, width.saturating_sub(INDENT)).join(&format!("\n{:INDENT$}", ""));
    if let Some(error) = &last.error {
        row("error", lines(&visible(error)));
    }
    if let Some(step) = &last.next_step {
        row("next step", lines(&in_text(step)));
    }
    row("indicators", words::number(view.indicators));
    row("to be sent", words::number(view.outbox));
    let held = |n: usize| if n == 0 { paint.good(words::number(n)) } else { paint.warn(words::number(n)) };
    row("quarantine", held(view.quarantine.len()).to_string());
    row("open samples", held(view.open_samples.len()).to_string());
    if !view.quarantine.is_empty() || !view.open_samples.is_empty() {
        writeln!(text, "\nWhat is held back, and why: {}", paint.command(invocation::command("quarantine list")))
            .unwrap_or_default();
    }
    text
}

/// Past runs, newest first, and how to see older ones.
fn past(runs: &[RunRecord], older: bool, paint: Paint) -> String {
    let mut text = String::new();
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    for run in runs {
        let outcome = if failed(run) { paint.bad("failed") } else { paint.good(short(&run.outcome)) };
        let did = words::what_it_did(run);
        writeln!(text, "{}  {outcome:<7}  {:>12}  {did}", words::time(run.started), took(run)).unwrap_or_default();
        for line in [&run.error, &run.next_step].into_iter().flatten() {
            writeln!(text, "    {}", paint.faint(visible(&in_text(line)))).unwrap_or_default();
        }
    }
    if let Some(oldest) = runs.last().filter(|_| older) {
        let older = invocation::command(&format!("status --runs {} --before {}", runs.len(), oldest.started));
        writeln!(text, "\nOlder: {}", paint.command(older)).unwrap_or_default();
    }
    text
}

fn took(run: &RunRecord) -> String {
    words::span(run.ended.duration_since(run.started))
}

/// The outcome in a column.
fn short(outcome: &str) -> &str {
    if outcome == "stopped_early" { "stopped" } else { outcome }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(super) fn view(outcome: &str) -> View {
        View {
            vmray: Some("vmray.example".to_owned()),
            workspace: Some("11111111-2222-3333-4444-555555555555".to_owned()),
            read_until: Some("2026-01-01T08:00:00Z".parse().unwrap()),
            indicators: 12_345,
            outbox: 0,
            quarantine: Vec::new(),
            open_samples: Vec::new(),
            runs: vec![RunRecord {
                started: "2026-01-01T08:00:00Z".parse().unwrap(),
                ended: "2026-01-01T08:00:42Z".parse().unwrap(),
                outcome: outcome.to_owned(),
                error: (outcome == "failed")
                    .then(|| "reading from VMRay: the API key is not accepted (401)".to_owned()),
                next_step: (outcome == "failed").then(|| "make a new key; `vmray-sentinel doctor` tries it".to_owned()),
                counts: BTreeMap::from([("accepted".to_owned(), 3)]),
            }],
        }
    }

    #[test]
    fn the_status_is_aligned() {
        let now = "2026-01-01T08:10:00Z".parse().unwrap();
        insta::assert_snapshot!(text(&StateUrl::Memory, &view("done"), now, 100, Paint::plain()));
    }

    #[test]
    fn a_failed_run_comes_with_its_next_step_and_fits_the_width() {
        let now = "2026-01-01T08:10:00Z".parse().unwrap();
        insta::assert_snapshot!(text(&StateUrl::Memory, &view("failed"), now, 60, Paint::plain()));
    }

    #[test]
    fn past_runs_are_a_table_with_a_way_to_older_ones() {
        let runs = [view("failed").runs, view("done").runs, view("stopped_early").runs].concat();
        insta::assert_snapshot!(past(&runs, true, Paint::plain()));
        assert!(!past(&runs, false, Paint::plain()).contains("Older"));
    }
}
