//! Every refusal and failure, as RFC 9457 `application/problem+json` with the next step.
//!
//! A handler returns a [`Problem`]; [`super::observe`] writes it, because only there the id of the request is known.
//!
//! A detail may repeat what a caller or a server sent, and stands in the log, too. So it is an excerpt: short, on one
//! line, and in one direction.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use enrichment::functions;
use serde::Serialize;

use crate::visible::excerpt;

/// What the body is (RFC 9457).
const MEDIA_TYPE: &str = "application/problem+json";
/// Characters of a detail.
const DETAIL_CHARS: usize = 600;
/// Characters of the name of a parameter.
const PARAMETER_CHARS: usize = 100;

/// What went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    // Boxed, so that a Result with a problem in it stays small.
    detail: Box<str>,
    next_step: Cow<'static, str>,
    parameter: Option<Box<str>>,
    retry_after: Option<Duration>,
    challenge: bool,
}

/// A problem as it is sent.
#[derive(Debug, Serialize)]
struct ProblemJson<'a> {
    /// `urn:vmray-sentinel:problem:` and a word that stays the same.
    #[serde(rename = "type")]
    kind: String,
    /// The same in words, for every occurrence.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// What to check or do next.
    next_step: &'a str,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// Seconds after which to ask again, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The id of the request, as in `X-Request-Id` and in the log.
    request_id: &'a str,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title,
            detail: excerpt(&detail.into(), DETAIL_CHARS).into_boxed_str(),
            next_step: Cow::Borrowed(""),
            parameter: None,
            retry_after: None,
            challenge: false,
        }
    }

    #[must_use]
    fn with_next_step(mut self, step: impl Into<Cow<'static, str>>) -> Self {
        self.next_step = step.into();
        self
    }

    #[must_use]
    fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A part of the request that is missing or cannot be read.
    pub(super) fn bad_request(parameter: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let parameter = &*excerpt(parameter, PARAMETER_CHARS);
        // The words of the original, for those who look for them.
        let detail = if reason == "is missing" {
            format!("Invalid Request. Missing '{parameter}' parameter.")
        } else {
            format!("{parameter} {reason}")
        };
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read", detail)
            .with_next_step("correct the parameter; /docs lists every form that is read");
        problem.parameter = Some(parameter.into());
        problem
    }

    /// No route of that name.
    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-route", "There is no such address", "nothing is served at this address")
            .with_next_step("see /openapi.json for what is served; paths are case-insensitive")
    }

    /// The route does not answer to this method.
    pub(super) fn no_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The method is not allowed here", "see the header Allow")
            .with_next_step("use one of the methods in the header Allow")
    }

    /// Something else than a job that is not there.
    pub(super) fn not_found(detail: impl Into<String>, step: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "It is not known", detail).with_next_step(step)
    }

    /// No key, or one that is not known.
    pub(super) fn no_key() -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "key", "A key is needed", "the request has no known key")
            .with_next_step(
                "send one in the header X-Functions-Key, X-Api-Key or Authorization: Bearer; \
                     `vmray-sentinel config api-key NAME` makes one",
            );
        problem.challenge = true;
        problem
    }

    /// A key that may not do this.
    pub(super) fn scope(name: &str) -> Self {
        let detail = format!("the key `{name}` may read, not submit");
        Self::new(StatusCode::FORBIDDEN, "scope", "The key does not allow it", detail)
            .with_next_step("use a key with the scope submit")
    }

    /// A submission that another site's page asks for.
    pub(super) fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "Another site's page asked for it",
            "a browser sent this for a page of another site, and what submits is not taken from there",
        )
        .with_next_step(
            "call the API from a program, without the headers Origin and Sec-Fetch-Site; behind a proxy that changes \
             Host, set PublicUrl",
        )
    }

    /// A submission by a plain GET that any page can make a browser send.
    pub(super) fn submitting_get() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "A browser's GET does not submit",
            "a browser sent this GET, which any page can make it do, and no key shows that somebody meant it",
        )
        .with_next_step("use POST, or send a key in the header X-Functions-Key, X-Api-Key or Authorization: Bearer")
    }

    /// More connections than are answered at once.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many connections are open",
            "this caller, or all callers together, have as many connections open as are answered at once",
        )
        .with_next_step("close connections that wait for nothing, and ask again")
        .with_retry_after(BACK_SOON)
    }

    /// A name for this machine that is not its own.
    pub(super) fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "The request was meant for another server",
            "without keys only 127.0.0.1 and localhost are answered",
        )
        .with_next_step("ask for 127.0.0.1 or localhost, or set ApiKeys")
    }

    /// A body that is too large.
    pub(super) fn too_large(limit_bytes: u64) -> Self {
        let detail = format!("at most {limit_bytes} bytes are read here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "It is too large", detail)
            .with_next_step("send a smaller file, or look it up by its hash")
    }

    /// A body that came too slowly.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The request came too slowly", "the upload stalled")
            .with_next_step("send it again over a faster connection")
    }

    /// Something else than a request of HTTP.
    pub(super) fn no_request() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "no-request",
            "It is no request of HTTP",
            "what came over the connection is no request of HTTP/1.1 that can be read",
        )
        .with_next_step("ask with HTTP/1.1 and without TLS: where TLS is needed, a proxy before this program ends it")
    }

    /// Probes: requests are better sent elsewhere now.
    pub(super) fn not_ready(detail: impl Into<String>, step: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "It is not ready", detail)
            .with_next_step(step)
            .with_retry_after(BACK_SOON)
    }

    /// Headers or an address that are too large.
    pub(super) fn large_head() -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "large-head",
            "Headers or address are too large",
            "together they are longer than is read here",
        )
        .with_next_step("send parameters in a JSON body instead of the query")
    }

    /// The state cannot be used.
    pub(super) fn state(error: &ledger::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "state", "The state cannot be used", error.to_string())
            .with_next_step(crate::state::hint(error))
            .with_retry_after(BACK_SOON)
    }

    /// A link whose token is wrong or over.
    pub(super) fn link(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "link", "The link is not valid", detail)
            .with_next_step("ask again with POST /api/enrich; what is known is answered at once and costs nothing")
    }

    /// A disk that cannot take a file on its way.
    pub(super) fn disk(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk", "The file cannot be kept while it is sent", detail)
            .with_next_step("check the space and the rights of the folder for temporary files (TMPDIR)")
    }

    /// A fault of ours.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "the request ended in an internal error",
        )
        .with_next_step("report it with the log lines that carry the request id")
    }

    /// Returns the body, and the seconds after which to ask again.
    fn body(&self, request_id: &str) -> (String, Option<u64>) {
        let seconds = self.retry_after.map(|wait| wait.as_secs().max(1));
        let body = ProblemJson {
            kind: format!("urn:vmray-sentinel:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            next_step: &self.next_step,
            parameter: self.parameter.as_deref(),
            retry_after: seconds,
            request_id,
        };
        (serde_json::to_string(&body).unwrap_or_default(), seconds)
    }

    /// Returns the bytes of an answer after which the connection ends, for where there is no request.
    pub(super) fn raw(&self, date: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let (body, _) = self.body(&id);
        format!(
            "HTTP/1.1 {}\r\ncontent-type: {MEDIA_TYPE}\r\nx-request-id: {id}\r\nx-content-type-options: nosniff\r\n\
             cache-control: no-store\r\nconnection: close\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n{body}",
            self.status,
            body.len()
        )
    }

    /// Returns the answer with its body.
    pub(super) fn write(&self, request_id: &str, mut headers: HeaderMap) -> Response {
        let (body, seconds) = self.body(request_id);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.remove(header::CONTENT_LENGTH);
        if let Some(seconds) = seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vmray-sentinel\""));
        }
        (self.status, headers, body).into_response()
    }

    /// Returns a line for the log.
    pub(super) fn line(&self) -> &str {
        &self.detail
    }
}

