//! Why rows were not written, and what the operator does about it.

use std::time::Duration;

use outbound::{Retry, TransportError};

use crate::token_error::reach_hint;
use crate::{ClientId, RuleId, TokenError};

/// Why rows are not known to be written. Writing them again may write them twice: the service tells no row from another.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogsError {
    /// The service refuses the call: a stream that the rule does not declare, or rows that are not of its shape.
    #[error("the data collection rule refuses the rows: {message}")]
    BadRequest {
        /// Its words.
        message: String,
    },
    /// The token is refused, and so was a new one.
    #[error("the service refuses our token, a new one too: {message}")]
    Unauthorized {
        /// Its words.
        message: String,
    },
    /// We lack the role.
    #[error("we may not write by data collection rule {rule}: {message}")]
    Forbidden {
        /// Its words.
        message: String,
        /// The rule.
        rule: RuleId,
        /// The app or user-assigned identity that asked; none is the system-assigned identity.
        client_id: Option<ClientId>,
    },
    /// There is no such rule at this endpoint, or no such stream in it.
    #[error("the endpoint does not know data collection rule {rule} or its stream {stream}: {message}")]
    NotFound {
        /// Its words.
        message: String,
        /// The rule.
        rule: RuleId,
        /// The stream.
        stream: String,
    },
    /// A call was too many bytes for the service.
    #[error("a call is too large for the service: {message}")]
    TooLarge {
        /// Its words.
        message: String,
    },
    /// One row is larger than a call may be; nothing was sent.
    #[error("a row of {bytes} bytes is more than a call may carry")]
    RowTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// Too many calls.
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
    /// An answer that the service does not document, most often a proxy's.
    #[error("unexpected answer (status {status}): {message}")]
    Unexpected {
        /// Status of the answer.
        status: u16,
        /// What was said.
        message: String,
    },
    /// No whole answer.
    #[error(transparent)]
    Transport(TransportError),
    /// No token.
    #[error(transparent)]
    Token(TokenError),
    /// The call could not be built; nothing was sent.
    #[error("the call cannot be built: {reason}")]
    Unsendable {
        /// Why.
        reason: String,
    },
}

impl LogsError {
    /// Says whether the same call may pass when it is made again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { retry_after } => Retry::After(*retry_after),
            Self::Server { retry_after, .. } => retry_after.map_or(Retry::Backoff, Retry::After),
            // An answer that is too long was given after the rows were taken.
            Self::Transport(error) if !matches!(error, TransportError::TooLarge { .. }) => Retry::Backoff,
            // Tokens repeats its own requests; doing so again here would multiply them. A success with words may have
            // written the rows, and each repeat would write them again.
            Self::Token(_)
            | Self::Transport(_)
            | Self::BadRequest { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::RowTooLarge { .. }
            | Self::Unexpected { .. }
            | Self::Unsendable { .. } => Retry::Never,
        }
    }

    /// Says what the operator must do: which setting, which role, which command.
    pub fn hint(&self) -> String {
        match self {
            Self::BadRequest { .. } => {
                "The streams of the data collection rule must have the columns of this version: \
                deploy the template of this version again, or make LogsIngestionRule name the rule that it made."
                    .to_owned()
            }
            Self::Unauthorized { .. } => {
                "The token was issued for another cloud or tenant. Set AzureCloud to the cloud of \
                the data collection rule (public, usgov, china) and AzureTenantID to its tenant."
                    .to_owned()
            }
            Self::Forbidden { rule, client_id, .. } => role_hint(rule, *client_id),
            Self::NotFound { rule, stream, .. } => format!(
                "LogsIngestionRule {rule} must be the immutable id of a data collection rule that declares the stream \
                 {stream}, and LogsIngestionEndpoint the address for logs ingestion of the same rule (or of its data \
                 collection endpoint, in the same region). `az monitor data-collection rule list --query \
                 \"[].[name, immutableId, endpoints.logsIngestion]\" -o table` shows both, with the extension \
                 monitor-control-service."
            ),
            Self::TooLarge { .. } | Self::RowTooLarge { .. } | Self::Unsendable { .. } => {
                "This is an error of the program: report it with the log.".to_owned()
            }
            Self::Throttled { .. } => {
                "Nothing to do at once. If it lasts, look for another program that writes by the same \
                data collection rule: it takes 12,000 calls a minute."
                    .to_owned()
            }
            Self::Server { .. } => "Nothing to do at once. If it lasts, see https://azure.status.microsoft.".to_owned(),
            Self::Unexpected { .. } => {
                "Something other than Azure Monitor may have answered. Check LogsIngestionEndpoint, \
                HttpsProxy and NoProxy; a proxy that asks for a login shows such pages."
                    .to_owned()
            }
            Self::Transport(error) => reach_hint(error, "logs ingestion", "LogsIngestionEndpoint"),
            Self::Token(error) => error.hint(),
        }
    }
}

fn role_hint(rule: &RuleId, client_id: Option<ClientId>) -> String {
    let scope = format!("\"$(az monitor data-collection rule list --query \"[?immutableId=='{rule}'].id\" -o tsv)\"");
    let assignee = client_id.map_or_else(
        || {
            "--assignee-object-id \"$(az functionapp identity show --name APP --resource-group GROUP --query principalId \
             -o tsv)\" --assignee-principal-type ServicePrincipal"
                .to_owned()
        },
        |id| format!("--assignee {id}"),
    );
    format!(
        "Give the role Monitoring Metrics Publisher on the data collection rule: `az role assignment create --role \
         \"Monitoring Metrics Publisher\" {assignee} --scope {scope}`. `az monitor data-collection` needs the extension \
         monitor-control-service, which az offers to install. The role may take up to half an hour to count."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_role_comes_with_the_command_that_gives_it() {
        let rule = "dcr-0123456789abcdef0123456789abcdef".parse().unwrap();
        let client_id = Some("11111111-89ab-cdef-0123-456789abcdef".parse().unwrap());
        let app = LogsError::Forbidden { message: "no".to_owned(), rule, client_id };
        insta::assert_snapshot!(app.hint(), @r#"Give the role Monitoring Metrics Publisher on the data collection rule: `az role assignment create --role "Monitoring Metrics Publisher" --assignee 11111111-89ab-cdef-0123-456789abcdef --scope "$(az monitor data-collection rule list --query "[?immutableId=='dcr-0123456789abcdef0123456789abcdef'].id" -o tsv)"`. `az monitor data-collection` needs the extension monitor-control-service, which az offers to install. The role may take up to half an hour to count."#);
    }
}
