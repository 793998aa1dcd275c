//! A timer invocation: one run of the feed, and what the host hears of it.
//!
//! Invocations come in tasks of the server; runs are made one after the other in [`serve`], which is handed an
//! [`Ask`] by the invocation whose turn it is.

use std::panic::AssertUnwindSafe;

use feed::{RunOptions, RunSummary};
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info, warn};

use super::invocation::Answer;
use super::turn::Taken;
use super::{Handler, log_failure};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{summary, words};

/// An invocation that waits for its run.
#[derive(Debug)]
pub(super) struct Ask {
    /// Whose lines the log shows.
    invocation: Span,
    /// Whether the host is late with it.
    past_due: bool,
    /// Cancelled when the invocation is gone.
    hung_up: CancellationToken,
    answer: oneshot::Sender<Answer>,
    taken: Taken,
}

/// Has a run made, unless one is on. Being dropped, because the host hung up, stops the run cleanly.
pub(super) async fn invoke(handler: &Handler, past_due: bool) -> Answer {
    let taken = match handler.turn.take(handler.app.clock.now()) {
        Ok(taken) => taken,
        Err(since) => {
            let line = format!("nothing to do: a run has been active since {}", words::time(since));
            info!("{line}");
            return Answer::succeeded(vec![line]);
        }
    };
    let hung_up = CancellationToken::new();
    let _hang_up = hung_up.clone().drop_guard();
    let (answer, answered) = oneshot::channel();
    let ask = Ask { invocation: Span::current(), past_due, hung_up, answer, taken };
    // Both fail only when the process is stopping, before a run was begun: like one that stops early, no failure.
    let stopping = || Answer::succeeded(vec!["the process is stopping; the next run continues".to_owned()]);
    if handler.asks.send(ask).await.is_err() {
        return stopping();
    }
    answered.await.unwrap_or_else(|_| stopping())
}

/// Makes the runs that are asked for until told to stop, and waits for the one that is on.
pub(super) async fn serve(handler: &Handler, mut asks: mpsc::Receiver<Ask>) {
    while let Some(Some(ask)) = handler.stop.run_until_cancelled(asks.recv()).await {
        let Ask { invocation, past_due, hung_up, answer, taken } = ask;
        let run = async {
            // Said here, where it is true: an invocation whose turn has come may still meet the end of the process.
            info!("run started{}", if past_due { "; the timer is past due" } else { "" });
            run(handler, &hung_up, taken).await
        };
        let answered = run.instrument(invocation).await;
        // The host hung up.
        drop(answer.send(answered));
    }
}

async fn run(handler: &Handler, hung_up: &CancellationToken, taken: Taken) -> Answer {
    let stop = handler.stop.child_token();
    let run = AssertUnwindSafe(Box::pin(feed(handler, &stop, taken))).catch_unwind();
    let within = async {
        match handler.budget.answer() {
            Some(limit) => tokio::time::timeout(limit, run).await.ok(),
            None => Some(run.await),
        }
    };
    tokio::pin!(within);
    let outcome = tokio::select! {
        outcome = &mut within => outcome,
        () = hung_up.cancelled() => {
            info!("the host closed the connection; the run stops");
            stop.cancel();
            within.await
        }
    };
    match outcome {
        Some(Ok(Ok(summary))) => succeeded(&summary),
        Some(Ok(Err(failure))) if failure.exit == Exit::StoppedEarly => {
            let line = format!("another run is active: {}", failure.one_line());
            warn!("{line}");
            Answer::succeeded(vec![line])
        }
        Some(Ok(Err(failure))) => failed(&failure),
        Some(Err(_)) => failed(
            &Failure::from(anyhow::anyhow!("it met a fault of the program"))
                .with_hint("report it with the log; nothing is lost, the next run continues"),
        ),
        None => failed(
            &Failure::from(anyhow::anyhow!("it did not stop before functionTimeout and was ended"))
                .with_hint("nothing is lost, the next run continues"),
        ),
    }
}

fn failed(failure: &Failure) -> Answer {
    Answer::failed(log_failure(failure, "run failed"))
}

async fn feed(handler: &Handler, stop: &CancellationToken, taken: Taken) -> Result<RunSummary, Failure> {
    let engine = handler.engine().await?;
    let options = RunOptions { since: None, dry_run: false, time_budget: handler.budget.run() };
    let ended = Box::pin(engine.run(&options, stop, |_| {})).await;
    // A timer that is due while the health tables are written to gets its run, after that.
    drop(taken);
    ended.tell().await
}

/// What the host's log says of a run, and what ours says.
fn succeeded(summary: &RunSummary) -> Answer {
    let mut lines = vec![format!("run ended: {}", words::counts(&summary.counts))];
    info!(
        outcome = ?summary.outcome,
        quarantine = summary.quarantine_open,
        open_samples = summary.samples_open,
        "run ended: {}",
        words::counts(&summary.counts)
    );
    match summary::exit(summary) {
        Exit::StoppedEarly => {
            let line = "stopped early, within the time that the host allows; the next run continues here";
            info!("{line}");
            lines.push(line.to_owned());
        }
        Exit::NeedsAttention => {
            if let Some(dropped) = &summary.all_dropped {
                let line = summary::all_dropped(dropped);
                warn!("{line}");
                lines.push(line);
            }
            if summary.quarantine_open + summary.samples_open == 0 {
                return Answer::succeeded(lines);
            }
            let line = format!(
                "held back: {} in quarantine, {} open; `vmray-sentinel quarantine list` says why",
                words::count(summary.quarantine_open, "record"),
                words::count(summary.samples_open, "sample")
            );
            warn!("{line}");
            lines.push(line);
        }
        _ => {}
    }
    Answer::succeeded(lines)
}
