//! `azure_core`'s HTTP client on our transport.
//!
//! One adapter serves one token request. It carries the request out with our retries (the SDK's are off, and the
//! managed identity credential switches its own on again, which this avoids by never showing it a failure that it
//! would repeat), and keeps what the answer said, because the SDK's own result is text and wall-clock time.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request, StatusCode};
use outbound::{AnswerBound, Clock, Exchange, Idempotency, Response, ServiceUrl, TransportError};
use url::form_urlencoded;

use crate::TokenError;
use crate::excerpt::without;
use crate::grant::{Asked, Lifetime, read};

/// An answer with a token has some kilobytes.
const TOKEN: AnswerBound = AnswerBound(64 * 1024);

/// What became of the request.
pub(crate) type Outcome = Arc<Mutex<Option<Result<Lifetime, TokenError>>>>;

#[derive(Debug)]
pub(crate) struct Adapter {
    pub(crate) exchange: Exchange,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) asked: Asked,
    /// Where requests really go. The SDK insists on an https authority and drops its path; the operator's may be
    /// on loopback or have one.
    pub(crate) authority: Option<ServiceUrl>,
    pub(crate) outcome: Outcome,
}

#[async_trait]
impl HttpClient for Adapter {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let result = match self.translate(request) {
            Ok(request) => {
                let secrets = secrets(&request);
                Box::pin(self.exchange.call(
                    Idempotency::Repeatable,
                    || std::future::ready(Ok(request.clone())),
                    |answer| read(&self.asked, masked(answer, &secrets), self.clock.now()),
                    TokenError::retry,
                ))
                .await
            }
            Err(reason) => Err(TokenError::Setup { reason }),
        };
        let (kept, shown) = match result {
            Ok((answer, lifetime)) => {
                (Ok(lifetime), Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), answer.into_body())))
            }
            // `Other` is the kind that no retry policy of the SDK repeats.
            Err(error) => (Err(error), Err(azure_core::Error::with_message(ErrorKind::Other, "no token"))),
        };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        shown
    }
}

impl Adapter {
    fn translate(&self, request: &Request) -> Result<outbound::Request, String> {
        let method = match request.method() {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            other => return Err(format!("a token request does not use {other:?}")),
        };
        let Body::Bytes(body) = request.body() else {
            return Err("a token request does not stream".to_owned());
        };
        let url = self.authority.as_ref().map_or_else(|| request.url().clone(), |host| host.at(request.url().path()));
        let mut builder = http::Request::builder().method(method).uri(url.as_str()).extension(TOKEN);
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        // The cause could quote a header, and one of them is the secret of the managed identity endpoint.
        builder.body(body.clone()).map_err(|_| "a header or the address is malformed".to_owned())
    }
}

/// The values in a token request that no message may repeat, encoded and plain.
fn secrets(request: &outbound::Request) -> Vec<String> {
    let form = String::from_utf8_lossy(request.body());
    let encoded = form.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| is_secret(name));
    let plain = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| is_secret(name));
    let header = request.headers().get("x-identity-header").and_then(|value| value.to_str().ok());
    encoded
        .map(|(_, value)| value.to_owned())
        .chain(plain.map(|(_, value)| value.into_owned()))
        .chain(header.map(ToOwned::to_owned))
        .filter(|value| !value.is_empty())
        .collect()
}

fn is_secret(name: &str) -> bool {
    matches!(name, "client_secret" | "client_assertion")
}

/// Hides our own secrets in a refusal; a grant is handed on as it is.
fn masked(answer: Result<Response, TransportError>, secrets: &[String]) -> Result<Response, TransportError> {
    let answer = answer?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    Ok(answer.map(|body| secrets.iter().fold(body, |body, secret| without(&body, secret))))
}
