//! `--faults FILE`: what goes wrong, as JSON.
//!
//! ```json
//! [
//!   { "service": "upload", "when": { "every": 3 }, "fault": { "status": 503 } },
//!   { "service": "vmray", "path": "/iocs", "when": { "nth": 2 }, "fault": "reset_after" }
//! ]
//! ```

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use simulators::{Fault, FaultRule, ServiceName, When};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    service: Service,
    method: Option<String>,
    /// Only paths, with query, that contain this.
    path: Option<String>,
    #[serde(default)]
    when: Occasion,
    fault: Trouble,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Service {
    Vmray,
    Entra,
    Upload,
    Logs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Occasion {
    #[default]
    Always,
    Nth(u64),
    First(u64),
    Every(u64),
    Probability(f64),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    Status(u16),
    StatusAfter(u16),
    ResetBefore,
    ResetAfter,
    CutBody,
    HtmlPage,
    Hang,
    WrongJson,
    DropContinuation,
    DelayMs(u64),
    Unavailable,
    /// The service's own 429; seconds to announce.
    Throttled(u64),
}

/// Reads the rules of a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<FaultRule>> {
    let place = || format!("reading the faults of {}", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    parse(&text).with_context(place)
}

/// Reads the rules of a text.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<FaultRule>> {
    let rules: Vec<Rule> = serde_json::from_str(text)?;
    rules.into_iter().map(Rule::build).collect()
}

impl Rule {
    fn build(self) -> anyhow::Result<FaultRule> {
        let service = match self.service {
            Service::Vmray => ServiceName::Vmray,
            Service::Entra => ServiceName::Entra,
            Service::Upload => ServiceName::Upload,
            Service::Logs => ServiceName::Logs,
        };
        let when = match self.when {
            Occasion::Always => When::Always,
            Occasion::Nth(n) => When::Nth(n),
            Occasion::First(n) => When::First(n),
            Occasion::Every(n) => When::Every(n),
            Occasion::Probability(share) => When::Probability(share),
        };
        let fault = match self.fault {
            Trouble::Status(status) => Fault::Status(status),
            Trouble::StatusAfter(status) => Fault::StatusAfter(status),
            Trouble::ResetBefore => Fault::ResetBefore,
            Trouble::ResetAfter => Fault::ResetAfter,
            Trouble::CutBody => Fault::CutBody,
            Trouble::HtmlPage => Fault::HtmlPage,
            Trouble::Hang => Fault::Hang,
            Trouble::WrongJson => Fault::WrongJson,
            Trouble::DropContinuation => Fault::DropContinuation,
            Trouble::DelayMs(milliseconds) => Fault::Delay(Duration::from_millis(milliseconds)),
            Trouble::Unavailable => Fault::Unavailable,
            Trouble::Throttled(seconds) => Fault::Throttled { retry_after: Duration::from_secs(seconds) },
        };
        let mut rule = FaultRule::new(service, when, fault);
        if let Some(method) = self.method {
            rule = rule.on_method(method.to_ascii_uppercase().parse().context("reading a method")?);
        }
        if let Some(path) = self.path {
            rule = rule.on_path(&path);
        }
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rules() {
        let rules = parse(
            r#"[{"service":"upload","when":{"every":3},"fault":{"status":503}},
                {"service":"vmray","method":"get","path":"/iocs","when":{"nth":2},"fault":"reset_after"},
                {"service":"entra","fault":{"throttled":7}}]"#,
        )
        .unwrap();
        let expected = [
            FaultRule::new(ServiceName::Upload, When::Every(3), Fault::Status(503)),
            FaultRule::new(ServiceName::Vmray, When::Nth(2), Fault::ResetAfter)
                .on_method(http::Method::GET)
                .on_path("/iocs"),
            FaultRule::new(ServiceName::Entra, When::Always, Fault::Throttled { retry_after: Duration::from_secs(7) }),
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_misspelled_fault_is_an_error_that_lists_the_known_ones() {
        let error = parse(r#"[{"service":"upload","fault":"explode"}]"#).unwrap_err().to_string();
        assert!(error.contains("explode") && error.contains("html_page"), "{error}");
    }
}
