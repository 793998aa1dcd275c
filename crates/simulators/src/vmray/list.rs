//! Lists: what is asked for, what of it goes into the first reply, and how the rest is fetched.

use std::collections::{BTreeMap, VecDeque};

use super::filter::{FieldType, Filter, integer};
use super::options::{DefaultOrder, TruncatedFlag, UnknownParameter, VmrayOptions};
use super::refusal::Refusal;

/// Continuations kept; a client that never comes back must not fill the memory.
const KEPT_CONTINUATIONS: usize = 10_000;

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListOf {
    Submissions,
    Samples,
    Analyses,
    Jobs,
}

impl ListOf {
    /// Returns the prefix of its fields and their names and types.
    fn fields(self) -> (&'static str, &'static [(&'static str, FieldType)]) {
        use FieldType::{Bool, Int, Text, Time, Verdict};
        match self {
            Self::Submissions => (
                "submission_",
                &[
                    ("api_key_id", Int),
                    ("consumed_quota", Int),
                    ("created", Time),
                    ("enable_custom_av", Bool),
                    ("enable_local_av", Bool),
                    ("finish_time", Time),
                    ("id", Int),
                    ("ip_id", Int),
                    ("parent_submission_id", Int),
                    ("prescript_id", Int),
                    ("priority", Int),
                    ("quota_type", Text),
                    ("recursive", Bool),
                    ("retention_period", Int),
                    ("sample_id", Int),
                    ("score", Int),
                    ("severity", Text),
                    ("status", Text),
                    ("submission_metadata", Text),
                    ("system_time", Time),
                    ("type", Text),
                    ("user_id", Int),
                    ("verdict", Verdict),
                    ("verdict_reason_code", Int),
                ],
            ),
            Self::Samples => (
                "sample_",
                &[
                    ("container_type", Text),
                    ("created", Time),
                    ("emailhash", Text),
                    ("filesize", Int),
                    ("id", Int),
                    ("imphash", Text),
                    ("md5hash", Text),
                    ("password_protected", Bool),
                    ("sample_cluster_id", Int),
                    ("sha1hash", Text),
                    ("sha256hash", Text),
                    ("ssdeephash", Text),
                    ("type", Text),
                ],
            ),
            Self::Analyses => (
                "analysis_",
                &[
                    ("created", Time),
                    ("id", Int),
                    ("job_id", Int),
                    ("result_code", Int),
                    ("sample_id", Int),
                    ("submission_id", Int),
                    ("verdict", Verdict),
                ],
            ),
            Self::Jobs => ("job_", &[("id", Int), ("sample_id", Int), ("status", Text), ("submission_id", Int)]),
        }
    }

    /// Reads a filter by the full or, in a path, the short name of its field.
    pub(super) fn filter(self, name: &str, value: &str, options: &VmrayOptions) -> Option<Result<Filter, Refusal>> {
        let (prefix, fields) = self.fields();
        let short = name.strip_prefix(prefix).unwrap_or(name);
        let (field, kind) = fields.iter().find(|(field, _)| *field == short)?;
        Some(Filter::parse(field, *kind, name, value, options))
    }

    /// Reads a filter of a query, where the full name is needed.
    fn query_filter(self, name: &str, value: &str, options: &VmrayOptions) -> Option<Result<Filter, Refusal>> {
        if name.starts_with(self.fields().0) { self.filter(name, value, options) } else { None }
    }
}

/// Direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// A list as asked for.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) filters: Vec<Filter>,
    pub(super) order: Order,
    pub(super) min_id: u64,
    pub(super) max_id: u64,
    pub(super) last_id: Option<u64>,
    limit: Option<usize>,
}

impl Query {
    /// Reads the parameters of a list.
    pub(super) fn parse(of: ListOf, pairs: &[(String, String)], options: &VmrayOptions) -> Result<Self, Refusal> {
        let mut query = Self {
            filters: Vec::new(),
            order: match options.default_order {
                DefaultOrder::Ascending => Order::Ascending,
                DefaultOrder::Descending => Order::Descending,
            },
            min_id: 0,
            max_id: u64::MAX,
            last_id: None,
            limit: None,
        };
        for (name, value) in pairs {
            let number = || integer(value).ok_or_else(|| Refusal::bad_parameter(name));
            match name.as_str() {
                "_limit" => {
                    let limit = usize::try_from(number()?).ok().filter(|limit| *limit > 0);
                    query.limit = Some(limit.ok_or_else(|| Refusal::bad_parameter(name))?);
                }
                "_min_id" => query.min_id = number()?,
                "_max_id" => query.max_id = number()?,
                "_last_id" if matches!(of, ListOf::Submissions | ListOf::Analyses) => query.last_id = Some(number()?),
                "_order" => {
                    query.order = match value.as_str() {
                        "asc" => Order::Ascending,
                        "desc" => Order::Descending,
                        _ => return Err(Refusal::bad_parameter(name)),
                    }
                }
                _ => match of.query_filter(name, value, options) {
                    Some(filter) => query.filters.push(filter?),
                    None if options.unknown_parameter == UnknownParameter::Ignore => {}
                    None => return Err(Refusal::unknown_parameter(name)),
                },
            }
        }
        Ok(query)
    }

