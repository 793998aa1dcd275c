//! What is wrong with the settings, all of it at once.
//!
//! An operator who fixes one setting only to meet the next loses a deployment each time, so every check adds
//! to one list and the list is reported whole.

use std::fmt;

use serde::Serialize;

use crate::settings::Setting;

/// One thing to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The setting it is about, if it is about one.
    pub setting: Option<&'static str>,
    /// What is wrong, a clause that begins with the setting's name.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problem {
    /// A setting that is needed and not there.
    pub fn missing(setting: &'static Setting) -> Self {
        let mut hints = vec![format!("example: {}={}", setting.name, setting.example)];
        if !setting.obtain.is_empty() {
            hints.push(format!("where to get it: {}", setting.obtain));
        }
        Self { setting: Some(setting.name), message: format!("{} is missing", setting.name), hints }
    }

    /// A setting whose value cannot be used; `reason` continues the setting's name.
    pub fn invalid(setting: &'static Setting, origin: &impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self {
            setting: Some(setting.name),
            message: format!("{} ({origin}) {reason}", setting.name),
            hints: vec![format!("example: {}={}", setting.name, setting.example)],
        }
    }

    /// Something that is about no single setting.
    pub fn general(message: impl Into<String>) -> Self {
        Self { setting: None, message: message.into(), hints: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// One line, for logs.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the settings have a problem")?,
            n => write!(f, "the settings have {n} problems")?,
        }
        for problem in &self.0 {
            write!(f, "\n\n  {}", problem.message)?;
            for hint in &problem.hints {
                write!(f, "\n    {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
