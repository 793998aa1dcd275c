//! The table of settings, a file for each group.
//!
//! One row says everything there is to say about a setting: the loader, the error messages, `config show`,
//! `config schema` and the reference page all read it here, so they cannot disagree.

mod api;
mod enrichment;
mod feed;
mod health;
mod indicators;
mod logs;
mod network;
mod sentinel;
mod state;
mod vmray;

pub(crate) use super::setting::{Fallback, Form, Group, Setting};
pub(crate) use api::*;
pub(crate) use enrichment::*;
pub(crate) use feed::*;
pub(crate) use health::*;
pub(crate) use indicators::*;
pub(crate) use logs::*;
pub(crate) use network::*;
pub(crate) use sentinel::*;
pub(crate) use state::*;
pub(crate) use vmray::*;

/// Every setting, in the order of the reference.
pub(crate) static ALL: [&Setting; 46] = [
    &VMRAY_BASE_URL,
    &VMRAY_API_KEY,
    &VMRAY_SAMPLE_VERDICT,
    &VMRAY_INITIAL_FETCH_DATE,
    &VMRAY_CONCURRENCY,
    &AZURE_TENANT_ID,
    &AZURE_CLIENT_ID,
    &AZURE_CLIENT_SECRET,
    &AZURE_CLIENT_SECRET_EXPIRES,
    &AZURE_FEDERATED_TOKEN_FILE,
    &AZURE_WORKSPACE_ID,
    &AZURE_CLOUD,
    &AZURE_AUTHORITY_HOST,
    &SENTINEL_TI_ENDPOINT,
    &ARM_ENDPOINT,
    &GRAPH_ENDPOINT,
    &UPLOADS_PER_MINUTE,
    &UPLOADS_IN_FLIGHT,
    &INDICATOR_EXPIRATION,
    &IOC_TYPES,
    &TLP,
    &ALLOW_LIST,
    &POLLING,
    &LOGS_INGESTION_ENDPOINT,
    &LOGS_INGESTION_RULE,
    &LOGS_INGESTION_CLIENT_ID,
    &STATE_URL,
    &REUSE_HOURS,
    &RESUBMIT,
    &QUOTA_RESERVE,
    &MAX_SUBMISSIONS_PER_INCIDENT,
    &PRIVACY_GATES,
    &INTERNAL_HOSTS,
    &API_KEYS,
    &PUBLIC_URL,
    &STORAGE,
    &STORAGE_ACCOUNT_NAME,
    &STORAGE_BLOB_URI,
    &STORAGE_CREDENTIAL,
    &STORAGE_CLIENT_ID,
    &HTTPS_PROXY,
    &NO_PROXY,
    &CA_FILE,
    &CA_PEM,
    &LOG_FILTER,
    &LOG_FORMAT,
];

/// The environment variable and flag that name the configuration file; not a setting of that file.
pub(crate) const CONFIG_URL: &str = "ConfigUrl";

/// Finds a setting by its exact name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    ALL.into_iter().find(|setting| setting.name == name)
}

/// Says whether the value of a setting may stand in a command that is printed: no secret, and nothing unknown.
pub fn may_be_repeated(name: &str, value: &str) -> bool {
    find(name).is_some_and(|setting| match setting.form {
        Form::Secret => false,
        Form::SecretUrl => !value.contains('@'),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_and_has_an_example() {
        for setting in ALL {
            assert!(setting.doc.ends_with('.'), "{}", setting.name);
            assert!(!setting.example.is_empty(), "{}", setting.name);
        }
    }

    #[test]
    fn what_is_required_says_where_to_get_it() {
        for setting in ALL.iter().filter(|setting| setting.default == Fallback::Required) {
            assert!(!setting.obtain.is_empty(), "{}", setting.name);
        }
    }
}
