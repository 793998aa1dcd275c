//! Services that answer from a script and remember what they were asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use outbound::{Clock, Exchange, Request, Response, RetryPolicy, TokioClock, Transport, TransportError};
use sentinel::{Cloud, Identity, LogsClient, Tokens, UploadClient};
use tokio::time::Instant;

pub(crate) const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const WORKSPACE: &str = "22222222-2222-2222-2222-222222222222";
pub(crate) const RULE: &str = "dcr-0123456789abcdef0123456789abcdef";
pub(crate) const SECRET: &str = "s3cret~value";
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// What a service does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Says(u16, Vec<(&'static str, String)>, String),
    Fails(TransportError),
    Hangs,
}

pub(crate) fn says(status: u16, body: impl Into<String>) -> Answer {
    Answer::Says(status, Vec::new(), body.into())
}

pub(crate) fn says_with(status: u16, header: &'static str, value: &str, body: &str) -> Answer {
    Answer::Says(status, vec![(header, value.to_owned())], body.to_owned())
}

pub(crate) fn lost() -> Answer {
    Answer::Fails(TransportError::Interrupted { host: "ti.test".to_owned(), reason: "reset".to_owned() })
}

/// One request as a service saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A token service (every host but two) and a service for uploads (`ti.test`) and rows (`logs.test`).
#[derive(Debug)]
pub(crate) struct Fake {
    tokens: Mutex<VecDeque<Answer>>,
    uploads: Mutex<VecDeque<Answer>>,
    latency: Duration,
    lifetime_s: Mutex<u64>,
    token_requests: Mutex<Vec<Seen>>,
    upload_requests: Mutex<Vec<Seen>>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_scripts([], [])
    }

    /// Answers from the scripts, then with numbered tokens and empty successes.
    pub(crate) fn with_scripts(
        tokens: impl IntoIterator<Item = Answer>,
        uploads: impl IntoIterator<Item = Answer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tokens: Mutex::new(tokens.into_iter().collect()),
            uploads: Mutex::new(uploads.into_iter().collect()),
            latency: Duration::from_millis(200),
            lifetime_s: Mutex::new(3600),
            token_requests: Mutex::default(),
            upload_requests: Mutex::default(),
        })
    }

    pub(crate) fn grant_for(&self, seconds: u64) {
        *self.lifetime_s.lock().unwrap() = seconds;
    }

    pub(crate) fn next_tokens(&self, answers: impl IntoIterator<Item = Answer>) {
        self.tokens.lock().unwrap().extend(answers);
    }

    pub(crate) fn token_requests(&self) -> Vec<Seen> {
        self.token_requests.lock().unwrap().clone()
    }

    pub(crate) fn upload_requests(&self) -> Vec<Seen> {
        self.upload_requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let upload = matches!(request.uri().host(), Some("ti.test" | "logs.test"));
        let seen = Seen {
            at: Instant::now(),
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        };
        let answer = if upload {
            self.upload_requests.lock().unwrap().push(seen);
            self.uploads.lock().unwrap().pop_front().unwrap_or_else(|| says(200, ""))
        } else {
            let number = {
                let mut requests = self.token_requests.lock().unwrap();
                requests.push(seen);
                requests.len()
            };
            let lifetime = *self.lifetime_s.lock().unwrap();
            self.tokens.lock().unwrap().pop_front().unwrap_or_else(|| says(200, token_body(number, lifetime)))
        };
        tokio::time::sleep(self.latency).await;
        match answer {
            Answer::Hangs => std::future::pending().await,
            Answer::Fails(error) => Err(error),
            Answer::Says(status, headers, body) => {
                let mut builder = http::Response::builder().status(status);
                for (name, value) in headers {
                    builder = builder.header(name, value);
                }
                Ok(builder.body(Bytes::from(body)).unwrap())
            }
        }
    }
}

fn token_body(number: usize, lifetime_s: u64) -> String {
    format!(r#"{{"token_type":"Bearer","expires_in":{lifetime_s},"access_token":"token-{number}"}}"#)
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::new(START.parse::<Timestamp>().unwrap()))
}

pub(crate) fn cloud() -> Cloud {
    Cloud {
        authority: "https://login.test".parse().unwrap(),
        ti_endpoint: "https://ti.test".parse().unwrap(),
        ..Cloud::public()
    }
}

pub(crate) fn client_secret() -> Identity {
    Identity::ClientSecret {
        tenant: "contoso.onmicrosoft.com".parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        secret: SECRET.to_owned().into(),
    }
}

pub(crate) fn tokens(fake: &Arc<Fake>) -> Tokens {
    Tokens::new(fake.clone(), clock(), &cloud(), client_secret()).with_seed(1)
}

pub(crate) fn upload_client(fake: &Arc<Fake>) -> UploadClient {
    let exchange = Exchange::new(fake.clone(), RetryPolicy::default()).with_seed(1);
    let tokens = Arc::new(tokens(fake));
    UploadClient::new(exchange, &cloud(), WORKSPACE.parse().unwrap(), tokens, clock(), "Test \"source\"")
}

pub(crate) fn logs_client(fake: &Arc<Fake>, tokens: Arc<Tokens>, cloud: &Cloud) -> LogsClient {
    let exchange = Exchange::new(fake.clone(), RetryPolicy::default()).with_seed(1);
    let endpoint = "https://logs.test".parse().unwrap();
    LogsClient::new(exchange, cloud, endpoint, RULE.parse().unwrap(), tokens, clock())
}
