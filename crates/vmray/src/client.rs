//! The calls.
//!
//! Reads are repeated by the exchange, submits never are. Every call is cancel-safe but `submit`: dropping that
//! one leaves open whether VMRay took the sample.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use jiff::{SignedDuration, Timestamp};
use outbound::{
    AdaptiveLimit, AnswerBound, Clock, Exchange, Idempotency, Pacer, Request, Response, Retry, ServiceUrl,
    StreamedRequest, TransportError, mutant,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::debug;
use url::Url;

use crate::envelope::{self, Answer};
use crate::listing::PAGE_LIMIT;
use crate::submit::{Encoded, SubmitRequest};
use crate::{
    Analysis, Entry, Error, IocsReply, Job, Listing, MitreAttack, Quota, Sample, SampleHash, SampleId, SearchField,
    Submission, SubmissionFilter, SubmissionId, SubmissionPages, SubmitReply, SystemInfo, ThreatIndicators, address,
};

/// How often a list is begun when its continuation breaks.
const LIST_ATTEMPTS: usize = 3;
/// Continuations followed for one list; servers stop at 1,000 items themselves (`max_api_items`).
const MAX_CONTINUATIONS: usize = 1000;

/// What a streamed submit may take beside its bytes,
const SLOWEST_START: Duration = Duration::from_secs(30);
/// and how slowly these may go: a megabit a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 128 * 1024;

/// Speaks to one VMRay server with one key. Clones share the exchange and its pace.
#[derive(Clone)]
pub struct Client {
    exchange: Exchange,
    base: ServiceUrl,
    key: Arc<SecretString>,
    user_agent: HeaderValue,
    clock: Arc<dyn Clock>,
    page_limit: usize,
}

/// What a health check tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The server's version and limits.
    pub info: SystemInfo,
    /// The server's clock.
    pub server_date: Option<Timestamp>,
    /// How far the server's clock is ahead of ours.
    pub clock_offset: Option<SignedDuration>,
}

impl Client {
    /// Returns a client for the server at `base` (without `/rest`).
    ///
    /// `user_agent` tells VMRay who asks, such as `VMRayThreatIntelligenceSentinel:1.0.0`.
    pub fn new(
        exchange: Exchange,
        base: ServiceUrl,
        key: SecretString,
        user_agent: &str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let user_agent: String = user_agent.chars().filter(|c| matches!(c, ' '..='~')).collect();
        let user_agent = HeaderValue::try_from(user_agent).unwrap_or(HeaderValue::from_static("vmray"));
        Self { exchange, base, key: Arc::new(key), user_agent, clock, page_limit: PAGE_LIMIT }
    }

    /// Sets how many items a page is asked to hold: the server's `api_items_per_request`, if that is below 100.
    ///
    /// A server that sends fewer items than asked for and says nothing would otherwise look complete.
    #[must_use]
    pub fn with_page_limit(mut self, items: usize) -> Self {
        self.page_limit = items.clamp(1, PAGE_LIMIT);
        self
    }

    /// Returns the address of the server.
    pub fn base(&self) -> &ServiceUrl {
        &self.base
    }

    /// Checks address and key, and compares the clocks.
    pub async fn probe(&self) -> Result<Probe, Error> {
        let what = "the system information";
        let answer = self.ask(what, &self.url(&["system_info"], &[])?).await?;
        let info = self.parsed(what, &answer.data)?;
        let clock_offset = answer.date.map(|date| date.duration_since(self.clock.now()));
        Ok(Probe { info, server_date: answer.date, clock_offset })
    }

    /// Returns the server's version and limits.
    pub async fn system_info(&self) -> Result<SystemInfo, Error> {
        Ok(self.probe().await?.info)
    }

    /// Returns what the key may still use.
    pub async fn quota(&self) -> Result<Quota, Error> {
        self.get("the quota", &["api_key", "quota"]).await
    }

    /// Returns one page of submissions in ascending order of id.
    ///
    /// While `more` is set, the next page starts at the highest id of this one plus one.
    pub async fn submissions(&self, filter: &SubmissionFilter) -> Result<Listing<Submission>, Error> {
        let what = "the list of submissions";
        let query = self.paging(filter.query());
        let page = self.list(what, &self.url(&["submission"], &query)?).await?;
        page.paged(what, self.page_limit, filter.min_id, |submission: &Submission| submission.id)
    }

