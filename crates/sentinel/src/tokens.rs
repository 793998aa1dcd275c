//! Tokens, asked for as rarely as possible.
//!
//! * One request for a token's lifetime, counted on the [`Clock`] handed in.
//! * One refresh in flight for a scope: callers that come meanwhile share its outcome, good or bad.
//! * A refresh begins five minutes before the end. While the old token lives, a refresh that fails costs one attempt
//!   and is tried again half a minute later; the old token serves.
//! * A token that a service refuses is given back with [`Tokens::invalidate`]. Many callers may give back the same
//!   one: only the first empties the cache, so they share one new token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Exchange, RetryPolicy, ServiceUrl, Transport, mutant};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::{debug, warn};

use crate::{Cloud, Identity, TokenError, credential};

/// How long before its end a token is replaced.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How long an attempt may take while the old token still lives.
const EARLY_ATTEMPT: Duration = Duration::from_secs(10);
/// How long after a failed early refresh the next one may begin.
const EARLY_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// The tokens of one identity.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    /// For a refresh that can fail without harm: one attempt. Shares the pacer, so that it obeys the same pauses.
    early: Exchange,
    longest_pause: Duration,
    clock: Arc<dyn Clock>,
    authority: ServiceUrl,
    identity: Identity,
    slots: Mutex<BTreeMap<String, Slot>>,
}

/// What is known of one scope.
#[derive(Default)]
struct Slot {
    held: Option<Held>,
    /// Weak, so that a refresh nobody waits for any more is dropped and not resumed an hour later.
    refresh: Option<(WeakShared<Refresh>, Need)>,
}

/// Why a token is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The old one still lives.
    Early,
    /// There is none.
    Urgent,
}

type Refresh = BoxFuture<'static, Result<SecretString, TokenError>>;

struct Held {
    token: SecretString,
    expires: Timestamp,
    refresh_from: Timestamp,
}

enum Step {
    Use(SecretString),
    Wait(Shared<Refresh>, Need),
    Fail(TokenError),
}

impl Tokens {
    /// Returns an empty cache that asks through `transport`.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, cloud: &Cloud, identity: Identity) -> Self {
        let policy = RetryPolicy::default();
        let exchange = Exchange::new(Arc::clone(&transport), policy);
        let early = Exchange::new(transport, RetryPolicy::once(EARLY_ATTEMPT)).with_pacer(exchange.pacer().clone());
        Self {
            inner: Arc::new(Inner {
                exchange,
                early,
                longest_pause: policy.total,
                clock,
                authority: cloud.authority.clone(),
                identity,
                slots: Mutex::default(),
            }),
        }
    }

    /// Sets how often and how long a token is asked for. Only before the first clone.
    #[must_use]
    pub fn with_policy(mut self, policy: RetryPolicy) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.exchange = inner.exchange.clone().with_policy(policy);
            inner.longest_pause = policy.total;
        }
        self
    }

    /// Sets the seed of the jitter, so that a run can be repeated. Only before the first clone.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.exchange = inner.exchange.clone().with_seed(seed);
        }
        self
    }

    /// Returns who asks.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Returns a token for `scope` that is alive, from the cache or from the token service.
    ///
    /// Cancel-safe: a refresh goes on as long as anybody waits for it.
    pub async fn token(&self, scope: &str) -> Result<SecretString, TokenError> {
        loop {
            match self.inner.step(scope) {
                Step::Use(token) => return Ok(token),
                Step::Fail(error) => return Err(error),
                Step::Wait(refresh, need) => match refresh.await {
                    // The old token ended during that one attempt; the next step is urgent and has all its repeats.
                    Err(error) if need == Need::Early && error.is_transient() => {}
                    result => return result,
                },
            }
        }
    }

    /// Forgets `token` if it is the one in the cache, because a service refused it.
    pub fn invalidate(&self, scope: &str, token: &SecretString) {
        let mut slots = self.inner.lock();
        if let Some(slot) = slots.get_mut(scope)
            && slot.held.as_ref().is_some_and(|held| held.token.expose_secret() == token.expose_secret())
        {
            slot.held = None;
            debug!(scope, "a service refused the token, the next call asks for a new one");
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("identity", &self.inner.identity).finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(self: &Arc<Self>, scope: &str) -> Step {
        let now = self.clock.now();
        let paused = self.exchange.pacer().paused_for();
        let mut slots = self.lock();
        let slot = slots.entry(scope.to_owned()).or_default();
        let living = slot.held.as_ref().filter(|held| now < held.expires || mutant!(ExpiredTokenUsed));
        if let Some(held) = living
            && (now < held.refresh_from || !paused.is_zero() || mutant!(ExpiredTokenUsed))
            && !mutant!(TokenRefetched)
        {
            return Step::Use(held.token.clone());
        }
        if let Some((refresh, need)) = &slot.refresh
            && let Some(refresh) = refresh.upgrade()
        {
            return Step::Wait(refresh, *need);
        }
        // Waiting for a pause that the token service asked for is no use beyond what a call may take.
        if paused > self.longest_pause {
            return Step::Fail(TokenError::Throttled { retry_after: Some(paused) });
        }
        let need = if living.is_some() { Need::Early } else { Need::Urgent };
        let refresh = Arc::clone(self).refresh(scope.to_owned(), need).boxed().shared();
        slot.refresh = refresh.downgrade().map(|refresh| (refresh, need));
        Step::Wait(refresh, need)
    }

    async fn refresh(self: Arc<Self>, scope: String, need: Need) -> Result<SecretString, TokenError> {
        let exchange = match need {
            Need::Early => &self.early,
            Need::Urgent => &self.exchange,
        };
        let result =
            Box::pin(credential::request(exchange, &self.clock, &self.authority, &self.identity, &scope)).await;
        let now = self.clock.now();
        let mut slots = self.lock();
        let slot = slots.entry(scope).or_default();
        slot.refresh = None;
        match result {
            Ok((token, lifetime)) => {
                let expires = now.saturating_add(lifetime.0).unwrap_or(Timestamp::MAX);
                // A token that lives no longer than the margin would be replaced at once.
                let margin = MARGIN.min(lifetime.0 / 2);
                let refresh_from = expires.saturating_sub(margin).unwrap_or(now);
                debug!(lifetime_s = lifetime.0.as_secs(), "a new token");
                slot.held = Some(Held { token: token.clone(), expires, refresh_from });
                Ok(token)
            }
            Err(error) => match slot.held.as_mut().filter(|held| now < held.expires) {
                Some(held) => {
                    held.refresh_from = now.saturating_add(EARLY_PAUSE).unwrap_or(held.expires);
                    warn!(%error, hint = error.hint(), "no new token yet, the old one serves until it ends");
                    Ok(held.token.clone())
                }
                None => Err(error),
            },
        }
    }
}
