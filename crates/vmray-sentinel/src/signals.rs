//! SIGTERM and Ctrl-C as a token: the first asks to stop cleanly, the second ends the process.
//!
//! Ending at once is safe at any instant (the ledger's promise); it only costs that the last uploads are sent again.

use std::io::{self, IsTerminal as _};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::App;

/// Exit code of a process that Ctrl-C ended, as shells count it.
const INTERRUPTED: i32 = 130;

/// What a terminal shows then, whatever is logged.
const STOPPING: &str =
    "Stopping: what is on its way is finished first. Press Ctrl-C again to end at once; nothing is lost.\n";

/// Returns a token that is cancelled by the first signal; from now on none ends the process at once. Whoever watches a
/// terminal reads that, and how to end at once. Call once, inside the runtime, before anybody is told that the process is
/// there.
pub(crate) fn stop_token(app: &App) -> CancellationToken {
    let token = CancellationToken::new();
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            warn!(%error, "signals cannot be caught; a signal ends the process at once");
            return token;
        }
    };
    let signalled = token.clone();
    let app = app.clone();
    // Lives as long as the process and holds nothing; there is nobody to wait for it.
    tokio::spawn(async move {
        signals.next().await;
        signalled.cancel();
        if io::stderr().is_terminal() {
            app.say(STOPPING);
        } else {
            info!("stopping; a second signal ends at once");
        }
        signals.next().await;
        std::process::exit(INTERRUPTED);
    });
    token
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
