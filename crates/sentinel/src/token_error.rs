//! Why there is no token, and what the operator does about it.
//!
//! Entra's codes decide, never its texts: those change and are translated.

use std::path::PathBuf;
use std::time::Duration;

use outbound::{Retry, TransportError};

use crate::{ClientId, TenantId};

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// Entra refuses.
    #[error("Entra gives no token: {message}")]
    Entra {
        /// What is wrong.
        problem: EntraProblem,
        /// Entra's number for it (`AADSTS…`).
        code: Option<u32>,
        /// Entra's words, first line.
        message: String,
        /// The tenant that was asked.
        tenant: TenantId,
        /// The app that asked.
        client_id: ClientId,
    },
    /// The token service asks us to slow down.
    #[error("the token service refuses for now because of too many requests")]
    Throttled {
        /// When to come back, where it said so.
        retry_after: Option<Duration>,
    },
    /// The token service has trouble of its own.
    #[error("the token service is in trouble (status {status}): {message}")]
    Unavailable {
        /// Status of the answer.
        status: u16,
        /// When to come back, where it said so.
        retry_after: Option<Duration>,
        /// Its words.
        message: String,
    },
    /// Nothing here serves a managed identity.
    #[error("no managed identity here: {reason}")]
    NoManagedIdentity {
        /// What was tried.
        reason: String,
    },
    /// The managed identity endpoint refuses.
    #[error("the managed identity endpoint refuses (status {status}): {message}")]
    ManagedIdentityRefused {
        /// Status of the answer.
        status: u16,
        /// Its words.
        message: String,
        /// The user-assigned identity that was asked for.
        client_id: Option<ClientId>,
    },
    /// The federated token cannot be read.
    #[error("cannot read the federated token file {}: {reason}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The answer is not what a token service says; most often a proxy spoke instead.
    #[error("unreadable answer (status {status}) instead of a token: {reason}")]
    Unreadable {
        /// Status of the answer.
        status: u16,
        /// What was wrong with it.
        reason: String,
    },
    /// No whole answer.
    #[error("cannot reach the token service: {0}")]
    Transport(TransportError),
    /// `azure_identity` would not even ask.
    #[error("the token request cannot be made: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

impl TokenError {
    /// Says whether asking again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { retry_after } | Self::Unavailable { retry_after, .. } => {
                retry_after.map_or(Retry::Backoff, Retry::After)
            }
            Self::Transport(_) => Retry::Backoff,
            // A 2xx of the wrong shape is a proxy's page or a cut answer, and passes; a refusal by one does not.
            Self::Unreadable { status, .. } if (200..300).contains(status) => Retry::Backoff,
            Self::Entra { .. }
            | Self::NoManagedIdentity { .. }
            | Self::ManagedIdentityRefused { .. }
            | Self::TokenFile { .. }
            | Self::Unreadable { .. }
            | Self::Setup { .. } => Retry::Never,
        }
    }

    /// Says whether the trouble may pass by itself.
    pub fn is_transient(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// Says what the operator must do: which setting, where in the portal, which command.
    pub fn hint(&self) -> String {
        match self {
            Self::Entra { problem, code, tenant, client_id, .. } => problem.hint(*code, tenant, *client_id),
            Self::Throttled { .. } => "Nothing to do at once, it is tried again. If it lasts, look for another \
                program that asks for tokens with the same app."
                .to_owned(),
            Self::Unavailable { .. } => {
                "Nothing to do at once, it is tried again. If it lasts, see https://azure.status.microsoft.".to_owned()
            }
            Self::NoManagedIdentity { .. } => "Either set AzureTenantID, AzureClientID and AzureClientSecret; or set \
                AZURE_FEDERATED_TOKEN_FILE for workload identity; or run on Azure and switch the identity on: \
                `az functionapp identity assign --name APP --resource-group GROUP` (`az vm identity assign`, `az \
                container create --assign-identity`). With HttpsProxy set, add 169.254.169.254 to NoProxy."
                .to_owned(),
            Self::ManagedIdentityRefused { client_id: Some(id), .. } => format!(
                "{id} (AzureClientID, or the setting that names it) is not a user-assigned identity of this resource. \
                 Assign it: `az functionapp identity assign --name APP --resource-group GROUP --identities \
                 IDENTITY_RESOURCE_ID`, or remove AzureClientID to use the system-assigned identity, or set \
                 AzureClientSecret if it is an app registration."
            ),
            Self::ManagedIdentityRefused { client_id: None, .. } => "Switch the system-assigned identity on: `az \
                functionapp identity assign --name APP --resource-group GROUP` (`az vm identity assign`), or name a \
                user-assigned one in AzureClientID. With HttpsProxy set, add 169.254.169.254 and localhost to NoProxy."
                .to_owned(),
            Self::TokenFile { .. } => {
                "AZURE_FEDERATED_TOKEN_FILE must name the file that the platform keeps fresh. On \
                Kubernetes: label the pod `azure.workload.identity/use: \"true\"` and annotate its service account \
                with `azure.workload.identity/client-id`. Without workload identity, unset it."
                    .to_owned()
            }
            Self::Unreadable { .. } => "Something other than Entra answered. Check AZURE_AUTHORITY_HOST, HttpsProxy \
                and NoProxy; a proxy that asks for a login shows such pages. A proxy that inspects TLS needs CaFile."
                .to_owned(),
            Self::Transport(error) => reach_hint(error, "the token service", "AZURE_AUTHORITY_HOST"),
            Self::Setup { .. } => "Check AzureTenantID, AzureClientID and AzureClientSecret.".to_owned(),
        }
    }
}

