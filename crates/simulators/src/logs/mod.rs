//! The Logs Ingestion API of Azure Monitor.
//!
//! `POST /dataCollectionRules/{immutable id}/streams/{stream}?api-version=2023-01-01`: token, rule, role and pace first,
//! then version, content type, size, array, stream, and each row against the columns that the stream declares. One row
//! that does not fit refuses the call. What is taken becomes rows; a repeated call becomes more of them, as in the real
//! service. The rule of the default options is the one that our template makes, with its columns.

mod body;
mod columns;
mod set;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::RETRY_AFTER;
use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Request, Response, Transport, TransportError};
use serde_json::{Map, Value};

pub use columns::{ColumnType, Columns};

use crate::answer;
use crate::entra::EntraOptions;
use crate::entra::token;
use crate::faults::{Faults, ServiceName};
use crate::front::{Front, Latency, RequestNumber, Seen, Service, serve};
use crate::lock::lock;
use crate::throttle::{Passed, Throttle, announced};
use body::Wrong;

/// What the service knows.
#[derive(Debug, Clone)]
pub struct LogsOptions {
    /// The streams of each data collection rule, by its immutable id and by their names.
    pub rules: BTreeMap<String, BTreeMap<String, Columns>>,
    /// Client ids with the role Monitoring Metrics Publisher on every rule.
    pub publishers: BTreeSet<String>,
    /// For whom a token must be: Azure Monitor of the cloud that the service is in. A slash at its end does not count.
    pub audience: String,
    /// Calls per window and rule.
    pub throttle: Option<Throttle>,
    /// How far the `Date` of answers is off.
    pub date_offset: SignedDuration,
    /// How long an answer takes.
    pub latency: Latency,
}

impl LogsOptions {
    /// Rule of the default options.
    pub const RULE: &str = "dcr-66666666aaaa4bbb8ccc000000000006";
    /// Its stream of runs.
    pub const RUNS: &str = "Custom-VMRayFeedRuns_CL";
    /// Its stream of events.
    pub const EVENTS: &str = "Custom-VMRayFeedEvents_CL";
    /// Azure Monitor of the public cloud.
    pub const AUDIENCE: &str = "https://monitor.azure.com";
}

impl Default for LogsOptions {
    fn default() -> Self {
        let streams = [
            (Self::RUNS, include_str!("../../../../azure/parts/runs-columns.json")),
            (Self::EVENTS, include_str!("../../../../azure/parts/events-columns.json")),
        ];
        let streams = streams.map(|(name, columns)| (name.to_owned(), columns::declared(columns)));
        let publishers = [EntraOptions::CLIENT_ID, EntraOptions::MANAGED_CLIENT_ID];
        Self {
            rules: [(Self::RULE.to_owned(), streams.into())].into(),
            publishers: publishers.map(str::to_owned).into(),
            audience: Self::AUDIENCE.to_owned(),
            throttle: Some(Throttle { requests: 12_000, window: Duration::from_secs(60) }),
            date_offset: SignedDuration::ZERO,
            latency: Latency::None,
        }
    }
}

/// A row that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// When it was taken.
    pub at: Timestamp,
    /// Its stream.
    pub stream: String,
    /// Its columns.
    pub columns: Map<String, Value>,
}

const API_VERSION: &str = "2023-01-01";

/// An answer that refuses the call.
type Refused = Box<Response>;

/// The service with everything it has taken.
#[derive(Debug)]
pub struct LogsSimulator {
    front: Front,
    options: Mutex<LogsOptions>,
    passed: Mutex<BTreeMap<String, Passed>>,
    rows: Mutex<Vec<LogRow>>,
}

impl LogsSimulator {
    /// Returns a service with empty tables.
    pub fn new(options: LogsOptions, clock: Arc<dyn Clock>, faults: Arc<Faults>, seed: u64) -> Self {
        let front = Front::new(ServiceName::Logs, clock, faults, options.latency, seed);
        Self { front, options: Mutex::new(options), passed: Mutex::default(), rows: Mutex::default() }
    }

    /// Changes the options while the service runs: a role goes, a rule is deleted.
    pub fn edit<T>(&self, change: impl FnOnce(&mut LogsOptions) -> T) -> T {
        let mut options = lock(&self.options);
        let changed = change(&mut options);
        self.front.set_latency(options.latency);
        changed
    }

    /// Returns every row, in the order of arrival.
    pub fn rows(&self) -> Vec<LogRow> {
        lock(&self.rows).clone()
    }

    /// Returns the rows of a stream, in the order of arrival.
    pub fn rows_of(&self, stream: &str) -> Vec<Map<String, Value>> {
        lock(&self.rows).iter().filter(|row| row.stream == stream).map(|row| row.columns.clone()).collect()
    }

    /// Returns every request.
    pub fn requests(&self) -> Vec<Seen> {
        self.front.seen()
    }

