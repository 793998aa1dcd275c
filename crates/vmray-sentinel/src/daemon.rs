//! The feed on its schedule, one run at a time, until told to stop.
//!
//! The first run begins at once: after a restart nobody wants to wait for the next full hour, and a run that finds
//! nothing new costs a few listing calls. A run that fails is logged and the next one begins on schedule.

use std::time::Duration;

use feed::RunOptions;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::live::{Live, Running};
use crate::{progress, summary as run_summary, words};

/// The longest sleep, so that a changed clock or a machine that slept is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Runs until `stop`. `options` are those of every run; `since` only of the first.
pub(crate) async fn run(
    engine: &Engine,
    mut options: RunOptions,
    live: &watch::Sender<Live>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    while !stop.is_cancelled() {
        let ended = once(engine, &options, live, stop).await;
        options.since = None;
        // A tick that passes while the health tables are written to is not lost.
        let Some(next) = engine.schedule.next_after(ended) else {
            return Err(Failure::from(anyhow::anyhow!("the schedule {} has no next time", engine.schedule)));
        };
        live.send_modify(|live| live.next_run = Some(next));
        if !stop.is_cancelled() {
            info!(next = %words::time(next), "waiting for the next run");
        }
        sleep_until(engine, next, stop).await;
    }
    Ok(())
}

/// Makes a run and returns when it ended.
async fn once(
    engine: &Engine,
    options: &RunOptions,
    live: &watch::Sender<Live>,
    stop: &CancellationToken,
) -> Timestamp {
    let since = engine.clock().now();
    live.send_modify(|live| {
        live.next_run = None;
        live.running = Some(Running { since, bars: Vec::new() });
    });
    let ended = engine
        .run(options, stop, |progress| {
            live.send_modify(|live| {
                live.waits = progress.waits(Timestamp::MIN);
                live.limits = [("vmray", progress.vmray_limit), ("sentinel", progress.sentinel_limit)];
                if let Some(running) = &mut live.running {
                    running.bars = progress::bars(progress);
                }
            });
        })
        .await;
    let failed = match &ended.outcome {
        Ok(summary) => {
            run_summary::log(summary);
            if let Some(dropped) = &summary.all_dropped {
                warn!("{}", run_summary::all_dropped(dropped));
            }
            None
        }
        Err(failure) => {
            error!("run failed: {}", failure.one_line());
            Some(failure.one_line())
        }
    };
    live.send_modify(|live| {
        live.running = None;
        live.last_error = failed;
    });
    let at = ended.at;
    // What became of the run is told above.
    drop(ended.tell().await);
    at
}

async fn sleep_until(engine: &Engine, next: Timestamp, stop: &CancellationToken) {
    loop {
        let left = next.duration_since(engine.clock().now());
        let Ok(left) = Duration::try_from(left) else { return };
        if left.is_zero() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
        }
    }
}
