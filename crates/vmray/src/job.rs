//! The work on a sample: analyses that ended, and jobs that have not.

use jiff::Timestamp;

use crate::record::record;
use crate::{AnalysisId, JobId, SampleId, SubmissionId, Verdict};

record! {
    /// An analysis: one run of one analyzer. Without its id it is unreadable.
    pub struct Analysis {
        /// Its number.
        id: AnalysisId = "analysis_id",
        /// The job it was.
        job_id: Option<u64> = "analysis_job_id",
        /// Its sample.
        sample_id: Option<SampleId> = "analysis_sample_id",
        /// Its submission.
        submission_id: Option<SubmissionId> = "analysis_submission_id",
        /// All submissions that share it.
        submission_ids: Vec<SubmissionId> = "analysis_submission_ids",
        /// When its result was stored.
        created: Option<Timestamp> = "analysis_created",
        /// When its job was taken up.
        job_started: Option<Timestamp> = "analysis_job_started",
        /// `vmray`, `vmray_static`, ...
        analyzer_name: Option<String> = "analysis_analyzer_name",
        /// Version of the analyzer.
        analyzer_version: Option<String> = "analysis_analyzer_version",
        /// 1 if it went well.
        result_code: Option<i64> = "analysis_result_code",
        /// How it went, in words.
        result_str: Option<String> = "analysis_result_str",
        /// Its verdict.
        verdict: Option<Verdict> = "analysis_verdict",
        /// Why there is no verdict.
        verdict_reason_code: Option<String> = "analysis_verdict_reason_code",
        /// Why there is no verdict, in words.
        verdict_reason_description: Option<String> = "analysis_verdict_reason_description",
        /// Older form of the verdict; `error` if it failed.
        severity: Option<String> = "analysis_severity",
        /// 0 to 100.
        vti_score: Option<i64> = "analysis_vti_score",
        /// `locked` reports tell the verdict only.
        lock_status: Option<String> = "analysis_lock_status",
        /// `report` or `verdict`.
        quota_type: Option<String> = "analysis_quota_type",
        /// `analyzer` or `detector`.
        billing_type: Option<String> = "analysis_billing_type",
        /// `full_analysis`, `only_reports`, ...
        job_type: Option<String> = "analysis_job_type",
        /// Whether its IOCs are in the sample's list.
        ioc_aggregation_state: Option<String> = "analysis_ioc_aggregation_state",
        /// Whether its VTIs are in the sample's list.
        vti_aggregation_state: Option<String> = "analysis_vti_aggregation_state",
        /// Whether its techniques are in the sample's list.
        mitre_attack_aggregation_state: Option<String> = "analysis_mitre_attack_aggregation_state",
        /// Operating system of the machine.
        platform: Option<String> = "analysis_platform",
        /// Name of the machine.
        vm_name: Option<String> = "analysis_vm_name",
        /// Name of the configuration.
        configuration_name: Option<String> = "analysis_configuration_name",
        /// Number of YARA rules that matched.
        yara_match_count: Option<u64> = "analysis_yara_match_count",
        /// Its tags.
        tags: Vec<String> = "analysis_tags",
        /// Its page in VMRay.
        webif_url: Option<String> = "analysis_webif_url",
        /// Size of its archive in bytes.
        size: Option<u64> = "analysis_size",
    }
    essential id
}

record! {
    /// A job: an analysis that has not ended. It disappears when it has.
    pub struct Job {
        /// Its number.
        id: JobId = "job_id",
        /// Its submission.
        submission_id: Option<SubmissionId> = "job_submission_id",
        /// Its sample.
        sample_id: Option<SampleId> = "job_sample_id",
        /// `pending`, `queued`, `inwork`, `uploading`.
        status: Option<String> = "job_status",
        /// A path from `//waiting` over `//running/vm/executing` to `//finished`.
        tracking_state: Option<String> = "job_tracking_state",
        /// When it was made.
        created: Option<Timestamp> = "job_created",
        /// When its status last changed.
        statuschanged: Option<Timestamp> = "job_statuschanged",
        /// `full_analysis`, ...
        job_type: Option<String> = "job_type",
        /// `vmray`, `vmray_static`, ...
        analyzer_name: Option<String> = "job_analyzer_name",
        /// Name of the configuration.
        configuration_name: Option<String> = "job_configuration_name",
        /// Name of the rule that made it.
        jobrule_sampletype: Option<String> = "job_jobrule_sampletype",
        /// Name of the machine.
        vm_name: Option<String> = "job_vm_name",
        /// The machine's host; a number, null or an empty word.
        vmhost_id: Option<String> = "job_vmhost_id",
        /// Its priority.
        priority: Option<i64> = "job_priority",
        /// The analysis that made it, for a child.
        parent_analysis_id: Option<u64> = "job_parent_analysis_id",
    }
    essential id
}
