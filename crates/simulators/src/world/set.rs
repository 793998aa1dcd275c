//! The options of a generated world by name.

use super::WorldOptions;
use crate::switch::{Switches, integer, milliseconds, share};

impl Switches for WorldOptions {
    const NAMES: &'static [&'static str] = &[
        "seed",
        "samples",
        "iocs_per_sample",
        "start",
        "end",
        "malicious_rate",
        "suspicious_rate",
        "resubmission_rate",
        "unfinished_rate",
        "late_rate",
        "late_by_ms",
        "no_finish_time_rate",
        "shared_ioc_rate",
        "shared_iocs",
        "null_verdict_rate",
        "null_value_rate",
        "odd_rate",
        "huge_list_rate",
        "long_url_rate",
        "forbidden_rate",
        "missing_rate",
        "waiting_rate",
        "locked_rate",
        "unreadable_rate",
        "late_child_rate",
        "email_rate",
        "no_verdict_field_rate",
        "reason_rate",
        "null_errors_rate",
        "null_names_rate",
        "burst",
    ];

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "seed" => self.seed = integer(value)?,
            "samples" => self.samples = integer(value)?,
            "iocs_per_sample" => self.iocs_per_sample = integer(value)?,
            "start" => self.start = value.parse().ok()?,
            "end" => self.end = value.parse().ok()?,
            "late_by_ms" => self.late_by = milliseconds(value)?,
            "shared_iocs" => self.shared_iocs = integer(value)?,
            "burst" => self.burst = integer(value)?,
            _ => *self.rate(name)? = share(value)?,
        }
        Some(())
    }
}

impl WorldOptions {
    fn rate(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "malicious_rate" => &mut self.malicious_rate,
            "suspicious_rate" => &mut self.suspicious_rate,
            "resubmission_rate" => &mut self.resubmission_rate,
            "unfinished_rate" => &mut self.unfinished_rate,
            "late_rate" => &mut self.late_rate,
            "no_finish_time_rate" => &mut self.no_finish_time_rate,
            "shared_ioc_rate" => &mut self.shared_ioc_rate,
            "null_verdict_rate" => &mut self.null_verdict_rate,
            "null_value_rate" => &mut self.null_value_rate,
            "odd_rate" => &mut self.odd_rate,
            "huge_list_rate" => &mut self.huge_list_rate,
            "long_url_rate" => &mut self.long_url_rate,
            "forbidden_rate" => &mut self.forbidden_rate,
            "missing_rate" => &mut self.missing_rate,
            "waiting_rate" => &mut self.waiting_rate,
            "locked_rate" => &mut self.locked_rate,
            "unreadable_rate" => &mut self.unreadable_rate,
            "late_child_rate" => &mut self.late_child_rate,
            "email_rate" => &mut self.email_rate,
            "no_verdict_field_rate" => &mut self.no_verdict_field_rate,
            "reason_rate" => &mut self.reason_rate,
            "null_errors_rate" => &mut self.null_errors_rate,
            "null_names_rate" => &mut self.null_names_rate,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::tests::{fields_without_a_name, names_that_take_nothing};

    #[test]
    fn every_option_can_be_set_by_name() {
        assert_eq!(fields_without_a_name(&WorldOptions::default()), Vec::<String>::new());
        assert_eq!(names_that_take_nothing::<WorldOptions>(), Vec::<&str>::new());
    }
}
