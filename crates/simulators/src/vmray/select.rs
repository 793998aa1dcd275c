//! Which objects a list holds, in which order.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::filter::Cell;
use super::list::{ListOf, Order, Query};
use super::refusal::Refusal;
use super::{State, render};
use crate::world::{Access, Job, MAX_JOBS, Sample, Submission, Verdict};

type Ids<'a> = Box<dyn Iterator<Item = u64> + 'a>;

impl State {
    /// Returns the ids that a query gives, cut to what one list may hold, and whether some were cut off.
    pub(super) fn matching(&self, of: ListOf, query: &Query, now: Timestamp) -> Result<(VecDeque<u64>, bool), Refusal> {
        let ids = match (of, query.last_id) {
            (ListOf::Submissions, Some(last)) => self.completed_after(last, query, now)?,
            (ListOf::Submissions, None) => self.submissions(query, now),
            (ListOf::Samples, _) => self.samples(query, now),
            (ListOf::Analyses, _) => self.analyses(query, now),
            (ListOf::Jobs, _) => self.jobs(query, now),
        };
        Ok(query.cut(ids, &self.options))
    }

    fn submissions<'a>(&'a self, query: &'a Query, now: Timestamp) -> Ids<'a> {
        let found = self
            .world
            .submissions_from(query.min_id, query.max_id)
            .filter(move |made| made.created <= now && passes(query, |field| submission_cell(made, field, now)))
            .map(|made| made.id);
        ordered(found, query.order)
    }

    /// `_last_id`: finished submissions in order of completion; bounds on the id do not count.
    fn completed_after(&self, last: u64, query: &Query, now: Timestamp) -> Result<Ids<'static>, Refusal> {
        let position = |made: &Submission| (made.finished_at, made.id);
        let after = match self.world.submission(last).filter(|made| made.is_finished(now)) {
            Some(made) => Some(position(made)),
            None if last == 0 => None,
            None => return Err(Refusal::bad_parameter("_last_id")),
        };
        let mut found: Vec<_> = self
            .world
            .submissions()
            .filter(|made| made.is_finished(now) && Some(position(made)) > after)
            .filter(|made| passes(query, |field| submission_cell(made, field, now)))
            .map(position)
            .collect();
        found.sort_unstable();
        Ok(Box::new(found.into_iter().map(|(_, id)| id)))
    }

    fn samples<'a>(&'a self, query: &'a Query, now: Timestamp) -> Ids<'a> {
        let found = self
            .world
            .samples()
            .filter(move |sample| sample.created <= now && (query.min_id..=query.max_id).contains(&sample.id))
            .filter(|sample| !matches!(sample.access, Access::Missing | Access::Forbidden))
            .filter(move |sample| passes(query, |field| sample_cell(sample, field)))
            .map(|sample| sample.id);
        ordered(found, query.order)
    }

    fn analyses<'a>(&'a self, query: &'a Query, now: Timestamp) -> Ids<'a> {
        let min = query.last_id.map_or(query.min_id, |last| last.saturating_add(1));
        let found = self
            .world
            .submissions()
            .flat_map(move |made| made.analyses(now).map(move |(id, job)| (made, id, job)))
            .filter(move |(_, id, _)| *id >= min && *id <= query.max_id)
            .filter(move |(made, id, job)| {
                query.filters.iter().all(|filter| match filter.field {
                    // A submission that this analysis answered from the cache has it too.
                    "submission_id" => std::iter::once(made.id)
                        .chain(self.world.answered_by(*id))
                        .any(|id| filter.passes(&Cell::Int(Some(id)))),
                    field => filter.passes(&analysis_cell(made, (*id, job), field)),
                })
            })
            .map(|(_, id, _)| id);
        let order = if query.last_id.is_some() { Order::Ascending } else { query.order };
        ordered(found, order)
    }

    fn jobs<'a>(&'a self, query: &'a Query, now: Timestamp) -> Ids<'a> {
        let found = self
            .world
            .submissions()
            .flat_map(move |made| made.running(now).map(move |(id, job)| (made, id, job)))
            .filter(move |(_, id, _)| (query.min_id..=query.max_id).contains(id))
            .filter(move |(made, id, job)| passes(query, |field| job_cell(made, (*id, job), field, now)))
            .map(|(_, id, _)| id);
        ordered(found, query.order)
    }
}

