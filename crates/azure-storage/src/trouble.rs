//! What Azure Blob storage refuses, in words for an operator.
//!
//! Azure's codes decide (`x-ms-error-code`, which a HEAD has too), never its texts, with one exception: of the many
//! things that `AuthenticationFailed` can mean, the clock and the signature's own expiry are looked at first.

use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use http::header::DATE;
use jiff::{SignedDuration, Timestamp};
use ledger::{RemoteTrouble, Repeat};
use outbound::{Clock, Response};
use secrecy::ExposeSecret as _;

use crate::{BlobConfig, BlobCredential, StorageKey};

/// Azure refuses signed requests whose date is further off than this.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// What is known of the place, to speak of it.
#[derive(Debug)]
pub(crate) struct Words {
    account: String,
    container: String,
    opened_by: OpenedBy,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum OpenedBy {
    Key,
    Signature { expires: Option<Timestamp> },
    Identity,
}

impl Words {
    pub(crate) fn new(config: &BlobConfig, clock: Arc<dyn Clock>) -> Self {
        let opened_by = match &config.credential {
            BlobCredential::Key(StorageKey::Shared(_)) => OpenedBy::Key,
            BlobCredential::Key(StorageKey::Signature(query)) => {
                OpenedBy::Signature { expires: expiry(query.expose_secret()) }
            }
            BlobCredential::Identity(_) => OpenedBy::Identity,
        };
        Self {
            account: config.place.account().to_owned(),
            container: config.place.container().to_owned(),
            opened_by,
            clock,
        }
    }

    /// Says what an answer means when no repeat of the request can mend it.
    pub(crate) fn of(&self, answer: &Response) -> Option<RemoteTrouble> {
        let status = answer.status();
        let code = code(answer);
        let Self { account, container, .. } = self;
        let (what, hint) = match (status, code.as_str()) {
            (StatusCode::NOT_FOUND, "ContainerNotFound") => (
                format!("storage account {account} has no container {container}"),
                format!(
                    "check StateUrl, or make the container: `az storage container create --name {container} \
                     --account-name {account} --auth-mode login`"
                ),
            ),
            (StatusCode::CONFLICT, code) if !matches!(code, "" | "BlobAlreadyExists") => (
                format!("storage account {account} refuses to change container {container}"),
                "if the container is being deleted, wait half a minute and make it anew; a container with an \
                 immutability policy cannot hold the state"
                    .to_owned(),
            ),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, code) => self.forbidden(code, answer),
            _ => return None,
        };
        let mut reason = what;
        let code = if code.is_empty() { "no code" } else { code.as_str() };
        write!(reason, " (status {}, {code})", status.as_u16()).unwrap_or_default();
        Some(RemoteTrouble { reason, hint, repeat: Repeat::Useless })
    }

    fn forbidden(&self, code: &str, answer: &Response) -> (String, String) {
        let Self { account, container, .. } = self;
        let now = self.clock.now();
        if let OpenedBy::Signature { expires: Some(expires) } = self.opened_by
            && expires <= now
        {
            return (
                format!("the shared access signature in AzureWebJobsStorage expired at {expires}"),
                "make a new one (Azure portal, the account > Shared access signature), or use an identity, which does \
                 not expire: AzureWebJobsStorage__accountName"
                    .to_owned(),
            );
        }
        match code {
            // Azurite has this code for a wrong key, too, and only its words differ.
            "AuthorizationFailure" if contains(answer.body(), "failed to authenticate") => {
                self.unknown_caller(answer, now)
            }
            "AuthorizationFailure" | "IpAuthorizationError" => (
                format!("the firewall of storage account {account} does not let us in"),
                "allow this network: Azure portal, the account > Security + networking > Networking; a Function app \
                 needs VNet integration with a private endpoint or a service endpoint"
                    .to_owned(),
            ),
            "KeyBasedAuthenticationNotPermitted" => (
                format!("storage account {account} takes no keys"),
                format!(
                    "use an identity: remove AzureWebJobsStorage and set AzureWebJobsStorage__accountName={account} \
                     with AzureWebJobsStorage__credential=managedidentity"
                ),
            ),
            "AccountIsDisabled" => (
                format!("storage account {account} is disabled"),
                "ask the owner of the subscription; an unpaid subscription is one reason".to_owned(),
            ),
            "AuthorizationSourceIPMismatch"
            | "AuthorizationProtocolMismatch"
            | "AuthorizationServiceMismatch"
            | "AuthorizationResourceTypeMismatch"
            | "AuthorizationPermissionMismatch"
            | "InsufficientAccountPermissions"
                if matches!(self.opened_by, OpenedBy::Signature { .. }) =>
            {
                (
                    "the shared access signature in AzureWebJobsStorage does not allow this".to_owned(),
                    "make one for the service Blob and the resource types Container and Object with the permissions \
                     Read, Write, Delete, List, Add and Create, without an IP restriction that leaves this machine out"
                        .to_owned(),
                )
            }
            "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions" => (
                format!("the identity may not work in container {container} of storage account {account}"),
                format!(
                    "give it the role Storage Blob Data Contributor (or Owner): `az role assignment create --assignee \
                     CLIENT_ID --role \"Storage Blob Data Contributor\" --scope $(az storage account show --name \
                     {account} --query id --output tsv)`; a new role takes some minutes to take effect"
                ),
            ),
            _ => self.unknown_caller(answer, now),
        }
    }

