//! Tokens: three base64url parts with the claims the services read.
//!
//! The signature is a hash that any simulator can recompute. It tells a token of ours from a forged or cut one;
//! it protects nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use outbound::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::answer;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) audience: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) expires: i64,
}

/// Returns a token.
pub(crate) fn mint(claims: &Claims, now: Timestamp) -> String {
    sign(&json!({
        "aud": claims.audience,
        "iss": format!("https://sts.windows.net/{}/", claims.tenant),
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": claims.expires,
        "appid": claims.client_id,
        "tid": claims.tenant,
        "ver": "1.0",
    }))
}

/// Reads a token of [`mint`]; `None` when it is not one of ours, whole and unchanged.
pub(crate) fn read(token: &str) -> Option<Claims> {
    let payload = verified(token)?;
    let text = |name: &str| payload.get(name)?.as_str().map(str::to_owned);
    Some(Claims {
        audience: text("aud")?,
        tenant: text("tid")?,
        client_id: text("appid")?,
        expires: payload.get("exp")?.as_i64()?,
    })
}

/// Returns the claims of the token that a request carries, whatever they are.
pub(crate) fn of_request(request: &Request) -> Option<Claims> {
    let (scheme, bearer) = answer::header(request.headers(), "authorization")?.split_once(' ')?;
    read(bearer).filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

/// Returns the claims of a request's token when it lives and is for one of these audiences, a slash at its end aside.
pub(crate) fn admitted(request: &Request, audiences: &[&str], now: Timestamp) -> Option<Claims> {
    let claims = of_request(request)?;
    let audience = claims.audience.strip_suffix('/').unwrap_or(&claims.audience);
    (audiences.contains(&audience) && claims.expires > now.as_second()).then_some(claims)
}

/// Returns claims as a token with our mark.
pub(super) fn sign(payload: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let body = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()));
    format!("{body}.{}", mark(&body))
}

/// Returns the claims of a token with our mark.
pub(super) fn verified(token: &str) -> Option<Value> {
    let (body, signature) = token.rsplit_once('.')?;
    if signature != mark(body) {
        return None;
    }
    let (_, payload) = body.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn mark(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new_with_prefix("simulated").chain_update(body).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_tokens_and_no_others() {
        let claims = Claims {
            audience: "https://management.azure.com".into(),
            tenant: "t".into(),
            client_id: "c".into(),
            expires: 3600,
        };
        let token = mint(&claims, Timestamp::UNIX_EPOCH);
        assert_eq!(read(&token), Some(claims));
        assert_eq!(read(token.trim_end_matches(char::is_alphanumeric)), None);
        assert_eq!(read(&format!("x{token}")), None);
        assert_eq!(read("a.b.c"), None);
    }
}
