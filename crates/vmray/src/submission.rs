//! A submission: one request to analyse a sample.

use jiff::Timestamp;

use crate::record::{Map, record};
use crate::{SampleId, SubmissionId, Verdict};

record! {
    /// A submission. Without its id and its sample's id it is unreadable.
    pub struct Submission {
        /// Its number.
        id: SubmissionId = "submission_id",
        /// Its sample.
        sample_id: SampleId = "submission_sample_id",
        /// When it was made.
        created: Option<Timestamp> = "submission_created",
        /// When it ended; null while it runs, and on some finished ones too.
        finish_time: Option<Timestamp> = "submission_finish_time",
        /// Whether all its analyses have ended.
        finished: bool = "submission_finished",
        /// `queued`, `in_progress`, `warning`, `error`, `success`.
        status: Option<String> = "submission_status",
        /// Whether a part of it failed.
        has_errors: Option<bool> = "submission_has_errors",
        /// Whether a part of a child failed.
        has_recursive_errors: Option<bool> = "submission_has_recursive_errors",
        /// Its verdict; null until known.
        verdict: Option<Verdict> = "submission_verdict",
        /// Why there is no verdict.
        verdict_reason_code: Option<String> = "submission_verdict_reason_code",
        /// Why there is no verdict, in words.
        verdict_reason_description: Option<String> = "submission_verdict_reason_description",
        /// The sample's verdict, which may differ.
        sample_verdict: Option<Verdict> = "submission_sample_verdict",
        /// Why the sample has no verdict.
        sample_verdict_reason_code: Option<String> = "submission_sample_verdict_reason_code",
        /// Older form of the verdict.
        severity: Option<String> = "submission_severity",
        /// Older form of the verdict, 0 to 100.
        score: Option<i64> = "submission_score",
        /// Name of the file.
        filename: Option<String> = "submission_filename",
        /// Name of the file before VMRay changed it.
        original_filename: Option<String> = "submission_original_filename",
        /// URL that was submitted.
        original_url: Option<String> = "submission_original_url",
        /// The sample's MD5.
        sample_md5: Option<String> = "submission_sample_md5",
        /// The sample's SHA-1.
        sample_sha1: Option<String> = "submission_sample_sha1",
        /// The sample's SHA-256.
        sample_sha256: Option<String> = "submission_sample_sha256",
        /// The sample's fuzzy hash.
        sample_ssdeep: Option<String> = "submission_sample_ssdeep",
        /// How it came: `api`, `ir_mailbox`, `webif`, `edr_connector`, `phishing_connector`.
        submission_type: Option<String> = "submission_type",
        /// Which connector made it.
        interface_name: Option<String> = "submission_interface_name",
        /// Whose account made it.
        user_email: Option<String> = "submission_user_email",
        /// Who sent it in, if not the account.
        submitter_email: Option<String> = "submission_submitter_email",
        /// Number of the account.
        user_id: Option<u64> = "submission_user_id",
        /// Its page in VMRay.
        webif_url: Option<String> = "submission_webif_url",
        /// Its tags.
        tags: Vec<String> = "submission_tags",
        /// A remark of the submitter.
        comment: Option<String> = "submission_comment",
        /// JSON text that the submitter attached.
        metadata: Option<String> = "submission_submission_metadata",
        /// `analyzer` or `detector`.
        billing_type: Option<String> = "submission_billing_type",
        /// `report`, or `verdict` for a locked report.
        quota_type: Option<String> = "submission_quota_type",
        /// Which quota it used.
        consumed_quota: Option<String> = "submission_consumed_quota",
        /// Whether an older analysis answered it.
        used_cache: Option<bool> = "submission_used_cache",
        /// Number of older analyses that answered it.
        number_cached_analyses: Option<u64> = "submission_number_cached_analyses",
        /// Number of its jobs.
        number_created_jobs: Option<u64> = "submission_number_created_jobs",
        /// The submission that made it, for a child.
        parent_submission_id: Option<SubmissionId> = "submission_parent_submission_id",
        /// Whether VirusTotal may learn the hash.
        shareable: Option<bool> = "submission_shareable",
        /// Its priority.
        priority: Option<i64> = "submission_priority",
        ..extra: Map, "Its other fields, as sent."
    }
    essential id, sample_id
}