    /// Returns all pages of a list of submissions, one after another.
    pub fn submission_pages(&self, filter: SubmissionFilter) -> SubmissionPages {
        SubmissionPages::new(self.clone(), filter)
    }

    /// Returns a submission.
    pub async fn submission(&self, id: SubmissionId) -> Result<Submission, Error> {
        self.get("the submission", &["submission", &id.to_string()]).await
    }

    /// Returns the submissions of a sample.
    pub async fn submissions_of_sample(&self, id: SampleId) -> Result<Listing<Submission>, Error> {
        let url = self.url(&["submission", "sample", &id.to_string()], &[])?;
        self.list("the submissions of the sample", &url).await
    }

    /// Returns the submissions whose `field` equals `value`, as far as VMRay's search finds them.
    ///
    /// How a quote is written in VMRay's query language is not known, and a wrong guess would ask for something
    /// else. So a value with a quote or a backslash is not asked for and finds nothing.
    pub async fn search_submissions(&self, field: SearchField, value: &str) -> Result<Listing<Submission>, Error> {
        self.search_submissions_any(field, &[value]).await
    }

    /// Returns the submissions whose `field` equals one of up to ten values, in one call, under the same terms as
    /// [`Client::search_submissions`].
    pub async fn search_submissions_any(
        &self,
        field: SearchField,
        values: &[&str],
    ) -> Result<Listing<Submission>, Error> {
        let Some(terms) = field.equals_any(values) else {
            return Ok(Listing::default());
        };
        let url = self.url(&["submission", "search"], &[("query", terms)])?;
        self.list("the submissions found", &url).await
    }

    /// Returns one page of samples in ascending order of id, as [`Client::submissions`] does.
    pub async fn samples(&self, min_id: Option<SampleId>) -> Result<Listing<Sample>, Error> {
        let what = "the list of samples";
        let query = self.paging(min_id.map(|id| ("_min_id", id.to_string())).into_iter().collect());
        let page = self.list(what, &self.url(&["sample"], &query)?).await?;
        page.paged(what, self.page_limit, min_id, |sample: &Sample| sample.id)
    }

    /// Returns a sample.
    pub async fn sample(&self, id: SampleId) -> Result<Sample, Error> {
        self.get("the sample", &["sample", &id.to_string()]).await
    }

    /// Returns the samples with a hash; none if VMRay does not know it. Costs no quota.
    pub async fn samples_by_hash(&self, hash: &SampleHash) -> Result<Listing<Sample>, Error> {
        let url = self.url(&["sample", hash.kind(), hash.as_str()], &[])?;
        self.list("the samples with the hash", &url).await
    }

    /// Returns the IOCs of a sample.
    pub async fn iocs(&self, sample: SampleId) -> Result<IocsReply, Error> {
        self.get("the IOCs", &["sample", &sample.to_string(), "iocs"]).await
    }

    /// Returns the VTIs of a sample.
    pub async fn vtis(&self, sample: SampleId) -> Result<ThreatIndicators, Error> {
        self.get("the VTIs", &["sample", &sample.to_string(), "vtis"]).await
    }

    /// Returns the same as [`Client::vtis`] by its older name.
    pub async fn threat_indicators(&self, sample: SampleId) -> Result<ThreatIndicators, Error> {
        self.get("the threat indicators", &["sample", &sample.to_string(), "threat_indicators"]).await
    }

    /// Returns the ATT&CK techniques of a sample.
    pub async fn mitre_attack(&self, sample: SampleId) -> Result<MitreAttack, Error> {
        self.get("the ATT&CK techniques", &["sample", &sample.to_string(), "mitre_attack"]).await
    }

    /// Returns the analyses of a sample.
    pub async fn analyses_of_sample(&self, id: SampleId) -> Result<Listing<Analysis>, Error> {
        let url = self.url(&["analysis", "sample", &id.to_string()], &[])?;
        self.list("the analyses of the sample", &url).await
    }

    /// Returns the analyses of a submission.
    pub async fn analyses_of_submission(&self, id: SubmissionId) -> Result<Listing<Analysis>, Error> {
        let url = self.url(&["analysis", "submission", &id.to_string()], &[])?;
        self.list("the analyses of the submission", &url).await
    }

    /// Returns the jobs of a submission; ended ones are gone.
    pub async fn jobs_of_submission(&self, id: SubmissionId) -> Result<Listing<Job>, Error> {
        let url = self.url(&["job", "submission", &id.to_string()], &[])?;
        self.list("the jobs of the submission", &url).await
    }

