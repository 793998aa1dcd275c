//! Why an upload was not taken, and what the operator does about it.

use std::time::Duration;

use outbound::{Retry, TransportError};

use crate::token_error::reach_hint;
use crate::{ClientId, MAX_OBJECTS, TokenError, WorkspaceId};

/// Why the objects of a request are not known to be in the workspace.
///
/// Whatever the variant, sending the same objects again does no harm: the service keeps one indicator for an id.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UploadError {
    /// The service refuses the request as a whole. One object can be the cause: send halves to find it.
    #[error("the service refuses the whole request: {message}")]
    BadRequest {
        /// Its words.
        message: String,
    },
    /// The request is too many bytes: send halves.
    #[error("the request is too large for the service: {message}")]
    TooLarge {
        /// Its words.
        message: String,
    },
    /// More objects than a request may carry; nothing was sent.
    #[error("{count} objects in one request; the service takes at most {MAX_OBJECTS}")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// The token is refused, and so was a new one.
    #[error("the service refuses our token, a new one too: {message}")]
    Unauthorized {
        /// Its words.
        message: String,
    },
    /// We lack the role.
    #[error("we may not upload to workspace {workspace}: {message}")]
    Forbidden {
        /// Its words.
        message: String,
        /// The workspace.
        workspace: WorkspaceId,
        /// The app or user-assigned identity that asked; none is the system-assigned identity.
        client_id: Option<ClientId>,
    },
    /// There is no such workspace, or not in this cloud.
    #[error("the service does not know workspace {workspace}")]
    WorkspaceNotFound {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// Too many requests.
    #[error("the service asks us to wait {} s", retry_after.as_secs())]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The service has trouble of its own.
    #[error("the service is in trouble (status {status}): {message}")]
    Server {
        /// Status of the answer.
        status: u16,
        /// Its words.
        message: String,
        /// When to come back, where it said so.
        retry_after: Option<Duration>,
    },
    /// A status that the service does not document, most often a proxy's.
    #[error("unexpected status {status}: {message}")]
    Refused {
        /// Status of the answer.
        status: u16,
        /// What was said.
        message: String,
    },
    /// A success whose body does not say what was taken.
    #[error("the answer does not say what was taken: {reason}")]
    Unreadable {
        /// What was wrong with it.
        reason: String,
    },
    /// No whole answer.
    #[error(transparent)]
    Transport(TransportError),
    /// No token.
    #[error(transparent)]
    Token(TokenError),
    /// The request could not be built; nothing was sent.
    #[error("the request cannot be built: {reason}")]
    Unsendable {
        /// Why.
        reason: String,
    },
}

impl UploadError {
    /// Says whether sending the same objects again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { retry_after } => Retry::After(*retry_after),
            Self::Server { retry_after, .. } => retry_after.map_or(Retry::Backoff, Retry::After),
            Self::Unreadable { .. } | Self::Transport(_) => Retry::Backoff,
            // Tokens repeats its own requests; doing so again here would multiply them.
            Self::Token(_)
            | Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::WorkspaceNotFound { .. }
            | Self::Refused { .. }
            | Self::Unsendable { .. } => Retry::Never,
        }
    }

    /// Says whether the trouble may pass by itself, now or by the next run.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Token(error) => error.is_transient(),
            other => other.retry() != Retry::Never,
        }
    }

    /// Says what the operator must do: which setting, which role, which command.
    pub fn hint(&self) -> String {
        match self {
            Self::BadRequest { .. } | Self::TooLarge { .. } | Self::TooMany { .. } => {
                "Nothing to do: the batch is halved \
                until the object that the service does not take is alone; that one goes to quarantine."
                    .to_owned()
            }
            Self::Unauthorized { .. } => "The token was issued for another cloud or tenant. Set AzureCloud to the \
                workspace's cloud (public, usgov, china), AzureTenantID to its tenant, and check that \
                SentinelTiEndpoint, where set, belongs to that cloud."
                .to_owned(),
            Self::Forbidden { workspace, client_id, .. } => role_hint(*workspace, *client_id),
            Self::WorkspaceNotFound { workspace } => format!(
                "AzureWorkspaceID {workspace} must be the Workspace ID (a GUID) of a Log Analytics workspace with Sentinel, \
                 not its name, resource id, subscription or tenant: Azure portal > Log Analytics workspaces > the \
                 workspace > Overview, or `az monitor log-analytics workspace show --resource-group GROUP \
                 --workspace-name NAME --query customerId -o tsv`. A workspace of another cloud needs AzureCloud (usgov, \
                 china)."
            ),
            Self::Throttled { .. } => {
                "Nothing to do at once, it is tried again. If it lasts, lower UploadsPerMinute: the \
                service takes 100 requests a minute from one app, and another program may use the same app."
                    .to_owned()
            }
            Self::Server { .. } => {
                "Nothing to do at once, it is tried again. If it lasts, see https://azure.status.microsoft.".to_owned()
            }
            Self::Refused { .. } | Self::Unreadable { .. } => "Something other than Sentinel may have answered. Check \
                SentinelTiEndpoint, HttpsProxy and NoProxy; a proxy that asks for a login shows such pages. What was \
                sent is sent again."
                .to_owned(),
            Self::Transport(error) => reach_hint(error, "threat-intelligence upload", "SentinelTiEndpoint"),
            Self::Token(error) => error.hint(),
            Self::Unsendable { .. } => "Check SentinelTiEndpoint.".to_owned(),
        }
    }
}

