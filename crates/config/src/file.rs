//! The configuration file: TOML whose keys are the names of the settings.
//!
//! A value may be a string, a number or a list of strings; all become the text that the environment would hold,
//! so that there is one parser for each setting. Tables are reserved for several accounts and routes.

use std::path::{Path, PathBuf};

use toml::Value;

use crate::likeness;
use crate::problem::{Problem, Problems};
use crate::settings::{self, CONFIG_URL, Form, Setting};

/// Tables that a later version reads.
const RESERVED: [&str; 4] = ["account", "route", "incidents", "mail"];

/// Turns `--config` or `ConfigUrl` into a path.
pub(crate) fn locate(text: &str) -> Result<PathBuf, Problem> {
    match text.split_once("://") {
        None => Ok(PathBuf::from(text)),
        Some(("file", _)) => url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok()).ok_or_else(|| {
            Problem::general(format!("{CONFIG_URL} {text} is not a path of this machine"))
                .with_hint("example: file:///etc/vmray-sentinel.toml")
        }),
        Some((scheme, _)) => {
            Err(Problem::general(format!("{CONFIG_URL} uses the scheme {scheme}, which this version does not read"))
                .with_hint("example: --config /etc/vmray-sentinel.toml"))
        }
    }
}

/// Reads the file. What is wrong goes to `problems`; what is right is returned.
pub(crate) fn read(path: &Path, problems: &mut Problems) -> Vec<(&'static Setting, String)> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &path.display().to_string(), problems),
        Err(error) => {
            problems.push(
                Problem::general(format!("the configuration file {} cannot be read: {error}", path.display()))
                    .with_hint("check the path given with --config or ConfigUrl and the file's permissions"),
            );
            Vec::new()
        }
    }
}

fn parse(text: &str, place: &str, problems: &mut Problems) -> Vec<(&'static Setting, String)> {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            // The error's own display quotes the line, which may hold a secret.
            let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            let line = line.map(|n| format!(", line {n}")).unwrap_or_default();
            problems.push(Problem::general(format!("{place}{line} is not TOML: {}", error.message())));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (key, value) in &table {
        match settings::find(key) {
            Some(setting) => match as_text(setting, value) {
                Ok(text) => found.push((setting, text)),
                Err(reason) => problems.push(Problem::invalid(setting, &place, reason)),
            },
            None => problems.push(unknown(key, place)),
        }
    }
    found
}

fn unknown(key: &str, place: &str) -> Problem {
    if RESERVED.contains(&key) {
        return Problem::general(format!("{place}: [{key}] is not in this version"))
            .with_hint("this version reads one account and one route, from settings at the top of the file");
    }
    if key == CONFIG_URL {
        return Problem::general(format!("{place}: {key} names the file itself and cannot be set in it"));
    }
    let problem = Problem::general(format!("{place}: {key} is not a setting"));
    match likeness::nearest(key) {
        Some(setting) => problem.with_hint(format!("did you mean {}?", setting.name)),
        None => problem.with_hint("`vmray-sentinel config show` lists every setting"),
    }
}

fn as_text(setting: &Setting, value: &Value) -> Result<String, String> {
    match value {
        Value::Array(items) if setting.form == Form::List => {
            let items: Result<Vec<_>, _> = items.iter().map(scalar).collect();
            items.map(|items| items.join(","))
        }
        Value::Table(table) if setting.form == Form::DaysByType => {
            let parts: Result<Vec<_>, _> =
                table.iter().map(|(kind, days)| Ok(format!("{kind}={}", scalar(days)?))).collect();
            parts.map(|parts: Vec<String>| parts.join(","))
        }
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        other => Err(format!("is a {} in the file; write text in quotes or a whole number", other.type_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(&'static str, String)>, String) {
        let mut problems = Problems::default();
        let found = parse(text, "f.toml", &mut problems);
        let shown = if problems.is_empty() { String::new() } else { problems.to_string() };
        (found.into_iter().map(|(setting, text)| (setting.name, text)).collect(), shown)
    }

    #[test]
    fn reads_texts_numbers_lists_and_days_by_type() {
        let (found, problems) = read(
            "VmrayBaseURL = 'https://h.example'\nUploadsPerMinute = 50\nIocTypes = ['ip', 'url']\n\
             IndicatorExpirationInDays = { ip = 14, url = 30 }\n",
        );
        assert_eq!(problems, "");
        let expected = [
            ("IndicatorExpirationInDays", "ip=14,url=30"),
            ("IocTypes", "ip,url"),
            ("UploadsPerMinute", "50"),
            ("VmrayBaseURL", "https://h.example"),
        ];
        assert_eq!(found, expected.map(|(name, text)| (name, text.to_owned())));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let (_, problems) = read("VmrayBaseUrl = 'x'\ncolour = 'red'\n");
        insta::assert_snapshot!(problems, @r"
        the settings have 2 problems

          f.toml: VmrayBaseUrl is not a setting
            did you mean VmrayBaseURL?

          f.toml: colour is not a setting
            `vmray-sentinel config show` lists every setting
        ");
    }

    #[test]
    fn several_accounts_are_not_in_this_version() {
        let (_, problems) = read("[[account]]\nname = 'a'\n[[route]]\nname = 'r'\n");
        assert!(problems.contains("[account] is not in this version"), "{problems}");
        assert!(problems.contains("[route] is not in this version"), "{problems}");
    }

    #[test]
    fn broken_toml_names_the_line_and_never_quotes_it() {
        let (_, problems) = read("Tlp = 'green'\nVmrayAPIKey = 'hunter2\n");
        assert!(problems.contains("f.toml, line 2"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        let (_, problems) = read("VmrayConcurrency = true\n");
        assert!(problems.contains("VmrayConcurrency (f.toml) is a boolean in the file"), "{problems}");
    }

    #[test]
    fn only_files_of_this_machine_are_read() {
        assert_eq!(locate("/etc/v.toml").unwrap(), PathBuf::from("/etc/v.toml"));
        assert_eq!(locate("file:///etc/v.toml").unwrap(), PathBuf::from("/etc/v.toml"));
        assert!(locate("az://account/c/v.toml").unwrap_err().message.contains("scheme az"));
    }
}