/// What to check when a host cannot be reached.
pub(crate) fn reach_hint(error: &TransportError, what: &str, setting: &str) -> String {
    if let TransportError::Proxy { proxy, host, .. } = error {
        return format!(
            "HttpsProxy names {proxy}: check that address, that the proxy runs and lets {host} ({what}) through, and its \
             user and password. If {host} is reached without a proxy, add it to NoProxy."
        );
    }
    let host = match error {
        TransportError::Connect { host, .. }
        | TransportError::Proxy { host, .. }
        | TransportError::Interrupted { host, .. }
        | TransportError::Truncated { host, .. }
        | TransportError::Timeout { host, .. }
        | TransportError::TooLarge { host, .. } => host,
        TransportError::NotSent => return "Nothing: the next run sends it.".to_owned(),
    };
    format!(
        "Allow outgoing HTTPS to {host} ({what}) in firewall and proxy. Check HttpsProxy, NoProxy and {setting}; a proxy \
         that inspects TLS needs its certificate in CaFile."
    )
}

/// What Entra has against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntraProblem {
    /// The secret is not one of the app's.
    WrongSecret,
    /// The secret was right once.
    SecretExpired,
    /// No secret and no assertion reached Entra.
    NoSecret,
    /// The tenant does not know the app.
    AppNotFound,
    /// The app is switched off.
    AppDisabled,
    /// There is no such tenant in this cloud.
    TenantNotFound,
    /// The tenant lives in another cloud.
    OtherCloud,
    /// The scope is malformed.
    BadScope,
    /// The tenant does not know the resource behind the scope.
    ResourceNotFound,
    /// The federated token has expired or is not valid yet.
    AssertionExpired,
    /// The federated token is malformed or its signature wrong.
    AssertionInvalid,
    /// No federated credential of the app matches the token.
    NoFederatedCredential,
    /// Conditional access says no.
    BlockedByPolicy,
    /// The request lacks a parameter or has one too many.
    MalformedRequest,
    /// Anything else.
    Other,
}

