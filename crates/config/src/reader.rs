//! Reads settings into types, collecting what is wrong instead of stopping at it.

use std::fmt::Display;
use std::str::FromStr;

use secrecy::SecretString;

use crate::problem::{Problem, Problems};
use crate::settings::{Form, Setting};
use crate::source::{Settings, Value};

/// A pass over the settings. `None` from any method means "not set, or wrong and already noted".
#[derive(Debug)]
pub struct Reader<'a> {
    pub settings: &'a Settings,
    problems: Problems,
}

impl<'a> Reader<'a> {
    /// Starts with the problems that merging found.
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, problems: settings.problems().clone() }
    }

    /// Returns `value` when nothing at all is wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// Returns what is wrong.
    pub fn into_problems(self) -> Problems {
        self.problems
    }

    /// Notes a problem.
    pub fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Says whether something is wrong with a setting already.
    pub fn is_noted(&self, name: &str) -> bool {
        self.problems.iter().any(|problem| problem.setting == Some(name))
    }

    /// Returns the text of a setting.
    pub fn text(&self, setting: &'static Setting) -> Option<&'a Value> {
        self.settings.get(setting)
    }

    /// Returns the text of a setting that must be there.
    pub fn needed(&mut self, setting: &'static Setting) -> Option<&'a Value> {
        let value = self.settings.get(setting);
        // What merging already complained about is not missing as well.
        if value.is_none() && !self.is_noted(setting.name) {
            self.note(Problem::missing(setting));
        }
        value
    }

    /// Parses a value; the error's text continues the setting's name.
    pub fn parse<T>(&mut self, setting: &'static Setting, value: &Value) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.parse_with(setting, value, str::parse)
    }

    /// Parses a value with a function.
    pub fn parse_with<T, E: Display>(
        &mut self,
        setting: &'static Setting,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(&value.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.note(Problem::invalid(setting, &value.origin, error));
                None
            }
        }
    }

    /// Parses a setting that must be there or has a default.
    pub fn required<T>(&mut self, setting: &'static Setting) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let value = self.needed(setting)?;
        self.parse(setting, value)
    }

    /// The same for an error that does not speak of the value.
    pub fn quoting<T>(&mut self, setting: &'static Setting) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let value = self.needed(setting)?;
        self.parse_with(setting, value, |text| text.parse::<T>().map_err(|error| format!("is `{text}`: {error}")))
    }

    /// Parses a setting that may be absent. The outer `None` means "wrong".
    pub fn optional<T>(&mut self, setting: &'static Setting) -> Option<Option<T>>
    where
        T: FromStr<Err: Display>,
    {
        match self.text(setting) {
            None => Some(None),
            Some(value) => self.parse(setting, value).map(Some),
        }
    }

    /// The same for an error that does not speak of the value.
    pub fn quoting_optional<T>(&mut self, setting: &'static Setting) -> Option<Option<T>>
    where
        T: FromStr<Err: Display>,
    {
        match self.text(setting) {
            None => Some(None),
            Some(_) => self.quoting(setting).map(Some),
        }
    }

    /// Reads a whole number within the bounds of its row.
    pub fn integer(&mut self, setting: &'static Setting) -> Option<usize> {
        let value = self.needed(setting)?;
        let Form::Integer { min, max } = setting.form else { return None };
        let found = value.text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        if found.is_none() {
            let reason = format!("is `{}`; expected a whole number from {min} to {max}", value.text);
            self.note(Problem::invalid(setting, &value.origin, reason));
        }
        found.and_then(|number| usize::try_from(number).ok())
    }

    /// Reads a secret that must be there.
    pub fn secret(&mut self, setting: &'static Setting) -> Option<SecretString> {
        let value = self.needed(setting)?;
        self.parse_with(setting, value, secret)
    }
}

/// Takes a secret that a header can carry.
pub(crate) fn secret(text: &str) -> Result<SecretString, &'static str> {
    if text.starts_with('<') && text.ends_with('>') {
        return Err("is still the placeholder of a template; put the value itself in its place");
    }
    if text.starts_with(['"', '\'']) {
        return Err("starts with a quotation mark; give the value without quotes");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("contains blanks, line breaks or characters outside ASCII; copy the value again");
    }
    Ok(SecretString::from(text))
}
