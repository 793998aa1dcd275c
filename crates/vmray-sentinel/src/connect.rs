//! The clients of this process, made once: whoever uses VMRay, Entra or Sentinel here shares what its principal shares there.
//!
//! The account at VMRay has one limit of requests under way and one pause. An identity at Entra has one cache of tokens, and
//! at Sentinel one pause and one allowance a minute, of which feed and enrichment have a share each. So a 429 that one of
//! them sees holds the other, too: the service refuses the principal, and asking again would only make it longer.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use config::{HealthConfig, SentinelConfig, VmrayConfig};
use outbound::{Clock, Exchange, Pacer, RetryPolicy, Transport};
use sentinel::{Cloud, Identity, LogsClient, Tokens, UploadClient};

use crate::calls::{Calls, CountingTransport};

/// What we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("vmray-sentinel/", env!("CARGO_PKG_VERSION"));

/// What Sentinel shows as the source of an indicator, the same as the original product's.
pub(crate) const SOURCE_SYSTEM: &str = "VMRayThreatIntelligence";

/// Uploads a minute that Sentinel allows one principal.
const ALLOWED_PER_MINUTE: usize = 100;
/// What the enrichment has of them at the least.
const ENRICHMENT_PER_MINUTE: usize = 5;

/// What the clients of one process have in common.
#[derive(Debug)]
pub(crate) struct Clients {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    calls: Calls,
    token_policy: RetryPolicy,
    /// The account at VMRay; there is one.
    vmray: OnceLock<Exchange>,
    principals: Mutex<Vec<Principal>>,
}

/// An identity at Entra.
#[derive(Debug, Clone)]
struct Principal {
    identity: Identity,
    tokens: Arc<Tokens>,
    /// Who uploads as this identity has a share of it.
    uploads: Pacer,
}

impl Clients {
    /// Returns those that send through `transport`, and count what they send.
    pub(crate) fn new(transport: &Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Self {
        let calls = Calls::new();
        Self {
            transport: Arc::new(CountingTransport::new(transport, &calls)),
            clock: Arc::clone(clock),
            calls,
            token_policy: RetryPolicy::default(),
            vmray: OnceLock::new(),
            principals: Mutex::default(),
        }
    }

    /// Sets how often and how long a token is asked for: for a person who waits, once, so that what is wrong is said
    /// at once.
    #[must_use]
    pub(crate) fn with_token_policy(self, token_policy: RetryPolicy) -> Self {
        Self { token_policy, ..self }
    }

    /// Returns what everything is sent through.
    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Returns what is counted of all that is sent.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Returns the time.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns a client of VMRay.
    pub(crate) fn vmray(&self, config: &VmrayConfig, policy: RetryPolicy) -> vmray::Client {
        let account = self.vmray.get_or_init(|| {
            Exchange::new(Arc::clone(&self.transport), policy).with_requests_at_once(config.concurrency)
        });
        let exchange = account.clone().with_policy(policy);
        vmray::Client::new(exchange, config.base.clone(), config.key.clone(), USER_AGENT, Arc::clone(&self.clock))
    }

    /// Returns the tokens for Sentinel.
    pub(crate) fn tokens(&self, config: &SentinelConfig) -> Arc<Tokens> {
        self.principal(&config.cloud, &config.identity).tokens
    }

    /// Returns a client of the upload API for the feed, at the configured pace.
    pub(crate) fn upload(&self, config: &SentinelConfig, policy: RetryPolicy) -> UploadClient {
        self.upload_at(config.uploads_per_minute, config, policy)
    }

    /// Returns a client of the upload API for the enrichment, at the pace that the feed leaves over.
    pub(crate) fn upload_of_enrichment(&self, config: &SentinelConfig, policy: RetryPolicy) -> UploadClient {
        let left_over = ALLOWED_PER_MINUTE.saturating_sub(config.uploads_per_minute).max(ENRICHMENT_PER_MINUTE);
        self.upload_at(left_over, config, policy)
    }

    /// Returns a client for the rows of the health tables. They are written by the identity that uploads, unless the
    /// settings name another one.
    pub(crate) fn logs(&self, config: &HealthConfig, sentinel: &SentinelConfig, policy: RetryPolicy) -> LogsClient {
        let identity = match config.writer {
            None => sentinel.identity.clone(),
            client_id => Identity::Managed { client_id },
        };
        let tokens = self.principal(&sentinel.cloud, &identity).tokens;
        let exchange = Exchange::new(Arc::clone(&self.transport), policy);
        let (endpoint, rule) = (config.endpoint.clone(), config.rule.clone());
        LogsClient::new(exchange, &sentinel.cloud, endpoint, rule, tokens, Arc::clone(&self.clock))
            .with_user_agent(USER_AGENT)
    }

    fn upload_at(&self, per_minute: usize, config: &SentinelConfig, policy: RetryPolicy) -> UploadClient {
        let Principal { tokens, uploads, .. } = self.principal(&config.cloud, &config.identity);
        let exchange = Exchange::new(Arc::clone(&self.transport), policy)
            .with_pacer(uploads.share(per_minute))
            .with_requests_at_once(config.uploads_in_flight);
        let clock = Arc::clone(&self.clock);
        UploadClient::new(exchange, &config.cloud, config.workspace, tokens, clock, SOURCE_SYSTEM)
            .with_user_agent(USER_AGENT)
    }

    /// Returns what there is of an identity, made when it is first asked for. The cloud is one for the process.
    fn principal(&self, cloud: &Cloud, identity: &Identity) -> Principal {
        let mut principals = self.principals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = principals.iter().find(|known| known.identity == *identity) {
            return known.clone();
        }
        let tokens = Tokens::new(Arc::clone(&self.transport), Arc::clone(&self.clock), cloud, identity.clone());
        let made = Principal {
            identity: identity.clone(),
            tokens: Arc::new(tokens.with_policy(self.token_policy)),
            uploads: Pacer::unlimited(),
        };
        principals.push(made.clone());
        made
    }
}

#[cfg(test)]
mod tests;
