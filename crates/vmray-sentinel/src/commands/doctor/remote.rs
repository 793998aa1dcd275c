//! What VMRay, Entra and Sentinel say.

use std::time::Duration;

use bytes::Bytes;
use config::{API, SentinelConfig, VmrayConfig};
use jiff::SignedDuration;
use outbound::RetryPolicy;
use sentinel::{TokenError, UploadError, WorkspaceId};
use vmray::SubmissionFilter;

use super::report::Check;
use crate::connect::Clients;
use crate::words;

/// A doctor is asked by a person who waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Objects are joined as they are, so this one makes a request with an empty list: it can store nothing.
const NOTHING: Bytes = Bytes::new();
/// Name of the check of the token, which others need.
pub(super) const TOKEN: &str = "token";
/// Tokens are refused somewhere above this difference of clocks.
const CLOCK_FAILS: SignedDuration = SignedDuration::from_mins(5);
/// Time servers keep clocks much closer.
const CLOCK_WARNS: SignedDuration = SignedDuration::from_secs(30);

/// VMRay: address, key, version, permission to list, quota, clock.
pub(super) async fn vmray(
    config: Option<&VmrayConfig>,
    address: Option<&str>,
    clients: Option<&Clients>,
) -> Vec<Check> {
    let (Some(config), Some(clients)) = (config, clients) else {
        return vec![Check::skipped("VMRay", "the settings")];
    };
    let client = clients.vmray(config, RetryPolicy::once(PATIENCE));
    let failed =
        |what: &str, error: &vmray::Error| Check::failed("VMRay", format!("{what}: {error}")).step(error.hint());
    let probe = match client.probe().await {
        Ok(probe) => probe,
        Err(error) => return vec![failed(&format!("{} does not answer as it should", config.base), &error)],
    };
    let version = probe.info.version.as_deref().unwrap_or("that it does not say");
    let now = clients.clock().now();
    let recent = SubmissionFilter {
        finish_time: Some((now.checked_sub(SignedDuration::from_mins(1)).ok(), Some(now))),
        ..SubmissionFilter::default()
    };
    if let Err(error) = client.submissions(&recent).await {
        return vec![failed(&format!("{}, version {version}, does not list submissions", config.base), &error)];
    }
    let mut checks =
        vec![Check::good("VMRay", format!("{}, version {version}, the key may list submissions", config.base))];
    if address.is_some_and(|address| address.trim_end_matches('/').ends_with(API)) {
        let detail = format!("VmrayBaseURL ends in {API}, which is left out: the program adds it to every call itself");
        checks.push(Check::warning("VMRay", detail).step(format!("set VmrayBaseURL={}", config.base)));
    }
    checks.push(match client.quota().await {
        Ok(quota) => self::quota(quota.used_quota, quota.quota_limit),
        // The endpoint is optional, and the feed reads only.
        Err(vmray::Error::NotFound) => Check::good("quota", "this server does not say; the feed does not use any"),
        Err(error) => Check::warning("quota", format!("cannot be asked: {error}")).step(error.hint()),
    });
    checks.push(clocks(probe.clock_offset));
    checks
}

fn quota(used: Option<i64>, limit: Option<i64>) -> Check {
    let show = |amount: i64| words::number(amount.unsigned_abs());
    match (used, limit) {
        (Some(used), Some(limit)) if limit > 0 && used >= limit => Check::warning(
            "quota",
            format!("{} of {} analyses used; the feed only reads and continues", show(used), show(limit)),
        ),
        (Some(used), Some(limit)) => {
            Check::good("quota", format!("{} of {} analyses used; the feed uses none", show(used), show(limit)))
        }
        (Some(used), None) => {
            Check::good("quota", format!("{} analyses used, no limit reported; the feed uses none", show(used)))
        }
        (None, _) => Check::good("quota", "this server does not say; the feed does not use any"),
    }
}

/// `ahead` is how far VMRay's clock is ahead of ours.
fn clocks(ahead: Option<SignedDuration>) -> Check {
    let Some(ahead) = ahead else {
        return Check::warning("clock", "VMRay sends no Date, so our clock could not be compared")
            .step("compare this machine's clock with another: `timedatectl`");
    };
    let difference = ahead.abs();
    // The header has whole seconds, and the answer was on its way.
    if difference <= SignedDuration::from_secs(2) {
        return Check::good("clock", "ours and VMRay's agree");
    }
    let direction = if ahead.is_positive() { "behind" } else { "ahead of" };
    let detail = format!("ours is {} {direction} VMRay's", words::span(difference));
    if difference <= CLOCK_WARNS {
        return Check::good("clock", detail);
    }
    let step = "set this machine's clock: `sudo timedatectl set-ntp true`; if it is right, VMRay's is wrong";
    let check = if difference > CLOCK_FAILS { Check::failed("clock", detail) } else { Check::warning("clock", detail) };
    check.step(step)
}

