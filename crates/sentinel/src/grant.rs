//! What the answer to a token request says.
//!
//! `azure_identity` reads the answer too, but it turns the lifetime into an instant of the wall clock and the
//! refusals into text. So the adapter reads first: a lifetime that our clock can count, a refusal that a program
//! can tell apart, and nothing handed on that is not a token.

use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use outbound::{Response, TransportError, retry_after};
use serde::Deserialize;

use crate::excerpt::{bounded, message};
use crate::server_time::server_time;
use crate::{ClientId, EntraProblem, TenantId, TokenError};

/// Who was asked.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Entra { tenant: TenantId, client_id: ClientId },
    ManagedIdentity { client_id: Option<ClientId> },
}

/// How long a granted token lives, counted from its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime(pub(crate) SignedDuration);

/// A lifetime past this is a mistake, and past `i64` days it would panic in `azure_identity`.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// What a token is given when only an absolute expiry is known and our clock says that it is over: a token that has
/// just been issued is alive, so the clock is wrong.
const WHEN_CLOCKS_DISAGREE: SignedDuration = SignedDuration::from_mins(5);

/// The address of the metadata service of virtual machines.
const METADATA_HOST: &str = "169.254.169.254";

/// Reads the answer; `now` is the time of its arrival, used where the answer has no `Date`.
pub(crate) fn read(
    asked: &Asked,
    answer: Result<Response, TransportError>,
    now: Timestamp,
) -> Result<(Response, Lifetime), TokenError> {
    let answer = answer.map_err(|error| unreachable_service(asked, error))?;
    let status = answer.status();
    let now = server_time(answer.headers(), now);
    if status.is_success() {
        let lifetime = granted(&answer, now)?;
        return Ok((answer, lifetime));
    }
    let wait = retry_after(answer.headers(), now).map(|wait| wait.max(Duration::from_secs(1)));
    let busy = || TokenError::Unavailable { status: status.as_u16(), retry_after: wait, message: words(answer.body()) };
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(TokenError::Throttled { retry_after: wait });
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Err(busy());
    }
    match asked {
        Asked::Entra { tenant, client_id } => Err(entra_refusal(&answer, tenant, *client_id, wait)),
        // "404 and 410: the service is updating itself, come back" (managed identities on virtual machines, errors).
        Asked::ManagedIdentity { .. } if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) => Err(busy()),
        Asked::ManagedIdentity { client_id } => Err(TokenError::ManagedIdentityRefused {
            status: status.as_u16(),
            message: identity_message(answer.body()),
            client_id: *client_id,
        }),
    }
}

/// A success as the three services word it; numbers may come as strings.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<Seconds>,
    expires_on: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

impl Seconds {
    fn value(&self) -> Option<i64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

fn granted(answer: &Response, now: Timestamp) -> Result<Lifetime, TokenError> {
    // No text of the parser's goes into the reason: it can quote the body, and the body can hold a token.
    let unreadable =
        |reason: &str| TokenError::Unreadable { status: answer.status().as_u16(), reason: reason.to_owned() };
    let granted: Granted = serde_json::from_slice(answer.body()).map_err(|_| {
        if answer.body().trim_ascii_start().starts_with(b"<") {
            unreadable("an HTML page")
        } else {
            unreadable("not a token answer in JSON")
        }
    })?;
    if granted.access_token.is_empty() || !granted.access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unreadable("access_token is not a token"));
    }
    let lifetime = if let Some(seconds) = granted.expires_in.as_ref().and_then(Seconds::value) {
        SignedDuration::from_secs(seconds)
    } else {
        let at = granted.expires_on.as_ref().and_then(Seconds::value);
        let at = at.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let at = at.ok_or_else(|| unreadable("neither expires_in nor expires_on says how long the token lives"))?;
        let left = at.duration_since(now);
        if left.is_positive() { left } else { WHEN_CLOCKS_DISAGREE }
    };
    if lifetime.is_negative() || lifetime > LONGEST {
        return Err(unreadable("the token's lifetime makes no sense"));
    }
    Ok(Lifetime(lifetime))
}

/// A refusal as Entra words it.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    error_description: String,
}

/// Codes that stand for trouble of Entra's own.
const TRANSIENT: [u32; 5] = [90_033, 90_006, 90_024, 90_012, 50_033];
/// The code for "the tenant sends too many requests".
const TENANT_THROTTLED: u32 = 90_055;

