//! The options of the server by name.

use super::fields::FieldSet;
use super::options::{
    AnalysisCaching, ArchiveAction, Bound, ChildrenEnd, DefaultOrder, MetadataText, QuotaRefusal, SubmitOutcome,
    TruncatedFlag, UnknownParameter, VmrayOptions,
};
use super::url_form::UrlForm;
use crate::switch::{Switches, boolean, integer, latency, list, milliseconds, signed_seconds, throttle, word};
use crate::world::Verdict;

impl Switches for VmrayOptions {
    const NAMES: &'static [&'static str] = &[
        "field_set",
        "version",
        "api_key",
        "webif_base_url",
        "max_upload_bytes",
        "api_items_per_request",
        "max_api_items",
        "default_order",
        "lower_bound",
        "upper_bound",
        "truncated_flag",
        "unknown_parameter",
        "all_artifacts_by_default",
        "lists_while_waiting",
        "tells_status",
        "absent_endpoints",
        "throttle",
        "retry_after_header",
        "date_offset_s",
        "quota_limit",
        "quota_used",
        "quota_refusal",
        "cached_costs_quota",
        "quota_type",
        "billing_path",
        "queue_time_ms",
        "analysis_time_ms",
        "finishing_time_ms",
        "settling_time_ms",
        "jobs_per_submission",
        "submit_outcome",
        "submit_verdict",
        "hold_submissions",
        "analysis_caching",
        "smart_cache_age_ms",
        "archive_action",
        "children_end",
        "max_relations",
        "metadata_text",
        "search_status",
        "url_form",
        "latency_ms",
    ];

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            // The two go together, unless the version is set afterwards.
            "field_set" => {
                self.field_set = word(value, &FieldSet::WORDS)?;
                self.version = self.field_set.version();
            }
            "version" => self.version = version(value)?,
            "api_key" => value.clone_into(&mut self.api_key),
            "webif_base_url" => value.clone_into(&mut self.webif_base_url),
            "max_upload_bytes" => self.max_upload_bytes = integer(value)?,
            "api_items_per_request" => self.api_items_per_request = integer(value)?,
            "max_api_items" => self.max_api_items = integer(value)?,
            "default_order" => self.default_order = word(value, &ORDERS)?,
            "lower_bound" => self.lower_bound = word(value, &BOUNDS)?,
            "upper_bound" => self.upper_bound = word(value, &BOUNDS)?,
            "truncated_flag" => self.truncated_flag = word(value, &TRUNCATED_FLAGS)?,
            "unknown_parameter" => self.unknown_parameter = word(value, &UNKNOWN_PARAMETERS)?,
            "all_artifacts_by_default" => self.all_artifacts_by_default = boolean(value)?,
            "lists_while_waiting" => self.lists_while_waiting = boolean(value)?,
            "tells_status" => self.tells_status = boolean(value)?,
            "absent_endpoints" => self.absent_endpoints = list(value),
            "throttle" => self.throttle = throttle(value)?,
            "retry_after_header" => self.retry_after_header = boolean(value)?,
            "date_offset_s" => self.date_offset = signed_seconds(value)?,
            "billing_path" => value.clone_into(&mut self.billing_path),
            "max_relations" => self.max_relations = integer(value)?,
            "latency_ms" => self.latency = latency(value)?,
            _ => self.try_set_submits(name, value)?,
        }
        Some(())
    }
}

impl VmrayOptions {
    /// What a submit costs and goes through.
    fn try_set_submits(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "quota_limit" => self.quota.0 = integer(value)?,
            "quota_used" => self.quota.1 = integer(value)?,
            "quota_type" => {
                let known = Some(value).filter(|word| ["report", "verdict"].contains(word))?;
                known.clone_into(&mut self.quota_type);
            }
            "quota_refusal" => self.quota_refusal = word(value, &QUOTA_REFUSALS)?,
            "cached_costs_quota" => self.cached_costs_quota = boolean(value)?,
            "queue_time_ms" => self.queue_time = milliseconds(value)?,
            "analysis_time_ms" => self.analysis_time = milliseconds(value)?,
            "finishing_time_ms" => self.finishing_time = milliseconds(value)?,
            "settling_time_ms" => self.settling_time = milliseconds(value)?,
            "smart_cache_age_ms" => self.smart_cache_age = milliseconds(value)?,
            "jobs_per_submission" => self.jobs_per_submission = integer(value)?,
            "hold_submissions" => self.hold_submissions = boolean(value)?,
            "submit_outcome" => self.submit_outcome = word(value, &OUTCOMES)?,
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

const ORDERS: [(&str, DefaultOrder); 2] =
    [("descending", DefaultOrder::Descending), ("ascending", DefaultOrder::Ascending)];
const BOUNDS: [(&str, Bound); 2] = [("inclusive", Bound::Inclusive), ("exclusive", Bound::Exclusive)];
const TRUNCATED_FLAGS: [(&str, TruncatedFlag); 4] = [
    ("every_page", TruncatedFlag::EveryPage),
    ("first_page", TruncatedFlag::FirstPage),
    ("last_page", TruncatedFlag::LastPage),
    ("never", TruncatedFlag::Never),
];
const UNKNOWN_PARAMETERS: [(&str, UnknownParameter); 2] =
    [("refuse", UnknownParameter::Refuse), ("ignore", UnknownParameter::Ignore)];
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

/// `2026.2.1`
fn version(value: &str) -> Option<(u32, u32, u32)> {
    let parts: Option<Vec<u32>> = value.split('.').map(integer).collect();
    match parts?.as_slice() {
        [major, minor, revision] => Some((*major, *minor, *revision)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::switch::tests::{fields_without_a_name, names_that_take_nothing};

    #[test]
    fn every_option_can_be_set_by_name() {
        assert_eq!(fields_without_a_name(&VmrayOptions::default()), Vec::<String>::new());
        assert_eq!(names_that_take_nothing::<VmrayOptions>(), Vec::<&str>::new());
    }

    #[test]
    fn sets_what_it_knows_and_names_what_it_does_not() {
        let mut options = VmrayOptions::default();
        options.set("analysis_time_ms", "1500").unwrap();
        options.set("submit_verdict", "null").unwrap();
        options.set("quota_refusal", "whole_request").unwrap();
        options.set("field_set", "4.x").unwrap();
        assert_eq!(options.analysis_time, Duration::from_millis(1500));
        assert_eq!((options.submit_verdict, options.quota_refusal), (Some(None), QuotaRefusal::WholeRequest));
        assert_eq!((options.field_set, options.version), (FieldSet::V4, (4, 2, 0)));
        for (name, value) in [
            ("colour", "red"),
            ("analysis_time_ms", "1s"),
            ("submit_outcome", "Success"),
            ("version", "2026.2"),
            ("quota_type", "free"),
        ] {
            let error = options.set(name, value).unwrap_err();
            assert_eq!(error.to_string(), format!("{name}={value} is no option with a value that it can have"));
        }
    }
}
