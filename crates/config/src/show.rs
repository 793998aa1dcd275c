//! The settings, shown: with their values, as a schema, as a reference page.

use std::fmt::Write as _;

use outbound::Redacted;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::settings::{ALL, Fallback, Form, Group, Setting};
use crate::source::{Origin, Settings, Value};

/// What stands in the place of a secret.
const MASK: &str = "********";

/// One setting as `config show` prints it.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its name.
    pub setting: &'static str,
    /// Its value, secrets masked; absent when it has none.
    pub value: Option<String>,
    /// `flag`, `environment`, `file`, `default`, `computed` or `not set`.
    pub source: &'static str,
    /// The spelling in the environment, or the path of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// Returns every setting with its value and where that comes from.
pub fn effective(settings: &Settings) -> Vec<Shown> {
    ALL.into_iter()
        .map(|setting| {
            let Some(value) = settings.get(setting) else {
                let (value, source) = match setting.default {
                    Fallback::Computed(how) => (Some(how.to_owned()), "computed"),
                    _ => (None, "not set"),
                };
                return Shown { setting: setting.name, value, source, place: None };
            };
            let (source, place) = match &value.origin {
                Origin::Flag => ("flag", None),
                Origin::Environment(spelling) => ("environment", Some(spelling.clone())),
                Origin::File(path) => ("file", Some(path.clone())),
                Origin::Default => ("default", None),
            };
            Shown { setting: setting.name, value: Some(masked(setting, value)), source, place }
        })
        .collect()
}

fn masked(setting: &Setting, value: &Value) -> String {
    match setting.form {
        Form::Secret => MASK.to_owned(),
        Form::SecretUrl | Form::Url => match url::Url::parse(&value.text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() || url.query().is_some() => {
                Redacted(&url).to_string()
            }
            // Unreadable, yet perhaps with a password in it.
            Err(_) if value.text.contains('@') => MASK.to_owned(),
            _ => value.text.clone(),
        },
        _ => value.text.lines().next().unwrap_or_default().to_owned(),
    }
}

/// Returns the names of the settings that a flag may give: all that are no secret.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|setting| !setting.form.is_secret()).map(|setting| setting.name)
}

/// Returns the JSON schema of the configuration file.
pub fn schema() -> Json {
    let properties: Map<String, Json> =
        ALL.into_iter().map(|setting| (setting.name.to_owned(), property(setting))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of vmray-sentinel",
        "description": "Keys of the TOML file. The same names are read from the environment, which wins.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn property(setting: &Setting) -> Json {
    let mut property = match setting.form {
        Form::Integer { min, max } => json!({ "type": ["integer", "string"], "minimum": min, "maximum": max }),
        Form::Days => json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+d?$" }),
        Form::DaysByType => json!({
            "type": ["integer", "string", "object"],
            "additionalProperties": { "type": "integer", "minimum": 1 },
        }),
        // The reader takes any case; the schema offers the usual one.
        Form::Choice(choices) => json!({ "type": "string", "examples": choices }),
        Form::List => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
        Form::Url | Form::SecretUrl => json!({ "type": "string", "format": "uri" }),
        Form::Text | Form::Secret | Form::Path | Form::Cron => json!({ "type": "string" }),
    };
    if let Some(fields) = property.as_object_mut() {
        fields.insert("description".to_owned(), setting.doc.into());
        if let Fallback::Text(text) = setting.default {
            fields.insert("default".to_owned(), text.into());
        }
        if setting.form.is_secret() {
            fields.insert("writeOnly".to_owned(), true.into());
        } else {
            fields.entry("examples").or_insert_with(|| json!([setting.example]));
        }
    }
    property
}

/// Returns the reference page, Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Flags win over the environment, the environment over the file (`--config FILE` or `ConfigUrl`), the file over \
         the default. In the environment, names are case-insensitive; in the file they are written as \
         here, and an unknown key is an error. Any setting that is no secret can be given as `--set NAME=VALUE`. \
         `vmray-sentinel config show` prints what is in effect and where it comes from, `config schema` the JSON schema \
         of the file. Durations are written `90s`, `15m`, `24h`, `7d`; `0` is zero.\n\n\
         This page is made from the program's own table: `vmray-sentinel config reference`.\n",
    );
    for group in Group::ALL {
        writeln!(page, "\n## {}\n", group.title()).unwrap_or_default();
        page.push_str("| setting | default | example | meaning |\n|---|---|---|---|\n");
        for setting in ALL.into_iter().filter(|setting| setting.group == group) {
            let default = match setting.default {
                Fallback::Required => "none, required".to_owned(),
                Fallback::Absent => "none".to_owned(),
                Fallback::Text(text) => format!("`{text}`"),
                Fallback::Computed(how) => how.to_owned(),
            };
            let mut meaning = setting.doc.to_owned();
            if let Form::Choice(choices) = setting.form {
                let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                write!(meaning, " One of {}.", choices.join(", ")).unwrap_or_default();
            }
            if let Form::Integer { min, max } = setting.form {
                write!(meaning, " From {min} to {max}.").unwrap_or_default();
            }
            if !setting.obtain.is_empty() {
                write!(meaning, " Where to get it: {}.", setting.obtain).unwrap_or_default();
            }
            if !setting.aliases.is_empty() {
                let aliases: Vec<_> = setting.aliases.iter().map(|alias| format!("`{alias}`")).collect();
                write!(meaning, " Also read from {}.", aliases.join(", ")).unwrap_or_default();
            }
            let example = setting.example.replace('<', "&lt;").replace('>', "&gt;");
            let example = if example == setting.example { format!("`{example}`") } else { example };
            writeln!(page, "| `{}` | {default} | {example} | {meaning} |", setting.name).unwrap_or_default();
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn secrets_are_masked_everywhere() {
        let environment = Environment::from([
            ("VmrayAPIKey", "hunter2"),
            ("AzureClientSecret", "hunter2"),
            ("HttpsProxy", "http://me:hunter2@proxy.example:3128"),
        ]);
        let shown = effective(&Settings::load(&[], environment, None));
        let shown = serde_json::to_string(&shown).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("http://***@proxy.example:3128"), "{shown}");
    }

    #[test]
    fn every_value_says_where_it_comes_from() {
        let environment = Environment::from([("tlp", "green")]);
        let flags = [("Polling".to_owned(), "0 * * * *".to_owned())];
        let shown = effective(&Settings::load(&flags, environment, None));
        let of = |name| shown.iter().find(|shown| shown.setting == name).map(|s| (s.source, s.place.clone()));
        assert_eq!(of("Tlp"), Some(("environment", Some("tlp".to_owned()))));
        assert_eq!(of("Polling"), Some(("flag", None)));
        assert_eq!(of("VmrayConcurrency"), Some(("default", None)));
        assert_eq!(of("VmrayBaseURL"), Some(("not set", None)));
        assert_eq!(of("StateUrl"), Some(("computed", None)));
    }

    #[test]
    fn schema_and_reference_hold_every_setting() {
        let schema = schema();
        let page = reference();
        for setting in ALL {
            assert!(schema["properties"].get(setting.name).is_some(), "{}", setting.name);
            assert!(page.contains(&format!("| `{}` |", setting.name)), "{}", setting.name);
        }
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn the_page_in_the_book_is_the_one_the_program_prints() {
        let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/settings.md");
        let page = std::fs::read_to_string(book).unwrap_or_default();
        for setting in ALL {
            assert!(page.contains(&format!("`{}`", setting.name)), "docs/src/settings.md lacks {}", setting.name);
        }
    }
}