    /// Submits a file or URL, once: [`Error::may_have_acted`] says whether a repeat could act twice.
    ///
    /// A success can hold refusals: see [`SubmitReply::errors`].
    pub async fn submit(&self, request: &SubmitRequest) -> Result<SubmitReply, Error> {
        let data = self.submit_raw(request).await?;
        self.parsed(SUBMIT, &data)
    }

    /// Submits like [`Client::submit`] and returns VMRay's own `data`.
    pub async fn submit_value(&self, request: &SubmitRequest) -> Result<Value, Error> {
        let data = self.submit_raw(request).await?;
        self.parsed(SUBMIT, &data)
    }

    /// Returns the `data` of any GET below `/rest` byte for byte as VMRay sent it; of a list that goes on in
    /// continuations the items, byte for byte, in one list.
    ///
    /// Segments and query are encoded here.
    pub async fn get_raw(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Box<RawValue>, Error> {
        let what = "the answer";
        let url = address::of(&self.base, segments, query)?;
        let mut parts = self.collect(what, &url).await?.parts;
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return self.parsed(what, &only);
        }
        let mut items: Vec<&RawValue> = Vec::new();
        for part in &parts {
            items.extend(self.parsed::<Option<Vec<&RawValue>>>(what, part)?.unwrap_or_default());
        }
        let joined = items.iter().map(|item| item.get()).collect::<Vec<_>>().join(",");
        RawValue::from_string(format!("[{joined}]"))
            .map_err(|error| Error::Unreadable { what, reason: envelope::scrubbed(&error.to_string(), self.key()) })
    }

    /// Returns the pace of calls, which knows the waits that VMRay asks for.
    pub fn pacer(&self) -> &Pacer {
        self.exchange.pacer()
    }

    /// Returns the limit of requests that are under way, where there is one.
    pub fn limit(&self) -> Option<&AdaptiveLimit> {
        self.exchange.limit()
    }

    /// Returns how long VMRay has asked us not to call.
    pub fn paused_for(&self) -> Duration {
        self.exchange.pacer().paused_for()
    }

