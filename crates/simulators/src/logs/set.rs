//! The options of logs ingestion by name.

use std::collections::BTreeMap;

use super::LogsOptions;
use crate::switch::{Switches, latency, list, signed_seconds, throttle};

impl Switches for LogsOptions {
    const NAMES: &'static [&'static str] =
        &["rules", "publishers", "audience", "throttle", "date_offset_s", "latency_ms"];

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "rules" => {
                self.rules = match value {
                    "default" => Self::default().rules,
                    "none" => BTreeMap::new(),
                    _ => return None,
                }
            }
            "publishers" => self.publishers = list(value),
            "audience" => value.clone_into(&mut self.audience),
            "throttle" => self.throttle = throttle(value)?,
            "date_offset_s" => self.date_offset = signed_seconds(value)?,
            "latency_ms" => self.latency = latency(value)?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::tests::{fields_without_a_name, names_that_take_nothing};

    #[test]
    fn every_option_can_be_set_by_name() {
        assert_eq!(fields_without_a_name(&LogsOptions::default()), Vec::<String>::new());
        assert_eq!(names_that_take_nothing::<LogsOptions>(), Vec::<&str>::new());
    }
}
