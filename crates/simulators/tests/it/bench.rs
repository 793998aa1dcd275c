//! A stack in process with short ways to ask it.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use outbound::{InProcess, Request, Response, TokioClock, Transport, TransportError};
use serde_json::{Value, json};
use simulators::{EntraOptions, Stack, StackOptions, UploadOptions, VmrayOptions, World};

pub(crate) struct Bench {
    pub(crate) stack: Stack,
    network: InProcess,
}

pub(crate) const RESOURCE: &str = "https://management.azure.com";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at("2026-03-01T00:00:00Z")
}

impl Bench {
    /// A stack at 2026-03-01, which is after everything in a world of default options.
    pub(crate) fn new(world: World, options: StackOptions) -> Self {
        Self::starting(now(), world, options)
    }

    pub(crate) fn starting(start: Timestamp, world: World, options: StackOptions) -> Self {
        let stack = Stack::new(world, options, Arc::new(TokioClock::new(start)));
        Self { network: stack.in_process(), stack }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.network.send(request).await
    }

    pub(crate) async fn ask(&self, request: Request) -> Response {
        self.send(request).await.unwrap()
    }

    pub(crate) fn vmray_request(path: &str) -> Request {
        http::Request::get(format!("https://vmray.test/rest{path}"))
            .header("authorization", format!("api_key {}", VmrayOptions::API_KEY))
            .body(Bytes::new())
            .unwrap()
    }

    pub(crate) async fn vmray_answer(&self, path: &str) -> Response {
        self.ask(Self::vmray_request(path)).await
    }

    pub(crate) async fn vmray(&self, path: &str) -> (u16, Value) {
        read(&self.vmray_answer(path).await)
    }

    /// The numbers in one field of the items of a list.
    pub(crate) async fn ids(&self, path: &str, field: &str) -> Vec<u64> {
        let (status, body) = self.vmray(path).await;
        assert_eq!(status, 200, "{body}");
        ids(&body, field)
    }

    pub(crate) async fn token_form(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http::Request::post(format!("https://login.test{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .unwrap();
        read(&self.ask(request).await)
    }

    pub(crate) async fn token_for(&self, resource: &str) -> String {
        let scope = format!("{resource}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", EntraOptions::CLIENT_ID),
            ("client_secret", EntraOptions::CLIENT_SECRET),
            ("scope", &scope),
        ];
        let (status, body) = self.token_form(&format!("/{}/oauth2/v2.0/token", EntraOptions::TENANT), &form).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn upload_path() -> String {
        format!(
            "/workspaces/{}/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview",
            UploadOptions::WORKSPACE
        )
    }

    pub(crate) fn upload_request(path: &str, token: &str, body: &Value) -> Request {
        http::Request::post(format!("https://ti.test{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap()
    }

    /// Uploads objects with a good token to the right place.
    pub(crate) async fn upload(&self, objects: &[Value]) -> (u16, Value) {
        let token = self.token_for(RESOURCE).await;
        let body = json!({"sourcesystem": "tests", "stixobjects": objects});
        read(&self.ask(Self::upload_request(&Self::upload_path(), &token, &body)).await)
    }
}

pub(crate) fn read(response: &Response) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

pub(crate) fn ids(body: &Value, field: &str) -> Vec<u64> {
    body["data"].as_array().unwrap().iter().map(|item| item[field].as_u64().unwrap()).collect()
}

/// An indicator without fault.
pub(crate) fn indicator(n: u32) -> Value {
    json!({
        "type": "indicator",
        "spec_version": "2.1",
        "id": format!("indicator--10000003-71a2-445c-ab86-{n:012}"),
        "created": "2026-02-01T00:00:00.000Z",
        "modified": "2026-02-01T00:00:00.000Z",
        "pattern": format!("[domain-name:value = 'x{n}.example']"),
        "pattern_type": "stix",
        "valid_from": "2026-02-01T00:00:00.000Z",
        "valid_until": "2026-04-01T00:00:00.000Z",
        "confidence": 100,
        "labels": ["sample_id: 1"],
    })
}

/// A value with one property replaced.
pub(crate) fn with(mut value: Value, property: &str, new: Value) -> Value {
    value[property] = new;
    value
}

/// A value without one property.
pub(crate) fn without(mut value: Value, property: &str) -> Value {
    value.as_object_mut().unwrap().remove(property);
    value
}
