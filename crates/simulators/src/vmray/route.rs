//! Which path means what.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use outbound::Request;
use serde_json::{Value, json};

use super::filter::integer;
use super::findings::{self, Selection};
use super::list::{ListOf, Page, Query};
use super::refusal::Refusal;
use super::{State, render, search, submit};
use crate::answer;
use crate::world::{Access, Sample, Submission};

type Outcome = Result<Value, Refusal>;

impl State {
    /// Answers a request that was let in.
    pub(super) fn route(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let decoded: Vec<String> = request.uri().path().trim_start_matches("/rest/").split('/').map(decode).collect();
        let path: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let query = answer::pairs(request.uri().query().unwrap_or_default().as_bytes());
        if let ["sample", "submit"] = path.as_slice() {
            if request.method() != Method::POST {
                return Err(Refusal::method_not_allowed());
            }
            return submit::submit(self, request, query, now).map(ok);
        }
        if request.method() == Method::POST || request.method() == Method::DELETE {
            return self.act(request.method(), &path, &query, now);
        }
        if request.method() != Method::GET {
            return Err(Refusal::method_not_allowed());
        }
        match path.as_slice() {
            ["system_info"] => Ok(ok(self.system_info())),
            ["api_key", "quota"] => {
                let (limit, used) = self.options.quota;
                Ok(ok(json!({"quota_limit": limit, "used_quota": used})))
            }
            ["continuation", id] => {
                let page = integer(id).and_then(|id| self.continuations.follow(id, &self.options));
                page.map(|page| self.show(&page, now)).ok_or_else(Refusal::not_found)
            }
            [billing] if *billing == self.options.billing_path => Ok(ok(self.billing_info(now))),
            ["submission" | "sample", "search"] if self.options.search_status.is_some() => {
                Err(Refusal::new(self.options.search_status.unwrap_or(404), "No such element"))
            }
            ["submission", "search"] => self.search(ListOf::Submissions, &query, now),
            ["sample", "search"] => self.search(ListOf::Samples, &query, now),
            ["submission", rest @ ..] => self.submission(rest, &query, now),
            ["sample", rest @ ..] => self.sample(rest, &query, now),
            ["analysis", rest @ ..] => self.analysis(rest, &query, now),
            ["job", rest @ ..] => self.job(rest, &query, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn submission(&mut self, rest: &[&str], query: &[(String, String)], now: Timestamp) -> Outcome {
        match rest {
            [] => self.list(ListOf::Submissions, None, query, now),
            [id] => {
                let found = integer(id).ok_or_else(Refusal::method_not_allowed)?;
                let submission = self.visible_submission(found, now).ok_or_else(Refusal::not_found)?;
                Ok(ok(render::submission(&self.world, submission, &self.options, now)))
            }
            [id, "vtis"] if integer(id).is_some() => {
                let found = integer(id).and_then(|id| self.visible_submission(id, now));
                let sample = found.map(|submission| submission.sample_id).ok_or_else(Refusal::not_found)?;
                self.findings(sample, "vtis", &[], query, now)
            }
            [field, value] => self.list(ListOf::Submissions, Some((field, value)), query, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn sample(&mut self, rest: &[&str], query: &[(String, String)], now: Timestamp) -> Outcome {
        match rest {
            [] => self.list(ListOf::Samples, None, query, now),
            [id] => {
                let id = integer(id).ok_or_else(Refusal::method_not_allowed)?;
                let sample = self.permitted_sample(id, now)?;
                Ok(ok(render::sample(&self.world, sample, &self.options, now)))
            }
            [id, what, further @ ..] if integer(id).is_some() => {
                let id = integer(id).ok_or_else(Refusal::not_found)?;
                self.findings(id, what, further, query, now)
            }
            [field, value] => self.list(ListOf::Samples, Some((field, value)), query, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn analysis(&mut self, rest: &[&str], query: &[(String, String)], now: Timestamp) -> Outcome {
        match rest {
            [] => self.list(ListOf::Analyses, None, query, now),
            [id] => {
                let id = integer(id).ok_or_else(Refusal::method_not_allowed)?;
                self.analysis_json(id, now).map(ok).ok_or_else(Refusal::not_found)
            }
            [field, value] => self.list(ListOf::Analyses, Some((field, value)), query, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn job(&mut self, rest: &[&str], query: &[(String, String)], now: Timestamp) -> Outcome {
        match rest {
            [] => self.list(ListOf::Jobs, None, query, now),
            [id] => {
                let id = integer(id).ok_or_else(Refusal::method_not_allowed)?;
                self.job_json(id, now).map(ok).ok_or_else(Refusal::not_found)
            }
            [field, value] => self.list(ListOf::Jobs, Some((field, value)), query, now),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// What hangs below a sample.
    fn findings(&self, id: u64, what: &str, further: &[&str], query: &[(String, String)], now: Timestamp) -> Outcome {
        let known = ["iocs", "vtis", "threat_indicators", "mitre_attack", "classifications", "threat_names"];
        if !known.contains(&what) || (what != "iocs" && !further.is_empty()) {
            return Err(Refusal::method_not_allowed());
        }
        let sample = self.permitted_sample(id, now)?;
        if sample.access == Access::Locked {
            return Err(Refusal::forbidden());
        }
        if self.options.field_set.lacks(what) || self.options.absent_endpoints.iter().any(|absent| absent == what) {
            return Err(Refusal::not_found());
        }
        if sample.access == Access::Unreadable {
            return Ok(ok(json!({"iocs": {"domains": "none", "files": {"count": 3}}, "threat_indicators": 7})));
        }
        let finished: Vec<&Submission> = self.world.submissions_of(id).filter(|made| made.is_finished(now)).collect();
        let waiting = sample.access == Access::Waiting || finished.is_empty() || self.is_settling(id, now);
        let analyses: Vec<u64> = finished.iter().flat_map(|submission| submission.analysis_ids()).collect();
        let hide = waiting && !self.options.lists_while_waiting;
        let mut data = match what {
            "iocs" => {
                let selection = Selection::parse(further, query, &self.options)?;
                let lists = if hide { findings::no_lists() } else { self.world.iocs_json(id) };
                json!({"iocs": self.options.field_set.fit_lists(selection.apply(lists, &self.options))})
            }
            "mitre_attack" => {
                let drawn = || findings::techniques(id, &analyses);
                let techniques = if hide { Vec::new() } else { sample.techniques.clone().unwrap_or_else(drawn) };
                json!({"mitre_attack_techniques": techniques})
            }
            "classifications" => json!({"classifications": sample.classifications}),
            "threat_names" => json!({"threat_names": sample.threat_names}),
            _ => {
                let drawn = || findings::vtis(id, &analyses);
                let vtis = if hide { Vec::new() } else { sample.vtis.clone().unwrap_or_else(drawn) };
                json!({"threat_indicators": vtis})
            }
        };
        if let Some(fields) = data.as_object_mut().filter(|_| self.options.tells_status) {
            fields.insert("status".to_owned(), json!(if waiting { "waiting" } else { "finished" }));
        }
        Ok(ok(data))
    }

    fn list(&mut self, of: ListOf, path: Option<(&str, &str)>, pairs: &[(String, String)], now: Timestamp) -> Outcome {
        let mut query = Query::parse(of, pairs, &self.options)?;
        if let Some((name, value)) = path {
            // In a path `sample`, `submission`, `md5`, ... stand for the fields.
            let field = match (of, name) {
                (_, "sample") => "sample_id",
                (ListOf::Analyses | ListOf::Jobs, "submission") => "submission_id",
                (ListOf::Samples, "md5") => "md5hash",
                (ListOf::Samples, "sha1") => "sha1hash",
                (ListOf::Samples, "sha256") => "sha256hash",
                (_, other) => other,
            };
            query.filters.push(of.filter(field, value, &self.options).ok_or_else(Refusal::method_not_allowed)??);
        }
        let (ids, truncated) = self.matching(of, &query, now)?;
        let page = self.continuations.begin(of, ids, truncated, &self.options);
        Ok(self.show(&page, now))
    }

    /// Returns one reply of a list; what vanished since the list began is left out.
    fn show(&self, page: &Page, now: Timestamp) -> Value {
        let items: Vec<Value> = page.ids.iter().filter_map(|id| self.item(page.of, *id, now)).collect();
        let mut body = json!({"data": items, "result": "ok"});
        if let Some(fields) = body.as_object_mut() {
            if let Some(id) = page.continuation {
                fields.insert("continuation_id".to_owned(), json!(id));
            }
            if page.truncated {
                fields.insert("truncated".to_owned(), json!(true));
            }
        }
        body
    }

    fn item(&self, of: ListOf, id: u64, now: Timestamp) -> Option<Value> {
        match of {
            ListOf::Submissions => {
                Some(render::submission(&self.world, self.world.submission(id)?, &self.options, now))
            }
            ListOf::Samples => Some(render::sample(&self.world, self.world.sample(id)?, &self.options, now)),
            ListOf::Analyses => self.analysis_json(id, now),
            ListOf::Jobs => self.job_json(id, now),
        }
    }

    fn analysis_json(&self, id: u64, now: Timestamp) -> Option<Value> {
        let submission = self.visible_submission(id / 10, now)?;
        let (_, job) = submission.analyses(now).find(|(found, _)| *found == id)?;
        Some(render::analysis(&self.world, submission, (id, &job), &self.options, now))
    }

    fn job_json(&self, id: u64, now: Timestamp) -> Option<Value> {
        let submission = self.visible_submission(id / 10, now)?;
        let (_, job) = submission.running(now).find(|(found, _)| *found == id)?;
        Some(render::job(&self.world, submission, id, &job, now))
    }

    /// Says whether an analysis of a sample has ended whose findings are not complete.
    fn is_settling(&self, sample: u64, now: Timestamp) -> bool {
        self.options.settling_time > Duration::ZERO
            && self
                .world
                .submissions_of(sample)
                .flat_map(|made| made.analyses(now))
                .filter_map(|(_, job)| job.ends_at)
                .any(|ended| render::is_settling(ended, &self.options, now))
    }

    fn search(&mut self, of: ListOf, query: &[(String, String)], now: Timestamp) -> Outcome {
        let (ids, truncated) = search::search(self, of, query, now)?;
        let page = self.continuations.begin(of, ids, truncated, &self.options);
        Ok(self.show(&page, now))
    }

    pub(super) fn visible_submission(&self, id: u64, now: Timestamp) -> Option<&Submission> {
        self.world.submission(id).filter(|submission| submission.created <= now)
    }

    pub(super) fn permitted_sample(&self, id: u64, now: Timestamp) -> Result<&Sample, Refusal> {
        match self.world.sample(id).filter(|sample| sample.created <= now) {
            None => Err(Refusal::not_found()),
            Some(sample) => match sample.access {
                Access::Missing => Err(Refusal::not_found()),
                Access::Forbidden => Err(Refusal::forbidden()),
                Access::Open | Access::Waiting | Access::Locked | Access::Unreadable => Ok(sample),
            },
        }
    }

    fn billing_info(&self, now: Timestamp) -> Value {
        let (limit, used) = self.options.quota;
        let left = limit.saturating_sub(used);
        let is_verdict = self.options.quota_type == "verdict";
        let of = |mine: bool, number: u64| if mine { number } else { 0 };
        json!({
            "billing_period": "monthly",
            "detector_quota": 0,
            "detector_remaining": 0,
            "end_date": "2027-01-01 00:00 (UTC+0)",
            "next_plan_start_date": null,
            "product_plan_name": "Simulated",
            "quota": limit,
            "remaining": left,
            "report_quota": of(!is_verdict, limit),
            "report_remaining": of(!is_verdict, left),
            "today_date": now.strftime("%Y-%m-%d %H:%M (UTC+0)").to_string(),
            "user_email": "analyst@soc.example",
            "user_expiry_date": null,
            "verdict_quota": of(is_verdict, limit),
            "verdict_remaining": of(is_verdict, left),
        })
    }

    fn system_info(&self) -> Value {
        let (major, minor, revision) = self.options.version;
        json!({
            "api_items_per_request": self.options.api_items_per_request,
            "file_param_http_scheme_enabled": false,
            "max_api_items": self.options.max_api_items,
            "version": format!("{major}.{minor}.{revision}"),
            "version_major": major,
            "version_minor": minor,
            "version_revision": revision,
            "webif_alias": "simulated",
            "webif_base_url": self.options.webif_base_url,
            "webif_max_sample_size": self.options.max_upload_bytes,
            "webif_max_upload_size": self.options.max_upload_bytes,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function value")]
pub(super) fn ok(data: Value) -> Value {
    json!({"data": data, "result": "ok"})
}

/// Decodes `%xx` of a path segment.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%') {
            decoded.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
