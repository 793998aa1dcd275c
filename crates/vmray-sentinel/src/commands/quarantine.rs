//! `quarantine list|show|replay|drop`: what Sentinel refused, and samples that VMRay did not give.
//!
//! Looking needs no run. A change is left for the next run, which alone writes the state.

use std::fmt::Write as _;

use jiff::Timestamp;
use ledger::{Command, Commands, OpenSample, Reader, Storage};
use serde_json::json;

use crate::app::App;
use crate::cli::{Quarantine, Selection};
use crate::config::ROUTE;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paint::Paint;
use crate::state::{self, Changes, DoingWithState as _};
use crate::view::{self, Refused};
use crate::{output, words};

/// Characters of a value in the list.
const VALUE_CHARS: usize = 60;

pub(crate) async fn run(app: &App, which: &Quarantine) -> Result<Exit, Failure> {
    let (_, storage) = state::of(app, Changes::None)?;
    let reader = Reader::open(&storage, ROUTE).await.doing("reading the state")?;
    let refused = view::quarantine(&storage, reader.records()).await.doing("reading the quarantine")?;
    match which {
        Quarantine::List => {
            let open = reader.records().open_samples().await.doing("reading the open samples")?;
            if app.json {
                output::json(&json!({ "quarantine": refused, "open_samples": open }))?;
            } else {
                output::text(&list(&refused, &open, app.clock.now(), app.out))?;
            }
        }
        Quarantine::Show { id } => {
            let found = find(&refused, id)?;
            let object = reader.records().quarantined(&found.id).await.doing("reading the record")?;
            let object = object.and_then(|record| serde_json::from_str(&record.refused.object).ok());
            let object: serde_json::Value = object.unwrap_or_default();
            if app.json {
                output::json(&json!({ "record": found, "object": object }))?;
            } else {
                output::text(&one(found, app.clock.now(), app.out))?;
                output::line(serde_json::to_string_pretty(&object).unwrap_or_default())?;
            }
        }
        Quarantine::Replay(selection) => {
            let ids = select(&refused, selection)?;
            leave(app, &storage, Command::ReplayQuarantine { ids: ids.clone() }, "sent again", &ids).await?;
        }
        Quarantine::Drop(selection) => {
            let ids = select(&refused, selection)?;
            leave(app, &storage, Command::DropQuarantine { ids: ids.clone() }, "forgotten", &ids).await?;
        }
    }
    Ok(Exit::Done)
}

async fn leave(app: &App, storage: &Storage, command: Command, done: &str, ids: &[String]) -> Result<(), Failure> {
    if !ids.is_empty() {
        Commands::of(storage, ROUTE)
            .leave(&command, app.clock.now())
            .await
            .doing("leaving a command for the next run")?;
    }
    if app.json {
        output::json(&json!({ "next_run": command, "records": ids.len() }))?;
    } else if ids.is_empty() {
        output::line("Quarantine is empty; nothing to do.")?;
    } else {
        let verb = if ids.len() == 1 { "is" } else { "are" };
        output::line(format!("{} {verb} {done} by the next run.", words::count(ids.len(), "record")))?;
    }
    Ok(())
}

fn select(refused: &[Refused], selection: &Selection) -> Result<Vec<String>, Failure> {
    if selection.all {
        return Ok(refused.iter().map(|record| record.id.clone()).collect());
    }
    selection.ids.iter().map(|id| find(refused, id).map(|record| record.id.clone())).collect()
}

fn find<'a>(refused: &'a [Refused], id: &str) -> Result<&'a Refused, Failure> {
    refused.iter().find(|record| record.id == id.trim()).ok_or_else(|| {
        Failure::from(anyhow::anyhow!("{id} is not in quarantine"))
            .with_hint("`vmray-sentinel quarantine list` shows the ids of what is")
    })
}

