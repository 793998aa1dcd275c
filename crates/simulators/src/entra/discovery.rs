//! The documents that SDKs read before they ask for a token.

use jiff::Timestamp;
use outbound::{Request, Response};
use serde_json::json;

use super::EntraOptions;
use super::error::Refusal;
use crate::answer;

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
pub(super) fn openid(options: &EntraOptions, request: &Request, tenant: &str, now: Timestamp) -> Response {
    if !tenant.eq_ignore_ascii_case(&options.tenant) {
        let why = format!("Tenant '{tenant}' not found.");
        return Refusal::new(400, "invalid_tenant", 90002, why).response(now);
    }
    let base = base(request);
    answer::json(
        200,
        &json!({
            "issuer": format!("{base}/{tenant}/v2.0"),
            "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "EU",
        }),
    )
}

/// `GET /common/discovery/instance`.
pub(super) fn instance(request: &Request) -> Response {
    let query = answer::pairs(request.uri().query().unwrap_or_default().as_bytes());
    let Some(endpoint) = answer::value_of(&query, "authorization_endpoint") else {
        return answer::json(400, &json!({"error": "invalid_request", "error_description": "AADSTS900144"}));
    };
    let tenant = endpoint.split('/').nth(3).unwrap_or_default();
    let host = endpoint.split('/').nth(2).unwrap_or_default();
    answer::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", base(request)),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

/// Returns the address under which we were reached.
fn base(request: &Request) -> String {
    let scheme = request.uri().scheme_str().unwrap_or("http");
    let host = request
        .uri()
        .authority()
        .map(ToString::to_string)
        .or_else(|| answer::header(request.headers(), "host").map(str::to_owned))
        .unwrap_or_default();
    format!("{scheme}://{host}")
}
