//! What changes the server, beside a submit: tags, unlocking, deletion.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::filter::integer;
use super::refusal::Refusal;
use super::route::ok;
use super::{State, submit};
use crate::answer;
use crate::world::Access;

type Outcome = Result<Value, Refusal>;

impl State {
    /// Answers a POST or DELETE.
    pub(super) fn act(
        &mut self,
        method: &Method,
        path: &[&str],
        query: &[(String, String)],
        now: Timestamp,
    ) -> Outcome {
        let number = |id: &str| integer(id).ok_or_else(Refusal::method_not_allowed);
        match path {
            ["submission", id, "tag"] => {
                let tag = answer::value_of(query, "tag_name").ok_or_else(|| Refusal::bad_parameter("tag_name"))?;
                self.tag(method, number(id)?, tag, now)
            }
            ["submission", id, "tag", tag] => self.tag(method, number(id)?, tag, now),
            ["submission", id] if method == Method::DELETE => {
                let id = number(id)?;
                self.visible_submission(id, now).ok_or_else(Refusal::not_found)?;
                self.world.remove_submission(id);
                Ok(ok(json!({})))
            }
            ["sample", id, "unlock_reports"] if method == Method::POST => self.unlock(number(id)?, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn tag(&mut self, method: &Method, id: u64, tag: &str, now: Timestamp) -> Outcome {
        self.visible_submission(id, now).ok_or_else(Refusal::not_found)?;
        if !submit::is_tag(tag) {
            return Err(Refusal::bad_parameter("tag_name"));
        }
        let submission = self.world.submission_mut(id).ok_or_else(Refusal::not_found)?;
        let had = submission.tags.iter().any(|known| known == tag);
        if method == Method::DELETE {
            if !had {
                return Err(Refusal::not_found());
            }
            submission.tags.retain(|known| known != tag);
        } else if !had {
            submission.tags.push(tag.to_owned());
        }
        Ok(ok(json!({})))
    }

    /// Opens the reports of a sample, which costs a unit of quota.
    fn unlock(&mut self, id: u64, now: Timestamp) -> Outcome {
        let locked = self.permitted_sample(id, now)?.access == Access::Locked;
        if !locked {
            return Ok(ok(json!({"unlocked_analysis_ids": []})));
        }
        let (limit, used) = self.options.quota;
        if used >= limit {
            return Err(Refusal::new(400, submit::OVER_QUOTA));
        }
        self.options.quota.1 += 1;
        let analyses = self.world.submissions_of(id).flat_map(|made| made.analyses(now));
        let unlocked: Vec<u64> = analyses.map(|(id, _)| id).collect();
        if let Some(sample) = self.world.sample_mut(id) {
            sample.access = Access::Open;
        }
        Ok(ok(json!({"unlocked_analysis_ids": unlocked})))
    }
}