    async fn submit_raw(&self, request: &SubmitRequest) -> Result<Bytes, Error> {
        let url = self.url(&["sample", "submit"], &[])?;
        let (content_type, body) = request.encode();
        let read = |outcome| self.read(SUBMIT, outcome);
        match body {
            Encoded::Whole(body) => {
                let build = || ready(self.request(Method::POST, &url, Some(&content_type), body.clone()));
                Ok(self.exchange.call(Idempotency::Once, build, read, Error::retry).await?.data)
            }
            Encoded::Streamed(body) => {
                let limit = SLOWEST_START + Duration::from_secs(body.size_bytes / SLOWEST_BYTES_PER_SECOND);
                let (head, _) = self.request(Method::POST, &url, Some(&content_type), Bytes::new())?.into_parts();
                let request = StreamedRequest::from_parts(head, body);
                Ok(self.exchange.call_streamed(request, limit, read, Error::retry).await?.data)
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, what: &'static str, segments: &[&str]) -> Result<T, Error> {
        let answer = self.ask(what, &self.url(segments, &[])?).await?;
        self.parsed(what, &answer.data)
    }

    /// Reads a list with its continuations.
    async fn list<T: DeserializeOwned>(&self, what: &'static str, url: &Url) -> Result<Listing<T>, Error> {
        let Collected { parts, cut, date } = self.collect(what, url).await?;
        let mut items = Vec::new();
        for part in &parts {
            items.extend(self.parsed::<Option<Vec<Entry<T>>>>(what, part)?.unwrap_or_default());
        }
        Ok(Listing { items, more: cut, server_date: date })
    }

    /// Asks for all parts of an answer. A continuation works once, so one that broke means asking from the start.
    async fn collect(&self, what: &'static str, url: &Url) -> Result<Collected, Error> {
        let mut attempt = 1;
        loop {
            let first = self.ask(what, url).await?;
            match self.follow(what, first).await {
                Err(error) if attempt < LIST_ATTEMPTS && begins_anew(&error) => {
                    debug!(attempt, %error, "the list broke off, asking again");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn follow(&self, what: &'static str, first: Answer) -> Result<Collected, Error> {
        let mut collected = Collected { parts: vec![copied(&first.data)], cut: first.truncated, date: first.date };
        let mut continuation = first.continuation;
        while let Some(id) = continuation.filter(|_| !mutant!(ContinuationForgotten)) {
            if collected.parts.len() > MAX_CONTINUATIONS {
                collected.cut = true;
                break;
            }
            let url = self.url(&["continuation", &id], &[])?;
            // Where the server may have handed out the part, its id is spent: only a call that cannot have is repeated.
            let retry = |error: &Error| match error {
                Error::Throttled { .. }
                | Error::Transport(TransportError::Connect { .. } | TransportError::Proxy { .. }) => error.retry(),
                _ => Retry::Never,
            };
            let next = self.send(what, &url, ANSWER, retry).await.map_err(|error| match error {
                Error::NotFound => Error::ContinuationLost { what },
                other => other,
            })?;
            collected.parts.push(copied(&next.data));
            collected.cut |= next.truncated;
            continuation = next.continuation;
        }
        Ok(collected)
    }

    async fn ask(&self, what: &'static str, url: &Url) -> Result<Answer, Error> {
        self.send(what, url, ANSWER, Error::retry).await
    }

    pub(crate) async fn send(
        &self,
        what: &'static str,
        url: &Url,
        bound: AnswerBound,
        retry: impl Fn(&Error) -> Retry,
    ) -> Result<Answer, Error> {
        let build = || {
            ready(self.request(Method::GET, url, None, Bytes::new()).map(|mut request| {
                request.extensions_mut().insert(bound);
                request
            }))
        };
        let read = |outcome| self.read(what, outcome);
        self.exchange.call(Idempotency::Repeatable, build, read, retry).await
    }

    fn request(&self, method: Method, url: &Url, content_type: Option<&str>, body: Bytes) -> Result<Request, Error> {
        let key = format!("api_key {}", self.key());
        // A key with characters that no header can carry is a wrong key.
        let mut authorization = HeaderValue::try_from(key).map_err(|_| Error::Unauthorized)?;
        authorization.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, authorization)
            .header(header::USER_AGENT, self.user_agent.clone())
            .header(header::ACCEPT, "application/json");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        // What is left to refuse is an address longer than 64 KiB.
        request.body(body).map_err(|error| Error::Refused { status: 414, message: error.to_string() })
    }

    fn read(&self, what: &'static str, outcome: Result<Response, TransportError>) -> Result<Answer, Error> {
        envelope::read(what, &outcome?, self.key(), self.clock.now())
    }

    pub(crate) fn parsed<'a, T: Deserialize<'a>>(&self, what: &'static str, data: &'a [u8]) -> Result<T, Error> {
        serde_json::from_slice(data).map_err(|error| self.unreadable(what, &error))
    }

    pub(crate) fn unreadable(&self, what: &'static str, error: &serde_json::Error) -> Error {
        Error::Unreadable { what, reason: envelope::scrubbed(&error.to_string(), self.key()) }
    }

    /// A key pasted with a line end is a common mishap and never meant.
    fn key(&self) -> &str {
        self.key.expose_secret().trim()
    }

    pub(crate) fn url(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Url, Error> {
        address::of(&self.base, segments, query)
    }

    fn paging(&self, mut query: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        query.push(("_order", "asc".to_owned()));
        query.push(("_limit", self.page_limit.to_string()));
        query
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("page_limit", &self.page_limit).finish_non_exhaustive()
    }
}

/// Bytes of an answer to anything but a question for IOCs that may be many: a full page has some hundred thousand.
const ANSWER: AnswerBound = AnswerBound(32 * 1024 * 1024);
const SUBMIT: &str = "the answer to the submit";

/// An answer with its continuations.
struct Collected {
    /// The `data` of each, at least one.
    parts: Vec<Bytes>,
    /// Whether there is more than that.
    cut: bool,
    date: Option<Timestamp>,
}

/// Returns a part of a list that leaves its answer's room to the next one.
fn copied(data: &Bytes) -> Bytes {
    Bytes::copy_from_slice(data)
}

/// Says whether asking for the whole list anew may help after its continuation failed.
fn begins_anew(error: &Error) -> bool {
    // A throttle was waited for as long as a call may last; asking for more would only add to it.
    !matches!(error, Error::Throttled { .. }) && (error.is_transient() || matches!(error, Error::Unreadable { .. }))
}
