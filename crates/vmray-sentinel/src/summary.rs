//! What a run did, at a glance.

use std::fmt::Write as _;
use std::time::Duration;

use feed::{AllDropped, Concurrency, ConcurrencyLimit, LONGEST_WAITS, Outcome, RunSummary};
use jiff::SignedDuration;
use tracing::info;

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

/// Logs a run that ended.
pub(crate) fn log(run: &RunSummary) {
    info!(
        outcome = ?run.outcome,
        quarantine = run.quarantine_open,
        open_samples = run.samples_open,
        "run ended: {}",
        words::counts(&run.counts)
    );
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
    if let Some(note) = sent_note(summary) {
        writeln!(text, "\n  {}", paint.faint(note)).unwrap_or_default();
    }
    if let Some(cursor) = summary.cursor {
        let read = if dry_run { "VMRay would be read" } else { "VMRay is read" };
        writeln!(text, "\n  {read} until {}", words::time(cursor)).unwrap_or_default();
    }
    for line in lowered(&summary.concurrency) {
        writeln!(text, "\n  {line}").unwrap_or_default();
    }
    if let Some(dropped) = &summary.all_dropped {
        writeln!(text, "\n{}", paint.warn(all_dropped(dropped))).unwrap_or_default();
    }
    let held = [(summary.quarantine_open, "refused record"), (summary.samples_open, "open sample")];
    let held: Vec<_> = held.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n, noun)).collect();
    if !held.is_empty() {
        let held = held.join(" and ");
        if dry_run {
            // The state does not know of them, so there is no list to look at.
            writeln!(text, "\n{}", paint.warn(format!("{held} would be held back."))).unwrap_or_default();
        } else {
            let command = paint.command(invocation::command("quarantine list"));
            writeln!(text, "\n{} Why: {command}", paint.warn(format!("{held} held back."))).unwrap_or_default();
        }
    }
    text
}

/// What each service did not bear.
fn lowered(concurrency: &Concurrency) -> Vec<String> {
    let services = [
        ("VMRay", "request", "VmrayConcurrency", concurrency.vmray),
        ("Sentinel", "upload", "UploadsInFlight", concurrency.sentinel),
    ];
    let lowered = services.into_iter().filter_map(|(service, noun, setting, status)| {
        let ConcurrencyLimit { limit, at_most, decreases } = status.filter(|status| status.decreases > 0)?;
        let times = words::count(decreases, "time");
        Some(format!(
            "{service} was slow or refused: lowered {times}, to {} at a time of at most {at_most} ({setting})",
            words::count(limit, noun)
        ))
    });
    lowered.collect()
}

/// Why the first run of a state changes and refreshes what no earlier run has found.
pub(crate) fn found_again(first_run: &RunSummary) -> Option<String> {
    let count = |name: &str| first_run.counts.get(name).copied().unwrap_or_default();
    (count("changed") + count("refreshed") > 0)
        .then(|| "Changed and refreshed are values of this run that a later sample or submission has, too.".to_owned())
}

/// Why more or fewer objects were sent than the run found.
pub(crate) fn sent_note(summary: &RunSummary) -> Option<String> {
    let count = |name: &str| summary.counts.get(name).copied().unwrap_or_default();
    let found = count("new") + count("changed") + count("refreshed");
    let sent = count("accepted") + count("refused");
    let all_sent = summary.outcome == Outcome::Done && summary.outbox_left == 0 && sent > 0;
    match sent.checked_sub(found) {
        Some(0) => None,
        Some(1) => Some(
            "One object more than these was sent: the identity that all indicators name as their creator.".to_owned(),
        ),
        Some(more) => Some(format!(
            "{} objects more than these were sent: what an earlier run had left, or the identity that all indicators name as \
             their creator.",
            words::number(more)
        )),
        None => all_sent.then(|| {
            "Fewer objects than these were sent: a value that changed again before it was sent is sent once.".to_owned()
        }),
    }
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
        "expired" => "all had expired on arrival: compare the clocks, and see IndicatorExpirationInDays",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_service_did_not_bear_is_told() {
        let status = |limit, at_most, decreases| Some(ConcurrencyLimit { limit, at_most, decreases });
        assert!(lowered(&Concurrency { vmray: status(64, 64, 0), sentinel: None }).is_empty());
        let told = lowered(&Concurrency { vmray: status(12, 64, 3), sentinel: status(1, 40, 1) });
        assert_eq!(
            told,
            [
                "VMRay was slow or refused: lowered 3 times, to 12 requests at a time of at most 64 (VmrayConcurrency)",
                "Sentinel was slow or refused: lowered 1 time, to 1 upload at a time of at most 40 (UploadsInFlight)",
            ]
        );
    }
}