    /// Azure does not know who asks.
    fn unknown_caller(&self, answer: &Response, now: Timestamp) -> (String, String) {
        let account = &self.account;
        if let Some(theirs) = date(answer) {
            let off = now.duration_since(theirs);
            if off.abs() > CLOCK_TOLERANCE {
                let direction = if off.is_positive() { "ahead of" } else { "behind" };
                return (
                    format!("the clock of this machine is {} min {direction} Azure's", off.abs().as_mins()),
                    "set the clock of this machine right (NTP); Azure refuses requests that are off by a quarter of an \
                     hour"
                        .to_owned(),
                );
            }
        }
        match self.opened_by {
            OpenedBy::Key => (
                format!("the key in AzureWebJobsStorage is not that of storage account {account}"),
                "copy the connection string again: Azure portal, the account > Security + networking > Access keys; \
                 rotated keys are no longer valid"
                    .to_owned(),
            ),
            OpenedBy::Signature { .. } => (
                format!("storage account {account} does not accept the shared access signature in AzureWebJobsStorage"),
                "make a new one (Azure portal, the account > Shared access signature); one ends with the key that made \
                 it"
                    .to_owned(),
            ),
            OpenedBy::Identity => (
                format!("storage account {account} does not accept the token of our identity"),
                "the storage account and the identity must be of one tenant and one cloud: check AzureTenantID and \
                 AzureCloud"
                    .to_owned(),
            ),
        }
    }
}

fn code(answer: &Response) -> String {
    let header = answer.headers().get("x-ms-error-code").and_then(|value| value.to_str().ok());
    header.map_or_else(|| between(answer.body(), "<Code>", "</Code>").unwrap_or_default(), ToOwned::to_owned)
}

fn between(body: &[u8], before: &str, after: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}

fn contains(body: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(body).contains(words)
}

