//! The STIX upload of Microsoft Sentinel threat intelligence.
//!
//! `POST /workspaces/{id}/threat-intelligence-stix-objects:upload`: token, throttle and role first, then the
//! envelope, then each object by itself. What is accepted becomes one more row, as in the real tables: a test
//! that counts rows sees what was sent twice.

mod envelope;
mod object;
mod pattern;
mod set;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::RETRY_AFTER;
use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Request, Response, Transport, TransportError};
use serde_json::{Value, json};

pub use store::Row;

use crate::answer;
use crate::entra::EntraOptions;
use crate::entra::token;
use crate::faults::{Faults, ServiceName};
use crate::front::{Front, Latency, RequestNumber, Seen, Service, serve};
use crate::lock::lock;
use crate::throttle::{Passed, Throttle, announced};
use object::Checked;
use store::{Arrival, Store};

/// Key of the messages of a refused object: the document and the specification differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorKey {
    /// `errorMessages`, as the document has it.
    #[default]
    ErrorMessages,
    /// `validationErrorMessages`, as the specification has it.
    ValidationErrorMessages,
}

/// Answer when no object is valid: not known of the real service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AllRefused {
    /// 400 without saying which object is wrong and why.
    #[default]
    BadRequest,
    /// 200 with `errors`, as for a partial refusal.
    Listed,
}

/// What happens to an object whose `modified` is not later than the stored one: not known of the real service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StaleModified {
    /// It becomes a row and is the newest.
    #[default]
    Append,
    /// It is accepted without effect.
    Ignore,
    /// It is refused.
    Refuse,
}

/// What the service knows and how it behaves where the references leave it open.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// Workspace ids.
    pub workspaces: BTreeSet<String>,
    /// Client ids with the role Microsoft Sentinel Contributor.
    pub contributors: BTreeSet<String>,
    /// Requests per window and principal.
    pub throttle: Option<Throttle>,
    /// Whether a 429 carries `Retry-After`.
    pub retry_after_header: bool,
    /// Key of the messages of a refused object.
    pub error_key: ErrorKey,
    /// Answer when no object is valid.
    pub all_refused: AllRefused,
    /// What happens to an object that is not newer than the stored one.
    pub stale_modified: StaleModified,
    /// Objects that hold one of these texts are refused, for no reason that a client could foresee.
    pub refused_texts: Vec<String>,
    /// How far the `Date` of answers is off.
    pub date_offset: SignedDuration,
    /// How long an answer takes.
    pub latency: Latency,
}

impl UploadOptions {
    /// Workspace of the default options.
    pub const WORKSPACE: &str = "55555555-aaaa-4bbb-8ccc-000000000005";
}

impl Default for UploadOptions {
    fn default() -> Self {
        let contributors = [EntraOptions::CLIENT_ID, EntraOptions::MANAGED_CLIENT_ID];
        Self {
            workspaces: [Self::WORKSPACE.to_owned()].into(),
            contributors: contributors.map(str::to_owned).into(),
            throttle: Some(Throttle { requests: 100, window: Duration::from_secs(60) }),
            retry_after_header: true,
            error_key: ErrorKey::default(),
            all_refused: AllRefused::default(),
            stale_modified: StaleModified::default(),
            refused_texts: Vec::new(),
            date_offset: SignedDuration::ZERO,
            latency: Latency::None,
        }
    }
}

/// Audiences that the service accepts, each also with a slash at its end.
const AUDIENCES: [&str; 2] = ["https://management.core.windows.net", "https://management.azure.com"];

const API_VERSION: &str = "2024-02-01-preview";

/// An answer that refuses the whole request.
type Refused = Box<Response>;

/// The upload service with everything it has accepted.
#[derive(Debug)]
pub struct UploadSimulator {
    front: Front,
    options: Mutex<UploadOptions>,
    passed: Mutex<BTreeMap<String, Passed>>,
    store: Mutex<Store>,
}

impl UploadSimulator {
    /// Returns a service with empty tables.
    pub fn new(options: UploadOptions, clock: Arc<dyn Clock>, faults: Arc<Faults>, seed: u64) -> Self {
        let front = Front::new(ServiceName::Upload, clock, faults, options.latency, seed);
        Self { front, options: Mutex::new(options), passed: Mutex::default(), store: Mutex::default() }
    }

    /// Changes the options while the service runs: a role goes, a switch turns.
    pub fn edit<T>(&self, change: impl FnOnce(&mut UploadOptions) -> T) -> T {
        let mut options = lock(&self.options);
        let changed = change(&mut options);
        self.front.set_latency(options.latency);
        changed
    }

    /// Returns the newest row of each id and source system, by id.
    pub fn objects(&self) -> BTreeMap<String, Row> {
        lock(&self.store).newest()
    }

