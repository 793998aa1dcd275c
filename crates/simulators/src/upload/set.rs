//! The options of the upload by name.

use super::{AllRefused, ErrorKey, StaleModified, UploadOptions};
use crate::switch::{Switches, boolean, latency, list, signed_seconds, throttle, word};

const ERROR_KEYS: [(&str, ErrorKey); 2] =
    [("errorMessages", ErrorKey::ErrorMessages), ("validationErrorMessages", ErrorKey::ValidationErrorMessages)];
const ALL_REFUSED: [(&str, AllRefused); 2] = [("bad_request", AllRefused::BadRequest), ("listed", AllRefused::Listed)];
const STALE: [(&str, StaleModified); 3] =
    [("append", StaleModified::Append), ("ignore", StaleModified::Ignore), ("refuse", StaleModified::Refuse)];

impl Switches for UploadOptions {
    const NAMES: &'static [&'static str] = &[
        "workspaces",
        "contributors",
        "throttle",
        "retry_after_header",
        "error_key",
        "all_refused",
        "stale_modified",
        "refused_texts",
        "date_offset_s",
        "latency_ms",
    ];

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "workspaces" => self.workspaces = list(value),
            "contributors" => self.contributors = list(value),
            "throttle" => self.throttle = throttle(value)?,
            "retry_after_header" => self.retry_after_header = boolean(value)?,
            "error_key" => self.error_key = word(value, &ERROR_KEYS)?,
            "all_refused" => self.all_refused = word(value, &ALL_REFUSED)?,
            "stale_modified" => self.stale_modified = word(value, &STALE)?,
            "refused_texts" => self.refused_texts = list(value),
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
        assert_eq!(fields_without_a_name(&UploadOptions::default()), Vec::<String>::new());
        assert_eq!(names_that_take_nothing::<UploadOptions>(), Vec::<&str>::new());
    }
}
