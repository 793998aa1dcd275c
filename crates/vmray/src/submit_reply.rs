//! What became of a submit. Refusals stand beside successes in one reply with status 200.

use serde_json::Value;

use crate::record::record;
use crate::{Entry, Job, Sample, Submission, readable};

record! {
    /// Answer to a submit.
    pub struct SubmitReply {
        /// What was refused.
        errors: Vec<Entry<SubmitError>> = "errors",
        /// The submissions made; an archive makes several.
        submissions: Vec<Entry<Submission>> = "submissions",
        /// Their samples, also of refused submissions.
        samples: Vec<Entry<Sample>> = "samples",
        /// Dynamic analyses to come.
        jobs: Vec<Entry<Job>> = "jobs",
        /// Static analyses to come.
        static_jobs: Vec<Value> = "static_jobs",
        /// Reputation look-ups to come.
        reputation_jobs: Vec<Value> = "reputation_jobs",
        /// VirusTotal look-ups to come.
        vt_jobs: Vec<Value> = "vt_jobs",
        /// Metadefender look-ups to come (older servers).
        md_jobs: Vec<Value> = "md_jobs",
        /// WHOIS look-ups to come (older servers).
        whois_jobs: Vec<Value> = "whois_jobs",
    }
}

record! {
    /// Why one file or URL was refused.
    pub struct SubmitError {
        /// The server's words.
        error_msg: Option<String> = "error_msg",
        /// What was refused.
        submission_filename: Option<String> = "submission_filename",
    }
}

impl SubmitError {
    /// Says whether VMRay knows the sample and saw nothing to do: its setting "Analysis Caching" decides that.
    pub fn is_no_jobs_created(&self) -> bool {
        self.contains("no jobs were created")
    }

    /// Says whether a quota is used up.
    pub fn is_quota(&self) -> bool {
        self.contains("quota")
    }

    fn contains(&self, words: &str) -> bool {
        self.error_msg.as_deref().is_some_and(|text| text.to_ascii_lowercase().contains(words))
    }
}

impl SubmitReply {
    /// Returns the server's words for each refusal.
    pub fn refusals(&self) -> impl Iterator<Item = String> {
        self.errors.iter().map(|entry| match entry {
            Entry::Read(error) => error.error_msg.clone().unwrap_or_else(|| "refused without a reason".to_owned()),
            Entry::Unreadable { raw: Value::String(text), .. } => text.clone(),
            Entry::Unreadable { raw, .. } => raw.to_string(),
        })
    }

    /// Returns the first submission made.
    pub fn first_submission(&self) -> Option<&Submission> {
        readable(&self.submissions).next()
    }
}