    /// Checks who asks: the token, the rule, the role, the pace.
    fn admit(&self, request: &Request, rule: &str, options: &LogsOptions, now: Timestamp) -> Result<(), Refused> {
        let Some(claims) = token::admitted(request, &[options.audience.as_str()], now) else {
            return Err(refusal(401, "InvalidToken", "The access token is missing, invalid or for another audience."));
        };
        if !options.rules.contains_key(rule) {
            let why = format!("Data collection rule with immutable Id '{rule}' not found.");
            return Err(refusal(404, "NotFound", &why));
        }
        if !options.publishers.iter().any(|id| id.eq_ignore_ascii_case(&claims.client_id)) {
            let why = format!(
                "The authentication token provided does not have access to ingest data for the data collection rule with \
                 immutable Id '{rule}'."
            );
            return Err(refusal(403, "OperationFailed", &why));
        }
        if let Some(throttle) = options.throttle {
            let admitted = lock(&self.passed).entry(rule.to_owned()).or_default().admit(throttle, now);
            admitted.map_err(|wait| Box::new(self.throttled(wait)))?;
        }
        Ok(())
    }

    fn accept(
        &self,
        request: &Request,
        (rule, stream): (&str, &str),
        options: &LogsOptions,
        now: Timestamp,
    ) -> Result<Response, Refused> {
        let query = answer::pairs(request.uri().query().unwrap_or_default().as_bytes());
        match answer::value_of(&query, "api-version") {
            Some(API_VERSION) => {}
            Some(other) => {
                let why = format!("The api-version '{other}' is not supported.");
                return Err(refusal(400, "UnsupportedApiVersion", &why));
            }
            None => return Err(refusal(400, "MissingApiVersion", "The api-version query parameter is required.")),
        }
        if !answer::has_type(request.headers(), "application/json") {
            return Err(refusal(415, "UnsupportedMediaType", "The content type must be application/json."));
        }
        let rows = body::read(request.headers(), request.body()).map_err(|wrong| match wrong {
            Wrong::TooLarge => {
                refusal(413, "ContentLengthLimitExceeded", "Maximum allowed content length: 1048576 bytes.")
            }
            Wrong::Encoding(name) => {
                refusal(415, "UnsupportedMediaType", &format!("The content encoding '{name}' is not supported."))
            }
            Wrong::Content(why) => refusal(400, "InvalidPayload", why),
        })?;
        let Some(columns) = options.rules.get(rule).and_then(|streams| streams.get(stream)) else {
            let why = format!("Stream '{stream}' was not found in the data collection rule.");
            return Err(refusal(400, "InvalidStream", &why));
        };
        let number = request.extensions().get().map_or(0, |RequestNumber(number)| *number);
        self.front.amend(number, |seen| seen.objects = rows.len());
        let checked: Result<Vec<_>, String> = rows.iter().map(|row| columns::check(columns, row)).collect();
        let checked = checked.map_err(|why| refusal(400, "InvalidRecord", &why))?;
        let stored = checked.into_iter().map(|columns| LogRow { at: now, stream: stream.to_owned(), columns });
        lock(&self.rows).extend(stored);
        Ok(answer::empty(204))
    }
}

impl Service for LogsSimulator {
    fn front(&self) -> &Front {
        &self.front
    }

    fn answer(&self, request: &Request, now: Timestamp) -> Response {
        let options = lock(&self.options).clone();
        let Some((rule, stream)) = place_of(request) else {
            return answer::refusal(404, "NotFound", "Resource not found.");
        };
        if request.method() != Method::POST {
            return answer::refusal(405, "MethodNotAllowed", "Only POST is allowed.");
        }
        self.admit(request, rule, &options, now)
            .and_then(|()| self.accept(request, (rule, stream), &options, now))
            .unwrap_or_else(|refused| *refused)
    }

    fn note(&self, request: &Request, seen: &mut Seen) {
        seen.token_expires = token::of_request(request).and_then(|claims| Timestamp::from_second(claims.expires).ok());
    }

    fn throttled(&self, wait: Duration) -> Response {
        let mut response = answer::refusal(429, "RateLimitExceeded", "Too many requests for the data collection rule.");
        answer::set_header(&mut response, RETRY_AFTER, &announced(wait).to_string());
        response
    }

    fn date_offset(&self) -> SignedDuration {
        lock(&self.options).date_offset
    }
}

#[async_trait]
impl Transport for LogsSimulator {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        serve(self, request).await
    }
}

/// Returns rule and stream of the path, when it is the API's.
fn place_of(request: &Request) -> Option<(&str, &str)> {
    let rest = request.uri().path().strip_prefix("/dataCollectionRules/")?;
    let (rule, stream) = rest.split_once("/streams/")?;
    (!rule.is_empty() && !rule.contains('/') && !stream.is_empty() && !stream.contains('/')).then_some((rule, stream))
}

fn refusal(status: u16, code: &str, message: &str) -> Refused {
    Box::new(answer::refusal(status, code, message))
}
