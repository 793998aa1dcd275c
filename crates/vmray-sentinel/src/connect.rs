//! The clients, made from the settings.

use std::sync::Arc;
use std::time::Duration;

use config::{HealthConfig, SentinelConfig, VmrayConfig};
use outbound::{Clock, Exchange, Pacer, RetryPolicy, Transport};
use sentinel::{Identity, LogsClient, Tokens, UploadClient};

/// What we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("vmray-sentinel/", env!("CARGO_PKG_VERSION"));

/// What Sentinel shows as the source of an indicator, the same as the original product's.
pub(crate) const SOURCE_SYSTEM: &str = "VMRayThreatIntelligence";

/// Returns a client of VMRay.
pub(crate) fn vmray(
    config: &VmrayConfig,
    transport: &Arc<dyn Transport>,
    policy: RetryPolicy,
    clock: &Arc<dyn Clock>,
) -> vmray::Client {
    let exchange = Exchange::new(Arc::clone(transport), policy).with_requests_at_once(config.concurrency);
    vmray::Client::new(exchange, config.base.clone(), config.key.clone(), USER_AGENT, Arc::clone(clock))
}

/// Returns the cache of tokens for Sentinel.
pub(crate) fn tokens(config: &SentinelConfig, transport: &Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Arc<Tokens> {
    let transport = Arc::clone(transport);
    Arc::new(Tokens::new(transport, Arc::clone(clock), &config.cloud, config.identity.clone()))
}

/// The same for a person who waits: one attempt, so that what is wrong is said at once.
pub(crate) fn tokens_at_once(
    config: &SentinelConfig,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    patience: Duration,
) -> Arc<Tokens> {
    let tokens = Tokens::new(Arc::clone(transport), Arc::clone(clock), &config.cloud, config.identity.clone());
    Arc::new(tokens.with_policy(RetryPolicy::once(patience)))
}

/// Returns a client of the upload API that keeps the configured pace.
pub(crate) fn upload(
    config: &SentinelConfig,
    transport: &Arc<dyn Transport>,
    policy: RetryPolicy,
    tokens: Arc<Tokens>,
    clock: &Arc<dyn Clock>,
) -> UploadClient {
    let pacer = Pacer::per_minute(config.uploads_per_minute);
    let exchange = Exchange::new(Arc::clone(transport), policy).with_pacer(pacer);
    let clock = Arc::clone(clock);
    UploadClient::new(exchange, &config.cloud, config.workspace, tokens, clock, SOURCE_SYSTEM)
        .with_user_agent(USER_AGENT)
}

/// Uploads a minute that Sentinel allows one principal.
const ALLOWED_PER_MINUTE: usize = 100;
/// What the enrichment has of them at the least.
const ENRICHMENT_PER_MINUTE: usize = 5;

/// Returns a client of the upload API for the enrichment, at the pace that the feed leaves over.
pub(crate) fn upload_of_enrichment(
    config: &SentinelConfig,
    transport: &Arc<dyn Transport>,
    policy: RetryPolicy,
    tokens: Arc<Tokens>,
    clock: &Arc<dyn Clock>,
) -> UploadClient {
    let left_over = ALLOWED_PER_MINUTE.saturating_sub(config.uploads_per_minute).max(ENRICHMENT_PER_MINUTE);
    let config = SentinelConfig { uploads_per_minute: left_over, ..config.clone() };
    upload(&config, transport, policy, tokens, clock)
}

/// Returns a client for the rows of the health tables. They are written by the identity that uploads, whose tokens are
/// given, unless the settings name another one.
pub(crate) fn logs(
    config: &HealthConfig,
    sentinel: &SentinelConfig,
    transport: &Arc<dyn Transport>,
    policy: RetryPolicy,
    tokens: Arc<Tokens>,
    clock: &Arc<dyn Clock>,
) -> LogsClient {
    let tokens = match config.writer {
        None => tokens,
        client_id => {
            let identity = Identity::Managed { client_id };
            Arc::new(Tokens::new(Arc::clone(transport), Arc::clone(clock), &sentinel.cloud, identity))
        }
    };
    let exchange = Exchange::new(Arc::clone(transport), policy);
    let (endpoint, rule) = (config.endpoint.clone(), config.rule.clone());
    LogsClient::new(exchange, &sentinel.cloud, endpoint, rule, tokens, Arc::clone(clock)).with_user_agent(USER_AGENT)
}