fn entra_refusal(answer: &Response, tenant: &TenantId, client_id: ClientId, wait: Option<Duration>) -> TokenError {
    let status = answer.status().as_u16();
    let Ok(refusal) = serde_json::from_slice::<Refusal>(answer.body()) else {
        return TokenError::Unreadable { status, reason: words(answer.body()) };
    };
    let says = |code: u32| refusal.error_codes.contains(&code);
    let words = first_line(&refusal.error_description);
    if says(TENANT_THROTTLED) {
        return TokenError::Throttled { retry_after: wait };
    }
    if TRANSIENT.into_iter().any(says) || matches!(refusal.error.as_str(), "temporarily_unavailable" | "server_error") {
        return TokenError::Unavailable { status, retry_after: wait, message: words };
    }
    // The first code that we know decides; the others are its company.
    let problems = refusal.error_codes.iter().map(|code| (EntraProblem::of(*code), *code));
    let known = problems.clone().find(|(problem, _)| *problem != EntraProblem::Other);
    let (problem, code) =
        known.or_else(|| problems.clone().next()).map_or((EntraProblem::Other, None), |(p, code)| (p, Some(code)));
    let message = if words.is_empty() { bounded(&refusal.error) } else { words };
    TokenError::Entra { problem, code, message, tenant: tenant.clone(), client_id }
}

/// Entra appends trace ids and a timestamp on lines of their own.
fn first_line(description: &str) -> String {
    bounded(description.lines().next().unwrap_or_default())
}

fn identity_message(body: &[u8]) -> String {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if !refusal.error_description.is_empty() => first_line(&refusal.error_description),
        _ => words(body),
    }
}

/// The words of a refusal, unless it holds what only a grant should.
fn words(body: &[u8]) -> String {
    const TOKEN: &[u8] = b"access_token";
    if body.windows(TOKEN.len()).any(|window| window == TOKEN) {
        "a refusal with a token in it".to_owned()
    } else {
        message(body)
    }
}

