//! What can be checked without asking anybody.

use config::{Problems, SentinelConfig, Settings};

use super::report::Check;

/// Settings: one failure for each problem, and for each variable that looks like a setting and is none.
pub(super) fn settings(settings: &Settings, problems: &Problems, sentinel: Option<&SentinelConfig>) -> Vec<Check> {
    let misspelt = settings.misspelt();
    if problems.is_empty() && misspelt.is_empty() {
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
        .chain(&misspelt)
        .map(|problem| {
            let check = Check::failed("settings", &problem.message);
            problem.hints.iter().fold(check, Check::step)
        })
        .collect()
}
