//! The second timer: brings enrichments on that nobody asks about any more.
//!
//! Their indicators are to be sent although nobody came back for the answer. Where the API runs without the feed this
//! is the only thing that does it, so it is a function of its own; the templates switch it with the API.

use std::time::Duration;

use enrichment::Swept;
use tracing::info;

use super::invocation::Answer;
use super::{Handler, log_failure};
use crate::failure::Failure;
use crate::words;

/// How long one invocation looks at requests. What it does not come to is left to the next one.
const LONGEST: Duration = Duration::from_secs(4 * 60);
/// How long the request that it is at may take then; what is dropped is taken up by the next invocation.
const LAST_REQUEST: Duration = Duration::from_secs(45);

pub(super) async fn invoke(handler: &Handler) -> Answer {
    let Ok(_taken) = handler.jobs_turn.take(handler.app.clock.now()) else {
        return Answer::succeeded(vec!["nothing to do: another invocation looks at open enrichments".to_owned()]);
    };
    let stop = handler.stop.child_token();
    let sweep = async {
        let callers = handler.api().await?;
        callers.api.sweep(&stop).await.map_err(|error| Failure::from(anyhow::Error::new(error)))
    };
    let longest = handler.budget.run().map_or(LONGEST, |run| run.min(LONGEST));
    let too_long = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(longest) => stop.cancel(),
        }
        tokio::time::sleep(LAST_REQUEST.min(longest / 4)).await;
    };
    tokio::select! {
        swept = sweep => swept.map_or_else(|failure| failed(&failure), |swept| told(swept, stop.is_cancelled())),
        () = too_long => {
            let line = "one open enrichment takes long; the next invocation continues after it";
            info!("{line}");
            Answer::succeeded(vec![line.to_owned()])
        }
    }
}

fn failed(failure: &Failure) -> Answer {
    Answer::failed(log_failure(failure, "open enrichments were not looked at"))
}

fn told(swept: Swept, was_stopped: bool) -> Answer {
    let Swept { looked_at, finished, failed } = swept;
    let mut line = format!(
        "{} looked at, {} at their end, {} could not be looked at now",
        words::count(looked_at, "open enrichment"),
        words::number(finished),
        words::number(failed)
    );
    if was_stopped {
        line += "; the next invocation continues";
    }
    // What fails alone is in the log. When all of them fail it is VMRay or its key, and nothing else would show it.
    if looked_at > 0 && failed == looked_at {
        return self::failed(
            &Failure::from(anyhow::anyhow!("{line}")).with_hint("`vmray-sentinel doctor` checks VMRay and its key"),
        );
    }
    info!("{line}");
    Answer::succeeded(vec![line])
}
