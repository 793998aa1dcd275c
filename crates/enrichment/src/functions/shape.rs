//! The answer of the two functions that submit, as the original shaped it.

use serde::Serialize;
use serde_json::{Value, json};

/// What became of a submit.
#[derive(Debug, Serialize)]
pub(super) struct Submitted {
    #[serde(rename = "vmray_job")]
    jobs: Vec<Value>,
    #[serde(rename = "vmray_sample")]
    samples: Vec<Value>,
    #[serde(rename = "vmray_submission")]
    submissions: Vec<Value>,
}

impl Submitted {
    /// Shapes VMRay's answer to a submit.
    pub(super) fn of_reply(reply: &Value) -> Self {
        Self {
            jobs: list(reply, "jobs", job),
            samples: list(reply, "samples", sample),
            submissions: list(reply, "submissions", submission),
        }
    }

    /// Shapes a sample and a submission that VMRay knows.
    pub(super) fn of_known(known_sample: &Value, known_submission: &Value) -> Self {
        Self { jobs: Vec::new(), samples: vec![sample(known_sample)], submissions: vec![submission(known_submission)] }
    }

    /// Shapes a submission with what it says of its sample. Size and age of the sample are not among that, and not
    /// worth a call of their own.
    pub(super) fn of_submission(known: &Value, sample_page: Option<&str>) -> Self {
        let sample = json!({
            "SampleID": known.get("submission_sample_id"),
            "SampleURL": sample_page,
            "Created": null,
            "FileName": known.get("submission_filename"),
            "FileSize": null,
            "SSDeep": known.get("submission_sample_ssdeep"),
            "SHA1": known.get("submission_sample_sha1"),
        });
        Self { jobs: Vec::new(), samples: vec![sample], submissions: vec![submission(known)] }
    }
}

fn list(reply: &Value, name: &str, shape: impl Fn(&Value) -> Value) -> Vec<Value> {
    let items = reply.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter(|item| item.is_object()).map(shape).collect()
}

fn job(job: &Value) -> Value {
    json!({
        "JobID": job.get("job_id"),
        "Created": job.get("job_created"),
        "SampleID": job.get("job_sample_id"),
        "VMName": job.get("job_vm_name"),
        "VMID": job.get("job_vm_id"),
        "JobRuleSampleType": job.get("job_jobrule_sampletype"),
    })
}

fn sample(sample: &Value) -> Value {
    // Only the answer to a submit tells the name it was submitted under.
    let submitted_as = sample.get("submission_filename").filter(|name| !name.is_null());
    json!({
        "SampleID": sample.get("sample_id"),
        "SampleURL": sample.get("sample_webif_url"),
        "Created": sample.get("sample_created"),
        "FileName": submitted_as.or_else(|| sample.get("sample_filename")),
        "FileSize": sample.get("sample_filesize"),
        "SSDeep": sample.get("sample_ssdeephash"),
        "SHA1": sample.get("sample_sha1hash"),
    })
}

fn submission(submission: &Value) -> Value {
    json!({
        "SubmissionID": submission.get("submission_id"),
        "SubmissionURL": submission.get("submission_webif_url"),
        "SampleID": submission.get("submission_sample_id"),
    })
}
