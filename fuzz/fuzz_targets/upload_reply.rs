//! Any answer to an upload: nothing counts as taken that the answer does not say was taken, every refusal that it names
//! is kept, and no message holds the token.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outbound::{Exchange, Request, Response, Retry, RetryPolicy, TokioClock, Transport, TransportError};
use sentinel::{Cloud, Identity, Tokens, UploadClient, UploadError, Uploaded};
use serde_json::Value;
use vmray_sentinel_fuzz::{Played, now, run};

const TOKEN: &str = "t0ken-of-the-fuzzer";
const STATUSES: [u16; 16] = [200, 200, 200, 200, 200, 200, 200, 400, 400, 201, 302, 401, 403, 413, 429, 503];
/// Words of the service are cut at 500 characters.
const MESSAGE_CHARS: usize = 600;

/// Entra, which is well, and the upload, which answers as the fuzzer says.
#[derive(Debug)]
struct Microsoft(Response);

#[async_trait]
impl Transport for Microsoft {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.uri().host() == Some("ti.test") {
            return Ok(self.0.clone());
        }
        let token = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{TOKEN}"}}"#);
        Ok(http::Response::new(Bytes::from(token)))
    }
}

fuzz_target!(|data: &[u8]| {
    let played = Played::of(data);
    let count = 1 + played.choice(2, 100);
    let response = played.response(&STATUSES);
    let status = response.status().as_u16();
    let objects = vec![Bytes::from_static(b"{}"); count];
    match run(client(response).upload(&objects)) {
        Ok(uploaded) => taken(&uploaded, status, played.body, count),
        Err(error) => failed(&error, status, played.body, count),
    }
});

fn client(response: Response) -> UploadClient {
    let cloud = Cloud {
        authority: "https://login.test".parse().unwrap(),
        ti_endpoint: "https://ti.test".parse().unwrap(),
        ..Cloud::public()
    };
    let identity = Identity::ClientSecret {
        tenant: "contoso.example".parse().unwrap(),
        client_id: "11111111-1111-1111-1111-111111111111".parse().unwrap(),
        secret: "s3cret".into(),
    };
    let network = Arc::new(Microsoft(response));
    let clock = Arc::new(TokioClock::new(now()));
    let tokens = Arc::new(Tokens::new(network.clone(), clock.clone(), &cloud, identity));
    let exchange = Exchange::new(network, RetryPolicy::once(Duration::from_secs(30))).with_seed(1);
    let workspace = "22222222-2222-2222-2222-222222222222".parse().unwrap();
    UploadClient::new(exchange, &cloud, workspace, tokens, clock, "fuzzer")
}

/// Which objects an answer names as refused, read in another way than the client does; `None` if it is not such an answer.
fn named(body: &[u8], count: usize) -> Option<BTreeSet<usize>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let errors = match value.get("errors")? {
        Value::Null => return Some(BTreeSet::new()),
        errors => errors.as_array()?,
    };
    let index = |error: &Value| usize::try_from(error.get("recordIndex")?.as_u64()?).ok().filter(|index| *index < count);
    errors.iter().map(index).collect()
}

fn taken(uploaded: &Uploaded, status: u16, body: &[u8], count: usize) {
    let refused: Vec<usize> = uploaded.refused.iter().map(|refusal| refusal.index).collect();
    assert!(refused.windows(2).all(|pair| pair[0] < pair[1]), "{refused:?}");
    assert!(refused.iter().all(|index| *index < count), "{refused:?} of {count}");
    let named = if body.trim_ascii().is_empty() { Some(BTreeSet::new()) } else { named(body, count) };
    assert_eq!(Some(refused.iter().copied().collect()), named, "the answer says something else");
    assert!(status == 200 || (status == 400 && refused.len() == count), "status {status} takes nothing");
    for message in uploaded.refused.iter().flat_map(|refusal| &refusal.messages) {
        presentable(message);
    }
}

fn failed(error: &UploadError, status: u16, body: &[u8], count: usize) {
    presentable(&error.to_string());
    presentable(&error.hint());
    assert!(!format!("{error:?}").contains(TOKEN));
    if status == 200 {
        assert!(matches!(error, UploadError::Unreadable { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Backoff);
        // An answer that is as documented must not be sent again for ever.
        assert!(named(body, count).is_none(), "refused to read {}", String::from_utf8_lossy(body));
    }
    if let UploadError::Throttled { retry_after } = error {
        assert!(*retry_after >= Duration::from_secs(1), "a wait of {retry_after:?} is a busy loop");
    }
}

fn presentable(message: &str) {
    assert!(!message.contains(TOKEN), "the token is in {message}");
    assert!(!message.chars().any(char::is_control), "control character in {message:?}");
    assert!(message.chars().count() <= MESSAGE_CHARS.max(1_200), "too long: {message}");
}
