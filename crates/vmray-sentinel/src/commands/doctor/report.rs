//! What the doctor found, for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;

use crate::invocation::in_text;
use crate::paint::Paint;
use crate::words;

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    /// What to do, most likely first.
    pub(super) next_steps: Vec<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Good,
    /// It works, but someone should know.
    Warning,
    Failed,
    /// Could not be looked at because something before it failed.
    Skipped,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    outcome: &'static str,
    checks: Vec<Check>,
}

/// Leaves the failure of one check out of the others that only repeat it.
pub(super) fn once(checks: Vec<Check>, name: &'static str) -> Vec<Check> {
    let told = checks.iter().find(|check| check.name == name && check.outcome == Outcome::Failed);
    let Some(told) = told.map(|check| check.detail.clone()) else { return checks };
    let repeats = |check: &Check| check.name != name && check.detail.contains(&told);
    checks
        .into_iter()
        .map(|check| if repeats(&check) { Check::skipped(check.name, &format!("the {name}")) } else { check })
        .collect()
}

impl Check {
    pub(super) fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Good, detail: detail.into(), next_steps: Vec::new() }
    }

    pub(super) fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, ..Self::good(name, detail) }
    }

    pub(super) fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, ..Self::good(name, detail) }
    }

    /// `needs` is what must be fixed first.
    pub(super) fn skipped(name: &'static str, needs: &str) -> Self {
        Self { outcome: Outcome::Skipped, ..Self::good(name, format!("not checked: first fix {needs}")) }
    }

    #[must_use]
    pub(super) fn step(mut self, step: impl AsRef<str>) -> Self {
        self.next_steps.push(step.as_ref().to_owned());
        self
    }
}

impl Report {
    pub(super) fn new(mut checks: Vec<Check>) -> Self {
        for text in checks.iter_mut().flat_map(|check| check.next_steps.iter_mut().chain([&mut check.detail])) {
            *text = in_text(text);
        }
        let failed = checks.iter().any(|check| check.outcome == Outcome::Failed);
        Self { outcome: if failed { "failed" } else { "good" }, checks }
    }

    pub(super) fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.outcome == Outcome::Failed).count()
    }

    pub(super) fn text(&self, columns: usize, paint: Paint) -> String {
        let mut text = String::new();
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for check in &self.checks {
            let sign = match check.outcome {
                Outcome::Good => paint.good("ok  "),
                Outcome::Warning => paint.warn("note"),
                Outcome::Failed => paint.bad("FAIL"),
                Outcome::Skipped => paint.faint("skip"),
            };
            let indent = width + 8;
            let room = columns.saturating_sub(indent);
            for (n, line) in words::wrapped(&check.detail, room).iter().enumerate() {
                match n {
                    0 => writeln!(text, "{sign}  {:<width$}  {line}", check.name),
                    _ => writeln!(text, "{:indent$}{line}", ""),
                }
                .unwrap_or_default();
            }
            for step in &check.next_steps {
                for (n, line) in words::wrapped(step, room.saturating_sub(4)).iter().enumerate() {
                    match n {
                        0 => writeln!(text, "{:indent$}{} {line}", "", paint.command("do:")),
                        _ => writeln!(text, "{:indent$}    {line}", ""),
                    }
                    .unwrap_or_default();
                }
            }
        }
        let count = |outcome| self.checks.iter().filter(|check| check.outcome == outcome).count();
        let (failed, skipped) = (count(Outcome::Failed), count(Outcome::Skipped));
        text.push('\n');
        if failed == 0 {
            writeln!(text, "{}", paint.good("Everything that can be checked is in place.")).unwrap_or_default();
        } else {
            let verb = if failed == 1 { "check has" } else { "checks have" };
            let rest = if skipped == 0 { String::new() } else { format!(", {skipped} could not be made") };
            writeln!(text, "{} {verb} failed{rest}. Nothing was changed.", paint.bad(failed)).unwrap_or_default();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_another_check_repeats_is_told_once() {
        let checks = vec![
            Check::failed("state", "the state cannot be reached: Entra gives no token: no"),
            Check::failed("token", "Entra gives no token: no"),
            Check::warning("health rows", "no rows are written: Entra gives no token: no").step("set the secret"),
            Check::failed("VMRay", "no answer"),
        ];
        let outcomes: Vec<_> = once(checks, "token").iter().map(|check| check.outcome).collect();
        assert_eq!(outcomes, [Outcome::Skipped, Outcome::Failed, Outcome::Skipped, Outcome::Failed]);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let long = "words ".repeat(60);
        let report =
            Report::new(vec![Check::failed("workspace", long.as_str()).step(&long), Check::good("token", long)]);
        for columns in [40, 60, 80, 110] {
            let text = report.text(columns, Paint::plain());
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= columns.max(53), "{longest} of {columns}:\n{text}");
        }
    }

    #[test]
    fn the_report_is_aligned_and_says_what_to_do() {
        let report = Report::new(vec![
            Check::good("settings", "29 settings, 6 of them set"),
            Check::warning("clock", "VMRay's clock is 90 s ahead of ours").step("set the clock"),
            Check::failed("token", "Entra gives no token").step("set AzureClientSecret").step("or use another app"),
            Check::skipped("workspace", "the token"),
        ]);
        insta::assert_snapshot!(report.text(100, Paint::plain()), @r"
        ok    settings   29 settings, 6 of them set
        note  clock      VMRay's clock is 90 s ahead of ours
                         do: set the clock
        FAIL  token      Entra gives no token
                         do: set AzureClientSecret
                         do: or use another app
        skip  workspace  not checked: first fix the token

        1 check has failed, 1 could not be made. Nothing was changed.
        ");
    }
}
