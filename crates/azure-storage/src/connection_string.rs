//! Connection strings of storage accounts, as Azure hands them out (`AzureWebJobsStorage`).
//!
//! `Name=Value` pairs between semicolons, in any order and case. No message repeats a key or a signature.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outbound::{ServiceUrl, ServiceUrlError};
use secrecy::SecretString;

/// The account of every emulator, with its published key (Azurite and the older Storage Emulator).
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// A storage account and how to get in.
#[derive(Debug, Clone)]
pub struct StorageAccount {
    /// Its name.
    pub name: String,
    /// Where its blobs are.
    pub endpoint: ServiceUrl,
    /// What opens it.
    pub key: StorageKey,
}

/// What a connection string holds to get in.
#[derive(Debug, Clone)]
pub enum StorageKey {
    /// The account's key, base64.
    Shared(SecretString),
    /// A shared access signature: a query without its question mark.
    Signature(SecretString),
}

/// Why a connection string cannot be used. The texts continue the setting's name.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionStringError {
    #[error("is no connection string: part {0} has no '='; copy the whole text from the portal, without quotes")]
    NoPair(usize),
    #[error("names {0} twice")]
    Twice(&'static str),
    #[error("holds no {0}")]
    Missing(&'static str),
    #[error("holds neither AccountKey nor SharedAccessSignature (it holds {0})")]
    NoKey(String),
    #[error("holds both AccountKey and SharedAccessSignature; keep one")]
    TwoKeys,
    #[error("holds an AccountKey that is not base64; copy it again, whole")]
    Key,
    #[error("holds a SharedAccessSignature without sig=; copy it again, whole")]
    Signature,
    #[error("holds a BlobEndpoint that {0}")]
    Endpoint(ServiceUrlError),
    #[error("names DevelopmentStorageProxyUri, which is not supported; give BlobEndpoint and AccountKey instead")]
    EmulatorProxy,
}

/// The names that count here; those of queues, tables and files are left alone.
const NAMES: [&str; 8] = [
    "UseDevelopmentStorage",
    "DevelopmentStorageProxyUri",
    "DefaultEndpointsProtocol",
    "AccountName",
    "AccountKey",
    "SharedAccessSignature",
    "BlobEndpoint",
    "EndpointSuffix",
];

impl StorageAccount {
    /// Reads a connection string; `suffix` is the cloud's, for one that names none.
    pub fn parse(text: &str, suffix: &str) -> Result<Self, ConnectionStringError> {
        let pairs = pairs(text)?;
        let get = |name: &str| pairs.get(name).copied().filter(|value| !value.is_empty());
        if get("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            if get("DevelopmentStorageProxyUri").is_some() {
                return Err(ConnectionStringError::EmulatorProxy);
            }
            return Ok(Self {
                name: EMULATOR_ACCOUNT.to_owned(),
                endpoint: EMULATOR_ENDPOINT.parse().map_err(ConnectionStringError::Endpoint)?,
                key: StorageKey::Shared(EMULATOR_KEY.to_owned().into()),
            });
        }
        let key = match (get("AccountKey"), get("SharedAccessSignature")) {
            (Some(key), None) => {
                BASE64_STANDARD.decode(key).map_err(|_| ConnectionStringError::Key)?;
                StorageKey::Shared(key.to_owned().into())
            }
            (None, Some(signature)) => {
                let signature = signature.trim_start_matches('?');
                if !signature.split('&').any(|pair| pair.starts_with("sig=")) {
                    return Err(ConnectionStringError::Signature);
                }
                StorageKey::Signature(signature.to_owned().into())
            }
            (Some(_), Some(_)) => return Err(ConnectionStringError::TwoKeys),
            (None, None) => {
                let held: Vec<_> = pairs.keys().copied().collect();
                return Err(ConnectionStringError::NoKey(held.join(", ")));
            }
        };
        let endpoint: ServiceUrl = match (get("BlobEndpoint"), get("AccountName")) {
            (Some(endpoint), _) => endpoint.parse().map_err(ConnectionStringError::Endpoint)?,
            (None, Some(account)) => {
                let protocol = get("DefaultEndpointsProtocol").unwrap_or("https");
                let suffix = get("EndpointSuffix").unwrap_or(suffix);
                format!("{protocol}://{account}.blob.{suffix}").parse().map_err(ConnectionStringError::Endpoint)?
            }
            (None, None) => return Err(ConnectionStringError::Missing("AccountName")),
        };
        let name = match get("AccountName") {
            Some(name) => name.to_owned(),
            None => account_of(&endpoint).ok_or(ConnectionStringError::Missing("AccountName"))?,
        };
        Ok(Self { name, endpoint, key })
    }
}

