//! What a run did, at a glance.

use std::fmt::Write as _;
use std::time::Duration;

use feed::{AllDropped, LONGEST_WAITS, Outcome, RunSummary};
use jiff::SignedDuration;

use crate::exit::Exit;
use crate::paint::Paint;
use crate::{invocation, words};

/// How the process ends after a run.
pub(crate) fn exit(summary: &RunSummary) -> Exit {
    match summary.outcome {
        Outcome::StoppedEarly => Exit::StoppedEarly,
        Outcome::Done if summary.quarantine_open > 0 || summary.samples_open > 0 || summary.all_dropped.is_some() => {
            Exit::NeedsAttention
        }
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
    let numbers = ledger::counts_in_order(&summary.counts)
        .into_iter()
        .map(|(name, amount)| (name.replace('_', " "), words::number(amount)));
    let numbers: Vec<_> = numbers.collect();
    let digits = numbers.iter().map(|(_, number)| number.len()).max().unwrap_or_default();
    for (name, number) in numbers {
        writeln!(text, "  {name:<width$}  {number:>digits$}").unwrap_or_default();
    }
    if let Some(note) = more_sent(summary) {
        writeln!(text, "\n  {}", paint.faint(note)).unwrap_or_default();
    }
    if let Some(cursor) = summary.cursor {
        writeln!(text, "\n  VMRay is read until {}", words::time(cursor)).unwrap_or_default();
    }
    if let Some(dropped) = &summary.all_dropped {
        writeln!(text, "\n{}", paint.warn(all_dropped(dropped))).unwrap_or_default();
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

/// Why more objects were sent than the run found, where there were more.
pub(crate) fn more_sent(summary: &RunSummary) -> Option<String> {
    let count = |name: &str| summary.counts.get(name).copied().unwrap_or_default();
    let found = count("new") + count("changed") + count("refreshed");
    let more = (count("accepted") + count("refused")).checked_sub(found).filter(|more| *more > 0)?;
    Some(match more {
        1 => "One object more than these was sent: the identity that all indicators name as their creator.".to_owned(),
        more => format!(
            "{} objects more than these were sent: what an earlier run had left, or the identity that all indicators name as \
             their creator.",
            words::number(more)
        ),
    })
}

/// What to say of a run that could send nothing of what it read, and what to look at.
pub(crate) fn all_dropped(dropped: &AllDropped) -> String {
    if dropped.reason == AllDropped::NO_SUBMISSION_VERDICT {
        return format!(
            "Nothing was sent: none of the {} that VMRay listed as finished has a verdict. It is an old server, or a key \
             without the right to see verdicts; ask VMRay's administrator.",
            words::count(dropped.count, "submission"),
        );
    }
    let look_at = match dropped.reason.as_str() {
        "null_verdict" | "verdict_not_available" => {
            "VMRay gives no verdict on any of them: an old server or a key without the right to see verdicts; ask VMRay's \
             administrator"
        }
        "expired" => "all were over on arrival: compare the clocks, and see IndicatorExpirationInDays",
        "allow_listed" => "the allow-list matches all of them; see AllowList",
        "not_an_ioc" => "VMRay lists all of them as artifacts, not as IOCs",
        _ => "`vmray-sentinel state export` holds a receipt for each of them",
    };
    let look_at = invocation::in_text(look_at);
    format!(
        "Nothing was sent: all {} that VMRay reported were dropped for one reason, `{}`. {look_at}.",
        words::count(dropped.count, "value"),
        dropped.reason,
    )
}
