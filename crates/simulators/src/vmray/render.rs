//! The objects of VMRay's replies, field by field.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::options::VmrayOptions;
use crate::world::{Access, Sample, Submission, Verdict, World};

/// `YYYY-MM-DDTHH:MM:SS`, UTC, no zone.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn score(verdict: Option<Verdict>) -> Option<u8> {
    match verdict? {
        Verdict::Malicious => Some(100),
        Verdict::Suspicious => Some(50),
        Verdict::Clean => Some(0),
        Verdict::NotAvailable => None,
    }
}

/// Returns a submission as it looks now.
pub(super) fn submission(world: &World, submission: &Submission, options: &VmrayOptions, now: Timestamp) -> Value {
    let finished = submission.is_finished(now);
    let verdict = submission.verdict.filter(|_| finished);
    let finish_time = submission.finished_at.filter(|_| finished && submission.tells_finish_time).map(time);
    let sample = world.sample(submission.sample_id);
    let hashes = sample.map(|sample| &sample.hashes);
    let sample_verdict = world.verdict_of(submission.sample_id, now);
    let status = match (finished, submission.has_errors) {
        (false, _) => "in_progress",
        (true, true) => "warning",
        (true, false) => "success",
    };
    json!({
        "submission_analysis_cache_ids": [],
        "submission_analyzer_mode_analysis_caching": "disabled",
        "submission_analyzer_mode_analyzer_mode": "reputation_static_dynamic",
        "submission_analyzer_mode_archive_action": "sample",
        "submission_analyzer_mode_id": 66,
        "submission_api_key_id": 1,
        "submission_billing_type": "analyzer",
        "submission_comment": submission.comment,
        "submission_consumed_quota": true,
        "submission_created": time(submission.created),
        "submission_deletion_date": null,
        "submission_document_password": null,
        "submission_enable_custom_av": false,
        "submission_enable_local_av": true,
        "submission_filename": sample.map(|sample| sample.filename.as_str()).unwrap_or_default(),
        "submission_finish_time": finish_time,
        "submission_finished": finished,
        "submission_has_errors": finished.then_some(submission.has_errors),
        "submission_has_recursive_errors": finished.then_some(submission.has_errors),
        "submission_id": submission.id,
        "submission_interface_name": "-",
        "submission_ip_id": 1,
        "submission_ip_ip": "10.0.0.12",
        "submission_job_cache_ids": [],
        "submission_known_configuration": false,
        "submission_number_cached_analyses": 0,
        "submission_number_created_jobs": submission.analysis_ids().len(),
        "submission_original_filename": null,
        "submission_original_url": sample.and_then(|sample| sample.url.as_deref()),
        "submission_parent_submission_id": submission.parent,
        "submission_prescript_force_admin": false,
        "submission_prescript_id": null,
        "submission_priority": 1,
        "submission_quota_type": submission.quota_type,
        "submission_recursive": false,
        "submission_retention_period": 0,
        "submission_sample_id": submission.sample_id,
        "submission_sample_md5": hashes.and_then(|hashes| hashes.md5.as_deref()),
        "submission_sample_sha1": hashes.and_then(|hashes| hashes.sha1.as_deref()),
        "submission_sample_sha256": hashes.and_then(|hashes| hashes.sha256.as_deref()),
        "submission_sample_ssdeep": null,
        "submission_sample_verdict": sample_verdict.map(Verdict::as_str),
        "submission_sample_verdict_reason_code": null,
        "submission_score": score(verdict),
        "submission_severity": verdict.map(Verdict::severity),
        "submission_shareable": false,
        "submission_status": status,
        "submission_submission_metadata": submission.metadata,
        "submission_system_time": null,
        "submission_tags": submission.tags,
        "submission_type": submission.kind,
        "submission_used_cache": false,
        "submission_user_email": submission.user_email,
        "submission_user_id": 1,
        "submission_verdict": verdict.map(Verdict::as_str),
        "submission_verdict_reason_code": null,
        "submission_verdict_reason_description": submission.verdict_reason.as_ref().filter(|_| finished),
        "submission_webif_url": format!("{}/submissions/{}", options.webif_base_url, submission.id),
    })
}