/// Returns the account that an address is of: the first part of the host, or of the path where the host is this
/// machine's, as with emulators.
pub fn account_of(endpoint: &ServiceUrl) -> Option<String> {
    let url = endpoint.at("/");
    let name = if endpoint.is_loopback() {
        url.path_segments()?.next()?.to_owned()
    } else {
        endpoint.host().split('.').next()?.to_owned()
    };
    (!name.is_empty()).then_some(name)
}

fn pairs(text: &str) -> Result<BTreeMap<&'static str, &str>, ConnectionStringError> {
    let mut pairs = BTreeMap::new();
    for (index, part) in text.split(';').map(str::trim).enumerate().filter(|(_, part)| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(ConnectionStringError::NoPair(index + 1))?;
        let Some(name) = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name.trim())) else { continue };
        if pairs.insert(name, value.trim()).is_some() {
            return Err(ConnectionStringError::Twice(name));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let account = StorageAccount::parse(text, "core.windows.net").map_err(|error| error.to_string())?;
        let key = match &account.key {
            StorageKey::Shared(key) => format!("key {}", key.expose_secret()),
            StorageKey::Signature(query) => format!("sas {}", query.expose_secret()),
        };
        Ok(format!("{} {} {key}", account.name, account.endpoint))
    }

    #[rstest]
    #[case(
        "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
        "acct https://acct.blob.core.windows.net key c2VjcmV0"
    )]
    #[case("accountkey=c2VjcmV0; accountname=acct;", "acct https://acct.blob.core.windows.net key c2VjcmV0")]
    #[case(
        "AccountName=acct;AccountKey=c2VjcmU=;EndpointSuffix=core.usgovcloudapi.net",
        "acct https://acct.blob.core.usgovcloudapi.net key c2VjcmU="
    )]
    #[case(
        "BlobEndpoint=https://acct.blob.core.windows.net/;QueueEndpoint=https://acct.queue.core.windows.net/;\
         SharedAccessSignature=sv=2024-11-04&ss=b&se=2030-01-01T00:00:00Z&sig=abc%3D",
        "acct https://acct.blob.core.windows.net sas sv=2024-11-04&ss=b&se=2030-01-01T00:00:00Z&sig=abc%3D"
    )]
    #[case(
        "AccountName=acct;SharedAccessSignature=?sv=1&sig=x;BlobEndpoint=https://acct.privatelink.example",
        "acct https://acct.privatelink.example sas sv=1&sig=x"
    )]
    #[case(
        "AccountName=devstoreaccount1;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:7/devstoreaccount1",
        "devstoreaccount1 http://127.0.0.1:7/devstoreaccount1 key c2VjcmV0"
    )]
    fn reads(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(shown(text).unwrap(), expected);
    }

    #[test]
    fn the_emulator_has_a_short_form() {
        let text = shown("UseDevelopmentStorage=true").unwrap();
        assert!(text.starts_with("devstoreaccount1 http://127.0.0.1:10000/devstoreaccount1 key "), "{text}");
    }

    #[rstest]
    #[case::garbage("s3cret", "part 1 has no '='")]
    #[case::cut("AccountName=acct;AccountK", "part 2 has no '='")]
    #[case::no_key("AccountName=acct", "neither AccountKey nor SharedAccessSignature (it holds AccountName)")]
    #[case::no_name("AccountKey=c2VjcmV0", "holds no AccountName")]
    #[case::typo("AccountName=acct;AcountKey=c2VjcmV0", "neither AccountKey")]
    #[case::not_base64("AccountName=acct;AccountKey=s3cret~", "not base64")]
    #[case::no_sig("AccountName=acct;SharedAccessSignature=sv=1&s3cret", "without sig=")]
    #[case::both("AccountName=acct;AccountKey=c2VjcmV0;SharedAccessSignature=sig=1", "keep one")]
    #[case::twice("AccountName=acct;AccountName=other;AccountKey=c2VjcmV0", "AccountName twice")]
    #[case::http("DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2VjcmV0", "unencrypted")]
    #[case::proxy("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://h", "not supported")]
    #[case::empty("AccountName=;AccountKey=c2VjcmV0", "holds no AccountName")]
    fn refuses_without_showing_the_key(#[case] text: &str, #[case] reason: &str) {
        let error = shown(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert!(!error.contains("s3cret") && !error.contains("c2VjcmV0"), "{error}");
    }

    #[test]
    fn debug_shows_no_key() {
        let account = StorageAccount::parse("AccountName=acct;AccountKey=c2VjcmV0", "core.windows.net").unwrap();
        assert!(!format!("{account:?}").contains("c2VjcmV0"));
    }
}
