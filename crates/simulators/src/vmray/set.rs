//! Options by name, for scripts that drive a simulator in another process.

use std::time::Duration;

use super::filter::{boolean, integer};
use super::options::{
    AnalysisCaching, ArchiveAction, ChildrenEnd, MetadataText, QuotaRefusal, SubmitOutcome, VmrayOptions,
};
use super::url_form::UrlForm;
use crate::world::Verdict;

/// Why an option was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value} is no option with a value that it can have")]
pub struct OptionError {
    /// Name as given.
    pub name: String,
    /// Value as given.
    pub value: String,
}

impl VmrayOptions {
    /// Sets an option by its name. Times are milliseconds (`analysis_time_ms`), enumerations their words.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        self.try_set(name, value).ok_or_else(|| OptionError { name: name.to_owned(), value: value.to_owned() })
    }

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        let time = || integer(value).map(Duration::from_millis);
        match name {
            "queue_time_ms" => self.queue_time = time()?,
            "analysis_time_ms" => self.analysis_time = time()?,
            "finishing_time_ms" => self.finishing_time = time()?,
            "settling_time_ms" => self.settling_time = time()?,
            "smart_cache_age_ms" => self.smart_cache_age = time()?,
            "jobs_per_submission" => self.jobs_per_submission = integer(value)?,
            "hold_submissions" => self.hold_submissions = boolean(value)?,
            "cached_costs_quota" => self.cached_costs_quota = boolean(value)?,
            "lists_while_waiting" => self.lists_while_waiting = boolean(value)?,
            "quota_limit" => self.quota.0 = integer(value)?,
            "quota_used" => self.quota.1 = integer(value)?,
            "quota_type" => value.clone_into(&mut self.quota_type),
            "submit_verdict" => {
                self.submit_verdict = match value {
                    "drawn" => None,
                    "null" => Some(None),
                    word => Some(Some(Verdict::from_word(word)?)),
                }
            }
            "analysis_caching" => {
                self.analysis_caching = AnalysisCaching::ALL.into_iter().find(|one| one.as_str() == value)?;
            }
            "archive_action" => {
                self.archive_action = ArchiveAction::ALL.into_iter().find(|one| one.as_str() == value)?;
            }
            "quota_refusal" => self.quota_refusal = word(value, &QUOTA_REFUSALS)?,
            "submit_outcome" => self.submit_outcome = word(value, &OUTCOMES)?,
            "children_end" => self.children_end = word(value, &CHILDREN_ENDS)?,
            "search_status" => {
                self.search_status = match integer(value)? {
                    0 => None,
                    status => Some(u16::try_from(status).ok()?),
                }
            }
            "url_form" => self.url_form = word(value, &URL_FORMS)?,
            "metadata_text" => self.metadata_text = word(value, &METADATA_TEXTS)?,
            _ => return None,
        }
        Some(())
    }
}

const QUOTA_REFUSALS: [(&str, QuotaRefusal); 3] = [
    ("in_errors", QuotaRefusal::InErrors),
    ("denied", QuotaRefusal::Denied),
    ("whole_request", QuotaRefusal::WholeRequest),
];
const OUTCOMES: [(&str, SubmitOutcome); 3] =
    [("success", SubmitOutcome::Success), ("warning", SubmitOutcome::Warning), ("error", SubmitOutcome::Error)];
const CHILDREN_ENDS: [(&str, ChildrenEnd); 2] =
    [("before_parent", ChildrenEnd::BeforeParent), ("after_parent", ChildrenEnd::AfterParent)];
const METADATA_TEXTS: [(&str, MetadataText); 2] =
    [("as_sent", MetadataText::AsSent), ("respaced", MetadataText::Respaced)];
const URL_FORMS: [(&str, UrlForm); 3] = [
    ("verbatim", UrlForm::Verbatim),
    ("slash_appended", UrlForm::SlashAppended),
    ("host_lower_cased", UrlForm::HostLowerCased),
];

fn word<T: Copy>(value: &str, known: &[(&str, T)]) -> Option<T> {
    known.iter().find(|(word, _)| *word == value).map(|(_, meant)| *meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_what_it_knows_and_names_what_it_does_not() {
        let mut options = VmrayOptions::default();
        options.set("analysis_time_ms", "1500").unwrap();
        options.set("submit_verdict", "null").unwrap();
        options.set("quota_refusal", "whole_request").unwrap();
        assert_eq!(options.analysis_time, Duration::from_millis(1500));
        assert_eq!((options.submit_verdict, options.quota_refusal), (Some(None), QuotaRefusal::WholeRequest));
        for (name, value) in [("colour", "red"), ("analysis_time_ms", "1s"), ("submit_outcome", "Success")] {
            let error = options.set(name, value).unwrap_err();
            assert_eq!(error.to_string(), format!("{name}={value} is no option with a value that it can have"));
        }
    }
}