fn list(refused: &[Refused], open: &[OpenSample], now: Timestamp, paint: Paint) -> String {
    let mut text = String::new();
    if refused.is_empty() && open.is_empty() {
        return format!("{}\n", paint.good("Nothing is held back."));
    }
    for record in refused {
        let value: String = record.value.chars().take(VALUE_CHARS).collect();
        let value = if value.len() < record.value.len() { value + "..." } else { value };
        writeln!(text, "{}  {} {}", paint.strong(&record.id), record.kind, printable(&value)).unwrap_or_default();
        writeln!(text, "    {}", paint.bad(&record.reason)).unwrap_or_default();
        for words in &record.server {
            writeln!(text, "    Sentinel: {}", printable(words)).unwrap_or_default();
        }
        let next = record.next_run.map(|what| format!(", next run: {what}")).unwrap_or_default();
        let when = format!(
            "refused {}, first {}, last {}{next}",
            words::count(record.attempts, "time"),
            words::ago(now, record.first_attempt),
            words::ago(now, record.last_attempt)
        );
        writeln!(text, "    {}\n", paint.faint(when)).unwrap_or_default();
    }
    for sample in open {
        writeln!(text, "{}", paint.strong(format!("sample {}", sample.sample_id))).unwrap_or_default();
        writeln!(text, "    {}", paint.warn(printable(&sample.reason))).unwrap_or_default();
        let when = format!(
            "tried {}, since {}, last {}; tried again by every run",
            words::count(sample.attempts, "time"),
            words::ago(now, sample.since),
            words::ago(now, sample.last_attempt)
        );
        writeln!(text, "    {}\n", paint.faint(when)).unwrap_or_default();
    }
    let held = [(refused.len(), "refused record"), (open.len(), "open sample")];
    let held: Vec<_> = held.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| words::count(*n, noun)).collect();
    writeln!(text, "{}.", held.join(", ")).unwrap_or_default();
    if !refused.is_empty() {
        let command = paint.command("vmray-sentinel quarantine replay --all");
        writeln!(text, "When the cause is mended: {command}").unwrap_or_default();
    }
    text
}

fn one(record: &Refused, now: Timestamp, paint: Paint) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| writeln!(text, "{name:<14}{}", printable(value)).unwrap_or_default();
    row("id", &record.id);
    row("kind", &record.kind);
    row("value", &record.value);
    row("reason", &record.reason);
    for words in &record.server {
        row("Sentinel says", words);
    }
    row("first refused", &format!("{} ({})", words::time(record.first_attempt), words::ago(now, record.first_attempt)));
    row("last refused", &format!("{} ({})", words::time(record.last_attempt), words::ago(now, record.last_attempt)));
    row("attempts", &record.attempts.to_string());
    row("next run", record.next_run.unwrap_or("leaves it here"));
    writeln!(text, "\n{}", paint.faint("The object that was refused:")).unwrap_or_default();
    text
}

/// Malware chose these texts: nothing in them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Refused {
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

    #[test]
    fn the_list_reads_at_a_glance_and_cannot_steer_a_terminal() {
        let open = OpenSample {
            sample_id: 1007,
            since: "2026-01-01T07:00:00Z".parse().unwrap(),
            last_attempt: "2026-01-01T08:00:00Z".parse().unwrap(),
            attempts: 2,
            reason: "VMRay forbids it to this key (403)".to_owned(),
            not_found_since: None,
        };
        let now = "2026-01-01T08:30:00Z".parse().unwrap();
        insta::assert_snapshot!(list(&[record()], &[open], now, Paint::plain()));
    }

    #[test]
    fn an_unknown_id_is_named() {
        let selection = Selection { ids: vec!["indicator--x".to_owned()], all: false };
        let failure = select(&[record()], &selection).unwrap_err();
        assert!(failure.report(Paint::plain()).contains("indicator--x is not in quarantine"));
    }

    #[test]
    fn nothing_held_back_is_one_line() {
        let now = "2026-01-01T08:30:00Z".parse().unwrap();
        assert_eq!(list(&[], &[], now, Paint::plain()), "Nothing is held back.\n");
    }
}
