//! Where the state lies, and how to get in.

use std::path::{Path, PathBuf};

use azure_storage::{BlobConfig, BlobCredential, StorageAccount, account_of};
use ledger::{BlobPlace, StateUrl};
use outbound::ServiceUrl;
use sentinel::{ClientId, Cloud, Identity, TenantId};

use crate::environment::Environment;
use crate::parts;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::settings::{
    AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, STATE_URL, STORAGE, STORAGE_ACCOUNT_NAME,
    STORAGE_BLOB_URI, STORAGE_CLIENT_ID, STORAGE_CREDENTIAL,
};
use crate::source::Settings;

/// The only route of this version.
pub const ROUTE: &str = "default";

/// The container for the state under Azure Functions when nobody names a place. The deployment makes it.
pub(crate) const DEFAULT_CONTAINER: &str = "vmray-sentinel-state";

/// Set by the Functions host for the process that it starts.
const FUNCTIONS_PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// Where the state lies, with what opens it.
#[derive(Debug, Clone)]
pub enum StateConfig {
    /// This machine.
    Here(StateUrl),
    /// Azure Blob storage.
    Blob(BlobConfig),
}

impl StateConfig {
    /// Reads `StateUrl` and what opens it, or works out the default place.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.is_noted(STATE_URL.name) {
            return None;
        }
        let url = match reader.text(&STATE_URL) {
            Some(value) => reader.parse_with(&STATE_URL, value, parse)?,
            None if reader.settings.environment().get(FUNCTIONS_PORT).ok().flatten().is_some() => {
                return functions_default(reader).map(Self::Blob);
            }
            None => StateUrl::Folder(user_folder(reader)?),
        };
        match url {
            StateUrl::Blob(place) => blob(reader, place).map(Self::Blob),
            here => Some(Self::Here(here)),
        }
    }

    /// Reads where the state lies and nothing else.
    pub fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    /// Returns the address, without what opens it.
    pub fn url(&self) -> StateUrl {
        match self {
            Self::Here(url) => url.clone(),
            Self::Blob(blob) => StateUrl::Blob(blob.place.clone()),
        }
    }
}

/// Takes a URL, or a plain path.
fn parse(text: &str) -> Result<StateUrl, String> {
    if text.contains("://") || text.starts_with("memory:") {
        return text.parse().map_err(|error: ledger::StateUrlError| format!("cannot be used: {error}"));
    }
    let path = std::path::absolute(text).map_err(|error| format!("names no folder: {error}"))?;
    if path.parent().is_none() {
        return Err("names the root of the disk; use a folder below it".to_owned());
    }
    Ok(StateUrl::Folder(path))
}

/// What the settings say of a storage account.
struct Account {
    name: String,
    endpoint: ServiceUrl,
    credential: BlobCredential,
}

/// The container of the app's own storage account.
fn functions_default(reader: &mut Reader<'_>) -> Option<BlobConfig> {
    let Some(account) = account(reader)? else {
        reader.note(Problem::missing(&STATE_URL).with_hint(
            "under Azure Functions the state lies in the app's storage account by default, but neither \
                 AzureWebJobsStorage nor AzureWebJobsStorage__accountName is set",
        ));
        return None;
    };
    match BlobPlace::of_container(&account.name, DEFAULT_CONTAINER) {
        Ok(place) => Some(BlobConfig { place, endpoint: account.endpoint, credential: account.credential }),
        Err(error) => {
            reader.note(Problem::general(format!("AzureWebJobsStorage: {error}")));
            None
        }
    }
}

/// What opens a place. The storage settings count for their own account; any other is opened by the identity that
/// uploads to Sentinel.
fn blob(reader: &mut Reader<'_>, place: BlobPlace) -> Option<BlobConfig> {
    let (endpoint, credential) = match account(reader)? {
        Some(account) if account.name == place.account() => (account.endpoint, account.credential),
        _ => {
            let cloud = parts::cloud(reader)?;
            let identity = parts::identity(reader)?;
            (endpoint_of(reader, &cloud, place.account())?, BlobCredential::Identity(Box::new((cloud, identity))))
        }
    };
    Some(BlobConfig { place, endpoint, credential })
}