/// Entra and Sentinel: token, role, workspace.
pub(super) async fn sentinel(config: Option<&SentinelConfig>, clients: Option<&Clients>) -> Vec<Check> {
    let (Some(config), Some(clients)) = (config, clients) else {
        return vec![Check::skipped(TOKEN, "the settings"), Check::skipped("workspace", "the settings")];
    };
    let tokens = clients.tokens(config);
    let skipped = || Check::skipped("workspace", "the token");
    match tokio::time::timeout(PATIENCE, tokens.token(&config.cloud.management_scope)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error @ TokenError::NoManagedIdentity { .. })) => {
            return vec![without_identity(error.to_string()), skipped()];
        }
        // Other clouds have a service at that address, too.
        Ok(Err(error @ TokenError::ManagedIdentityRefused { .. })) => {
            let check = Check::failed(TOKEN, error.to_string()).step(error.hint()).step(ELSEWHERE);
            return vec![check, skipped()];
        }
        Ok(Err(error)) => return vec![Check::failed(TOKEN, error.to_string()).step(error.hint()), skipped()],
        Err(_) if matches!(config.identity, sentinel::Identity::Managed { .. }) => {
            let detail = format!("no managed identity answers here within {} s", PATIENCE.as_secs());
            return vec![without_identity(detail), skipped()];
        }
        Err(_) => {
            let detail = format!("{} gave no token within {} s", config.cloud.authority, PATIENCE.as_secs());
            let step = "check that this machine reaches it: firewall, name resolution, HttpsProxy, CaFile, AzureCloud";
            return vec![Check::failed(TOKEN, detail).step(step), skipped()];
        }
    }
    let who = match &config.identity {
        sentinel::Identity::ClientSecret { client_id, .. } => format!("client secret of app {client_id}"),
        sentinel::Identity::Workload { client_id, .. } => format!("workload identity of app {client_id}"),
        sentinel::Identity::Managed { client_id: Some(id) } => format!("managed identity {id}"),
        sentinel::Identity::Managed { client_id: None } => "system-assigned managed identity".to_owned(),
    };
    let token = Check::good(TOKEN, format!("Entra gave one for the {who}"));
    let client = clients.upload(config, RetryPolicy::once(PATIENCE));
    vec![token, workspace(config.workspace, client.upload(&[NOTHING]).await)]
}

/// What replaces a managed identity.
const ELSEWHERE: &str = "elsewhere than on Azure: set AzureTenantID, AzureClientID and AzureClientSecret of an app \
    registration (Azure portal, Microsoft Entra ID > App registrations)";

/// No app registration is set, and no identity of Azure is here: either may be what was meant.
fn without_identity(detail: String) -> Check {
    Check::failed(TOKEN, detail).step(ELSEWHERE).step(
        "on Azure: switch the managed identity of this machine or app on (`az vm identity assign`, `az functionapp \
             identity assign`) and give it the role on the workspace; on Kubernetes, workload identity sets \
             AZURE_FEDERATED_TOKEN_FILE",
    )
}

/// Reads the answer to a request without objects.
fn workspace(id: WorkspaceId, answer: Result<sentinel::Uploaded, UploadError>) -> Check {
    match answer {
        Ok(_) => {
            Check::good("workspace", format!("{id} took a request without indicators: workspace id and role are right"))
        }
        Err(UploadError::BadRequest { .. }) => Check::warning(
            "workspace",
            format!(
                "not proven: {id} refuses a request without indicators, which is allowed and says nothing against the workspace \
                 id or the role"
            ),
        )
        .step("the first run proves both: `vmray-sentinel feed --once`"),
        Err(error) => Check::failed("workspace", error.to_string()).step(error.hint()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::report::Outcome;
    use super::*;

    #[rstest]
    #[case(0, Outcome::Good, "agree")]
    #[case(-10, Outcome::Good, "10 s ahead of")]
    #[case(120, Outcome::Warning, "2 min behind")]
    #[case(3600, Outcome::Failed, "1 h behind")]
    fn compares_clocks(#[case] ahead_s: i64, #[case] outcome: Outcome, #[case] words: &str) {
        let check = clocks(Some(SignedDuration::from_secs(ahead_s)));
        assert_eq!(check.outcome, outcome);
        assert!(check.detail.contains(words), "{}", check.detail);
    }

    #[test]
    fn a_refused_empty_request_proves_nothing_and_is_a_note() {
        let id: WorkspaceId = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let outcome = |answer| workspace(id, answer).outcome;
        assert_eq!(outcome(Ok(sentinel::Uploaded::default())), Outcome::Good);
        assert_eq!(outcome(Err(UploadError::BadRequest { message: "empty".to_owned() })), Outcome::Warning);
        assert_eq!(outcome(Err(UploadError::WorkspaceNotFound { workspace: id })), Outcome::Failed);
        let forbidden = UploadError::Forbidden { message: "no".to_owned(), workspace: id, client_id: None };
        let check = workspace(id, Err(forbidden));
        assert!(check.next_steps[0].contains("az role assignment create"), "{:?}", check.next_steps);
    }

    #[rstest]
    #[case(Some(1200), Some(10_000), Outcome::Good, "1,200 of 10,000")]
    #[case(Some(10), Some(10), Outcome::Warning, "10 of 10")]
    #[case(None, None, Outcome::Good, "does not say")]
    fn shows_the_quota(
        #[case] used: Option<i64>,
        #[case] limit: Option<i64>,
        #[case] outcome: Outcome,
        #[case] words: &str,
    ) {
        let check = quota(used, limit);
        assert_eq!(check.outcome, outcome);
        assert!(check.detail.contains(words), "{}", check.detail);
    }
}
