//! Upload of STIX objects to the threat intelligence of one workspace.
//!
//! A request is a list of objects that were serialised before; they are joined, never parsed again. Repeating a request
//! is harmless, so every failure that may pass is repeated within one call, and a lost answer is not a lost object.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request};
use outbound::{AdaptiveLimit, AnswerBound, Clock, Exchange, Idempotency, Pacer};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::renewal::{Renewal, bearer};
use crate::upload_answer::{Sent, read};
use crate::{Cloud, Tokens, UploadError, Uploaded, WorkspaceId};

/// Objects of one request (upload API limit).
pub const MAX_OBJECTS: usize = 100;
/// An answer says something of each of a hundred objects.
const ANSWER: AnswerBound = AnswerBound(1024 * 1024);
/// The version of the upload API; it has no other.
const API_VERSION: &str = "2024-02-01-preview";
/// What we call ourselves unless told otherwise.
pub(crate) const OUR_USER_AGENT: &str = concat!("vmray-sentinel/", env!("CARGO_PKG_VERSION"));

/// Sends to one workspace. Clones share the exchange and the tokens.
#[derive(Debug, Clone)]
pub struct UploadClient {
    exchange: Exchange,
    url: String,
    scope: String,
    workspace: WorkspaceId,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    opening: Bytes,
    user_agent: HeaderValue,
}

impl UploadClient {
    /// Returns a client that sends to `workspace` in `cloud`.
    ///
    /// `source_system` is what Sentinel shows as the source and, with the id, the key of an indicator: at most 256
    /// characters, not `Microsoft Sentinel`, the same for ever.
    pub fn new(
        exchange: Exchange,
        cloud: &Cloud,
        workspace: WorkspaceId,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
        source_system: &str,
    ) -> Self {
        let mut url = cloud.ti_endpoint.at(&format!("/workspaces/{workspace}/threat-intelligence-stix-objects:upload"));
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let source_system = serde_json::Value::from(source_system);
        Self {
            exchange,
            url: url.into(),
            scope: cloud.management_scope.clone(),
            workspace,
            tokens,
            clock,
            opening: format!(r#"{{"sourcesystem":{source_system},"stixobjects":["#).into(),
            user_agent: HeaderValue::from_static(OUR_USER_AGENT),
        }
    }

    /// Sets the `User-Agent`. A text that no header can carry is ignored.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(user_agent) {
            self.user_agent = value;
        }
        self
    }

    /// Returns the same client for the length of a run, see [`Exchange::until`].
    #[must_use]
    pub fn until(&self, stop: CancellationToken) -> Self {
        Self { exchange: self.exchange.until(stop), ..self.clone() }
    }

    /// Returns how many upload requests can have reached Sentinel.
    pub fn requests_sent(&self) -> u64 {
        self.exchange.requests_sent()
    }

    /// Returns the pace of uploads.
    pub fn pacer(&self) -> &Pacer {
        self.exchange.pacer()
    }

    /// Returns the limit of uploads that are under way, where there is one.
    pub fn limit(&self) -> Option<&AdaptiveLimit> {
        self.exchange.limit()
    }

    /// Has a token fetched, so that the first upload need not wait for one. What goes wrong is left to the upload that
    /// needs it.
    pub async fn fetch_token(&self) {
        if let Err(error) = self.tokens.token(&self.scope).await {
            debug!(%error, "no token yet");
        }
    }

    /// Returns the workspace.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Uploads objects, each a whole STIX object in JSON, and says which were refused; every other one was taken.
    ///
    /// An error means that nothing is known to be taken. Cancel-safe: a dropped call may have uploaded, and repeating it
    /// is harmless.
    pub async fn upload(&self, objects: &[Bytes]) -> Result<Uploaded, UploadError> {
        if objects.len() > MAX_OBJECTS {
            return Err(UploadError::TooMany { count: objects.len() });
        }
        if objects.is_empty() {
            return Ok(Uploaded::default());
        }
        let body = self.body(objects);
        let client_id = self.tokens.identity().client_id();
        let sent = Sent { count: objects.len(), workspace: self.workspace, client_id };
        let renewal = Renewal::default();
        Box::pin(self.exchange.call(
            Idempotency::Repeatable,
            || async {
                let token = self.tokens.token(&self.scope).await.map_err(UploadError::Token)?;
                let request = self.request(&token, body.clone())?;
                renewal.uses(token);
                Ok(request)
            },
            |answer| {
                let answer = renewal.hidden_in(answer.map_err(UploadError::Transport)?);
                read(sent, &answer, self.clock.now())
            },
            |error| match error {
                UploadError::Unauthorized { .. } => renewal.refused(&self.tokens, &self.scope),
                error => error.retry(),
            },
        ))
        .await
    }

    fn body(&self, objects: &[Bytes]) -> Bytes {
        let length = self.opening.len() + objects.iter().map(|object| object.len() + 1).sum::<usize>() + 2;
        let mut body = BytesMut::with_capacity(length);
        body.put_slice(&self.opening);
        for (n, object) in objects.iter().enumerate() {
            if n > 0 {
                body.put_u8(b',');
            }
            body.put_slice(object);
        }
        body.put_slice(b"]}");
        body.freeze()
    }

    fn request(&self, token: &SecretString, body: Bytes) -> Result<outbound::Request, UploadError> {
        let unsendable = |reason: &str| UploadError::Unsendable { reason: reason.to_owned() };
        Request::post(self.url.as_str())
            .header(AUTHORIZATION, bearer(token).map_err(unsendable)?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, self.user_agent.clone())
            .extension(ANSWER)
            .body(body)
            .map_err(|_| unsendable("the address is malformed"))
    }
}