/// When to ask again after a failure that nobody set a time for.
const BACK_SOON: Duration = Duration::from_secs(30);
/// When VMRay shows what it took.
const BACK_LATER: Duration = Duration::from_secs(120);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<functions::Error> for Problem {
    fn from(error: functions::Error) -> Self {
        let (detail, hint) = (error.to_string(), error.hint());
        match error {
            functions::Error::BadRequest { parameter, reason } => Self::bad_request(&parameter, reason),
            functions::Error::NotFound { .. } => Self::not_found(detail, hint),
            functions::Error::Refused { .. } => refused(detail).with_next_step(hint),
            functions::Error::Quota { .. } => quota(detail).with_next_step(hint),
            functions::Error::TooLarge { limit_bytes } => Self::too_large(limit_bytes),
            functions::Error::Throttled { retry_after } => throttled(retry_after).with_next_step(hint),
            functions::Error::Vmray(_) => vmray(detail).with_next_step(hint),
            functions::Error::AnswerLost { .. } => answer_lost(detail).with_next_step(hint),
            functions::Error::Deadline { .. } => deadline(detail).with_next_step(hint),
        }
    }
}

impl From<enrichment::Error> for Problem {
    fn from(error: enrichment::Error) -> Self {
        let (detail, hint) = (error.to_string(), error.hint().to_owned());
        match error {
            enrichment::Error::BadRequest { parameter, reason } => Self::bad_request(&parameter, reason),
            enrichment::Error::NotFound => Self::not_found(detail, hint),
            enrichment::Error::Refused { .. } => refused(detail).with_next_step(hint),
            enrichment::Error::Quota { .. } => quota(detail).with_next_step(hint),
            enrichment::Error::TooLarge { max_bytes } => Self::too_large(max_bytes),
            enrichment::Error::Throttled { retry_after } => throttled(retry_after).with_next_step(hint),
            enrichment::Error::Vmray { .. } => vmray(detail).with_next_step(hint),
            enrichment::Error::Deadline { .. } => deadline(detail).with_next_step(hint),
            enrichment::Error::State(error) => Self::state(&error),
        }
    }
}

fn refused(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "refused", "VMRay refused it", detail)
}

fn quota(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "quota", "A quota is used up", detail)
}

fn throttled(wait: Duration) -> Problem {
    let detail = format!("VMRay asks to wait {} s", wait.as_secs().max(1));
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "VMRay asks to wait", detail).with_retry_after(wait)
}

fn vmray(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "vmray", "VMRay cannot be asked", detail).with_retry_after(BACK_SOON)
}

fn answer_lost(detail: String) -> Problem {
    let title = "The answer to the submit was lost";
    Problem::new(StatusCode::BAD_GATEWAY, "answer-lost", title, detail).with_retry_after(BACK_LATER)
}

fn deadline(detail: String) -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline", "VMRay gave no answer in time", detail)
        .with_retry_after(BACK_SOON)
}
