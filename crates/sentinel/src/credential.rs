//! One token request, made by `azure_identity`.
//!
//! A credential object lives for one request: its cache reads the wall clock and cannot be emptied, so [`crate::Tokens`]
//! does the caching. Only the SDK reads the environment here, and only for a managed identity
//! (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER` and the variables of hosts that it does not support).

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, ClientOptions, RetryOptions, Transport};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use outbound::{Clock, Exchange, ServiceUrl};
use secrecy::{ExposeSecret as _, SecretString};

use crate::adapter::{Adapter, Outcome};
use crate::excerpt::bounded;
use crate::grant::{Asked, Lifetime};
use crate::{Identity, TokenError};

/// Asks for a token; the exchange says how often.
pub(crate) async fn request(
    exchange: &Exchange,
    clock: &Arc<dyn Clock>,
    authority: &ServiceUrl,
    identity: &Identity,
    scope: &str,
) -> Result<(SecretString, Lifetime), TokenError> {
    let outcome = Outcome::default();
    let adapter = |asked, authority| Adapter {
        exchange: exchange.clone(),
        clock: Arc::clone(clock),
        asked,
        authority,
        outcome: Arc::clone(&outcome),
    };
    let credential: Result<Arc<dyn TokenCredential>, azure_core::Error> = match identity {
        Identity::ClientSecret { tenant, client_id, secret } => {
            let asked = Asked::Entra { tenant: tenant.clone(), client_id: *client_id };
            let client_options = options(adapter(asked, Some(authority.clone())), Some(authority));
            let secret = Secret::new(secret.expose_secret().to_owned());
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(tenant.as_str(), client_id.to_string(), secret, Some(options))
                .map(|credential| credential as _)
        }
        Identity::Workload { tenant, client_id, token_file } => {
            let asked = Asked::Entra { tenant: tenant.clone(), client_id: *client_id };
            let client_options = options(adapter(asked, Some(authority.clone())), Some(authority));
            let assertion = TokenFile { path: token_file.clone(), outcome: Arc::clone(&outcome) };
            let options = ClientAssertionCredentialOptions { client_options };
            ClientAssertionCredential::new(tenant.to_string(), client_id.to_string(), assertion, Some(options))
                .map(|credential| credential as _)
        }
        Identity::Managed { client_id } => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_string())),
                client_options: options(adapter(Asked::ManagedIdentity { client_id: *client_id }, None), None),
            };
            ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
    };
    let refused = |error: &azure_core::Error| {
        let reason = bounded(&error.to_string());
        match identity {
            Identity::Managed { .. } => TokenError::NoManagedIdentity { reason },
            Identity::ClientSecret { .. } | Identity::Workload { .. } => TokenError::Setup { reason },
        }
    };
    let credential = credential.map_err(|error| refused(&error))?;
    let token = credential.get_token(&[scope], None).await;
    let kept = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (token, kept) {
        (_, Some(Err(error))) => Err(error),
        (Ok(token), Some(Ok(lifetime))) => Ok((token.token.secret().to_owned().into(), lifetime)),
        // The SDK's words could quote the body that it did not like.
        (Err(_), Some(Ok(_))) => {
            Err(TokenError::Unreadable { status: 200, reason: "azure_identity cannot read it".to_owned() })
        }
        (Err(error), None) => Err(refused(&error)),
        (Ok(_), None) => Err(TokenError::Setup { reason: "azure_identity did not ask".to_owned() }),
    }
}

fn options(adapter: Adapter, authority: Option<&ServiceUrl>) -> ClientOptions {
    let cloud = authority.map(|authority| {
        let mut custom = CustomConfiguration::default();
        // Never connected to: the adapter sends to the authority itself, whatever its scheme.
        custom.authority_host = format!("https://{}", authority.host());
        Arc::new(custom.into())
    });
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(adapter))),
        cloud,
        ..ClientOptions::default()
    }
}

/// The federated token as an assertion. The SDK's own workload identity reads the file when it is made and again after
/// ten minutes of wall-clock time; this reads it for every request and says what is wrong with it.
#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    outcome: Outcome,
}

#[async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let reason = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => "it is empty".to_owned(),
            Err(error) => error.to_string(),
        };
        let error = TokenError::TokenFile { path: self.path.clone(), reason };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(Err(error));
        Err(azure_core::Error::with_message(ErrorKind::Other, "no federated token"))
    }
}