/// Returns a sample as it looks now.
pub(super) fn sample(world: &World, sample: &Sample, options: &VmrayOptions, now: Timestamp) -> Value {
    let verdict = world.verdict_of(sample.id, now);
    json!({
        "sample_child_relations": [],
        "sample_child_relations_truncated": false,
        "sample_child_sample_ids": [],
        "sample_classifications": sample.classifications,
        "sample_container_type": null,
        "sample_created": time(sample.created),
        "sample_display_url": sample.url,
        "sample_emailhash": null,
        "sample_filename": sample.filename,
        "sample_filesize": sample.filesize,
        "sample_highest_vti_score": score(verdict),
        "sample_highest_vti_severity": verdict.map(Verdict::severity),
        "sample_id": sample.id,
        "sample_imphash": null,
        "sample_is_multipart": false,
        "sample_last_md_score": null,
        "sample_last_reputation_severity": "unknown",
        "sample_last_vt_score": null,
        "sample_md5hash": sample.hashes.md5,
        "sample_parent_relations": [],
        "sample_parent_relations_truncated": false,
        "sample_parent_sample_ids": [],
        "sample_password_protected": false,
        "sample_pe_signature": null,
        "sample_priority": 1,
        "sample_score": score(verdict),
        "sample_severity": verdict.map(Verdict::severity),
        "sample_sha1hash": sample.hashes.sha1,
        "sample_sha256hash": sample.hashes.sha256,
        "sample_ssdeephash": null,
        "sample_threat_names": sample.threat_names,
        "sample_type": sample.kind,
        "sample_url": sample.url,
        "sample_verdict": verdict.map(Verdict::as_str),
        "sample_verdict_reason_code": null,
        "sample_verdict_reason_description": null,
        "sample_vti_score": score(verdict),
        "sample_webif_url": format!("{}/samples/{}", options.webif_base_url, sample.id),
    })
}

/// Returns an analysis of a finished submission.
pub(super) fn analysis(world: &World, submission: &Submission, id: u64, options: &VmrayOptions) -> Value {
    let created = submission.finished_at.unwrap_or(submission.created);
    let sample = world.sample(submission.sample_id);
    let locked = sample.is_some_and(|sample| sample.access == Access::Locked);
    json!({
        "analysis_analyzer_id": 1,
        "analysis_analyzer_name": "vmray",
        "analysis_billing_type": "analyzer",
        "analysis_configuration_name": "exe",
        "analysis_created": time(created),
        "analysis_id": id,
        "analysis_ioc_aggregation_state": "ok",
        "analysis_job_id": submission.job_id(),
        "analysis_job_started": time(created),
        "analysis_job_type": "full_analysis",
        "analysis_lock_status": if locked { "locked" } else { "unlocked" },
        "analysis_mitre_attack_aggregation_state": "ok",
        "analysis_priority": 1,
        "analysis_quota_type": if locked { "verdict" } else { submission.quota_type.as_str() },
        "analysis_result_code": 1,
        "analysis_result_str": "Operation completed successfully.",
        "analysis_sample_id": submission.sample_id,
        "analysis_sample_sha256": sample.and_then(|sample| sample.hashes.sha256.as_deref()),
        "analysis_serialized_result": {"code": 1, "extra_args": {}, "fmt_args": []},
        "analysis_severity": submission.verdict.map(Verdict::severity),
        "analysis_submission_id": submission.id,
        "analysis_submission_ids": [submission.id],
        "analysis_tags": submission.tags,
        "analysis_verdict": submission.verdict.map(Verdict::as_str),
        "analysis_vm_name": "win10_64",
        "analysis_vti_aggregation_state": "ok",
        "analysis_vti_score": score(submission.verdict),
        "analysis_webif_url": format!("{}/analyses/{id}", options.webif_base_url),
        "analysis_yara_match_count": 0,
    })
}

/// Returns the job of a submission that has not finished.
pub(super) fn job(submission: &Submission) -> Value {
    json!({
        "job_analyzer_id": 1,
        "job_analyzer_name": "vmray",
        "job_configuration_name": "exe",
        "job_created": time(submission.created),
        "job_id": submission.job_id(),
        "job_jobrule_sampletype": "Windows PE (x86-32)",
        "job_priority": 1,
        "job_sample_id": submission.sample_id,
        "job_status": "inwork",
        "job_statuschanged": time(submission.created),
        "job_submission_id": submission.id,
        "job_tracking_state": "//running/vm/executing",
        "job_type": "full_analysis",
        "job_user_email": submission.user_email,
        "job_vm_name": "win10_64",
    })
}
