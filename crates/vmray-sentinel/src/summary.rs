//! What a run did, at a glance.

use std::fmt::Write as _;
use std::time::Duration;

use feed::{LONGEST_WAITS, Outcome, RunSummary};
use jiff::SignedDuration;

use crate::exit::Exit;
use crate::paint::Paint;
use crate::{invocation, words};

/// How the process ends after a run.
pub(crate) fn exit(summary: &RunSummary) -> Exit {
    match summary.outcome {
        Outcome::StoppedEarly => Exit::StoppedEarly,
        Outcome::Done if summary.quarantine_open > 0 || summary.samples_open > 0 => Exit::NeedsAttention,
        Outcome::Done => Exit::Done,
    }
}

/// The run for people.
pub(crate) fn text(summary: &RunSummary, took: Duration, dry_run: bool, paint: Paint) -> String {
    let mut text = String::new();
    let took = words::span(SignedDuration::try_from(took).unwrap_or_default());
    let first = match (summary.outcome, dry_run) {
        (Outcome::Done, false) => paint.good(format!("Done in {took}.")),
        (Outcome::Done, true) => paint.good(format!("Dry run done in {took}: nothing was sent, nothing was stored.")),
        (Outcome::StoppedEarly, _) => paint.warn(format!("Stopped after {took}; the next run continues here.")),
    };
    writeln!(text, "{first}").unwrap_or_default();
    if let Some(wait) = &summary.gave_up_waiting {
        let most = words::span(SignedDuration::try_from(LONGEST_WAITS).unwrap_or_default());
        writeln!(text, "{wait}; a run waits {most} at most.").unwrap_or_default();
    }
    writeln!(text).unwrap_or_default();
    let width = summary.counts.keys().map(String::len).max().unwrap_or_default();
    let numbers: Vec<_> =
        summary.counts.iter().map(|(name, amount)| (name.replace('_', " "), words::number(*amount))).collect();
    let digits = numbers.iter().map(|(_, number)| number.len()).max().unwrap_or_default();
    for (name, number) in numbers {
        writeln!(text, "  {name:<width$}  {number:>digits$}").unwrap_or_default();
    }
    if let Some(cursor) = summary.cursor {
        writeln!(text, "\n  VMRay is read until {}", words::time(cursor)).unwrap_or_default();
    }
    let held = [(summary.quarantine_open, "refused record"), (summary.samples_open, "open sample")];
    let held: Vec<_> = held.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n, noun)).collect();
    if !held.is_empty() {
        let command = paint.command(invocation::command("quarantine list"));
        writeln!(text, "\n{} Why: {command}", paint.warn(format!("{} held back.", held.join(" and "))))
            .unwrap_or_default();
    }
    text
}
