//! The objects of VMRay's replies, field by field.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fields::Object;
use super::options::VmrayOptions;
use crate::world::{Access, Job, MAX_JOBS, REASON_CODE, RelationKind, Sample, Submission, Verdict, World};

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
    let reason = submission.verdict_reason.as_ref().filter(|_| finished);
    let failed = submission.has_errors;
    let errors = |failed: bool| (finished && submission.tells_errors).then_some(failed);
    let name = submission.filename.as_deref().or_else(|| sample.map(|sample| sample.filename.as_str()));
    let (cached, awaited): (Vec<u64>, Vec<u64>) =
        submission.cached.iter().partition(|id| world.analysis_ended(**id, submission.created));
    let awaited: Vec<u64> = awaited.iter().map(|id| id + MAX_JOBS).collect();
    let children = world.children_of_submission(submission.id);
    let child_errors = children.iter().filter_map(|id| world.submission(*id)).any(|child| child.has_errors);
    let object = json!({
        "submission_analysis_cache_ids": cached,
        "submission_analyzer_mode_analysis_caching": submission.caching,
        "submission_analyzer_mode_analyzer_mode": "reputation_static_dynamic",
        "submission_analyzer_mode_archive_action": submission.archive_action,
        "submission_analyzer_mode_id": 66,
        "submission_api_key_id": 1,
        "submission_billing_type": "analyzer",
        "submission_comment": submission.comment,
        "submission_consumed_quota": consumed_quota(world, submission, now),
        "submission_created": time(submission.created),
        "submission_deletion_date": null,
        "submission_document_password": null,
        "submission_enable_custom_av": false,
        "submission_enable_local_av": true,
        "submission_filename": name.unwrap_or_default(),
        "submission_finish_time": finish_time,
        "submission_finished": finished,
        "submission_has_errors": errors(failed),
        "submission_has_recursive_errors": errors(failed || child_errors),
        "submission_id": submission.id,
        "submission_interface_name": "-",
        "submission_ip_id": 1,
        "submission_ip_ip": "10.0.0.12",
        "submission_job_cache_ids": awaited,
        "submission_known_configuration": false,
        "submission_number_cached_analyses": submission.cached.len(),
        "submission_number_created_jobs": submission.job_count(),
        "submission_original_filename": null,
        "submission_original_url": sample.and_then(|sample| sample.url.as_deref()),
        "submission_parent_submission_id": submission.parent,
        "submission_prescript_force_admin": false,
        "submission_prescript_id": null,
        "submission_priority": 1,
        "submission_quota_type": submission.quota_type,
        "submission_recursive": submission.parent.is_some(),
        "submission_retention_period": 0,
        "submission_sample_id": submission.sample_id,
        "submission_sample_md5": hashes.and_then(|hashes| hashes.md5.as_deref()),
        "submission_sample_sha1": hashes.and_then(|hashes| hashes.sha1.as_deref()),
        "submission_sample_sha256": hashes.and_then(|hashes| hashes.sha256.as_deref()),
        "submission_sample_ssdeep": null,
        "submission_sample_verdict": sample_verdict.map(Verdict::as_str),
        // A text here and a number there, as the vendor describes it.
        "submission_sample_verdict_reason_code": reason_of(world, submission.sample_id, now).map(|_| REASON_CODE.to_string()),
        "submission_score": score(verdict),
        "submission_severity": verdict.map(Verdict::severity),
        "submission_shareable": submission.shareable,
        "submission_status": status(submission, now),
        "submission_submission_metadata": submission.metadata,
        "submission_system_time": null,
        "submission_tags": submission.tags,
        "submission_type": submission.kind,
        "submission_used_cache": submission.used_cache,
        "submission_user_email": submission.user_email,
        "submission_user_id": 1,
        "submission_verdict": verdict.map(Verdict::as_str),
        "submission_verdict_reason_code": reason.map(|_| REASON_CODE),
        "submission_verdict_reason_description": reason,
        "submission_webif_url": format!("{}/submissions/{}", options.webif_base_url, submission.id),
    });
    options.field_set.fit(Object::Submission, object)
}

/// Returns why a sample has its verdict: the reason of the submission that finished last.
fn reason_of(world: &World, sample: u64, now: Timestamp) -> Option<&str> {
    let finished = world.submissions_of(sample).filter(|submission| submission.is_finished(now));
    finished.max_by_key(|submission| (submission.finished_at, submission.id))?.verdict_reason.as_deref()
}

