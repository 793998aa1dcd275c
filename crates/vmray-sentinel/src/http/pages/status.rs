//! The status page.

use askama::Template;
use jiff::Timestamp;
use ledger::RunRecord;

use super::Pages;
use crate::live::{Bar, Live};
use crate::view::View;
use crate::{invocation, words};

/// Rows of a table that are shown.
const ROWS: usize = 50;
/// Characters of a value that are shown; one may be 100 kB long.
const VALUE_CHARS: usize = 300;

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    refresh_s: u32,
    badge: Badge,
    unreadable: Option<String>,
    last_error: Option<String>,
    progress: Vec<Progress>,
    cards: Vec<Card>,
    runs: Vec<Run>,
    quarantine: Vec<Row>,
    quarantine_more: usize,
    open: Vec<Row>,
    open_more: usize,
    replay_command: String,
    list_command: String,
    facts: Vec<Fact>,
}

struct Badge {
    tone: &'static str,
    text: String,
}

struct Progress {
    name: &'static str,
    done: u64,
    of: u64,
    text: String,
}

struct Card {
    tone: &'static str,
    value: String,
    label: &'static str,
}

struct Run {
    started: String,
    took: String,
    tone: &'static str,
    outcome: String,
    did: String,
}

struct Row {
    kind: String,
    value: String,
    words: String,
    attempts: String,
    last: String,
}

struct Fact {
    label: &'static str,
    value: String,
}

