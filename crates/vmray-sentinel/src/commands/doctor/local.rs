//! What can be checked without asking anybody.

use super::report::Check;
use crate::config::{Problems, SentinelConfig, Settings};

/// Settings: one failure for each problem.
pub(super) fn settings(settings: &Settings, problems: &Problems, sentinel: Option<&SentinelConfig>) -> Vec<Check> {
    if problems.is_empty() {
        let chosen = settings.count_chosen();
        let check = Check::good("settings", format!("all can be read, {chosen} of them set by you"));
        let warning = sentinel.and_then(SentinelConfig::warning).map(|warning| {
            Check::warning("settings", warning)
                .step("lower UploadsPerMinute to 95, or ask Microsoft for a higher limit")
        });
        return std::iter::once(check).chain(warning).collect();
    }
    problems
        .iter()
        .map(|problem| {
            let check = Check::failed("settings", &problem.message);
            problem.hints.iter().fold(check, Check::step)
        })
        .collect()
}