/// Returns a sample as it looks now.
pub(super) fn sample(world: &World, sample: &Sample, options: &VmrayOptions, now: Timestamp) -> Value {
    let verdict = world.verdict_of(sample.id, now);
    let (children, parents): (Vec<_>, Vec<_>) =
        (world.children(sample.id, now).collect(), world.parents(sample.id, now).collect());
    let ids = |related: &[(u64, RelationKind)]| related.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let relations = |related: &[(u64, RelationKind)], whose: &str| -> Vec<Value> {
        let shown = related.iter().take(options.max_relations);
        let field = format!("relation_{whose}_sample_id");
        shown.map(|(id, kind)| json!({field.as_str(): id, "relation_type": kind.as_str()})).collect()
    };
    let reason = reason_of(world, sample.id, now);
    let object = json!({
        "sample_child_relations": relations(&children, "child"),
        "sample_child_relations_truncated": children.len() > options.max_relations,
        "sample_child_sample_ids": ids(&children),
        "sample_classifications": sample.tells_names.then_some(&sample.classifications),
        "sample_clusters": [],
        "sample_container_type": sample.container,
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
        "sample_parent_relations": relations(&parents, "parent"),
        "sample_parent_relations_truncated": parents.len() > options.max_relations,
        "sample_parent_sample_ids": ids(&parents),
        "sample_password_protected": sample.password_protected,
        "sample_pe_signature": null,
        "sample_priority": 1,
        "sample_score": score(verdict),
        "sample_severity": verdict.map(Verdict::severity),
        "sample_sha1hash": sample.hashes.sha1,
        "sample_sha256hash": sample.hashes.sha256,
        "sample_ssdeephash": null,
        "sample_threat_names": sample.tells_names.then_some(&sample.threat_names),
        "sample_type": sample.kind,
        "sample_url": sample.url,
        "sample_verdict": verdict.map(Verdict::as_str),
        "sample_verdict_reason_code": reason.map(|_| REASON_CODE.to_string()),
        "sample_verdict_reason_description": reason,
        "sample_vti_score": verdict.map(Verdict::severity),
        "sample_webif_url": format!("{}/samples/{}", options.webif_base_url, sample.id),
    });
    options.field_set.fit(Object::Sample, object)
}

/// Returns an analysis, which is there once its job has ended.
pub(super) fn analysis(
    world: &World,
    submission: &Submission,
    (id, job): (u64, &Job),
    options: &VmrayOptions,
    now: Timestamp,
) -> Value {
    let ended = job.ends_at.unwrap_or(submission.created);
    let sample = world.sample(submission.sample_id);
    let locked = sample.is_some_and(|sample| sample.access == Access::Locked);
    let failure = job.failure.as_ref();
    let verdict = submission.verdict.filter(|_| failure.is_none());
    let (code, text) = match failure {
        Some(failure) => (failure.code, failure.text.as_str()),
        None => (1, "Operation completed successfully."),
    };
    let aggregation = match failure {
        Some(_) => "failed_summary_json",
        None if is_settling(ended, options, now) => "todo",
        None => "ok",
    };
    let submissions: Vec<u64> = std::iter::once(submission.id).chain(world.answered_by(id)).collect();
    let object = json!({
        "analysis_analyzer_id": 1,
        "analysis_analyzer_name": if job.is_static { "vmray_static" } else { "vmray" },
        "analysis_billing_type": "analyzer",
        "analysis_configuration_name": "exe",
        "analysis_created": time(ended),
        "analysis_id": id,
        "analysis_ioc_aggregation_state": aggregation,
        "analysis_job_id": id + MAX_JOBS,
        "analysis_job_started": time(job.starts_at),
        "analysis_job_type": if job.is_static { "only_static_analysis" } else { "full_analysis" },
        "analysis_lock_status": if locked { "locked" } else { "unlocked" },
        "analysis_mitre_attack_aggregation_state": aggregation,
        "analysis_priority": 1,
        "analysis_quota_type": if locked { "verdict" } else { submission.quota_type.as_str() },
        "analysis_result_code": code,
        "analysis_result_str": text,
        "analysis_sample_id": submission.sample_id,
        "analysis_sample_sha256": sample.and_then(|sample| sample.hashes.sha256.as_deref()),
        "analysis_serialized_result": {"code": code, "extra_args": {}, "fmt_args": []},
        "analysis_severity": if failure.is_some() { Some("error") } else { verdict.map(Verdict::severity) },
        "analysis_submission_id": submission.id,
        "analysis_submission_ids": submissions,
        "analysis_tags": submission.tags,
        "analysis_verdict": verdict.map(Verdict::as_str),
        "analysis_vm_name": if job.is_static { None } else { Some("win10_64") },
        "analysis_vti_aggregation_state": aggregation,
        "analysis_vti_score": score(verdict),
        "analysis_webif_url": format!("{}/analyses/{id}", options.webif_base_url),
        "analysis_yara_match_count": 0,
    });
    options.field_set.fit(Object::Analysis, object)
}

