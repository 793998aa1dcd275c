//! The health tables: what became of each run, where the users are.
//!
//! After a run one row goes to `VMRayFeedRuns_CL`, and one for each thing that needs an eye to `VMRayFeedEvents_CL`, by
//! the Logs Ingestion API. This is a message about the run and no part of it: it is tried for half a minute at the most,
//! also when the process is told to stop, and what fails is a warning in the log. What cannot be written is not written
//! later; the analytics rule takes rows that stay away for a stalled feed.
//!
//! A row is at most once in the table by our doing. The service does not tell a repeated row from a new one, so a lost
//! answer, after which the call is made again, can double one: `RunId` names it.

mod rows;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::Duration;

use config::{HealthConfig, ROUTE, Schedule};
use feed::RunSummary;
use jiff::Timestamp;
use outbound::RetryPolicy;
use sentinel::{Identity, LogsClient, LogsError};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::exit::Exit;
use crate::failure::Failure;
use rows::About;

/// Stream of the runs; the table is called the same without `Custom-`.
pub(crate) const RUNS: &str = "Custom-VMRayFeedRuns_CL";
/// Stream of the events.
const EVENTS: &str = "Custom-VMRayFeedEvents_CL";
/// How long writing may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Tells the health tables.
#[derive(Debug)]
pub(crate) struct Health {
    client: LogsClient,
    host: Option<String>,
    secret_expires: Option<Timestamp>,
    schedule: Schedule,
    within: Duration,
}

impl Health {
    /// How calls are repeated: a call that hangs leaves time for another one.
    pub(crate) const POLICY: RetryPolicy = RetryPolicy {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(5),
        total: Duration::from_secs(25),
        attempt: Duration::from_secs(10),
    };

    pub(crate) fn new(client: LogsClient, config: HealthConfig, identity: &Identity, schedule: Schedule) -> Self {
        // The end of a secret that is not used is nobody's concern.
        let secret_expires = config.secret_expires.filter(|_| matches!(identity, Identity::ClientSecret { .. }));
        Self { client, host: config.host, secret_expires, schedule, within: WITHIN }
    }

    /// Sets how long writing may take, where that is shorter than the usual time.
    #[must_use]
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { within: self.within.min(limit), ..self }
    }

    /// Tells what became of a run: what it did, as far as that is known, and why it failed, if it did.
    ///
    /// Cancel-safe: what is dropped is not told.
    pub(crate) async fn tell(
        &self,
        started: Timestamp,
        ended: Timestamp,
        did: Option<&RunSummary>,
        failed: Option<&Failure>,
    ) {
        if failed.is_some_and(|failure| failure.exit == Exit::StoppedEarly) {
            // It gave way to another run, which tells of itself.
            return;
        }
        let run_id = Uuid::new_v4().to_string();
        let about = About {
            run_id: &run_id,
            route: ROUTE,
            started,
            ended,
            schedule: self.schedule.longest_wait_from(started),
            secret_expires: self.secret_expires,
            host: self.host.as_deref(),
        };
        let tables = [(RUNS, vec![rows::run(&about, did, failed)]), (EVENTS, rows::events(&about, did))];
        let at = Cell::new(RUNS);
        let writing = async {
            for (stream, rows) in tables {
                at.set(stream);
                if let Err(error) = self.client.write(stream, rows).await {
                    warn!(run_id, "{}", refusal(stream, &error));
                    // Only a refusal of its rows is about the one table.
                    if !matches!(error, LogsError::BadRequest { .. }) {
                        return;
                    }
                }
            }
            debug!(run_id, "wrote to the health tables");
        };
        if tokio::time::timeout(self.within, Box::pin(writing)).await.is_err() {
            warn!(
                run_id,
                "{} was not written to within {} s: check that this machine reaches LogsIngestionEndpoint and Entra \
                 (firewall, HttpsProxy, CaFile). The run is not affected",
                table(at.get()),
                self.within.as_secs()
            );
        }
    }
}

/// What the log says of rows that were not written.
fn refusal(stream: &str, error: &LogsError) -> String {
    format!("the run was not written to {}: {error}; {} The run itself is not affected", table(stream), error.hint())
}

fn table(stream: &str) -> &str {
    stream.trim_start_matches("Custom-")
}
