//! What `--set` takes: `NAME=VALUE`. Completion scripts offer the names.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};

use crate::config;

/// Reads `NAME=VALUE`. Whether there is such a setting is checked with all the others, which knows near misses.
#[derive(Debug, Clone)]
pub(crate) struct SetFlag;

impl TypedValueParser for SetFlag {
    type Value = (String, String);

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        assignment.parse_ref(command, flag, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(config::names().map(|name| PossibleValue::new(format!("{name}=")))))
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, as in Tlp=green".to_owned()),
    }
}
