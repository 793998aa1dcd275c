//! The client-credentials grant, v2 and v1.

use http::Method;
use jiff::Timestamp;
use outbound::{Request, Response};
use serde_json::json;

use super::error::Refusal;
use super::token::{self, Claims};
use super::{App, EntraOptions, EntraSimulator, assertion};
use crate::answer;

/// Which endpoint was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Answers a request for a token.
pub(super) fn token(
    entra: &EntraSimulator,
    options: &EntraOptions,
    request: &Request,
    tenant: &str,
    version: Version,
    now: Timestamp,
) -> Response {
    let form = if answer::has_type(request.headers(), "application/x-www-form-urlencoded") {
        answer::pairs(request.body())
    } else {
        Vec::new()
    };
    let field = |name: &str| answer::value_of(&form, name).filter(|value| !value.is_empty());
    let outcome = issue(options, request, tenant, version, &field, now);
    let asked = field("scope").or(field("resource")).unwrap_or_default();
    entra.note(now, field("client_id").unwrap_or_default(), asked, outcome.is_ok());
    match outcome {
        Err(refusal) => refusal.response(now),
        Ok(claims) => success(&claims, version, now),
    }
}

fn issue<'a>(
    options: &EntraOptions,
    request: &Request,
    tenant: &str,
    version: Version,
    field: &impl Fn(&str) -> Option<&'a str>,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    if request.method() != Method::POST {
        let why = "The endpoint only accepts POST requests. Received a GET request.";
        return Err(Refusal::new(400, "invalid_request", 900_561, why));
    }
    if !tenant.eq_ignore_ascii_case(&options.tenant) {
        let why = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        return Err(Refusal::new(400, "invalid_request", 90002, why));
    }
    let required = |name: &str| {
        field(name).ok_or_else(|| {
            let why = format!("The request body must contain the following parameter: '{name}'.");
            Refusal::new(400, "invalid_request", 900_144, why)
        })
    };
    let grant = required("grant_type")?;
    if grant != "client_credentials" {
        let why = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(Refusal::new(400, "unsupported_grant_type", 70003, why));
    }
    let client_id = required("client_id")?;
    let Some(app) = options.apps.iter().find(|app| app.client_id.eq_ignore_ascii_case(client_id)) else {
        let why = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
        return Err(Refusal::new(400, "unauthorized_client", 700_016, why));
    };
    let audience = audience(options, version, field, &required)?;
    authenticate(app, field, now)?;
    let lifetime = i64::try_from(options.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    Ok(Claims {
        audience,
        tenant: options.tenant.clone(),
        client_id: app.client_id.clone(),
        expires: now.as_second().saturating_add(lifetime),
    })
}

fn authenticate<'a>(app: &App, field: &impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Result<(), Refusal> {
    if let Some(given) = field("client_assertion") {
        if field("client_assertion_type") != Some(JWT_BEARER) {
            let why = "The value of 'client_assertion_type' must be 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'.";
            return Err(Refusal::new(400, "invalid_request", 900_144, why));
        }
        return assertion::check(app, given, now);
    }
    let Some(given) = field("client_secret") else {
        let why = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(Refusal::new(401, "invalid_client", 7_000_218, why));
    };
    match app.secrets.iter().find(|secret| secret.value == given) {
        None => {
            let why = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                app.client_id
            );
            Err(Refusal::new(401, "invalid_client", 7_000_215, why))
        }
        Some(secret) if secret.expires.is_some_and(|end| end <= now) => {
            let why = format!("The provided client secret keys for app '{}' are expired.", app.client_id);
            Err(Refusal::new(401, "invalid_client", 7_000_222, why))
        }
        Some(_) => Ok(()),
    }
}

fn audience<'a>(
    options: &EntraOptions,
    version: Version,
    field: &impl Fn(&str) -> Option<&'a str>,
    required: &impl Fn(&str) -> Result<&'a str, Refusal>,
) -> Result<String, Refusal> {
    let resource = match version {
        Version::V1 => required("resource")?,
        Version::V2 => {
            if field("resource").is_some() {
                let why = "The 'resource' request parameter is not supported.";
                return Err(Refusal::new(400, "invalid_request", 901_002, why));
            }
            let scope = required("scope")?;
            scope.strip_suffix("/.default").filter(|resource| !resource.contains(' ')).ok_or_else(|| {
                let why = format!(
                    "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
                );
                Refusal::new(400, "invalid_scope", 70011, why)
            })?
        }
    };
    known(options, resource).then(|| resource.to_owned()).ok_or_else(|| {
        let why = format!("The resource principal named {resource} was not found in the tenant.");
        Refusal::new(400, "invalid_resource", 500_011, why)
    })
}

/// Says whether tokens are issued for a resource; one slash at its end is the same resource.
pub(super) fn known(options: &EntraOptions, resource: &str) -> bool {
    let bare = resource.strip_suffix('/').unwrap_or(resource);
    options.resources.iter().any(|known| known == bare)
}

fn success(claims: &Claims, version: Version, now: Timestamp) -> Response {
    let access_token = token::mint(claims, now);
    let lifetime = claims.expires - now.as_second();
    let body = match version {
        Version::V2 => json!({
            "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": access_token,
        }),
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": lifetime.to_string(),
            "ext_expires_in": lifetime.to_string(),
            "expires_on": claims.expires.to_string(),
            "not_before": now.as_second().to_string(),
            "resource": claims.audience,
            "access_token": access_token,
        }),
    };
    answer::json(200, &body)
}
