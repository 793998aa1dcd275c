//! Who we are to Entra.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::workspace::hyphenated;

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Identity {
    /// An app registration with a client secret.
    ClientSecret {
        /// The tenant of the app.
        tenant: TenantId,
        /// The app.
        client_id: ClientId,
        /// The secret's value.
        secret: SecretString,
    },
    /// An app registration or user-assigned identity that trusts another issuer (Kubernetes, CI).
    Workload {
        /// The tenant of the app.
        tenant: TenantId,
        /// The app.
        client_id: ClientId,
        /// Where the issuer keeps a fresh token; read for every token request.
        token_file: PathBuf,
    },
    /// The identity of the Azure resource we run on. Which endpoint serves it is read from the environment by
    /// `azure_identity` itself (`IDENTITY_ENDPOINT` and `IDENTITY_HEADER` of App Service and Functions, else the
    /// metadata service of virtual machines); it offers no other way.
    Managed {
        /// A user-assigned identity; none is the system-assigned one.
        client_id: Option<ClientId>,
    },
}

impl Identity {
    /// Returns the app or user-assigned identity, where one is named.
    pub fn client_id(&self) -> Option<ClientId> {
        match self {
            Self::ClientSecret { client_id, .. } | Self::Workload { client_id, .. } => Some(*client_id),
            Self::Managed { client_id } => *client_id,
        }
    }
}

/// The same when both prove the same in the same way: an app with two secrets is two identities, of which one may be at
/// its end.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::ClientSecret { tenant, client_id, secret },
                Self::ClientSecret { tenant: other_tenant, client_id: other_client, secret: other_secret },
            ) => {
                tenant == other_tenant
                    && client_id == other_client
                    && secret.expose_secret() == other_secret.expose_secret()
            }
            (
                Self::Workload { tenant, client_id, token_file },
                Self::Workload { tenant: other_tenant, client_id: other_client, token_file: other_file },
            ) => tenant == other_tenant && client_id == other_client && token_file == other_file,
            (Self::Managed { client_id }, Self::Managed { client_id: other }) => client_id == other,
            _ => false,
        }
    }
}

/// A tenant: its GUID or one of its verified domains.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

/// The application (client) id of an app registration or user-assigned identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(Uuid);

/// A text that names no tenant or app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither a GUID nor a domain name.
    #[error(
        "is not a tenant; expected a GUID like 01234567-89ab-cdef-0123-456789abcdef or a domain like \
         contoso.onmicrosoft.com (Entra admin center > Overview > Tenant ID, or `az account show --query tenantId`)"
    )]
    Tenant,
    /// Not a GUID.
    #[error(
        "is not a client id; expected a GUID like 01234567-89ab-cdef-0123-456789abcdef (Entra admin center > App \
         registrations > the app > Overview > Application (client) ID; the Object ID is another one)"
    )]
    Client,
}

impl FromStr for TenantId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let is_name = |text: &str| {
            text.contains('.')
                && text.split('.').all(|label| {
                    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                })
        };
        if hyphenated(text).is_some() || is_name(text) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(IdentityError::Tenant)
        }
    }
}

impl TenantId {
    /// Returns the tenant as Entra's paths spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hyphenated(text.trim()).map(Self).ok_or(IdentityError::Client)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("01234567-89AB-cdef-0123-456789abcdef", Some("01234567-89ab-cdef-0123-456789abcdef"))]
    #[case(" Contoso.onmicrosoft.com", Some("contoso.onmicrosoft.com"))]
    #[case("contoso", None)]
    #[case("", None)]
    #[case("..", None)]
    #[case("contoso.com/../common", None)]
    fn reads_a_tenant(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(text.parse::<TenantId>().ok().as_ref().map(TenantId::as_str), expected);
    }

    #[test]
    fn a_client_id_is_a_guid() {
        assert!("01234567-89ab-cdef-0123-456789abcdef".parse::<ClientId>().is_ok());
        let error = "my-app".parse::<ClientId>().unwrap_err();
        assert!(error.to_string().contains("Application (client) ID"), "{error}");
    }

    #[test]
    fn no_secret_is_shown() {
        let identity = Identity::ClientSecret {
            tenant: "contoso.com".parse().unwrap(),
            client_id: "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap(),
            secret: "hunter2".to_owned().into(),
        };
        assert!(!format!("{identity:?}").contains("hunter2"));
    }
}
