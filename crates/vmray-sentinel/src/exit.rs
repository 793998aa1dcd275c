//! How a command ends, for scripts.

use std::process::ExitCode;

/// The exit codes that every command shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line or a setting is wrong; nothing was started.
    Usage = 2,
    /// Stopped early: what was done is safe, the next run continues.
    StoppedEarly = 3,
    /// Done, but quarantine holds open records.
    NeedsAttention = 4,
    /// Told to stop under the Functions host, which takes this code for "start me again" and 0 for "never again".
    Restart = 200,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
