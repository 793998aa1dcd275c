//! What is logged, and how.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::problem::{Problem, Problems};
use crate::settings;
use crate::source::{Origin, Settings};

/// The crates of this program, as the log names them. A bare level means these.
const OURS: [&str; 13] = [
    "outbound",
    "vmray",
    "stix",
    "sentinel",
    "indicators",
    "ledger",
    "delivery",
    "feed",
    "enrichment",
    "simulators",
    "azure_storage",
    "config",
    "vmray_sentinel",
];
/// The levels, as they are written.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// Up to so many slips of the fingers a name is taken for another one.
const SLIPS: usize = 2;
/// How a filter names every part, other people's too.
const ALL: &str = "all";
/// What other people's parts log where nothing is said about them.
const OTHERS: &str = "warn";

/// How logs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Directives of the log, each for one part.
    pub filter: String,
    /// Whether the operator chose the filter.
    pub chosen: bool,
    pub format: LogFormat,
}

/// Logs for people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// As if nobody had set anything.
impl Default for LogConfig {
    fn default() -> Self {
        let filter = match settings::LOG_FILTER.default {
            settings::Fallback::Text(text) => directives(text),
            _ => String::new(),
        };
        Self { filter, chosen: false, format: LogFormat::Text }
    }
}

impl LogConfig {
    /// Reads these settings alone. They come first, so that the rest can be logged.
    pub fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let filter = settings.get(&settings::LOG_FILTER);
        let format = settings.get(&settings::LOG_FORMAT);
        let directives = filter.map(|value| directives(&value.text)).unwrap_or_default();
        if let Some(value) = filter {
            let wrong = value.text.split(',').map(str::trim).find_map(wrong_part);
            let wrong = wrong
                .or_else(|| EnvFilter::try_new(&directives).err().map(|error| format!("is no log filter: {error}")));
            if let Some(wrong) = wrong {
                problems.push(Problem::invalid(&settings::LOG_FILTER, &value.origin, wrong));
            }
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
            filter: directives,
            chosen: filter.is_some_and(|value| value.origin != Origin::Default),
            format: parsed,
        })
    }
}

/// Turns a filter as operators write it into directives: a bare level is that of our own crates, `all=LEVEL` that of
/// everything, and others log only warnings unless they are named.
fn directives(text: &str) -> String {
    let mut directives = Vec::new();
    let mut others = OTHERS.to_owned();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let of_all = part.strip_prefix(ALL).and_then(|rest| rest.trim_start().strip_prefix('=')).map(str::trim);
        if let Some(level) = of_all.filter(|level| level.parse::<LevelFilter>().is_ok()) {
            level.clone_into(&mut others);
        } else if let Ok(level) = part.parse::<LevelFilter>() {
            // Who wants less than warnings of us wants less of the others, too.
            if level < LevelFilter::WARN {
                part.clone_into(&mut others);
            }
            directives.extend(OURS.iter().map(|name| format!("{name}={part}")));
        } else {
            directives.push(part.to_owned());
        }
    }
    directives.insert(0, others);
    directives.join(",")
}

/// Says what is wrong with a part of a filter that the library would take for the name of a part that nobody has, so
/// that nothing would be logged and nobody would know why.
fn wrong_part(part: &str) -> Option<String> {
    let (name, level) = part.split_once('=').map_or((part, None), |(name, level)| (name.trim(), Some(level.trim())));
    let is_known = OURS.contains(&name) || name == ALL || name.parse::<LevelFilter>().is_ok();
    if name.is_empty() || is_known && level.is_none_or(|level| !level.is_empty()) || name.contains("::") {
        return None;
    }
    if level == Some("") {
        return Some(format!("has no level after `{part}`; expected {name}=LEVEL, as in {name}=debug"));
    }
    let meant = [LEVELS.as_slice(), OURS.as_slice()].concat().into_iter();
    let meant = meant.map(|word| (strsim::damerau_levenshtein(word, name), word)).min();
    match (meant, level) {
        (Some((distance, meant)), _) if distance <= SLIPS && name.len() > SLIPS => {
            Some(format!("has the part `{name}`, which is not known; did you mean {meant}?"))
        }
        (_, None) => Some(format!(
            "has the part `{name}`, which is neither a level ({}) nor one of this program's parts ({}); another one is \
             written {name}=LEVEL",
            LEVELS.join(", "),
            OURS.join(", ")
        )),
        (_, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_crate_of_the_workspace_is_ours() {
        let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        let mut names: Vec<_> =
            crates.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace('-', "_")).collect();
        names.sort();
        let mut ours = OURS.to_vec();
        ours.sort_unstable();
        assert_eq!(names, ours);
    }

    #[rstest]
    #[case("debug", "warn,outbound=debug,", "vmray_sentinel=debug")]
    #[case("info,slatedb=info", "warn,outbound=info,", ",slatedb=info")]
    #[case("error", "error,outbound=error,", "vmray_sentinel=error")]
    #[case("off", "off,outbound=off,", "vmray_sentinel=off")]
    #[case("all=debug", "debug", "debug")]
    #[case("trace, all = info", "info,outbound=trace,", "vmray_sentinel=trace")]
    #[case("feed=trace", "warn,feed=trace", "feed=trace")]
    fn a_bare_level_is_that_of_our_crates(#[case] text: &str, #[case] begins: &str, #[case] ends: &str) {
        let directives = directives(text);
        assert!(directives.starts_with(begins) && directives.ends_with(ends), "{directives}");
        assert!(EnvFilter::try_new(&directives).is_ok(), "{directives}");
    }

    #[test]
    fn what_is_no_filter_is_an_error() {
        for text in ["loud=very=much", "feed=loud", "all=loud", "loud", "debug,loud", "loud=", "feed="] {
            assert!(load(text).is_err(), "{text}");
        }
    }

    #[rstest]
    #[case("debgu", "did you mean debug?")]
    #[case("wran", "did you mean warn?")]
    #[case("info,feeed=debug", "did you mean feed?")]
    #[case("vmray-sentinel=debug", "did you mean vmray_sentinel?")]
    fn a_typo_that_would_log_nothing_is_an_error_with_a_suggestion(#[case] text: &str, #[case] said: &str) {
        let problems = load(text).unwrap_err().to_string();
        assert!(problems.contains(said), "{problems}");
    }

    #[rstest]
    #[case("feed")]
    #[case("DEBUG")]
    #[case("hyper_util=debug,slatedb=info")]
    #[case("info,vmray_sentinel::http=trace,")]
    #[case("enrichment[request]=debug")]
    fn a_filter_of_known_parts_is_taken(#[case] text: &str) {
        assert!(load(text).is_ok(), "{text}");
    }

    fn load(text: &str) -> Result<LogConfig, Problems> {
        let flags = [("LogFilter".to_owned(), text.to_owned())];
        LogConfig::load(&Settings::load(&flags, crate::Environment::default(), None))
    }
}
