//! Client assertions: another issuer's token in place of a secret.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::error::Refusal;
use super::{App, token};

/// Audience of a federated token.
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// Returns a token of an issuer.
pub(super) fn federated(issuer: &str, subject: &str, now: Timestamp, lifetime: Duration) -> String {
    let begin = now.as_second();
    let expires = begin.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    token::sign(&json!({"iss": issuer, "sub": subject, "aud": EXCHANGE, "iat": begin, "nbf": begin, "exp": expires}))
}

/// Checks an assertion against what the application trusts.
pub(super) fn check(app: &App, assertion: &str, now: Timestamp) -> Result<(), Refusal> {
    let Some(claims) = token::verified(assertion) else {
        return Err(Refusal::new(401, "invalid_client", 50013, "Assertion failed signature validation."));
    };
    let number = |name: &str| claims.get(name).and_then(serde_json::Value::as_i64);
    let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let second = now.as_second();
    if number("exp").is_none_or(|end| end <= second) || number("nbf").is_some_and(|begin| begin > second) {
        let why = "Client assertion is not within its valid time range.";
        return Err(Refusal::new(401, "invalid_client", 700_024, why));
    }
    if text("aud") != EXCHANGE {
        let why =
            format!("No matching federated identity record found for presented assertion audience '{}'.", text("aud"));
        return Err(Refusal::new(401, "invalid_client", 700_212, why));
    }
    if !app.federated.iter().any(|trust| trust.issuer == text("iss") && trust.subject == text("sub")) {
        let why = "No matching federated identity record found for presented assertion.";
        return Err(Refusal::new(401, "invalid_client", 70021, why));
    }
    Ok(())
}
