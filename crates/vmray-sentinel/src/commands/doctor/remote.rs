//! What VMRay, Entra and Sentinel say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use outbound::{Clock, RetryPolicy, Transport};
use sentinel::{UploadError, WorkspaceId};
use vmray::SubmissionFilter;

use super::report::Check;
use crate::config::{SentinelConfig, VmrayConfig};
use crate::{connect, words};

/// A doctor is asked by a person who waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Objects are joined as they are, so this one makes a request with an empty list: it can store nothing.
const NOTHING: Bytes = Bytes::new();
/// Tokens are refused somewhere above this difference of clocks.
const CLOCK_FAILS: SignedDuration = SignedDuration::from_mins(5);
/// Time servers keep clocks much closer.
const CLOCK_WARNS: SignedDuration = SignedDuration::from_secs(30);

/// VMRay: address, key, version, permission to list, quota, clock.
pub(super) async fn vmray(
    config: Option<&VmrayConfig>,
    transport: Option<&Arc<dyn Transport>>,
    clock: &Arc<dyn Clock>,
) -> Vec<Check> {
    let (Some(config), Some(transport)) = (config, transport) else {
        return vec![Check::skipped("VMRay", "the settings")];
    };
    let client = connect::vmray(config, transport, RetryPolicy::once(PATIENCE), clock);
    let failed =
        |what: &str, error: &vmray::Error| Check::failed("VMRay", format!("{what}: {error}")).step(error.hint());
    let probe = match client.probe().await {
        Ok(probe) => probe,
        Err(error) => return vec![failed(&format!("{} does not answer as it should", config.base), &error)],
    };
    let version = probe.info.version.as_deref().unwrap_or("that it does not tell");
    let now = clock.now();
    let recent = SubmissionFilter {
        finish_time: Some((now.checked_sub(SignedDuration::from_mins(1)).ok(), Some(now))),
        ..SubmissionFilter::default()
    };
    if let Err(error) = client.submissions(&recent).await {
        return vec![failed(&format!("{}, version {version}, does not list submissions", config.base), &error)];
    }
    let mut checks =
        vec![Check::good("VMRay", format!("{}, version {version}, the key may list submissions", config.base))];
    checks.push(match client.quota().await {
        Ok(quota) => self::quota(quota.used_quota, quota.quota_limit),
        // The endpoint is optional, and the feed reads only.
        Err(vmray::Error::NotFound) => Check::good("quota", "this server does not tell; the feed does not use any"),
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
            format!("{} of {} analyses used; the feed reads only and goes on", show(used), show(limit)),
        ),
        (Some(used), Some(limit)) => {
            Check::good("quota", format!("{} of {} analyses used; the feed uses none", show(used), show(limit)))
        }
        (Some(used), None) => {
            Check::good("quota", format!("{} analyses used, no limit told; the feed uses none", show(used)))
        }
        (None, _) => Check::good("quota", "this server does not tell; the feed does not use any"),
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
pub(super) async fn sentinel(
    config: Option<&SentinelConfig>,
    transport: Option<&Arc<dyn Transport>>,
    clock: &Arc<dyn Clock>,
) -> Vec<Check> {
    let (Some(config), Some(transport)) = (config, transport) else {
        return vec![Check::skipped("token", "the settings"), Check::skipped("workspace", "the settings")];
    };
    let tokens = connect::tokens(config, transport, clock);
    let skipped = || Check::skipped("workspace", "the token");
    match tokio::time::timeout(PATIENCE, tokens.token(&config.cloud.management_scope)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return vec![Check::failed("token", error.to_string()).step(error.hint()), skipped()],
        Err(_) => {
            let detail = format!("{} gave no token within {} s", config.cloud.authority, PATIENCE.as_secs());
            let step = "check that this machine reaches it: firewall, name resolution, HttpsProxy, CaFile, AzureCloud";
            return vec![Check::failed("token", detail).step(step), skipped()];
        }
    }
    let who = match &config.identity {
        sentinel::Identity::ClientSecret { client_id, .. } => format!("client secret of app {client_id}"),
        sentinel::Identity::Workload { client_id, .. } => format!("workload identity of app {client_id}"),
        sentinel::Identity::Managed { client_id: Some(id) } => format!("managed identity {id}"),
        sentinel::Identity::Managed { client_id: None } => "system-assigned managed identity".to_owned(),
    };
    let token = Check::good("token", format!("Entra gave one for the {who}"));
    let client = connect::upload(config, transport, RetryPolicy::once(PATIENCE), tokens, clock);
    vec![token, workspace(config.workspace, client.upload(&[NOTHING]).await)]
}

/// Reads the answer to a request without objects.
fn workspace(id: WorkspaceId, answer: Result<sentinel::Uploaded, UploadError>) -> Check {
    match answer {
        Ok(_) => {
            Check::good("workspace", format!("{id} took a request without indicators: workspace id and role are right"))
        }
        Err(UploadError::BadRequest { .. }) => Check::good(
            "workspace",
            format!(
                "{id} refuses a request without indicators, as it may, but neither the workspace id nor the role; \
                 what this cannot prove is seen with the first run"
            ),
        ),
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
    fn a_refused_empty_request_still_proves_the_role() {
        let id: WorkspaceId = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let outcome = |answer| workspace(id, answer).outcome;
        assert_eq!(outcome(Ok(sentinel::Uploaded::default())), Outcome::Good);
        assert_eq!(outcome(Err(UploadError::BadRequest { message: "empty".to_owned() })), Outcome::Good);
        assert_eq!(outcome(Err(UploadError::WorkspaceNotFound { workspace: id })), Outcome::Failed);
        let forbidden = UploadError::Forbidden { message: "no".to_owned(), workspace: id, client_id: None };
        let check = workspace(id, Err(forbidden));
        assert!(check.next_steps[0].contains("az role assignment create"), "{:?}", check.next_steps);
    }

    #[rstest]
    #[case(Some(1200), Some(10_000), Outcome::Good, "1,200 of 10,000")]
    #[case(Some(10), Some(10), Outcome::Warning, "10 of 10")]
    #[case(None, None, Outcome::Good, "does not tell")]
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
