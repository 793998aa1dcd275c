//! How a failed command says so: once, with the chain of causes, and with what to do.

use std::fmt::Write as _;

use config::Problems;
use serde::Serialize;

use crate::exit::Exit;
use crate::invocation::in_text;
use crate::paint::Paint;
use crate::state;

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What happened.
    pub(crate) error: anyhow::Error,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

/// A failure as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct FailureJson {
    outcome: &'static str,
    exit_code: u8,
    error: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Failure {
    /// A failure of the command line or the settings.
    pub(crate) fn usage(error: anyhow::Error) -> Self {
        Self { exit: Exit::Usage, error, hints: Vec::new() }
    }

    /// A run that could not go on.
    pub(crate) fn from_run(error: feed::Error) -> Self {
        let exit = match &error {
            feed::Error::State(ledger::Error::Busy { .. } | ledger::Error::Fenced) => Exit::StoppedEarly,
            feed::Error::State(ledger::Error::WrongBinding { .. }) => Exit::Usage,
            _ => Exit::Failed,
        };
        let hint = match &error {
            feed::Error::State(error) => Some(state::hint(error)),
            other => other.hint(),
        };
        Self { exit, hints: hint.into_iter().collect(), error: error.into() }
    }

    /// Returns the chain of causes in one line, for logs and the status page.
    pub(crate) fn one_line(&self) -> String {
        let chain: Vec<_> = self.error.chain().map(ToString::to_string).collect();
        let mut line = chain.join(": ");
        for hint in &self.hints {
            write!(line, "; {hint}").unwrap_or_default();
        }
        in_text(&line)
    }

    /// Returns a line for each thing to fix: several for settings, else [`one_line`](Self::one_line).
    pub(crate) fn lines(&self) -> Vec<String> {
        match self.error.downcast_ref::<Problems>() {
            Some(problems) => problems.iter().map(|problem| in_text(&problem.to_string())).collect(),
            None => vec![self.one_line()],
        }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the text for stderr.
    pub(crate) fn report(&self, paint: Paint) -> String {
        let mut causes = self.error.chain();
        let mut text = String::new();
        if let Some(first) = causes.next() {
            writeln!(text, "{} {first}", paint.bad("error:")).unwrap_or_default();
        }
        for cause in causes {
            writeln!(text, "  caused by: {cause}").unwrap_or_default();
        }
        for hint in &self.hints {
            writeln!(text, "{} {hint}", paint.command("hint:")).unwrap_or_default();
        }
        in_text(&text)
    }

    /// Returns the object for stdout.
    pub(crate) fn json(&self) -> FailureJson {
        let mut causes = self.error.chain().map(|cause| in_text(&cause.to_string()));
        FailureJson {
            outcome: "failed",
            exit_code: self.exit as u8,
            error: causes.next().unwrap_or_default(),
            causes: causes.collect(),
            hints: self.hints.iter().map(|hint| in_text(hint)).collect(),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::usage(problems.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::Failed, error, hints: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_and_the_hints_are_printed_once_each() {
        let error = anyhow::anyhow!("connection refused").context("asking VMRay for its version");
        let failure = Failure::from(error).with_hint("check VmrayBaseURL");
        assert_eq!(
            failure.report(Paint::plain()),
            "error: asking VMRay for its version\n  caused by: connection refused\nhint: check VmrayBaseURL\n"
        );
    }
}
