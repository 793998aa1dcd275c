//! The reply to a submit: six lists and what was refused.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::vmray::State;
use crate::vmray::render;
use crate::world::Submission;

/// What a submit led to, so far.
#[derive(Debug, Default)]
pub(super) struct Reply {
    errors: Vec<Value>,
    made: Vec<(String, u64, Option<u64>)>,
}

impl Reply {
    /// Adds a refusal.
    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        self.errors.push(json!({"error_msg": why, "submission_filename": name}));
    }

    /// Adds a sample and, if there is one, its submission.
    pub(super) fn made(&mut self, name: &str, sample: u64, submission: Option<u64>) {
        self.made.push((name.to_owned(), sample, submission));
    }

    /// Returns `data`.
    pub(super) fn data(&self, state: &State, now: Timestamp) -> Value {
        let (world, options) = (&state.world, &state.options);
        let mut samples = Vec::new();
        for (name, sample, _) in &self.made {
            let Some(sample) = world.sample(*sample) else { continue };
            let mut shown = render::sample(world, sample, options, now);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("submission_filename".to_owned(), json!(name));
            }
            samples.push(shown);
        }
        let made = || self.made.iter().filter_map(|(.., id)| world.submission((*id)?));
        let jobs = |is_static: bool| -> Vec<Value> {
            made()
                .flat_map(|made| made.running(now).map(move |(id, job)| (made, id, job)))
                .filter(|(.., job)| job.is_static == is_static)
                .map(|(made, id, job)| render::job(world, made, id, &job, now))
                .collect()
        };
        let reputation = |made: &Submission| {
            json!({
                "reputation_job_created": render::time(made.created),
                "reputation_job_id": made.id * 10,
                "reputation_job_priority": 1,
                "reputation_job_sample_id": made.sample_id,
                "reputation_job_status": "queued",
                "reputation_job_statuschanged": render::time(made.created),
                "reputation_job_submission_id": made.id,
                "reputation_job_user_email": made.user_email,
                "reputation_job_user_id": 1,
            })
        };
        let submissions: Vec<Value> = made().map(|made| render::submission(world, made, options, now)).collect();
        let reputation_jobs: Vec<Value> = made().filter(|made| !made.used_cache).map(reputation).collect();
        json!({
            "errors": self.errors,
            "jobs": jobs(false),
            "md_jobs": [],
            "reputation_jobs": reputation_jobs,
            "samples": samples,
            "static_jobs": jobs(true),
            "submissions": submissions,
            "vt_jobs": [],
            "whois_jobs": [],
        })
    }
}