    /// Takes the ids that the reply and its continuations may hold; `true` when the server's maximum cut some off.
    pub(super) fn cut(&self, ids: impl Iterator<Item = u64>, options: &VmrayOptions) -> (VecDeque<u64>, bool) {
        let most = self.limit.unwrap_or(usize::MAX).min(options.max_api_items);
        let mut taken: VecDeque<u64> = ids.take(most.saturating_add(1)).collect();
        let more = taken.len() > most;
        taken.truncate(most);
        (taken, more && self.limit.is_none_or(|limit| limit > options.max_api_items))
    }
}

/// The rest of a list.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) of: ListOf,
    pub(super) ids: VecDeque<u64>,
    truncated: bool,
    is_first: bool,
}

/// One reply of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) of: ListOf,
    pub(super) ids: Vec<u64>,
    pub(super) continuation: Option<u64>,
    pub(super) truncated: bool,
}

/// The rests that can be asked for, each once.
#[derive(Debug, Default)]
pub(super) struct Continuations {
    rests: BTreeMap<u64, Rest>,
    last: u64,
}

impl Continuations {
    /// Begins a list.
    pub(super) fn begin(&mut self, of: ListOf, ids: VecDeque<u64>, truncated: bool, options: &VmrayOptions) -> Page {
        self.page(Rest { of, ids, truncated, is_first: true }, options)
    }

    /// Continues a list; the id is gone afterwards, whether its answer arrives or not.
    pub(super) fn follow(&mut self, id: u64, options: &VmrayOptions) -> Option<Page> {
        let rest = self.rests.remove(&id)?;
        Some(self.page(rest, options))
    }

    /// Forgets a continuation.
    pub(super) fn forget(&mut self, id: u64) {
        self.rests.remove(&id);
    }

    fn page(&mut self, mut rest: Rest, options: &VmrayOptions) -> Page {
        let size = options.api_items_per_request.max(1).min(rest.ids.len());
        let ids: Vec<u64> = rest.ids.drain(..size).collect();
        let is_last = rest.ids.is_empty();
        let says = match options.truncated_flag {
            TruncatedFlag::EveryPage => true,
            TruncatedFlag::FirstPage => rest.is_first,
            TruncatedFlag::LastPage => is_last,
            TruncatedFlag::Never => false,
        };
        let mut page = Page { of: rest.of, ids, continuation: None, truncated: rest.truncated && says };
        if !is_last {
            // Ids of a database: they ascend, with gaps.
            self.last += 7;
            page.continuation = Some(self.last);
            self.rests.insert(self.last, Rest { is_first: false, ..rest });
            if self.rests.len() > KEPT_CONTINUATIONS {
                self.rests.pop_first();
            }
        }
        page
    }
}