fn unreachable_service(asked: &Asked, error: TransportError) -> TokenError {
    match (asked, &error) {
        // Off Azure nothing is at that address; trying for a minute would only delay saying so.
        (
            Asked::ManagedIdentity { .. },
            TransportError::Connect { host, .. } | TransportError::Timeout { host, .. },
        ) if host.starts_with(METADATA_HOST) => TokenError::NoManagedIdentity { reason: error.to_string() },
        _ => TokenError::Transport(error),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outbound::Retry;
    use rstest::rstest;

    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn entra() -> Asked {
        Asked::Entra {
            tenant: "contoso.com".parse().unwrap(),
            client_id: "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap(),
        }
    }

    fn answer(status: u16, body: &str) -> Response {
        http::Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn read_entra(status: u16, body: &str) -> Result<Lifetime, TokenError> {
        read(&entra(), Ok(answer(status, body)), NOW.parse().unwrap()).map(|(_, lifetime)| lifetime)
    }

    #[rstest]
    #[case::seconds(r#"{"access_token":"t","expires_in":3599}"#, 3599)]
    #[case::text(r#"{"access_token":"t","expires_in":"3599","expires_on":"1"}"#, 3599)]
    #[case::instant(r#"{"access_token":"t","expires_on":"1767229200"}"#, 3600)]
    #[case::instant_in_the_past(r#"{"access_token":"t","expires_on":"1586984735"}"#, 300)]
    fn counts_the_lifetime(#[case] body: &str, #[case] seconds: i64) {
        assert_eq!(read_entra(200, body).unwrap(), Lifetime(SignedDuration::from_secs(seconds)));
    }

    #[rstest]
    #[case::empty("")]
    #[case::other_json("{}")]
    #[case::html("<html>log in</html>")]
    #[case::cut(r#"{"access_token":"s3cret","expi"#)]
    #[case::empty_token(r#"{"access_token":"","expires_in":1}"#)]
    #[case::token_with_a_line_break(r#"{"access_token":"s3cret\n","expires_in":1}"#)]
    #[case::token_is_a_number(r#"{"access_token":5,"expires_in":1}"#)]
    #[case::no_lifetime(r#"{"access_token":"s3cret"}"#)]
    #[case::absurd_lifetime(r#"{"access_token":"s3cret","expires_in":9223372036854775807}"#)]
    #[case::negative_lifetime(r#"{"access_token":"s3cret","expires_in":-1}"#)]
    fn a_success_that_is_no_token_is_unreadable_and_tried_again(#[case] body: &str) {
        let error = read_entra(200, body).unwrap_err();
        assert!(matches!(error, TokenError::Unreadable { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Backoff);
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }

    #[rstest]
    #[case(7_000_215, EntraProblem::WrongSecret, "Certificates & secrets")]
    #[case(7_000_222, EntraProblem::SecretExpired, "az ad app credential reset --id 01234567")]
    #[case(7_000_218, EntraProblem::NoSecret, "AzureClientSecret")]
    #[case(700_016, EntraProblem::AppNotFound, "AzureClientID must be the Application (client) ID")]
    #[case(7_000_112, EntraProblem::AppDisabled, "accountEnabled=true")]
    #[case(90_002, EntraProblem::TenantNotFound, "AzureTenantID contoso.com")]
    #[case(900_144, EntraProblem::MalformedRequest, "HttpsProxy")]
    #[case(90_014, EntraProblem::MalformedRequest, "HttpsProxy")]
    #[case(70_011, EntraProblem::BadScope, "AzureCloud")]
    #[case(500_011, EntraProblem::ResourceNotFound, "AzureCloud")]
    #[case(50_001, EntraProblem::ResourceNotFound, "AzureCloud")]
    #[case(50_012, EntraProblem::AssertionInvalid, "AZURE_FEDERATED_TOKEN_FILE")]
    #[case(50_013, EntraProblem::AssertionInvalid, "AZURE_FEDERATED_TOKEN_FILE")]
    #[case(700_024, EntraProblem::AssertionExpired, "clock")]
    #[case(70_021, EntraProblem::NoFederatedCredential, "az ad app federated-credential list --id 01234567")]
    #[case(901_002, EntraProblem::MalformedRequest, "HttpsProxy")]
    #[case(90_038, EntraProblem::OtherCloud, "usgov")]
    #[case(900_382, EntraProblem::OtherCloud, "portal.azure.us")]
    #[case(900_432, EntraProblem::OtherCloud, "china")]
    #[case(53_003, EntraProblem::BlockedByPolicy, "Sign-in logs")]
    #[case(12_345, EntraProblem::Other, "error?code=12345")]
    fn every_code_has_its_hint(#[case] code: u32, #[case] expected: EntraProblem, #[case] hint: &str) {
        // The text names another code, to show that only the number counts.
        let body = format!(
            r#"{{"error":"invalid_request","error_description":"AADSTS90055: words.\r\nTrace ID: 1","error_codes":[{code}]}}"#
        );
        let error = read_entra(400, &body).unwrap_err();
        let TokenError::Entra { problem, code: told, message, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*problem, *told, message.as_str()), (expected, Some(code), "AADSTS90055: words."));
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.hint().contains(hint), "{}", error.hint());
    }

    #[rstest]
    #[case(90_033)]
    #[case(90_006)]
    #[case(90_024)]
    #[case(90_012)]
    #[case(50_033)]
    #[case(90_055)]
    fn transient_codes_are_tried_again(#[case] code: u32) {
        let error = read_entra(400, &format!(r#"{{"error":"x","error_codes":[{code}]}}"#)).unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff, "{error:?}");
    }

    #[test]
    fn a_transient_error_without_code_is_tried_again() {
        let error = read_entra(400, r#"{"error":"temporarily_unavailable"}"#).unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff);
    }

    #[test]
    fn a_clock_that_is_an_hour_off_does_not_shorten_a_token() {
        let mut response = answer(200, r#"{"access_token":"t","expires_on":"1767229200"}"#);
        response.headers_mut().insert("date", "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
        let (_, lifetime) = read(&entra(), Ok(response), "2026-01-01T01:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(lifetime, Lifetime(SignedDuration::from_secs(3600)));
    }

    #[test]
    fn obeys_retry_after_but_never_without_pause() {
        for (status, value, expected) in [(429, "17", 17), (503, "9", 9), (429, "0", 1)] {
            let mut response = answer(status, "");
            response.headers_mut().insert("retry-after", value.parse().unwrap());
            let error = read(&entra(), Ok(response), NOW.parse().unwrap()).unwrap_err();
            assert_eq!(error.retry(), Retry::After(Duration::from_secs(expected)));
        }
        assert_eq!(read_entra(429, "").unwrap_err().retry(), Retry::Backoff);
        assert_eq!(read_entra(500, "<html>").unwrap_err().retry(), Retry::Backoff);
    }

    #[test]
    fn a_refusal_by_a_proxy_is_not_taken_for_entras() {
        let error = read_entra(403, "<html><title>Blocked</title></html>").unwrap_err();
        assert!(matches!(error, TokenError::Unreadable { status: 403, .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains("Blocked"), "{error}");
    }

    #[rstest]
    #[case(404, Retry::Backoff)]
    #[case(410, Retry::Backoff)]
    #[case(429, Retry::Backoff)]
    #[case(500, Retry::Backoff)]
    #[case(400, Retry::Never)]
    fn the_metadata_service_updates_itself(#[case] status: u16, #[case] expected: Retry) {
        let asked = Asked::ManagedIdentity { client_id: None };
        let error = read(&asked, Ok(answer(status, "{}")), NOW.parse().unwrap()).unwrap_err();
        assert_eq!(error.retry(), expected);
    }
}