fn role_hint(workspace: WorkspaceId, client_id: Option<ClientId>) -> String {
    let scope =
        format!("\"$(az monitor log-analytics workspace list --query \"[?customerId=='{workspace}'].id\" -o tsv)\"");
    let assignee = client_id.map_or_else(
        || {
            "--assignee-object-id \"$(az functionapp identity show --name APP --resource-group GROUP --query principalId \
             -o tsv)\" --assignee-principal-type ServicePrincipal"
                .to_owned()
        },
        |id| format!("--assignee {id}"),
    );
    let stale = if client_id.is_none() {
        "; a managed identity's token is kept by Azure for up to a day, restarting the app does not renew it"
    } else {
        ""
    };
    format!(
        "Give the role: `az role assignment create --role \"Microsoft Sentinel Contributor\" {assignee} --scope {scope}`. It takes some minutes to take effect{stale}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "01234567-89ab-cdef-0123-456789abcdef";

    #[test]
    fn a_missing_role_comes_with_the_command_that_gives_it() {
        let workspace = WORKSPACE.parse().unwrap();
        let client_id = Some("11111111-89ab-cdef-0123-456789abcdef".parse().unwrap());
        let app = UploadError::Forbidden { message: "no".to_owned(), workspace, client_id };
        let own = UploadError::Forbidden { message: "no".to_owned(), workspace, client_id: None };
        insta::assert_snapshot!(format!("{}\n{}", app.hint(), own.hint()), @r#"
        Give the role: `az role assignment create --role "Microsoft Sentinel Contributor" --assignee 11111111-89ab-cdef-0123-456789abcdef --scope "$(az monitor log-analytics workspace list --query "[?customerId=='01234567-89ab-cdef-0123-456789abcdef'].id" -o tsv)"`. It takes some minutes to take effect.
        Give the role: `az role assignment create --role "Microsoft Sentinel Contributor" --assignee-object-id "$(az functionapp identity show --name APP --resource-group GROUP --query principalId -o tsv)" --assignee-principal-type ServicePrincipal --scope "$(az monitor log-analytics workspace list --query "[?customerId=='01234567-89ab-cdef-0123-456789abcdef'].id" -o tsv)"`. It takes some minutes to take effect; a managed identity's token is kept by Azure for up to a day, restarting the app does not renew it.
        "#);
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        let waits = UploadError::Throttled { retry_after: Duration::from_secs(37) };
        assert_eq!(waits.retry(), Retry::After(Duration::from_secs(37)));
        let token = UploadError::Token(TokenError::Throttled { retry_after: None });
        assert_eq!(token.retry(), Retry::Never);
        assert!(token.is_transient());
        let workspace = WORKSPACE.parse().unwrap();
        assert!(!UploadError::WorkspaceNotFound { workspace }.is_transient());
    }
}