impl EntraProblem {
    /// Returns the problem that one of Entra's codes stands for.
    pub(crate) fn of(code: u32) -> Self {
        match code {
            7_000_215 => Self::WrongSecret,
            7_000_222 => Self::SecretExpired,
            7_000_216 | 7_000_218 => Self::NoSecret,
            700_016 => Self::AppNotFound,
            7_000_112 => Self::AppDisabled,
            90_002 | 900_021 | 900_023 => Self::TenantNotFound,
            90_038 | 900_382 | 900_432 => Self::OtherCloud,
            70_011 | 1_002_012 => Self::BadScope,
            500_011 | 50_001 => Self::ResourceNotFound,
            700_024 => Self::AssertionExpired,
            50_012 | 50_013 | 50_027 | 700_027 => Self::AssertionInvalid,
            70_021 | 700_211 | 700_212 | 700_213 => Self::NoFederatedCredential,
            53_003 => Self::BlockedByPolicy,
            90_014 | 900_144 | 901_002 => Self::MalformedRequest,
            _ => Self::Other,
        }
    }

    fn hint(self, code: Option<u32>, tenant: &TenantId, app: ClientId) -> String {
        match self {
            Self::WrongSecret => format!(
                "AzureClientSecret is not a secret of app {app}. Take the secret's Value, not its Secret ID (it is shown \
                 once only): Entra admin center > App registrations > the app > Certificates & secrets. Or make a new \
                 one: `az ad app credential reset --id {app} --append`."
            ),
            Self::SecretExpired => format!(
                "The secret in AzureClientSecret has expired. Make a new one, `az ad app credential reset --id {app} \
                 --append`, and put its password into AzureClientSecret. A managed identity needs no secret."
            ),
            Self::NoSecret => {
                format!(
                    "No secret of app {app} arrived. Set AzureClientSecret; check that a proxy leaves the body alone."
                )
            }
            Self::AppNotFound => format!(
                "Tenant {tenant} has no app {app}. AzureClientID must be the Application (client) ID, not the Object ID, \
                 and AzureTenantID the tenant of the workspace. Check with `az ad sp show --id {app}`; an app that is \
                 registered but has no service principal gets one with `az ad sp create --id {app}`."
            ),
            Self::AppDisabled => format!(
                "App {app} is disabled in tenant {tenant}. Enable it: `az ad sp update --id {app} --set \
                 accountEnabled=true`."
            ),
            Self::TenantNotFound => format!(
                "AzureTenantID {tenant} names no tenant here. Read it with `az account show --query tenantId`. A tenant \
                 of another cloud needs AzureCloud (usgov, china)."
            ),
            Self::OtherCloud => format!(
                "Tenant {tenant} belongs to another cloud than AzureCloud (or AZURE_AUTHORITY_HOST) says. Set AzureCloud to \
                 public, usgov or china, as the workspace's portal is portal.azure.com, portal.azure.us or \
                 portal.azure.cn."
            ),
            Self::BadScope | Self::ResourceNotFound => format!(
                "Tenant {tenant} does not know the service that the token is for. Set AzureCloud to the workspace's cloud \
                 (public, usgov, china) and check that AZURE_AUTHORITY_HOST belongs to it."
            ),
            Self::AssertionExpired => {
                "The federated token has expired or is not valid yet. Check that the platform renews \
                AZURE_FEDERATED_TOKEN_FILE and that this machine's clock is right."
                    .to_owned()
            }
            Self::AssertionInvalid => "Entra cannot verify the federated token. Check that AZURE_FEDERATED_TOKEN_FILE \
                holds the token of the issuer named in the app's federated credential, and that the issuer's signing \
                keys are public."
                .to_owned(),
            Self::NoFederatedCredential => format!(
                "No federated credential of app {app} matches the token's issuer, subject and audience. Compare with `az \
                 ad app federated-credential list --id {app}` (user-assigned identity: `az identity \
                 federated-credential list --identity-name NAME --resource-group GROUP`)."
            ),
            Self::BlockedByPolicy => format!(
                "A conditional access policy blocks app {app}. See Entra admin center > Sign-in logs > Service principal \
                 sign-ins for its name, and exclude the app or this network."
            ),
            Self::MalformedRequest => {
                "The request did not arrive as it was sent. Check HttpsProxy and AZURE_AUTHORITY_HOST.".to_owned()
            }
            Self::Other => code.map_or_else(
                || "Check AzureTenantID, AzureClientID, AzureClientSecret and AzureCloud.".to_owned(),
                |code| format!("See https://login.microsoftonline.com/error?code={code}."),
            ),
        }
    }
}