/// The outer `None` means "wrong".
#[expect(clippy::option_option, reason = "wrong, absent and present are three things, and `?` reads the first")]
fn account(reader: &mut Reader<'_>) -> Option<Option<Account>> {
    if reader.is_noted(STORAGE.name) {
        return None;
    }
    if let Some(value) = reader.text(&STORAGE) {
        let cloud = parts::cloud(reader)?;
        let account = reader.parse_with(&STORAGE, value, |text| StorageAccount::parse(text, &cloud.storage_suffix))?;
        let credential = BlobCredential::Key(account.key);
        return Some(Some(Account { name: account.name, endpoint: account.endpoint, credential }));
    }
    let uri = reader.optional::<ServiceUrl>(&STORAGE_BLOB_URI)?;
    let named = reader.text(&STORAGE_ACCOUNT_NAME).map(|value| value.text.clone());
    let Some(name) = named.or_else(|| uri.as_ref().and_then(account_of)) else { return Some(None) };
    let cloud = parts::cloud(reader)?;
    let endpoint = match uri {
        Some(uri) => uri,
        None => endpoint_of(reader, &cloud, &name)?,
    };
    let identity = identity(reader)?;
    Some(Some(Account { name, endpoint, credential: BlobCredential::Identity(Box::new((cloud, identity))) }))
}

fn endpoint_of(reader: &mut Reader<'_>, cloud: &Cloud, account: &str) -> Option<ServiceUrl> {
    match format!("https://{account}.blob.{}", cloud.storage_suffix).parse() {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            reader.note(Problem::general(format!(
                "the storage account's name `{account}` makes an address that {error}"
            )));
            None
        }
    }
}

/// The identity that the storage settings ask for; without a word there, the one that uploads to Sentinel.
fn identity(reader: &mut Reader<'_>) -> Option<Identity> {
    let client_id = reader.optional::<ClientId>(&STORAGE_CLIENT_ID)?;
    let credential = reader.text(&STORAGE_CREDENTIAL);
    if let Some(value) = credential
        && !value.text.eq_ignore_ascii_case("managedidentity")
    {
        reader.parse_with(&STORAGE_CREDENTIAL, value, |text| {
            Err::<(), _>(format!("is `{text}`; expected managedidentity"))
        })?;
    }
    if credential.is_none() && client_id.is_none() {
        return parts::identity(reader);
    }
    let Some(token_file) = reader.text(&AZURE_FEDERATED_TOKEN_FILE) else {
        return Some(Identity::Managed { client_id });
    };
    let token_file = PathBuf::from(&token_file.text);
    let tenant = reader.required::<TenantId>(&AZURE_TENANT_ID);
    let client_id = match client_id {
        Some(client_id) => Some(client_id),
        None => reader.required::<ClientId>(&AZURE_CLIENT_ID),
    };
    Some(Identity::Workload { tenant: tenant?, client_id: client_id?, token_file })
}

/// The folder that the service manager gave us, else the one for state in the user's home.
fn user_folder(reader: &mut Reader<'_>) -> Option<PathBuf> {
    let folder = folder_in(reader.settings.environment());
    if folder.is_none() {
        reader.note(
            Problem::missing(&STATE_URL).with_hint("there is no HOME here, so there is no default state folder either"),
        );
    }
    folder
}