fn date(answer: &Response) -> Option<Timestamp> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// Returns when a signature ends: its `se`, a time in UTC, or a day, which ends with its beginning.
fn expiry(query: &str) -> Option<Timestamp> {
    let (_, text) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "se")?;
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 => format!("{}:00Z", text.trim_end_matches('Z')),
        _ => text.into_owned(),
    };
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ledger::BlobPlace;
    use rstest::rstest;
    use sentinel::{Cloud, Identity};

    use super::*;

    #[derive(Debug)]
    struct Fixed;

    #[async_trait::async_trait]
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            "2026-06-01T12:00:00Z".parse().unwrap()
        }
    }

    const KEY: &str = "key";
    const SAS: &str = "sv=1&se=2026-07-01T00%3A00%3A00Z&sig=x";
    const OLD_SAS: &str = "sv=1&se=2026-05-01&sig=x";
    const IDENTITY: &str = "";

    fn words(opened_by: &str) -> Words {
        let credential = match opened_by {
            KEY => BlobCredential::Key(StorageKey::Shared("c2VjcmV0".to_owned().into())),
            IDENTITY => BlobCredential::Identity(Box::new((Cloud::public(), Identity::Managed { client_id: None }))),
            query => BlobCredential::Key(StorageKey::Signature(query.to_owned().into())),
        };
        let config = BlobConfig {
            place: BlobPlace::of_container("acct", "state").unwrap(),
            endpoint: "https://acct.blob.core.windows.net".parse().unwrap(),
            credential,
        };
        Words::new(&config, Arc::new(Fixed))
    }

    fn answer(status: u16, code: &str, date: &str) -> Response {
        http::Response::builder()
            .status(status)
            .header("x-ms-error-code", code)
            .header("date", date)
            .body(Bytes::new())
            .unwrap()
    }

    const NOON: &str = "Mon, 01 Jun 2026 12:00:05 GMT";

    #[rstest]
    #[case(KEY, 404, "ContainerNotFound", NOON, "no container state", "az storage container create --name state")]
    #[case(KEY, 409, "ContainerBeingDeleted", NOON, "refuses to change", "half a minute")]
    #[case(KEY, 403, "AuthenticationFailed", NOON, "key in AzureWebJobsStorage is not that of", "Access keys")]
    #[case(KEY, 403, "AuthenticationFailed", "Mon, 01 Jun 2026 11:40:00 GMT", "20 min ahead of", "NTP")]
    #[case(KEY, 403, "AuthenticationFailed", "Mon, 01 Jun 2026 13:00:00 GMT", "60 min behind", "NTP")]
    #[case(
        KEY,
        403,
        "KeyBasedAuthenticationNotPermitted",
        NOON,
        "takes no keys",
        "AzureWebJobsStorage__accountName=acct"
    )]
    #[case(KEY, 403, "AuthorizationFailure", NOON, "firewall", "Networking")]
    #[case(SAS, 403, "AuthenticationFailed", NOON, "does not accept the shared access signature", "make a new one")]
    #[case(SAS, 403, "AuthorizationPermissionMismatch", NOON, "does not allow this", "Read, Write, Delete, List")]
    #[case(OLD_SAS, 403, "AuthenticationFailed", NOON, "expired at 2026-05-01T00:00:00Z", "make a new one")]
    #[case(
        IDENTITY,
        403,
        "AuthorizationPermissionMismatch",
        NOON,
        "may not work in container state",
        "Storage Blob Data Contributor"
    )]
    #[case(IDENTITY, 401, "InvalidAuthenticationInfo", NOON, "token of our identity", "AzureTenantID")]
    fn a_refusal_says_what_to_do(
        #[case] opened_by: &str,
        #[case] status: u16,
        #[case] code: &str,
        #[case] date: &str,
        #[case] reason: &str,
        #[case] hint: &str,
    ) {
        let trouble = words(opened_by).of(&answer(status, code, date)).unwrap();
        assert!(trouble.reason.contains(reason), "{trouble:?}");
        assert!(trouble.reason.contains(&format!("(status {status}, {code})")), "{trouble:?}");
        assert!(trouble.hint.contains(hint), "{trouble:?}");
        assert_eq!(trouble.repeat, Repeat::Useless);
    }

    #[rstest]
    #[case(404, "BlobNotFound")]
    #[case(409, "BlobAlreadyExists")]
    #[case(412, "ConditionNotMet")]
    #[case(503, "ServerBusy")]
    #[case(201, "")]
    fn what_the_client_understands_by_itself_is_left_to_it(#[case] status: u16, #[case] code: &str) {
        assert_eq!(words(KEY).of(&answer(status, code, NOON)), None);
    }

    #[test]
    fn the_code_is_also_found_in_the_body() {
        let body = "<?xml version=\"1.0\"?><Error><Code>ContainerNotFound</Code><Message>m</Message></Error>";
        let answer = http::Response::builder().status(404).body(Bytes::from(body)).unwrap();
        assert!(words(KEY).of(&answer).unwrap().reason.contains("ContainerNotFound"));
    }

    #[rstest]
    #[case("se=2026-05-01T10%3A00%3A00Z&sig=x", Some("2026-05-01T10:00:00Z"))]
    #[case("sig=x&se=2026-05-01T10:00Z", Some("2026-05-01T10:00:00Z"))]
    #[case("se=2026-05-01&sig=x", Some("2026-05-01T00:00:00Z"))]
    #[case("se=soon&sig=x", None)]
    #[case("sig=x", None)]
    fn the_end_of_a_signature_is_read(#[case] query: &str, #[case] expected: Option<&str>) {
        assert_eq!(expiry(query), expected.map(|text| text.parse().unwrap()));
    }
}
