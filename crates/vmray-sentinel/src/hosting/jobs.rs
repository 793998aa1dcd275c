//! The second timer: brings enrichments on that nobody asks about any more.
//!
//! Their indicators are to be sent although nobody came back for the answer. Where the API runs without the feed this
//! is the only thing that does it, so it is a function of its own; the templates switch it with the API.

use std::time::Duration;

use tracing::info;

use super::invocation::Answer;
use super::{Handler, log_failure};
use crate::failure::Failure;
use crate::words;

/// How long one invocation may take. What it does not come to is left to the next one.
const LONGEST: Duration = Duration::from_secs(4 * 60);

pub(super) async fn invoke(handler: &Handler) -> Answer {
    let Ok(_taken) = handler.jobs_turn.take(handler.app.clock.now()) else {
        return Answer::succeeded(vec!["nothing to do: another invocation looks at open enrichments".to_owned()]);
    };
    let sweep = async {
        let callers = handler.api().await?;
        callers.api.sweep().await.map_err(|error| Failure::from(anyhow::Error::new(error)))
    };
    let sweep = tokio::time::timeout(handler.budget.run().map_or(LONGEST, |run| run.min(LONGEST)), sweep);
    match handler.stop.run_until_cancelled(sweep).await {
        Some(Ok(Ok(swept))) => {
            let line = format!(
                "{} looked at, {} at their end, {} could not be looked at now",
                words::count(swept.looked_at, "open enrichment"),
                words::number(swept.finished),
                words::number(swept.failed)
            );
            info!("{line}");
            Answer::succeeded(vec![line])
        }
        Some(Ok(Err(failure))) => Answer::failed(log_failure(&failure, "open enrichments were not looked at")),
        Some(Err(_)) | None => {
            let line = "not all open enrichments were looked at; the next invocation continues";
            info!("{line}");
            Answer::succeeded(vec![line.to_owned()])
        }
    }
}
