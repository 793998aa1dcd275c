//! What VMRay says of one sample, as it is kept between two questions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vmray::{Sample, Submission, Verdict};

/// One sample, by one of its submissions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) sample_id: u64,
    pub(crate) submission_id: Option<u64>,
    #[serde(default)]
    pub(crate) parent_sample_id: Option<u64>,
    #[serde(default)]
    pub(crate) depth: u32,
    pub(crate) name: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) reason: Option<String>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) running: bool,
    pub(crate) link: Option<String>,
    /// Whether only the verdict is paid for.
    #[serde(default)]
    pub(crate) locked: bool,
    /// All finished submissions of the sample that are known.
    #[serde(default)]
    pub(crate) history: Vec<Past>,
}

/// A finished submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    pub(crate) submission_id: u64,
    pub(crate) finished_at: Timestamp,
    pub(crate) verdict: Option<Verdict>,
}

impl Facts {
    pub(crate) fn of_submission(submission: &Submission) -> Self {
        let finished = is_finished(submission);
        let past = Past::of(submission);
        Self {
            sample_id: submission.sample_id.0,
            submission_id: Some(submission.id.0),
            parent_sample_id: None,
            depth: 0,
            name: submission.original_filename.clone().or_else(|| submission.filename.clone()),
            sha256: submission.sample_sha256.clone(),
            verdict: submission.verdict.clone().filter(|_| finished),
            reason: reason_of(
                submission.verdict_reason_description.as_deref(),
                submission.verdict_reason_code.as_deref(),
            ),
            created: submission.created,
            finished_at: finished.then_some(submission.finish_time.or(submission.created)).flatten(),
            running: !finished,
            link: submission.webif_url.clone(),
            locked: submission.quota_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("verdict")),
            history: past.into_iter().collect(),
        }
    }

    /// Returns what a sample says of itself, where no submission of it is known.
    pub(crate) fn of_sample(sample: &Sample) -> Self {
        Self {
            sample_id: sample.id.0,
            submission_id: None,
            parent_sample_id: None,
            depth: 0,
            name: sample.display_url.clone().or_else(|| sample.url.clone()).or_else(|| sample.filename.clone()),
            sha256: sample.sha256hash.clone(),
            verdict: sample.verdict.clone(),
            reason: reason_of(sample.verdict_reason_description.as_deref(), sample.verdict_reason_code.as_deref()),
            created: sample.created,
            finished_at: None,
            running: false,
            link: sample.webif_url.clone(),
            locked: false,
            history: Vec::new(),
        }
    }

    /// Says whether VMRay has formed a verdict that can be acted on.
    pub(crate) fn is_judged(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Malicious | Verdict::Suspicious | Verdict::Clean))
    }

    /// Says whether something of it may be an indicator.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Malicious | Verdict::Suspicious))
    }
}

impl Past {
    pub(crate) fn of(submission: &Submission) -> Option<Self> {
        let finished_at = submission.finish_time.or(submission.created).filter(|_| is_finished(submission))?;
        Some(Self { submission_id: submission.id.0, finished_at, verdict: submission.verdict.clone() })
    }
}

/// Says whether a submission has ended; one that tells when it ended has, whatever else it leaves out.
pub(crate) fn is_finished(submission: &Submission) -> bool {
    submission.finished || submission.finish_time.is_some()
}

fn reason_of(description: Option<&str>, code: Option<&str>) -> Option<String> {
    let filled = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    filled(description).or_else(|| filled(code).map(|code| format!("reason code {code}")))
}
