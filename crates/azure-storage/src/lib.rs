//! State in Azure Blob storage: `object_store`'s client on our transport, with our tokens.
//!
//! The client repeats what is idempotent for half a minute, and `ledger` settles the rest within the minute that a call
//! may take. It cannot make the container, and that is as well: the deployment does, and a typing error in `StateUrl`
//! does not start an empty state beside the real one.

mod connection_string;
mod service;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledger::{BlobPlace, RemoteTrouble, Repeat, Storage};
use object_store::azure::{AzureAccessKey, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder, split_sas};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, CredentialProvider, ObjectStore, RetryConfig, StaticCredentialProvider};
use outbound::{Clock, ServiceUrl, Transport};
use secrecy::ExposeSecret as _;
use sentinel::{Cloud, Identity, Tokens};

use crate::service::Connector;
use crate::trouble::Words;

pub use crate::connection_string::{ConnectionStringError, StorageAccount, StorageKey, account_of};

/// No new attempt of a call begins after this; one attempt takes at most [`service::ATTEMPT`].
const RETRY_FOR: Duration = Duration::from_secs(35);

/// A place in Azure Blob storage, with what opens it.
#[derive(Debug, Clone)]
pub struct BlobConfig {
    /// The place.
    pub place: BlobPlace,
    /// Where its account's blobs are.
    pub endpoint: ServiceUrl,
    /// What opens it.
    pub credential: BlobCredential,
}

/// What opens a storage account.
#[derive(Debug, Clone)]
pub enum BlobCredential {
    /// A key or a signature.
    Key(StorageKey),
    /// Somebody known to Entra.
    Identity(Box<(Cloud, Identity)>),
}

/// Connects, without asking anything yet.
pub fn connect(
    config: &BlobConfig,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    user_agent: &'static str,
) -> Result<Storage, ledger::Error> {
    let client = client(config, transport, clock, user_agent).map_err(|error| unusable(&error))?;
    let prefix = config.place.prefix();
    let store: Arc<dyn ObjectStore> =
        if prefix.is_empty() { Arc::new(client) } else { Arc::new(PrefixStore::new(client, prefix)) };
    Ok(Storage::remote(store))
}

fn client(
    config: &BlobConfig,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    user_agent: &'static str,
) -> object_store::Result<MicrosoftAzure> {
    let mut tokens = None;
    let credentials: Arc<dyn CredentialProvider<Credential = AzureCredential>> = match &config.credential {
        BlobCredential::Key(StorageKey::Shared(key)) => Arc::new(StaticCredentialProvider::new(
            AzureCredential::AccessKey(AzureAccessKey::try_new(key.expose_secret())?),
        )),
        BlobCredential::Key(StorageKey::Signature(query)) => {
            Arc::new(StaticCredentialProvider::new(AzureCredential::SASToken(split_sas(query.expose_secret())?)))
        }
        BlobCredential::Identity(identity) => {
            let (cloud, identity) = identity.as_ref();
            let own = Tokens::new(Arc::clone(transport), Arc::clone(clock), cloud, identity.clone());
            tokens = Some(own.clone());
            Arc::new(Bearer { tokens: own })
        }
    };
    let words = Words::new(config, Arc::clone(clock));
    MicrosoftAzureBuilder::new()
        .with_account(config.place.account())
        .with_container_name(config.place.container())
        .with_endpoint(config.endpoint.to_string())
        .with_credentials(credentials)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: 10,
            retry_timeout: RETRY_FOR,
        })
        .with_http_connector(Connector::new(Arc::clone(transport), tokens, words, user_agent))
        .build()
}

fn unusable(error: &object_store::Error) -> ledger::Error {
    RemoteTrouble {
        reason: format!("the storage account cannot be used: {error}"),
        hint: "check StateUrl and AzureWebJobsStorage".to_owned(),
        repeat: Repeat::Useless,
    }
    .into()
}

/// Our tokens, as the client wants them.
#[derive(Debug)]
struct Bearer {
    tokens: Tokens,
}

#[async_trait]
impl CredentialProvider for Bearer {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        match self.tokens.token(Cloud::STORAGE_SCOPE).await {
            Ok(token) => Ok(Arc::new(AzureCredential::BearerToken(token.expose_secret().to_owned()))),
            Err(error) => {
                let repeat = if error.is_transient() { Repeat::MayHelp } else { Repeat::Useless };
                let trouble = RemoteTrouble { reason: error.to_string(), hint: error.hint(), repeat };
                Err(object_store::Error::Generic { store: "Azure", source: Box::new(trouble) })
            }
        }
    }
}
