//! What is logged, and how.

use super::problem::{Problem, Problems};
use super::settings;
use super::source::{Origin, Settings};

/// How logs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    pub(crate) filter: String,
    /// Whether the operator chose the filter.
    pub(crate) chosen: bool,
    pub(crate) format: LogFormat,
}

/// Logs for people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// As if nobody had set anything.
impl Default for LogConfig {
    fn default() -> Self {
        let filter = match settings::LOG_FILTER.default {
            settings::Fallback::Text(text) => text.to_owned(),
            _ => String::new(),
        };
        Self { filter, chosen: false, format: LogFormat::Text }
    }
}

impl LogConfig {
    /// Reads these settings alone. They come first, so that the rest can be logged.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let filter = settings.get(&settings::LOG_FILTER);
        let format = settings.get(&settings::LOG_FORMAT);
        if let Some(value) = filter
            && let Err(error) = tracing_subscriber::EnvFilter::try_new(&value.text)
        {
            problems.push(Problem::invalid(&settings::LOG_FILTER, &value.origin, format!("is no log filter: {error}")));
        }
        let parsed = match format.map(|value| value.text.to_ascii_lowercase()).as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                let origin = format.map_or(&Origin::Default, |value| &value.origin);
                problems.push(Problem::invalid(
                    &settings::LOG_FORMAT,
                    origin,
                    format!("is `{other}`; expected text or json"),
                ));
                LogFormat::Text
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            filter: filter.map(|value| value.text.clone()).unwrap_or_default(),
            chosen: filter.is_some_and(|value| value.origin != Origin::Default),
            format: parsed,
        })
    }
}
