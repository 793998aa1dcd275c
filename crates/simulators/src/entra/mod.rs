//! Entra's token endpoints and the managed-identity endpoints of Azure hosts.
//!
//! `POST /{tenant}/oauth2/v2.0/token` and `/oauth2/token` (client credentials with secret or assertion), the
//! discovery documents that SDKs read first, `GET /msi/token` as App Service has it and
//! `GET /metadata/identity/oauth2/token` as a virtual machine has it. Tokens look like JWTs, carry `aud`, `tid`,
//! `appid` and `exp`, and are valid on the simulator's clock.

mod assertion;
mod discovery;
mod error;
mod grant;
mod managed;
mod set;
pub(crate) mod token;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use outbound::{Clock, Request, Response, Transport, TransportError};

use crate::answer;
use crate::faults::{Faults, ServiceName};
use crate::front::{Front, Latency, Seen, Service, serve};
use crate::lock::lock;

/// An application of the tenant.
#[derive(Debug, Clone)]
pub struct App {
    /// Its client id.
    pub client_id: String,
    /// Its secrets.
    pub secrets: Vec<Secret>,
    /// Whose tokens it accepts instead of a secret.
    pub federated: Vec<FederatedCredential>,
}

/// A client secret.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its value.
    pub value: String,
    /// When it ends; `None` never.
    pub expires: Option<Timestamp>,
}

/// A trust in another issuer's tokens (workload identity).
#[derive(Debug, Clone)]
pub struct FederatedCredential {
    /// Issuer.
    pub issuer: String,
    /// Subject.
    pub subject: String,
}

/// The identities of an Azure host.
#[derive(Debug, Clone)]
pub struct ManagedIdentity {
    /// Client id of the system-assigned identity; `None` when there is none.
    pub system_assigned: Option<String>,
    /// Client ids of the user-assigned ones.
    pub user_assigned: Vec<String>,
    /// Value of `IDENTITY_HEADER` (App Service).
    pub identity_header: String,
}

/// What the tenant knows.
#[derive(Debug, Clone)]
pub struct EntraOptions {
    /// Tenant id.
    pub tenant: String,
    /// Applications.
    pub apps: Vec<App>,
    /// Resources for which tokens are issued, without a slash at the end.
    pub resources: Vec<String>,
    /// Managed identities; `None`: the host has none.
    pub managed_identity: Option<ManagedIdentity>,
    /// Life of a token.
    pub token_lifetime: Duration,
    /// How long an answer takes.
    pub latency: Latency,
}

impl EntraOptions {
    /// Tenant of the default options.
    pub const TENANT: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
    /// Application of the default options.
    pub const CLIENT_ID: &str = "22222222-aaaa-4bbb-8ccc-000000000002";
    /// Its secret.
    pub const CLIENT_SECRET: &str = "simulated~client.secret";
    /// System-assigned managed identity of the default options.
    pub const MANAGED_CLIENT_ID: &str = "33333333-aaaa-4bbb-8ccc-000000000003";
    /// `IDENTITY_HEADER` of the default options.
    pub const IDENTITY_HEADER: &str = "44444444AAAA4BBB8CCC000000000004";
    /// Issuer that the default application trusts.
    pub const ISSUER: &str = "https://issuer.test";
    /// Subject that the default application trusts.
    pub const SUBJECT: &str = "system:serviceaccount:feed:vmray";
}

impl Default for EntraOptions {
    fn default() -> Self {
        let resources = [
            "https://management.azure.com",
            "https://management.core.windows.net",
            "https://management.usgovcloudapi.net",
            "https://management.chinacloudapi.cn",
            "https://graph.microsoft.com",
            "https://monitor.azure.com",
            "https://monitor.azure.us",
            "https://monitor.azure.cn",
            "https://storage.azure.com",
        ];
        Self {
            tenant: Self::TENANT.to_owned(),
            apps: vec![App {
                client_id: Self::CLIENT_ID.to_owned(),
                secrets: vec![Secret { value: Self::CLIENT_SECRET.to_owned(), expires: None }],
                federated: vec![FederatedCredential {
                    issuer: Self::ISSUER.to_owned(),
                    subject: Self::SUBJECT.to_owned(),
                }],
            }],
            resources: resources.map(str::to_owned).to_vec(),
            managed_identity: Some(ManagedIdentity {
                system_assigned: Some(Self::MANAGED_CLIENT_ID.to_owned()),
                user_assigned: Vec::new(),
                identity_header: Self::IDENTITY_HEADER.to_owned(),
            }),
            token_lifetime: Duration::from_secs(3599),
            latency: Latency::None,
        }
    }
}