fn passes<'a>(query: &Query, cell: impl Fn(&str) -> Cell<'a>) -> bool {
    query.filters.iter().all(|filter| filter.passes(&cell(filter.field)))
}

fn submission_cell<'a>(made: &'a Submission, field: &str, now: Timestamp) -> Cell<'a> {
    let finished = made.is_finished(now);
    let verdict = made.verdict.filter(|_| finished);
    match field {
        "created" => Cell::Time(Some(made.created)),
        "finish_time" => Cell::Time(made.finished_at.filter(|_| finished && made.tells_finish_time)),
        "id" => Cell::Int(Some(made.id)),
        "sample_id" => Cell::Int(Some(made.sample_id)),
        "parent_submission_id" => Cell::Int(made.parent),
        "api_key_id" | "ip_id" | "priority" | "user_id" => Cell::Int(Some(1)),
        "retention_period" => Cell::Int(Some(0)),
        "verdict" => Cell::Text(verdict.map(Verdict::as_str)),
        "severity" => Cell::Text(verdict.map(Verdict::severity)),
        "status" => Cell::Text(Some(render::status(made, now))),
        "type" => Cell::Text(Some(&made.kind)),
        "quota_type" => Cell::Text(Some(&made.quota_type)),
        "submission_metadata" => Cell::Text(Some(&made.metadata)),
        "consumed_quota" => Cell::Int(Some(made.consumed_quota)),
        "enable_local_av" => Cell::Bool(Some(true)),
        "enable_custom_av" => Cell::Bool(Some(false)),
        "recursive" => Cell::Bool(Some(made.parent.is_some())),
        "system_time" => Cell::Time(None),
        _ => Cell::Int(None),
    }
}

fn sample_cell<'a>(sample: &'a Sample, field: &str) -> Cell<'a> {
    match field {
        "created" => Cell::Time(Some(sample.created)),
        "filesize" => Cell::Int(Some(sample.filesize)),
        "id" => Cell::Int(Some(sample.id)),
        "md5hash" => Cell::Text(sample.hashes.md5.as_deref()),
        "sha1hash" => Cell::Text(sample.hashes.sha1.as_deref()),
        "sha256hash" => Cell::Text(sample.hashes.sha256.as_deref()),
        "type" => Cell::Text(Some(&sample.kind)),
        "container_type" => Cell::Text(sample.container.as_deref()),
        "password_protected" => Cell::Bool(Some(sample.password_protected)),
        "sample_cluster_id" => Cell::Int(None),
        _ => Cell::Text(None),
    }
}

fn analysis_cell<'a>(made: &Submission, (id, job): (u64, &Job), field: &str) -> Cell<'a> {
    match field {
        "created" => Cell::Time(job.ends_at),
        "id" => Cell::Int(Some(id)),
        "job_id" => Cell::Int(Some(id + MAX_JOBS)),
        "result_code" => Cell::Int(Some(job.failure.as_ref().map_or(1, |failure| failure.code.into()))),
        "sample_id" => Cell::Int(Some(made.sample_id)),
        _ => Cell::Text(made.verdict.filter(|_| job.failure.is_none()).map(Verdict::as_str)),
    }
}

fn job_cell<'a>(made: &Submission, (id, job): (u64, &Job), field: &str, now: Timestamp) -> Cell<'a> {
    match field {
        "id" => Cell::Int(Some(id)),
        "sample_id" => Cell::Int(Some(made.sample_id)),
        "submission_id" => Cell::Int(Some(made.id)),
        _ => Cell::Text(Some(render::progress(job, now).0)),
    }
}

fn ordered<'a>(ids: impl DoubleEndedIterator<Item = u64> + 'a, order: Order) -> Ids<'a> {
    match order {
        Order::Ascending => Box::new(ids),
        Order::Descending => Box::new(ids.rev()),
    }
}
