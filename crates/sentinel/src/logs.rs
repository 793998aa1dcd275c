//! Rows for tables of Log Analytics, by the Logs Ingestion API and a data collection rule.
//!
//! `POST {endpoint}/dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01` takes a JSON array, which is sent
//! compressed; 204 says that it was taken. The service does not tell a repeated row from a new one, so a call whose
//! answer is lost, and which is therefore made again, may leave its rows twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use outbound::{AnswerBound, Clock, Exchange, Idempotency, Response, ServiceUrl, retry_after};
use secrecy::SecretString;

use crate::excerpt::{bounded, message};
use crate::logs_body::{bodies, compressed};
use crate::renewal::{Renewal, bearer};
use crate::server_time::server_time;
use crate::upload::OUR_USER_AGENT;
use crate::{Cloud, LogsError, RuleId, Tokens};

/// One row: its columns by name.
pub type LogRow = serde_json::Map<String, serde_json::Value>;

/// The version of the Logs Ingestion API.
const API_VERSION: &str = "2023-01-01";
/// How long to wait when the service does not say: the window of its limit.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// A wait of zero would be a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for our turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Writes rows by one data collection rule. Clones share the exchange and the tokens.
#[derive(Debug, Clone)]
pub struct LogsClient {
    exchange: Exchange,
    endpoint: ServiceUrl,
    rule: RuleId,
    scope: String,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    user_agent: HeaderValue,
}

/// An answer is empty or says what is wrong with the rows.
const ANSWER: AnswerBound = AnswerBound(1024 * 1024);

impl LogsClient {
    /// Returns a client that writes by `rule` at `endpoint`: the rule's own, where it is of the kind `Direct`, or that of
    /// a data collection endpoint. Its tokens are for the Azure Monitor of `cloud`.
    pub fn new(
        exchange: Exchange,
        cloud: &Cloud,
        endpoint: ServiceUrl,
        rule: RuleId,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let scope = cloud.ingestion_scope.clone();
        let user_agent = HeaderValue::from_static(OUR_USER_AGENT);
        Self { exchange, endpoint, rule, scope, tokens, clock, user_agent }
    }

    /// Sets the `User-Agent`. A text that no header can carry is ignored.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(user_agent) {
            self.user_agent = value;
        }
        self
    }

    /// Returns the data collection rule.
    pub fn rule(&self) -> &RuleId {
        &self.rule
    }

    /// Writes rows to a stream of the rule (`Custom-...`), in as many calls of at most 1 MB as they need. A text over
    /// 64 KB is cut, and ends in an ellipsis then.
    ///
    /// An error means that the rows of the call that failed, and of those after it, are not known to be written. Not
    /// cancel-safe: a dropped call may have written some, and repeating it writes them again.
    ///
    /// # Errors
    ///
    /// [`LogsError::hint`] says what the operator must do.
    pub async fn write(&self, stream: &str, rows: Vec<LogRow>) -> Result<(), LogsError> {
        // Up to a megabyte is compressed at a time, which is milliseconds that other tasks would wait for.
        let packing = tokio::task::spawn_blocking(move || bodies(rows));
        for body in packing.await.map_err(|error| unsendable(&error.to_string()))?? {
            self.call(stream, body).await?;
        }
        Ok(())
    }

    /// Makes a call without rows, which writes nothing: what it is answered shows whether token, role and rule are right.
    /// The service may refuse it with [`LogsError::BadRequest`], after it has looked at those.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn probe(&self, stream: &str) -> Result<(), LogsError> {
        self.call(stream, compressed(b"[]")?).await
    }

    async fn call(&self, stream: &str, body: Bytes) -> Result<(), LogsError> {
        // A wait that was asked for once holds back later calls too. Rows are not worth a long one.
        let retry_after = self.exchange.pacer().paused_for();
        if retry_after > LONGEST_WAIT {
            return Err(LogsError::Throttled { retry_after });
        }
        let renewal = Renewal::default();
        Box::pin(self.exchange.call(
            // A repeat may double rows; giving up at a lost answer would lose them.
            Idempotency::Repeatable,
            || async {
                let token = self.tokens.token(&self.scope).await.map_err(LogsError::Token)?;
                let request = self.request(stream, &token, body.clone())?;
                renewal.uses(token);
                Ok(request)
            },
            |answer| self.read(stream, &renewal.hidden_in(answer.map_err(LogsError::Transport)?)),
            |error| match error {
                LogsError::Unauthorized { .. } => renewal.refused(&self.tokens, &self.scope),
                error => error.retry(),
            },
        ))
        .await
    }

    fn request(&self, stream: &str, token: &SecretString, body: Bytes) -> Result<outbound::Request, LogsError> {
        let mut url = self.endpoint.at(&format!("/dataCollectionRules/{}/streams", self.rule));
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(stream);
        }
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        Request::post(url.as_str())
            .header(AUTHORIZATION, bearer(token).map_err(unsendable)?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
            .header(USER_AGENT, self.user_agent.clone())
            .extension(ANSWER)
            .body(body)
            .map_err(|_| unsendable("the address is malformed"))
    }

    /// Reads an answer. Nothing counts as written unless a success says nothing else.
    fn read(&self, stream: &str, answer: &Response) -> Result<(), LogsError> {
        let status = answer.status();
        let body = answer.body().as_ref();
        let now = server_time(answer.headers(), self.clock.now());
        let wait = retry_after(answer.headers(), now).map(|wait| wait.max(SHORTEST_WAIT));
        let message = match (answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()), body) {
            (Some(code), []) => bounded(code),
            _ => message(body),
        };
        let rule = || self.rule.clone();
        match status {
            _ if status.is_success() && body.trim_ascii().is_empty() => Ok(()),
            StatusCode::BAD_REQUEST => Err(LogsError::BadRequest { message }),
            StatusCode::UNAUTHORIZED => Err(LogsError::Unauthorized { message }),
            StatusCode::FORBIDDEN => {
                Err(LogsError::Forbidden { message, rule: rule(), client_id: self.tokens.identity().client_id() })
            }
            StatusCode::NOT_FOUND => Err(LogsError::NotFound { message, rule: rule(), stream: stream.to_owned() }),
            StatusCode::PAYLOAD_TOO_LARGE => Err(LogsError::TooLarge { message }),
            StatusCode::TOO_MANY_REQUESTS => Err(LogsError::Throttled { retry_after: wait.unwrap_or(DEFAULT_WAIT) }),
            _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Err(LogsError::Server { status: status.as_u16(), message, retry_after: wait })
            }
            _ => Err(LogsError::Unexpected { status: status.as_u16(), message }),
        }
    }
}

fn unsendable(reason: &str) -> LogsError {
    LogsError::Unsendable { reason: reason.to_owned() }
}
