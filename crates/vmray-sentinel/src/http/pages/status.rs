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
/// The ledger's word for a run that failed.
const FAILED: &str = "failed";
/// Characters of a value that are shown; one may be 100 kB long.
const VALUE_CHARS: usize = 300;

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    as_of: String,
    refreshes_every: Option<u32>,
    badge: Badge,
    unreadable: Option<String>,
    failing: Option<Failing>,
    progress: Vec<Progress>,
    cards: Vec<Card>,
    runs: Option<Vec<Run>>,
    quarantine: Vec<Row>,
    quarantine_more: usize,
    open: Vec<Row>,
    open_more: usize,
    doctor_command: String,
    replay_command: String,
    list_command: String,
    facts: Vec<Fact>,
}

struct Badge {
    tone: &'static str,
    text: String,
}

/// A feed that does not get through.
struct Failing {
    /// Why the newest run failed.
    error: String,
    /// Since when nothing has got through.
    since: String,
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

/// Seconds after which a page that shall refresh itself does.
pub(super) fn refresh_seconds(live: &Live) -> u32 {
    if live.running.is_some() { 2 } else { 15 }
}

/// Writes the page.
pub(super) fn render(
    pages: &Pages,
    view: Result<&View, &ledger::Error>,
    live: &Live,
    refreshes: bool,
) -> askama::Result<String> {
    let now = pages.clock.now();
    let (view, unreadable) = match view {
        Ok(view) => (Some(view), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let failing = failing(view, live, now);
    let quarantine = view.map(|view| view.quarantine.as_slice()).unwrap_or_default();
    let open = view.map(|view| view.open_samples.as_slice()).unwrap_or_default();
    StatusPage {
        as_of: words::time(now),
        refreshes_every: refreshes.then(|| refresh_seconds(live)),
        badge: badge(view, failing.as_ref(), live, now),
        unreadable,
        failing,
        progress: live.running.iter().flat_map(|running| running.bars.iter().map(progress)).collect(),
        cards: view.map(|view| cards(view, now)).unwrap_or_default(),
        runs: view.map(|view| view.runs.iter().map(run).collect()),
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
        doctor_command: invocation::command_elsewhere(&pages.state_url, "doctor"),
        replay_command: invocation::command_elsewhere(&pages.state_url, "quarantine replay --all"),
        list_command: invocation::command_elsewhere(&pages.state_url, "quarantine list"),
        facts: facts(pages, view),
    }
    .render()
}

/// Tells a feed that does not get through: this process saw its last run fail, or the state says so, which outlives it.
fn failing(view: Option<&View>, live: &Live, now: Timestamp) -> Option<Failing> {
    let runs = view.map(|view| view.runs.as_slice()).unwrap_or_default();
    let newest = runs.first().filter(|run| run.outcome == FAILED);
    let written = newest.map(|run| run.error.clone().unwrap_or_else(|| "no reason was written down".to_owned()));
    let error = live.last_error.clone().or(written)?;
    let since = match runs.iter().find(|run| run.outcome != FAILED) {
        Some(good) => format!("The last successful run ended {}.", words::ago(now, good.ended)),
        None if runs.is_empty() => "No run has succeeded yet.".to_owned(),
        None => "None of the runs below succeeded.".to_owned(),
    };
    Some(Failing { error, since })
}

fn badge(view: Option<&View>, failing: Option<&Failing>, live: &Live, now: Timestamp) -> Badge {
    let next = live.next_run.map(|next| format!(", next run {}", words::ago(now, next))).unwrap_or_default();
    if let Some(wait) = live.wait(now) {
        return Badge { tone: "warn", text: wait.to_string() };
    }
    let running = live.running.as_ref().map(|running| words::span(now.duration_since(running.since)));
    match (view, running) {
        (None, _) => Badge { tone: "bad", text: "State cannot be read".to_owned() },
        // A run that tries again must not look as if all were well.
        (_, Some(running)) if failing.is_some() => {
            Badge { tone: "bad", text: format!("Last run failed, trying again for {running}") }
        }
        (_, Some(running)) => Badge { tone: "busy", text: format!("Running for {running}") },
        _ if failing.is_some() => Badge { tone: "bad", text: format!("Last run failed{next}") },
        (Some(view), _) if !view.quarantine.is_empty() || !view.open_samples.is_empty() => {
            Badge { tone: "warn", text: format!("Something is held back{next}") }
        }
        (Some(view), _) if view.runs.is_empty() => Badge { tone: "busy", text: format!("No run yet{next}") },
        _ => Badge { tone: "good", text: format!("Up to date{next}") },
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
            FAILED => "bad",
            _ => "warn",
        },
        outcome: match &record.error {
            Some(error) => format!("{}: {error}", words::outcome(&record.outcome)),
            None => words::outcome(&record.outcome).to_owned(),
        },
        did: words::what_it_did(record),
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
        let page = render(&pages(), Ok(&view()), &Live::default(), false).unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        insta::assert_snapshot!(page);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_shows_how_far_it_is() {
        let bars = vec![Bar { name: "samples", done: 30, of: 200 }];
        let running = Running { since: "2026-01-01T08:29:50Z".parse().unwrap(), bars };
        let live = Live { running: Some(running), ..Live::default() };
        let page = render(&pages(), Ok(&view()), &live, false).unwrap();
        assert!(page.contains(r#"<progress value="30" max="200" aria-label="samples">"#), "{page}");
        assert!(page.contains("Running for 10 s"), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_with_who_asked_and_until_when_until_it_is_over() {
        let until = "2026-01-01T08:31:00Z".parse().unwrap();
        let wait = feed::Wait { service: feed::Service::Vmray, asked: std::time::Duration::from_secs(60), until };
        let live = Live { waits: vec![wait], ..Live::default() };
        let words = "VMRay asks us to wait until 2026-01-01 08:31:00 UTC";
        let pages = pages();
        assert!(render(&pages, Ok(&view()), &live, false).unwrap().contains(words));
        tokio::time::advance(std::time::Duration::from_secs(61)).await;
        assert!(!render(&pages, Ok(&view()), &live, false).unwrap().contains(words));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreadable_state_is_said_and_no_number_stands_beside_it() {
        let error = ledger::Error::NewerFormat { found: 2, known: 1 };
        let page = render(&pages(), Err(&error), &Live::default(), false).unwrap();
        assert!(page.contains("newer version"), "{page}");
        assert!(!page.contains("None yet.") && !page.contains("class=\"cards\""), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_looks_like_one_after_a_restart_and_while_it_tries_again() {
        let mut view = view();
        let good = view.runs[0].clone();
        let error = Some("VMRay cannot be reached".to_owned());
        view.runs.insert(0, RunRecord { outcome: "failed".to_owned(), error, ..good });
        let restarted = render(&pages(), Ok(&view), &Live::default(), false).unwrap();
        let running = Some(Running { since: "2026-01-01T08:29:50Z".parse().unwrap(), bars: Vec::new() });
        let trying = render(&pages(), Ok(&view), &Live { running, ..Live::default() }, false).unwrap();
        for page in [&restarted, &trying] {
            assert!(page.contains("badge bad\">Last run failed"), "{page}");
            assert!(page.contains("<title>Failing: VMRay"), "{page}");
            assert!(page.contains("VMRay cannot be reached"), "{page}");
            assert!(page.contains("<code>vmray-sentinel doctor --state-url memory:</code>"), "{page}");
            assert!(page.contains("The last successful run ended 9 min 18 s ago."), "{page}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_table_can_be_reached_with_the_keyboard_and_read_on_a_phone() {
        let page = render(&pages(), Ok(&view()), &Live::default(), false).unwrap();
        let scrolling = page.matches("class=\"scroll\"").count();
        assert!(scrolling > 0);
        assert_eq!(page.matches("class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=").count(), scrolling);
        for row in page.split("<tbody>").skip(1) {
            let row = row.split("</tr>").next().unwrap();
            assert_eq!(row.matches("<td").count(), row.matches("data-label=").count(), "{row}");
        }
        assert!(!page.contains("http-equiv"), "{page}");
    }
}
