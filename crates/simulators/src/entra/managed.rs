//! Managed identity, as App Service and as a virtual machine offer it.

use http::Method;
use jiff::Timestamp;
use outbound::{Request, Response};
use serde_json::json;

use super::grant::known;
use super::token::{self, Claims};
use super::{EntraOptions, EntraSimulator};
use crate::answer;

/// `GET $IDENTITY_ENDPOINT`.
pub(super) fn app_service(
    entra: &EntraSimulator,
    options: &EntraOptions,
    request: &Request,
    now: Timestamp,
) -> Response {
    let refuse = |status: u16, why: &str| answer::json(status, &json!({"statusCode": status, "message": why}));
    let expected = options.managed_identity.as_ref().map(|identity| identity.identity_header.as_str());
    if expected.is_none() || answer::header(request.headers(), "x-identity-header") != expected {
        return refuse(401, "The X-IDENTITY-HEADER header is missing or wrong.");
    }
    match claims(entra, options, request, &["2019-08-01"], now) {
        Err(why) => refuse(400, &why),
        Ok(claims) => answer::json(
            200,
            &json!({
                "access_token": token::mint(&claims, now),
                "client_id": claims.client_id,
                "expires_on": claims.expires.to_string(),
                "resource": claims.audience,
                "token_type": "Bearer",
            }),
        ),
    }
}

/// "2018-02-01 or greater" (managed identities on virtual machines): the documented one, and the one that `azure_identity` asks
/// for.
const IMDS_VERSIONS: [&str; 2] = ["2018-02-01", "2019-08-01"];

/// `GET http://169.254.169.254/metadata/identity/oauth2/token`.
pub(super) fn imds(entra: &EntraSimulator, options: &EntraOptions, request: &Request, now: Timestamp) -> Response {
    let refuse = |why: &str| answer::json(400, &json!({"error": "invalid_request", "error_description": why}));
    let marked = answer::header(request.headers(), "metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !marked || options.managed_identity.is_none() {
        return refuse(if marked { "Identity not found" } else { "Required metadata header not specified" });
    }
    if request.headers().contains_key("x-forwarded-for") {
        return refuse("Requests through a proxy are not allowed");
    }
    match claims(entra, options, request, &IMDS_VERSIONS, now) {
        Err(why) => refuse(&why),
        Ok(claims) => answer::json(
            200,
            &json!({
                "access_token": token::mint(&claims, now),
                "client_id": claims.client_id,
                "expires_in": (claims.expires - now.as_second()).to_string(),
                "expires_on": claims.expires.to_string(),
                "ext_expires_in": (claims.expires - now.as_second()).to_string(),
                "not_before": now.as_second().to_string(),
                "resource": claims.audience,
                "token_type": "Bearer",
            }),
        ),
    }
}

fn claims(
    entra: &EntraSimulator,
    options: &EntraOptions,
    request: &Request,
    api_versions: &[&str],
    now: Timestamp,
) -> Result<Claims, String> {
    let query = answer::pairs(request.uri().query().unwrap_or_default().as_bytes());
    let value = |name: &str| answer::value_of(&query, name).filter(|value| !value.is_empty());
    let outcome = identity(options, request, &value, api_versions);
    let resource = value("resource").unwrap_or_default();
    entra.note(now, outcome.as_deref().unwrap_or_default(), resource, outcome.is_ok());
    let lifetime = i64::try_from(options.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    Ok(Claims {
        audience: resource.to_owned(),
        tenant: options.tenant.clone(),
        client_id: outcome?,
        expires: now.as_second().saturating_add(lifetime),
    })
}

/// Returns the client id of the identity that was asked for.
fn identity<'a>(
    options: &EntraOptions,
    request: &Request,
    value: &impl Fn(&str) -> Option<&'a str>,
    api_versions: &[&str],
) -> Result<String, String> {
    if request.method() != Method::GET {
        return Err("Only GET is allowed".to_owned());
    }
    if !value("api-version").is_some_and(|version| api_versions.contains(&version)) {
        return Err(format!("The api-version must be {}", api_versions.join(" or ")));
    }
    let resource = value("resource").ok_or("The resource parameter is missing")?;
    if resource.ends_with("/.default") || !known(options, resource) {
        return Err(format!("AADSTS500011: The resource principal named {resource} was not found"));
    }
    let selectors = ["client_id", "principal_id", "object_id", "mi_res_id", "msi_res_id"];
    if selectors.iter().filter(|name| value(name).is_some()).count() > 1 {
        return Err("At most one of client_id, principal_id and mi_res_id may be given".to_owned());
    }
    let identities = options.managed_identity.as_ref().ok_or("Identity not found")?;
    let found = match value("client_id") {
        Some(wanted) => identities
            .user_assigned
            .iter()
            .chain(&identities.system_assigned)
            .find(|known| known.eq_ignore_ascii_case(wanted)),
        None if selectors.iter().any(|name| value(name).is_some()) => None,
        None => identities.system_assigned.as_ref(),
    };
    found.cloned().ok_or_else(|| "Identity not found".to_owned())
}
