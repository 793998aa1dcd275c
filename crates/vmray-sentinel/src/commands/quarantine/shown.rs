//! What is held back, for people.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::paint::Paint;
use crate::view::{Open, Refused};
use crate::visible::visible;
use crate::{invocation, words};

/// Characters of a value in the list.
const VALUE_CHARS: usize = 60;

/// Everything, and what to do about it.
pub(super) fn list(refused: &[Refused], open: &[Open], now: Timestamp, paint: Paint) -> String {
    let mut text = String::new();
    if refused.is_empty() && open.is_empty() {
        return format!("{}\n", paint.good("Nothing is held back."));
    }
    for record in refused {
        let value: String = record.value.chars().take(VALUE_CHARS).collect();
        let value = if value.len() < record.value.len() { value + "..." } else { value };
        writeln!(text, "{}  {} {}", paint.strong(&record.id), record.kind, visible(&value)).unwrap_or_default();
        writeln!(text, "    {}", paint.bad(&record.reason)).unwrap_or_default();
        for words in &record.server {
            writeln!(text, "    Sentinel: {}", visible(words)).unwrap_or_default();
        }
        let when = format!(
            "refused {}, first {}, last {}{}",
            words::count(record.attempts, "time"),
            words::ago(now, record.first_attempt),
            words::ago(now, record.last_attempt),
            next_run(record.next_run)
        );
        writeln!(text, "    {}\n", paint.faint(when)).unwrap_or_default();
    }
    for sample in open {
        writeln!(text, "{}", paint.strong(format!("sample {}", sample.sample_id))).unwrap_or_default();
        writeln!(text, "    {}", paint.warn(visible(&sample.reason))).unwrap_or_default();
        let when = format!(
            "tried {}, since {}, last {}; {}{}",
            words::count(sample.attempts, "time"),
            words::ago(now, sample.since),
            words::ago(now, sample.last_attempt),
            tried(sample, now),
            next_run(sample.next_run)
        );
        writeln!(text, "    {}\n", paint.faint(when)).unwrap_or_default();
    }
    let held = [(refused.len(), "refused record"), (open.len(), "open sample")];
    let held: Vec<_> = held.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n, noun)).collect();
    writeln!(text, "{}.", held.join(", ")).unwrap_or_default();
    let command = paint.command(invocation::command("quarantine replay --all"));
    writeln!(text, "When the cause is fixed: {command}").unwrap_or_default();
    text
}

/// One record, without its object.
pub(super) fn refused(record: &Refused, now: Timestamp, paint: Paint) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| writeln!(text, "{name:<14}{}", visible(value)).unwrap_or_default();
    row("id", &record.id);
    row("kind", &record.kind);
    row("value", &record.value);
    row("reason", &record.reason);
    for words in &record.server {
        row("Sentinel says", words);
    }
    row("first refused", &at(now, record.first_attempt));
    row("last refused", &at(now, record.last_attempt));
    row("attempts", &record.attempts.to_string());
    row("next run", record.next_run.unwrap_or("leaves it here"));
    writeln!(text, "\n{}", paint.faint("The object that was refused:")).unwrap_or_default();
    text
}

/// One sample.
pub(super) fn open(sample: &Open, now: Timestamp) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| writeln!(text, "{name:<14}{}", visible(value)).unwrap_or_default();
    row("sample", &sample.sample_id.to_string());
    row("VMRay says", &sample.reason);
    row("open since", &at(now, sample.since));
    row("last tried", &at(now, sample.last_attempt));
    if let Some(since) = sample.not_found_since {
        row("missing since", &at(now, since));
    }
    row("attempts", &sample.attempts.to_string());
    row("next run", sample.next_run.unwrap_or(tried(sample, now)));
    text
}

fn next_run(asked: Option<&str>) -> String {
    asked.map(|what| format!(", next run: {what}")).unwrap_or_default()
}

fn tried(sample: &Open, now: Timestamp) -> &'static str {
    // The feed's own rhythm: every run for a day, then daily.
    if now.duration_since(sample.since).as_hours() < 24 { "tried again by every run" } else { "tried again once a day" }
}

fn at(now: Timestamp, time: Timestamp) -> String {
    format!("{} ({})", words::time(time), words::ago(now, time))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn record() -> Refused {
        Refused {
            id: "indicator--00000000-0000-5000-8000-000000000000".to_owned(),
            kind: "url".to_owned(),
            value: format!("http://evil.example/\u{1b}[31m{}", "a".repeat(80)),
            reason: "Sentinel refused this object alone".to_owned(),
            server: vec!["pattern is invalid".to_owned()],
            first_attempt: "2026-01-01T00:00:00Z".parse().unwrap(),
            last_attempt: "2026-01-01T08:00:00Z".parse().unwrap(),
            attempts: 3,
            next_run: Some("replay"),
        }
    }

    pub(crate) fn sample(sample_id: u64) -> Open {
        Open {
            sample_id,
            since: "2026-01-01T07:00:00Z".parse().unwrap(),
            last_attempt: "2026-01-01T08:00:00Z".parse().unwrap(),
            attempts: 2,
            reason: "VMRay forbids it to this key (403)".to_owned(),
            not_found_since: None,
            next_run: None,
        }
    }

    #[test]
    fn the_list_reads_at_a_glance_and_cannot_steer_a_terminal() {
        let old = Open { since: "2025-12-01T00:00:00Z".parse().unwrap(), next_run: Some("drop"), ..sample(1008) };
        let now = "2026-01-01T08:30:00Z".parse().unwrap();
        insta::assert_snapshot!(list(&[record()], &[sample(1007), old], now, Paint::plain()));
    }

    #[test]
    fn a_sample_shows_what_is_known_of_it() {
        let now = "2026-01-01T08:30:00Z".parse().unwrap();
        insta::assert_snapshot!(open(&Open { reason: "no\u{1b}[2J".to_owned(), ..sample(1007) }, now));
    }

    #[test]
    fn nothing_held_back_is_one_line() {
        let now = "2026-01-01T08:30:00Z".parse().unwrap();
        assert_eq!(list(&[], &[], now, Paint::plain()), "Nothing is held back.\n");
    }
}