fn folder_in(environment: &Environment) -> Option<PathBuf> {
    let get = |name| {
        environment.get(name).ok().flatten().map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    get("STATE_DIRECTORY").or_else(|| {
        let base = get("XDG_STATE_HOME")
            .or_else(|| get("LOCALAPPDATA"))
            .or_else(|| get("HOME").map(|home| home.join(Path::new(".local/state"))))?;
        Some(base.join("vmray-sentinel"))
    })
}

#[cfg(test)]
mod tests {
    use azure_storage::StorageKey;
    use rstest::rstest;

    use super::*;

    const KEY: (&str, &str) = ("AzureWebJobsStorage", "AccountName=acct;AccountKey=c2VjcmV0");
    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn load(environment: &[(&str, &str)]) -> Result<StateConfig, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::load(&[], environment, None);
        StateConfig::load(&settings).map_err(|problems| problems.to_string())
    }

    /// Place, address and the kind of credential.
    fn shown(environment: &[(&str, &str)]) -> String {
        let config = load(environment).unwrap();
        let StateConfig::Blob(blob) = &config else { return config.url().to_string() };
        let credential = match &blob.credential {
            BlobCredential::Key(StorageKey::Shared(_)) => "key".to_owned(),
            BlobCredential::Key(StorageKey::Signature(_)) => "sas".to_owned(),
            BlobCredential::Identity(identity) => match &identity.1 {
                Identity::ClientSecret { .. } => "secret".to_owned(),
                Identity::Workload { client_id, .. } => format!("workload {client_id}"),
                Identity::Managed { client_id: Some(id) } => format!("managed {id}"),
                Identity::Managed { client_id: None } => "managed".to_owned(),
            },
        };
        format!("{} at {} by {credential}", blob.place, blob.endpoint)
    }

    #[rstest]
    #[case(&[("StateUrl", "file:///var/lib/v"), ("HOME", "/h")], "file:///var/lib/v")]
    #[case(&[("StateUrl", "/var/lib/v"), ("HOME", "/h")], "file:///var/lib/v")]
    #[case(&[("StateUrl", "memory:"), ("HOME", "/h")], "memory:")]
    #[case(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")], "file:///s/vmray-sentinel")]
    #[case(&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], "file:///h/.local/state/vmray-sentinel")]
    #[case(&[("STATE_DIRECTORY", "/var/lib/svc"), ("HOME", "/h")], "file:///var/lib/svc")]
    #[case(&[("HOME", "/h"), KEY], "file:///h/.local/state/vmray-sentinel")]
    fn finds_the_state(#[case] environment: &[(&str, &str)], #[case] expected: &str) {
        assert_eq!(shown(environment), expected);
    }

    #[rstest]
    #[case::key(&[("StateUrl", "az://acct/state/x"), KEY], "az://acct/state/x at https://acct.blob.core.windows.net by key")]
    #[case::cloud(
        &[("StateUrl", "az://acct/state"), KEY, ("AzureCloud", "usgov")],
        "az://acct/state at https://acct.blob.core.usgovcloudapi.net by key"
    )]
    #[case::signature(
        &[("StateUrl", "az://acct/state"), ("AzureWebJobsStorage", "AccountName=acct;SharedAccessSignature=sig=x")],
        "az://acct/state at https://acct.blob.core.windows.net by sas"
    )]
    #[case::nothing(&[("StateUrl", "az://acct/state")], "az://acct/state at https://acct.blob.core.windows.net by managed")]
    #[case::another_account(
        &[("StateUrl", "az://other/state"), KEY],
        "az://other/state at https://other.blob.core.windows.net by managed"
    )]
    #[case::the_secret_of_the_upload(
        &[("StateUrl", "az://acct/state"), ("AzureTenantID", ID), ("AzureClientID", ID), ("AzureClientSecret", "s")],
        "az://acct/state at https://acct.blob.core.windows.net by secret"
    )]
    #[case::account_name(
        &[
            ("StateUrl", "az://acct/state"),
            ("AzureWebJobsStorage__accountName", "acct"),
            ("AzureWebJobsStorage__credential", "managedIdentity"),
            ("AzureWebJobsStorage__clientId", ID),
            ("AzureClientSecret", "s"),
        ],
        "az://acct/state at https://acct.blob.core.windows.net by managed 11111111-2222-3333-4444-555555555555"
    )]
    #[case::system_assigned(
        &[
            ("StateUrl", "az://acct/state"),
            ("AzureWebJobsStorage__accountName", "acct"),
            ("AzureWebJobsStorage__credential", "managedidentity"),
            ("AzureClientID", ID),
        ],
        "az://acct/state at https://acct.blob.core.windows.net by managed"
    )]
    #[case::service_uri(
        &[("StateUrl", "az://acct/state"), ("AzureWebJobsStorage__blobServiceUri", "https://acct.blob.core.chinacloudapi.cn/")],
        "az://acct/state at https://acct.blob.core.chinacloudapi.cn by managed"
    )]
    #[case::workload(
        &[
            ("StateUrl", "az://acct/state"),
            ("AzureWebJobsStorage__accountName", "acct"),
            ("AzureWebJobsStorage__credential", "managedidentity"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/t"),
            ("AZURE_TENANT_ID", ID),
            ("AZURE_CLIENT_ID", ID),
        ],
        "az://acct/state at https://acct.blob.core.windows.net by workload 11111111-2222-3333-4444-555555555555"
    )]
    #[case::functions(
        &[("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), ("HOME", "/h"), KEY],
        "az://acct/vmray-sentinel-state at https://acct.blob.core.windows.net by key"
    )]
    #[case::functions_by_identity(
        &[("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), ("HOME", "/h"), ("AzureWebJobsStorage__accountName", "acct")],
        "az://acct/vmray-sentinel-state at https://acct.blob.core.windows.net by managed"
    )]
    fn finds_a_place_in_blob_storage(#[case] environment: &[(&str, &str)], #[case] expected: &str) {
        assert_eq!(shown(environment), expected);
    }

    #[rstest]
    #[case("az://account", "names no place in Azure Blob storage")]
    #[case("s3://bucket", "does not support")]
    #[case("file://relative", "absolute path")]
    #[case("/", "root of the disk")]
    fn refuses(#[case] text: &str, #[case] reason: &str) {
        let problems = load(&[("StateUrl", text)]).unwrap_err();
        assert!(problems.contains(reason), "{problems}");
        assert!(problems.contains("StateUrl"), "{problems}");
    }

    #[rstest]
    #[case::connection_string(("AzureWebJobsStorage", "AccountName=acct"), "AzureWebJobsStorage (from the environment) holds neither")]
    #[case::key_vault(("AzureWebJobsStorage", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"), "still reads @Microsoft.KeyVault(")]
    #[case::http(("AzureWebJobsStorage__blobServiceUri", "http://acct.blob.core.windows.net"), "unencrypted")]
    #[case::credential(("AzureWebJobsStorage__credential", "password"), "expected managedidentity")]
    #[case::client(("AzureWebJobsStorage__clientId", "me"), "is not a client id")]
    #[case::account(("AzureWebJobsStorage__accountName", "a/b?c"), "StateUrl")]
    fn refuses_what_cannot_open_the_storage(#[case] setting: (&str, &str), #[case] reason: &str) {
        let fallback = ("AzureWebJobsStorage__accountName", "acct");
        let mut environment = vec![("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), setting];
        if setting.0 != fallback.0 && setting.0 != "AzureWebJobsStorage__blobServiceUri" {
            environment.push(fallback);
        }
        let problems = load(&environment).unwrap_err();
        assert!(problems.contains(reason) || problems.contains("storage account"), "{problems}");
    }

    #[test]
    fn under_functions_without_a_storage_account_the_setting_is_needed() {
        let problems = load(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), ("HOME", "/h")]).unwrap_err();
        assert!(problems.contains("StateUrl is missing") && problems.contains("AzureWebJobsStorage"), "{problems}");
    }

    #[test]
    fn without_a_home_the_setting_is_needed() {
        assert!(load(&[("PATH", "/bin")]).unwrap_err().contains("StateUrl is missing"));
    }
}
