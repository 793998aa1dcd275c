//! `status`: what the feed has done and what is open.

use std::fmt::Write as _;

use jiff::Timestamp;
use ledger::StateUrl;
use serde_json::json;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paint::Paint;
use crate::state::{self, Changes, DoingWithState as _};
use crate::view::View;
use crate::{output, words};

pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let (url, storage) = state::of(app, Changes::None)?;
    let view = View::read(&storage).await.doing("reading the state")?;
    if app.json {
        output::json(&json!({ "state_url": url.to_string(), "route": crate::config::ROUTE, "state": view }))?;
    } else {
        output::text(&text(&url, &view, app.clock.now(), app.out))?;
    }
    Ok(Exit::Done)
}

fn text(url: &StateUrl, view: &View, now: Timestamp, paint: Paint) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| writeln!(text, "{name:<16}{value}").unwrap_or_default();
    row("state", url.to_string());
    let Some(last) = view.last_run() else {
        row("runs", "none yet; start one with `vmray-sentinel feed --once`".to_owned());
        return text;
    };
    row("VMRay", view.vmray.clone().unwrap_or_default());
    row("workspace", view.workspace.clone().unwrap_or_default());
    let read_until = view.read_until.map(|until| format!("{} ({})", words::time(until), words::ago(now, until)));
    row("read until", read_until.unwrap_or_else(|| "-".to_owned()));
    row(
        "last run",
        format!("{}, took {}", words::ago(now, last.ended), words::span(last.ended.duration_since(last.started))),
    );
    row("outcome", words::outcome(&last.outcome).to_owned());
    if let Some(error) = &last.error {
        row("error", error.clone());
    }
    row("indicators", words::number(view.indicators));
    row("to be sent", words::number(view.outbox));
    let held = |n: usize| if n == 0 { paint.good(words::number(n)) } else { paint.warn(words::number(n)) };
    row("quarantine", held(view.quarantine.len()).to_string());
    row("open samples", held(view.open_samples.len()).to_string());
    if !view.quarantine.is_empty() || !view.open_samples.is_empty() {
        writeln!(text, "\nWhy: {}", paint.command("vmray-sentinel quarantine list")).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger::RunRecord;

    use super::*;

    #[test]
    fn the_status_is_aligned() {
        let view = View {
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
                outcome: "done".to_owned(),
                error: None,
                counts: BTreeMap::new(),
            }],
        };
        let now = "2026-01-01T08:10:00Z".parse().unwrap();
        insta::assert_snapshot!(text(&StateUrl::Memory, &view, now, Paint::plain()));
    }
}