    /// Returns every row, in the order of arrival.
    pub fn rows(&self) -> Vec<Row> {
        lock(&self.store).rows().to_vec()
    }

    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        lock(&self.store).rows().len()
    }

    /// Returns every request.
    pub fn requests(&self) -> Vec<Seen> {
        self.front.seen()
    }

    /// Returns how many requests came.
    pub fn request_count(&self) -> u64 {
        self.front.seen_count()
    }

    /// Checks who asks: the token, the pace, the role.
    fn admit(&self, request: &Request, options: &UploadOptions, now: Timestamp) -> Result<(), Refused> {
        let Some(claims) = token::admitted(request, &AUDIENCES, now) else {
            let body = json!({"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."});
            return Err(Box::new(answer::json(401, &body)));
        };
        if let Some(throttle) = options.throttle {
            let admitted = lock(&self.passed).entry(claims.client_id.clone()).or_default().admit(throttle, now);
            admitted.map_err(|wait| Box::new(self.throttled(wait)))?;
        }
        let query = answer::pairs(request.uri().query().unwrap_or_default().as_bytes());
        match answer::value_of(&query, "api-version") {
            Some(API_VERSION) => {}
            Some(other) => {
                let why = format!("The HTTP resource does not support the API version '{other}'.");
                return Err(refusal(400, "UnsupportedApiVersion", &why));
            }
            None => {
                let why = "The api-version query parameter (?api-version=) is required for all requests.";
                return Err(refusal(400, "MissingApiVersionParameter", why));
            }
        }
        let workspace = workspace_of(request).unwrap_or_default().trim_matches(['{', '}']);
        if !options.workspaces.iter().any(|known| known.eq_ignore_ascii_case(workspace)) {
            return Err(refusal(404, "WorkspaceNotFound", &format!("Workspace {workspace} was not found.")));
        }
        if !options.contributors.iter().any(|known| known.eq_ignore_ascii_case(&claims.client_id)) {
            let why = format!("The client '{}' does not have authorization to perform the action.", claims.client_id);
            return Err(refusal(403, "AuthorizationFailed", &why));
        }
        Ok(())
    }

    fn accept(&self, request: &Request, options: &UploadOptions, now: Timestamp) -> Result<Response, Refused> {
        if !answer::has_type(request.headers(), "application/json") {
            return Err(refusal(415, "UnsupportedMediaType", "The content type must be application/json."));
        }
        let number = request.extensions().get().map_or(0, |RequestNumber(number)| *number);
        let body = envelope::read(request.body());
        let count = body.as_ref().map_or_else(|_| envelope::count(request.body()), |body| body.objects.len());
        self.front.amend(number, |seen| seen.objects = count);
        let body = body.map_err(|why| refusal(400, "BadRequest", &why))?;
        let mut store = lock(&self.store);
        let mut refused = Vec::new();
        let arrival = Arrival { at: now, upload: store.next_upload(), request: number };
        let wanted = |checked: Checked| match options.refused_texts.iter().find(|text| checked.text.contains(*text)) {
            None => Ok(checked),
            Some(text) => Err(vec![object::message("pattern", "The value is not allowed.", &json!(text))]),
        };
        for (index, given) in body.objects.iter().enumerate() {
            let checked = object::check(given)
                .and_then(wanted)
                .and_then(|checked| store.put(&body.source_system, checked, arrival, options.stale_modified));
            if let Err(messages) = checked {
                refused.push((index, messages));
            }
        }
        if refused.len() == body.objects.len() && !refused.is_empty() && options.all_refused == AllRefused::BadRequest {
            return Err(refusal(400, "BadRequest", "None of the STIX objects in the request is valid."));
        }
        if refused.is_empty() {
            return Ok(answer::empty(200));
        }
        let key = match options.error_key {
            ErrorKey::ErrorMessages => "errorMessages",
            ErrorKey::ValidationErrorMessages => "validationErrorMessages",
        };
        let errors: Vec<Value> =
            refused.into_iter().map(|(index, messages)| json!({"recordIndex": index, key: messages})).collect();
        Ok(answer::json(200, &json!({"errors": errors})))
    }
}

impl Service for UploadSimulator {
    fn front(&self) -> &Front {
        &self.front
    }

    fn answer(&self, request: &Request, now: Timestamp) -> Response {
        let options = lock(&self.options).clone();
        if workspace_of(request).is_none() {
            return answer::json(404, &json!({"statusCode": 404, "message": "Resource not found"}));
        }
        if request.method() != Method::POST {
            return answer::json(405, &json!({"statusCode": 405, "message": "Method not allowed"}));
        }
        self.admit(request, &options, now)
            .and_then(|()| self.accept(request, &options, now))
            .unwrap_or_else(|refused| *refused)
    }

    fn note(&self, request: &Request, seen: &mut Seen) {
        seen.token_expires = token::of_request(request).and_then(|claims| Timestamp::from_second(claims.expires).ok());
    }

    fn throttled(&self, wait: Duration) -> Response {
        let seconds = announced(wait);
        let why = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
        let mut response = answer::json(429, &json!({"statusCode": 429, "message": why}));
        if lock(&self.options).retry_after_header {
            answer::set_header(&mut response, RETRY_AFTER, &seconds.to_string());
        }
        response
    }

    fn date_offset(&self) -> SignedDuration {
        lock(&self.options).date_offset
    }
}

#[async_trait]
impl Transport for UploadSimulator {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        serve(self, request).await
    }
}

/// Returns the workspace in the path, when the path is the upload's.
fn workspace_of(request: &Request) -> Option<&str> {
    let rest = request.uri().path().strip_prefix("/workspaces/")?;
    let (workspace, action) = rest.split_once('/')?;
    (action == "threat-intelligence-stix-objects:upload" && !workspace.is_empty()).then_some(workspace)
}

fn refusal(status: u16, code: &str, message: &str) -> Refused {
    Box::new(answer::refusal(status, code, message))
}
