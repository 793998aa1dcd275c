//! One request of the Blob client, over the one transport of the process.
//!
//! What Azure refuses in a way that no repeat mends leaves as a [`RemoteTrouble`]; a bare status would be mistaken: the
//! client reads every 404 as "no such object", also when the container is missing, and every 409 as "it exists", also
//! when the container is being deleted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full};
use ledger::{RemoteTrouble, Repeat};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use outbound::{CallLog, Request, Response, Transport, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use sentinel::{Cloud, Tokens};

use crate::trouble::Words;

/// One attempt of a call ends within this.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(20);

/// Gives the client our transport.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    transport: Arc<dyn Transport>,
    tokens: Option<Tokens>,
    words: Arc<Words>,
    user_agent: HeaderValue,
}

impl Connector {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        tokens: Option<Tokens>,
        words: Words,
        user_agent: &'static str,
    ) -> Self {
        Self { transport, tokens, words: Arc::new(words), user_agent: HeaderValue::from_static(user_agent) }
    }

    async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        // The engine repeats calls by itself and does not say which this is.
        let log = CallLog::start(&request, 1);
        let outcome = match tokio::time::timeout(ATTEMPT, self.transport.send(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TransportError::Timeout { host, after: ATTEMPT }),
        };
        log.end(&outcome, self.transport.as_ref());
        outcome.map_err(|error| lost(&error))
    }

    /// Returns the request with a new token in the place of one that was refused before its time.
    async fn with_new_token(&self, mut request: Request) -> Option<Request> {
        let tokens = self.tokens.as_ref()?;
        let sent = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        tokens.invalidate(Cloud::STORAGE_SCOPE, &SecretString::from(sent));
        let token = tokens.token(Cloud::STORAGE_SCOPE).await.ok()?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
        request.headers_mut().insert(AUTHORIZATION, value);
        Some(request)
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(USER_AGENT, self.user_agent.clone());
        let request = Request::from_parts(parts, body.collect().await?.to_bytes());
        let mut answer = self.send(request.clone()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(request) = self.with_new_token(request).await
        {
            answer = self.send(request).await?;
        }
        if let Some(trouble) = self.words.of(&answer) {
            return Err(HttpError::new(HttpErrorKind::Unknown, trouble));
        }
        let (parts, body) = answer.into_parts();
        Ok(HttpResponse::from_parts(parts, whole(body)))
    }
}

fn whole(body: Bytes) -> HttpResponseBody {
    HttpResponseBody::new(Full::new(body).map_err(|never| match never {}))
}

fn lost(error: &TransportError) -> HttpError {
    let kind = match error {
        TransportError::Connect { .. } | TransportError::Proxy { .. } | TransportError::NotSent => {
            HttpErrorKind::Connect
        }
        TransportError::Interrupted { .. } | TransportError::Truncated { .. } => HttpErrorKind::Interrupted,
        TransportError::Timeout { .. } => HttpErrorKind::Timeout,
        TransportError::TooLarge { .. } => HttpErrorKind::Decode,
    };
    let trouble = RemoteTrouble {
        reason: format!("the state cannot be reached: {error}"),
        hint: "check the name of the storage account in StateUrl, DNS and firewall (a private endpoint answers in its own \
               network only), HttpsProxy and NoProxy; a proxy that inspects TLS needs CaFile. Nothing is lost: the next \
               run continues"
            .to_owned(),
        repeat: Repeat::MayHelp,
    };
    HttpError::new(kind, trouble)
}