/// Writes the page.
pub(super) fn render(pages: &Pages, view: Result<&View, &ledger::Error>, live: &Live) -> askama::Result<String> {
    let now = pages.clock.now();
    let (view, unreadable) = match view {
        Ok(view) => (Some(view), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let quarantine = view.map(|view| view.quarantine.as_slice()).unwrap_or_default();
    let open = view.map(|view| view.open_samples.as_slice()).unwrap_or_default();
    StatusPage {
        refresh_s: if live.running.is_some() { 2 } else { 15 },
        badge: badge(view, live, now),
        unreadable,
        last_error: live.last_error.clone(),
        progress: live.running.iter().flat_map(|running| running.bars.iter().map(progress)).collect(),
        cards: view.map(|view| cards(view, now)).unwrap_or_default(),
        runs: view.map(|view| view.runs.iter().map(run).collect()).unwrap_or_default(),
        quarantine: quarantine
            .iter()
            .take(ROWS)
            .map(|record| Row {
                kind: record.kind.clone(),
                value: shortened(&record.value),
                words: std::iter::once(&record.reason).chain(&record.server).cloned().collect::<Vec<_>>().join(": "),
                attempts: words::number(record.attempts),
                last: words::ago(now, record.last_attempt),
            })
            .collect(),
        quarantine_more: quarantine.len().saturating_sub(ROWS),
        open: open
            .iter()
            .take(ROWS)
            .map(|sample| Row {
                kind: String::new(),
                value: sample.sample_id.to_string(),
                words: sample.reason.clone(),
                attempts: words::number(sample.attempts),
                last: words::ago(now, sample.since),
            })
            .collect(),
        open_more: open.len().saturating_sub(ROWS),
        replay_command: invocation::command_elsewhere(&pages.state_url, "quarantine replay --all"),
        list_command: invocation::command_elsewhere(&pages.state_url, "quarantine list"),
        facts: facts(pages, view),
    }
    .render()
}

fn badge(view: Option<&View>, live: &Live, now: Timestamp) -> Badge {
    let next = live.next_run.map(|next| format!(", next run {}", words::ago(now, next))).unwrap_or_default();
    if let Some(wait) = live.wait(now) {
        return Badge { tone: "warn", text: wait.to_string() };
    }
    if let Some(running) = &live.running {
        return Badge { tone: "busy", text: format!("Running for {}", words::span(now.duration_since(running.since))) };
    }
    match view {
        None => Badge { tone: "bad", text: "State cannot be read".to_owned() },
        Some(_) if live.last_error.is_some() => Badge { tone: "bad", text: format!("Last run failed{next}") },
        Some(view) if !view.quarantine.is_empty() || !view.open_samples.is_empty() => {
            Badge { tone: "warn", text: format!("Something is held back{next}") }
        }
        Some(view) if view.runs.is_empty() => Badge { tone: "busy", text: format!("No run yet{next}") },
        Some(_) => Badge { tone: "good", text: format!("Up to date{next}") },
    }
}

fn progress(bar: &Bar) -> Progress {
    let text = format!("{} of {}", words::number(bar.done), words::number(bar.of));
    Progress { name: bar.name, done: bar.done, of: bar.of.max(1), text }
}

fn cards(view: &View, now: Timestamp) -> Vec<Card> {
    let number = |value: usize, label| Card { tone: "plain", value: words::number(value), label };
    let held = |value: usize, label| Card {
        tone: if value > 0 { "warn" } else { "plain" },
        value: words::number(value),
        label,
    };
    let read = view.read_until.map_or_else(|| "not yet".to_owned(), |until| words::ago(now, until));
    vec![
        number(view.indicators, "indicators known"),
        number(view.outbox, "waiting to be sent"),
        held(view.quarantine.len(), "in quarantine"),
        held(view.open_samples.len(), "open samples"),
        Card { tone: "text", value: read, label: "VMRay read until" },
    ]
}

fn run(record: &RunRecord) -> Run {
    Run {
        started: words::time(record.started),
        took: words::span(record.ended.duration_since(record.started)),
        tone: match record.outcome.as_str() {
            "done" => "good",
            "failed" => "bad",
            _ => "warn",
        },
        outcome: match &record.error {
            Some(error) => format!("{}: {error}", words::outcome(&record.outcome)),
            None => words::outcome(&record.outcome).to_owned(),
        },
        did: words::counts(&record.counts),
    }
}

fn facts(pages: &Pages, view: Option<&View>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |label, value: Option<&str>| {
        if let Some(value) = value {
            facts.push(Fact { label, value: value.to_owned() });
        }
    };
    add("VMRay", view.and_then(|view| view.vmray.as_deref()));
    add("Workspace", view.and_then(|view| view.workspace.as_deref()));
    add("Schedule (UTC)", pages.schedule.as_deref());
    add("State", Some(&pages.state_url));
    add("Version", Some(env!("CARGO_PKG_VERSION")));
    facts
}

fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(VALUE_CHARS).collect();
    if shown.len() < value.len() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ledger::{StateUrl, Storage};
    use outbound::TokioClock;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::http::recent::Recent;
    use crate::live::Running;
    use crate::view::Refused;

    fn pages() -> Pages {
        Pages {
            recent: Arc::new(Recent::new(Storage::create(&StateUrl::Memory).unwrap())),
            state_url: "memory:".to_owned(),
            schedule: Some("*/10 * * * *".to_owned()),
            live: watch::channel(Live::default()).1,
            clock: Arc::new(TokioClock::new("2026-01-01T08:30:00Z".parse().unwrap())),
            stop: CancellationToken::new(),
        }
    }

    fn view() -> View {
        let at = |text: &str| text.parse().unwrap();
        View {
            vmray: Some("vmray.example".to_owned()),
            workspace: Some("11111111-2222-3333-4444-555555555555".to_owned()),
            read_until: Some(at("2026-01-01T08:20:00Z")),
            indicators: 12_345,
            outbox: 7,
            quarantine: vec![Refused {
                id: "indicator--1".to_owned(),
                kind: "url".to_owned(),
                value: "http://evil.example/<script>alert(1)</script>".to_owned(),
                reason: "refused".to_owned(),
                server: vec!["<b>bad pattern</b>".to_owned()],
                first_attempt: at("2026-01-01T08:00:00Z"),
                last_attempt: at("2026-01-01T08:20:00Z"),
                attempts: 2,
                next_run: None,
            }],
            open_samples: Vec::new(),
            runs: vec![RunRecord {
                started: at("2026-01-01T08:20:00Z"),
                ended: at("2026-01-01T08:20:42Z"),
                outcome: "done".to_owned(),
                error: None,
                next_step: None,
                counts: BTreeMap::from([("accepted".to_owned(), 1200)]),
            }],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn markup_from_malware_and_servers_stays_text() {
        let page = render(&pages(), Ok(&view()), &Live::default()).unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        insta::assert_snapshot!(page);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_shows_how_far_it_is() {
        let bars = vec![Bar { name: "samples", done: 30, of: 200 }];
        let running = Running { since: "2026-01-01T08:29:50Z".parse().unwrap(), bars };
        let live = Live { running: Some(running), ..Live::default() };
        let page = render(&pages(), Ok(&view()), &live).unwrap();
        assert!(page.contains(r#"<progress value="30" max="200">"#), "{page}");
        assert!(page.contains("Running for 10 s"), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_with_who_asked_and_until_when_until_it_is_over() {
        let until = "2026-01-01T08:31:00Z".parse().unwrap();
        let wait = feed::Wait { service: feed::Service::Vmray, asked: std::time::Duration::from_secs(60), until };
        let live = Live { waits: vec![wait], ..Live::default() };
        let words = "VMRay asks us to wait until 2026-01-01 08:31:00 UTC";
        let pages = pages();
        assert!(render(&pages, Ok(&view()), &live).unwrap().contains(words));
        tokio::time::advance(std::time::Duration::from_secs(61)).await;
        assert!(!render(&pages, Ok(&view()), &live).unwrap().contains(words));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreadable_state_is_said() {
        let error = ledger::Error::NewerFormat { found: 2, known: 1 };
        let page = render(&pages(), Err(&error), &Live::default()).unwrap();
        assert!(page.contains("newer version"), "{page}");
    }
}
