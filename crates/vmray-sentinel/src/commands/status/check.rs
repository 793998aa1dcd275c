//! `status --check`: is the feed well?

use config::Schedule;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::failed;
use crate::exit::Exit;
use crate::invocation::in_text;
use crate::paint::Paint;
use crate::view::View;
use crate::visible::visible;
use crate::words;

/// A run that is due may take this long before its absence is an alarm: a run is written down when it ends.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// How the feed is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    outcome: Outcome,
    /// One line.
    reason: String,
    next_steps: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Good,
    /// The feed runs; something waits for a person.
    NeedsAttention,
    Failed,
}

impl Check {
    /// Judges what the ledger says at `now`.
    pub(super) fn of(view: &View, schedule: &Schedule, now: Timestamp) -> Self {
        let bad =
            |reason: String, step: &str| Self { outcome: Outcome::Failed, reason, next_steps: vec![in_text(step)] };
        let Some(last) = view.last_run() else {
            return bad(
                "no run yet".to_owned(),
                "start the feed with `vmray-sentinel feed` or `vmray-sentinel serve`; check StateUrl if it runs already",
            );
        };
        let when = words::ago(now, last.ended);
        if failed(last) {
            let error = last.error.as_deref().unwrap_or("no reason was written down");
            let step = last.next_step.as_deref().unwrap_or("`vmray-sentinel doctor` checks what a run needs");
            return bad(format!("the last run failed {when}: {error}"), step);
        }
        let due = schedule.longest_wait_from(last.started).and_then(|wait| SignedDuration::try_from(wait).ok());
        let due = due.and_then(|wait| last.started.checked_add(wait).ok()?.checked_add(LATE).ok());
        if due.is_some_and(|due| now > due) {
            return bad(
                format!("the last run ended {when}, and by Polling={schedule} the next one is overdue"),
                "is `feed`, `serve` or its service running? check StateUrl too; `vmray-sentinel doctor` checks the rest",
            );
        }
        let held = [(view.quarantine.len(), "refused record"), (view.open_samples.len(), "open sample")];
        let held: Vec<_> = held.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n, noun)).collect();
        let run = format!("last run {when}: {}", words::outcome(&last.outcome));
        if held.is_empty() {
            return Self { outcome: Outcome::Good, reason: run, next_steps: Vec::new() };
        }
        Self {
            outcome: Outcome::NeedsAttention,
            reason: format!("{} held back; {run}", held.join(" and ")),
            next_steps: vec![in_text("`vmray-sentinel quarantine list` says why")],
        }
    }

    /// Returns how the process ends.
    pub(super) fn exit(&self) -> Exit {
        match self.outcome {
            Outcome::Good => Exit::Done,
            Outcome::NeedsAttention => Exit::NeedsAttention,
            Outcome::Failed => Exit::Failed,
        }
    }

    /// Returns it for people: the first line is what a monitor shows.
    pub(super) fn text(&self, paint: Paint) -> String {
        let word = match self.outcome {
            Outcome::Good => paint.good("ok"),
            Outcome::NeedsAttention => paint.warn("attention"),
            Outcome::Failed => paint.bad("failed"),
        };
        let mut text = format!("{word}: {}\n", visible(&self.reason));
        for step in &self.next_steps {
            text.push_str(step);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::tests::view;
    use super::*;
    use crate::view::Open;

    fn check(outcome: &str, now: &str) -> Check {
        Check::of(&view(outcome), &"*/10 * * * *".parse().unwrap(), now.parse().unwrap())
    }

    #[rstest]
    #[case::well("done", "2026-01-01T08:15:00Z", Exit::Done, "ok: last run 14 min 18 s ago: done")]
    #[case::stopped("stopped_early", "2026-01-01T08:15:00Z", Exit::Done, "ok: last run")]
    #[case::failed(
        "failed",
        "2026-01-01T08:15:00Z",
        Exit::Failed,
        "failed: the last run failed 14 min 18 s ago: reading from VMRay"
    )]
    #[case::nearly_late("done", "2026-01-01T09:10:00Z", Exit::Done, "ok")]
    #[case::late("done", "2026-01-01T09:10:01Z", Exit::Failed, "by Polling=*/10 * * * * the next one is overdue")]
    fn says_how_the_feed_is(#[case] outcome: &str, #[case] now: &str, #[case] exit: Exit, #[case] said: &str) {
        let check = check(outcome, now);
        assert_eq!(check.exit(), exit, "{check:?}");
        assert!(check.text(Paint::plain()).contains(said), "{}", check.text(Paint::plain()));
    }

    #[test]
    fn the_words_of_a_server_stay_in_the_line_and_steer_no_terminal() {
        let mut view = view("failed");
        view.runs[0].error = Some("VMRay says \u{1b}[2J\nok: \u{202e}done".to_owned());
        let now = "2026-01-01T08:15:00Z".parse().unwrap();
        let text = Check::of(&view, &"*/10 * * * *".parse().unwrap(), now).text(Paint::plain());
        let first = text.lines().next().unwrap();
        assert!(first.ends_with("VMRay says \\u001b[2J\\u000aok: \\u202edone"), "{text}");
    }

    #[test]
    fn no_run_is_a_failure_and_something_held_back_wants_attention() {
        let (now, schedule) = ("2026-01-01T08:15:00Z".parse().unwrap(), "*/10 * * * *".parse().unwrap());
        let none = View { runs: Vec::new(), ..view("done") };
        assert_eq!(Check::of(&none, &schedule, now).exit(), Exit::Failed);
        let sample = Open {
            sample_id: 7,
            since: now,
            last_attempt: now,
            attempts: 1,
            reason: "no".to_owned(),
            not_found_since: None,
            next_run: None,
        };
        let held = View { open_samples: vec![sample], ..view("done") };
        let check = Check::of(&held, &schedule, now);
        assert_eq!(check.exit(), Exit::NeedsAttention);
        assert!(check.reason.starts_with("1 open sample held back; last run"), "{}", check.reason);
    }
}
