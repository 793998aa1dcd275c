//! What `--set` takes: `NAME=VALUE`. Completion scripts offer the names.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};

/// Reads `NAME=VALUE`. Whether there is such a setting is checked with all the others, which knows near misses.
#[derive(Debug, Clone)]
pub(crate) struct SetFlag;

impl TypedValueParser for SetFlag {
    type Value = (String, String);

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        let read = |text: &str| assignment(text).ok_or("expected NAME=VALUE, as in Tlp=green");
        read.parse_ref(command, flag, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(config::names().map(|name| PossibleValue::new(format!("{name}=")))))
    }
}

/// Splits `NAME=VALUE`; there is no assignment without a name.
pub(crate) fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.to_owned()))
}