/// A request for a token and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// When.
    pub at: Timestamp,
    /// Client id of the application or managed identity; empty when it gave none.
    pub client_id: String,
    /// Scope or resource as asked for.
    pub resource: String,
    /// Whether a token was issued.
    pub issued: bool,
}

/// Entra.
#[derive(Debug)]
pub struct EntraSimulator {
    front: Front,
    options: Mutex<EntraOptions>,
    token_requests: Mutex<Vec<TokenRequest>>,
}

impl EntraSimulator {
    /// Returns a tenant.
    pub fn new(options: EntraOptions, clock: Arc<dyn Clock>, faults: Arc<Faults>, seed: u64) -> Self {
        let front = Front::new(ServiceName::Entra, clock, faults, options.latency, seed);
        Self { front, options: Mutex::new(options), token_requests: Mutex::default() }
    }

    /// Changes the tenant while it runs: a secret expires, an application goes.
    pub fn edit<T>(&self, change: impl FnOnce(&mut EntraOptions) -> T) -> T {
        let mut options = lock(&self.options);
        let changed = change(&mut options);
        self.front.set_latency(options.latency);
        changed
    }

    /// Returns every request for a token.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        lock(&self.token_requests).clone()
    }

    /// Returns every request, discovery included.
    pub fn requests(&self) -> Vec<Seen> {
        self.front.seen()
    }

    /// Returns how many requests came, discovery included.
    pub fn request_count(&self) -> u64 {
        self.front.seen_count()
    }

    /// Returns a token of the trusted issuer, as a platform writes it to `AZURE_FEDERATED_TOKEN_FILE`.
    pub fn federated_token(&self, issuer: &str, subject: &str, lifetime: Duration) -> String {
        assertion::federated(issuer, subject, self.front.now(), lifetime)
    }

    fn note(&self, at: Timestamp, client_id: &str, resource: &str, issued: bool) {
        let request = TokenRequest { at, client_id: client_id.to_owned(), resource: resource.to_owned(), issued };
        lock(&self.token_requests).push(request);
    }
}

impl Service for EntraSimulator {
    fn front(&self) -> &Front {
        &self.front
    }

    fn answer(&self, request: &Request, now: Timestamp) -> Response {
        let options = lock(&self.options).clone();
        let segments: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        match (request.method(), segments.as_slice()) {
            (_, ["msi", "token"]) => managed::app_service(self, &options, request, now),
            (_, ["metadata", "identity", "oauth2", "token"]) => managed::imds(self, &options, request, now),
            (&Method::GET, ["common", "discovery", "instance"]) => discovery::instance(request),
            (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                discovery::openid(&options, request, tenant, now)
            }
            (_, [tenant, "oauth2", "v2.0", "token"]) => {
                grant::token(self, &options, request, tenant, grant::Version::V2, now)
            }
            (_, [tenant, "oauth2", "token"]) => grant::token(self, &options, request, tenant, grant::Version::V1, now),
            _ => answer::html(404, "404 - Not Found"),
        }
    }

    fn unavailable(&self) -> Response {
        let why = "A transient error has occurred. Please try again.";
        error::Refusal::new(503, "temporarily_unavailable", 90033, why).response(self.front.now())
    }

    fn throttled(&self, wait: Duration) -> Response {
        let refusal = error::Refusal::new(429, "temporarily_unavailable", 90055, "Tenant is throttled.");
        let mut response = refusal.response(self.front.now());
        let seconds = crate::throttle::announced(wait).to_string();
        answer::set_header(&mut response, http::header::RETRY_AFTER, &seconds);
        response
    }
}

#[async_trait]
impl Transport for EntraSimulator {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        serve(self, request).await
    }
}