/// Says whether the findings of an analysis that ended then are still being put together.
pub(super) fn is_settling(ended: Timestamp, options: &VmrayOptions, now: Timestamp) -> bool {
    let settling = SignedDuration::try_from(options.settling_time).unwrap_or(SignedDuration::MAX);
    now.duration_since(ended) < settling
}

/// Returns the status of a submission.
pub(super) fn status(submission: &Submission, now: Timestamp) -> &'static str {
    if submission.is_finished(now) {
        return match (submission.has_errors, submission.verdict) {
            (false, _) => "success",
            (true, Some(_)) => "warning",
            (true, None) => "error",
        };
    }
    let waits = |job: &Job| job.starts_at > now;
    let mut jobs = submission.running(now).map(|(_, job)| job).peekable();
    if jobs.peek().is_some() && jobs.all(|job| waits(&job)) { "queued" } else { "in_progress" }
}

/// Returns what a submission cost, with the children that have appeared.
fn consumed_quota(world: &World, submission: &Submission, now: Timestamp) -> u64 {
    let children = world.children_of_submission(submission.id);
    let made = children.iter().filter_map(|id| world.submission(*id)).filter(|child| child.created <= now);
    submission.consumed_quota + made.map(|child| consumed_quota(world, child, now)).sum::<u64>()
}

/// Returns a job that has not ended.
pub(super) fn job(world: &World, submission: &Submission, id: u64, job: &Job, now: Timestamp) -> Value {
    let (status, state, changed) = progress(job, now);
    let hashes = world.sample(submission.sample_id).map(|sample| &sample.hashes);
    json!({
        "job_analyzer_id": if job.is_static { 2 } else { 1 },
        "job_analyzer_name": if job.is_static { "vmray_static" } else { "vmray" },
        "job_configuration_name": "exe",
        "job_created": time(submission.created),
        "job_document_password": null,
        "job_id": id,
        "job_jobrule_sampletype": "Windows PE (x86-32)",
        "job_parent_analysis_id": null,
        "job_priority": 1,
        "job_sample_id": submission.sample_id,
        "job_sample_md5": hashes.and_then(|hashes| hashes.md5.as_deref()),
        "job_sample_sha1": hashes.and_then(|hashes| hashes.sha1.as_deref()),
        "job_sample_sha256": hashes.and_then(|hashes| hashes.sha256.as_deref()),
        "job_status": status,
        "job_statuschanged": time(changed),
        "job_submission_id": submission.id,
        "job_tracking_state": state,
        "job_type": if job.is_static { "only_static_analysis" } else { "full_analysis" },
        "job_user_email": submission.user_email,
        "job_vm_id": if job.is_static { None } else { Some(18) },
        "job_vm_name": if job.is_static { None } else { Some("win10_64") },
    })
}

/// Returns status, tracking state and when the status changed. The last tenth of a job's time is its upload.
pub(super) fn progress(job: &Job, now: Timestamp) -> (&'static str, &'static str, Timestamp) {
    if job.starts_at > now {
        return ("queued", "//waiting", job.starts_at.min(now));
    }
    let uploading = job.ends_at.map(|end| {
        let tenth = end.duration_since(job.starts_at) / 10;
        end.checked_sub(tenth).unwrap_or(end)
    });
    match uploading {
        Some(at) if at <= now => ("uploading", "//finished", at),
        _ => ("inwork", "//running/vm/executing", job.starts_at),
    }
}
