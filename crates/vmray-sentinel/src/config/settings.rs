//! The table of settings.
//!
//! One row says everything there is to say about a setting: the loader, the error messages, `config show`,
//! `config schema` and the reference page all read it here, so they cannot disagree.

use super::setting::setting;
pub(crate) use super::setting::{Fallback, Form, Group, Setting};

pub(crate) static VMRAY_BASE_URL: Setting = Setting {
    doc: "Address of the VMRay server. Only https, except to this machine.",
    obtain: "the address you open VMRay at, for example https://us.cloud.vmray.com or https://eu.cloud.vmray.com",
    ..setting("VmrayBaseURL", Group::Vmray, Form::Url, Fallback::Required, "https://us.cloud.vmray.com")
};

pub(crate) static VMRAY_API_KEY: Setting = Setting {
    doc: "API key of a VMRay user who may read submissions.",
    obtain: "VMRay, Settings > Analysis > API Keys > Create API key (a key shows its text only once)",
    ..setting("VmrayAPIKey", Group::Vmray, Form::Secret, Fallback::Required, "<64 characters from VMRay>")
};

pub(crate) static VMRAY_SAMPLE_VERDICT: Setting = Setting {
    doc: "Which verdicts are sent: an IOC is sent when its own verdict and that of its submission are among them.",
    ..setting(
        "VmraySampleVerdict",
        Group::Vmray,
        Form::Choice(&["Malicious", "Suspicious", "Malicious & Suspicious"]),
        Fallback::Text("Malicious"),
        "Malicious & Suspicious",
    )
};

pub(crate) static VMRAY_INITIAL_FETCH_DATE: Setting = Setting {
    doc: "How many days back the first run reads. Later runs continue where the last one stopped.",
    ..setting("VmrayInitialFetchDate", Group::Vmray, Form::Days, Fallback::Text("90"), "90")
};

pub(crate) static VMRAY_CONCURRENCY: Setting = Setting {
    doc: "Requests to VMRay at the same time.",
    ..setting("VmrayConcurrency", Group::Vmray, Form::Integer { min: 1, max: 256 }, Fallback::Text("16"), "16")
};

pub(crate) static AZURE_TENANT_ID: Setting = Setting {
    aliases: &["AZURE_TENANT_ID"],
    doc: "Tenant of the app registration. Not needed with a managed identity.",
    obtain: "Azure portal, Microsoft Entra ID > Overview > Tenant ID",
    ..setting("AzureTenantID", Group::Sentinel, Form::Text, Fallback::Absent, "11111111-2222-3333-4444-555555555555")
};

pub(crate) static AZURE_CLIENT_ID: Setting = Setting {
    aliases: &["AZURE_CLIENT_ID"],
    doc: "Application (client) ID of the app registration, or client ID of a user-assigned managed identity. Without it \
          the system-assigned identity is used.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Application (client) ID",
    ..setting("AzureClientID", Group::Sentinel, Form::Text, Fallback::Absent, "11111111-2222-3333-4444-555555555555")
};

pub(crate) static AZURE_CLIENT_SECRET: Setting = Setting {
    doc: "Client secret of the app registration. Without it workload identity is used where its token file is set, else \
          the managed identity.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Certificates & secrets: the Value, not the Secret ID",
    ..setting(
        "AzureClientSecret",
        Group::Sentinel,
        Form::Secret,
        Fallback::Absent,
        "<value from Certificates & secrets>",
    )
};

pub(crate) static AZURE_CLIENT_SECRET_EXPIRES: Setting = Setting {
    doc: "When the client secret ends: a day, which counts from its begin in UTC, or an RFC 3339 time. It stands in the rows \
          of the health tables, so that an alert can tell of it in time, and does nothing else.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Certificates & secrets: Expires",
    ..setting("AzureClientSecretExpires", Group::Sentinel, Form::Text, Fallback::Absent, "2027-06-30")
};

pub(crate) static AZURE_FEDERATED_TOKEN_FILE: Setting = Setting {
    doc: "Token file of workload identity; Kubernetes sets it.",
    ..setting(
        "AZURE_FEDERATED_TOKEN_FILE",
        Group::Sentinel,
        Form::Path,
        Fallback::Absent,
        "/var/run/secrets/azure/tokens/azure-identity-token",
    )
};

pub(crate) static AZURE_WORKSPACE_ID: Setting = Setting {
    doc: "Workspace that receives the indicators.",
    obtain: "Azure portal, Log Analytics workspaces > your workspace > Overview > Workspace ID",
    ..setting(
        "AzureWorkspaceID",
        Group::Sentinel,
        Form::Text,
        Fallback::Required,
        "11111111-2222-3333-4444-555555555555",
    )
};

pub(crate) static AZURE_CLOUD: Setting = Setting {
    doc: "The cloud the workspace is in.",
    ..setting(
        "AzureCloud",
        Group::Sentinel,
        Form::Choice(&["public", "usgov", "china"]),
        Fallback::Text("public"),
        "usgov",
    )
};

pub(crate) static AZURE_AUTHORITY_HOST: Setting = Setting {
    doc: "Overrides where tokens come from.",
    ..setting(
        "AZURE_AUTHORITY_HOST",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://login.microsoftonline.com",
    )
};

pub(crate) static SENTINEL_TI_ENDPOINT: Setting = Setting {
    doc: "Overrides where indicators are uploaded to.",
    ..setting(
        "SentinelTiEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://api.ti.sentinel.azure.com",
    )
};

pub(crate) static ARM_ENDPOINT: Setting = Setting {
    doc: "Overrides where Azure Resource Manager is.",
    ..setting(
        "AzureResourceManagerEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://management.azure.com",
    )
};

pub(crate) static GRAPH_ENDPOINT: Setting = Setting {
    doc: "Overrides where Microsoft Graph is.",
    ..setting(
        "GraphEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://graph.microsoft.com",
    )
};

pub(crate) static UPLOADS_PER_MINUTE: Setting = Setting {
    doc: "Upload requests in any minute. Sentinel allows 100; more than that is accepted with a warning.",
    ..setting("UploadsPerMinute", Group::Sentinel, Form::Integer { min: 1, max: 100_000 }, Fallback::Text("95"), "95")
};

pub(crate) static UPLOADS_IN_FLIGHT: Setting = Setting {
    doc: "Upload requests at the same time.",
    ..setting("UploadsInFlight", Group::Sentinel, Form::Integer { min: 1, max: 100 }, Fallback::Text("12"), "12")
};

pub(crate) static INDICATOR_EXPIRATION: Setting = Setting {
    doc: "Days an indicator lives, counted from when VMRay last saw it; one number, or by type.",
    ..setting(
        "IndicatorExpirationInDays",
        Group::Indicators,
        Form::DaysByType,
        Fallback::Text("30"),
        "ip=14,url=30,domain=30,file=180",
    )
};

pub(crate) static IOC_TYPES: Setting = Setting {
    doc: "Which types are sent: domain, ip, url, file, and on request email, registry, mutex, process.",
    ..setting(
        "IocTypes",
        Group::Indicators,
        Form::List,
        Fallback::Text("domain,ip,url,file"),
        "domain,ip,url,file,mutex",
    )
};

pub(crate) static TLP: Setting = Setting {
    doc: "Traffic Light Protocol marking of every indicator.",
    ..setting(
        "Tlp",
        Group::Indicators,
        Form::Choice(&["clear", "green", "amber", "red"]),
        Fallback::Text("amber"),
        "green",
    )
};

pub(crate) static ALLOW_LIST: Setting = Setting {
    doc: "Values that are never sent. `builtin` is a small reviewed list of noise; a path names a file that adds to it, with \
          one entry a line: a domain with all below it, `=host` for one host, an address or block, a hash, or the begin of a \
          URL; a file that ends in `.csv` is a watchlist export. `none` turns the built-in list off, also beside files.",
    ..setting(
        "AllowList",
        Group::Indicators,
        Form::List,
        Fallback::Text("builtin"),
        "builtin,/etc/vmray-sentinel/allow.txt",
    )
};

pub(crate) static POLLING: Setting = Setting {
    doc: "When the feed runs: cron with five fields, or six with seconds first, in UTC.",
    ..setting("Polling", Group::Feed, Form::Cron, Fallback::Text("*/10 * * * *"), "*/10 * * * *")
};

pub(crate) static STATE_URL: Setting = Setting {
    doc: "Where the state lies: a folder, `az://account/container/folder` in Azure Blob storage (the folder may be left \
          out; the container must exist), or `memory:` for a trial that forgets. Under Azure Functions the default is \
          the container `vmray-sentinel-state` in the app's storage account.",
    ..setting(
        "StateUrl",
        Group::State,
        Form::Text,
        Fallback::Computed("the user's state folder"),
        "file:///var/lib/vmray-sentinel",
    )
};

pub(crate) static API_KEYS: Setting = Setting {
    doc: "Who may call the API and see the pages: entries NAME:SCOPE:HASH, the scope being read or submit, the hash that of \
          the key. Several hold at once, so a key is replaced by adding its successor first. Without keys only this \
          machine is served. The Functions host has keys of its own; there this setting is not read.",
    obtain: "`vmray-sentinel config api-key NAME --scope submit` makes a key and prints its entry",
    ..setting("ApiKeys", Group::Api, Form::List, Fallback::Absent, "soc:read:<64 digits>,playbook:submit:<64 digits>")
};

pub(crate) static PUBLIC_URL: Setting = Setting {
    aliases: &["WEBSITE_HOSTNAME"],
    doc: "Where callers reach the API from outside, for the links to answers that are not there yet. Azure sets \
          WEBSITE_HOSTNAME by itself. Without it such links begin with /api and are relative to what was asked.",
    ..setting("PublicUrl", Group::Api, Form::Url, Fallback::Absent, "https://vmray.soc.example")
};

pub(crate) static LOGS_INGESTION_ENDPOINT: Setting = Setting {
    doc: "Where a row for each run of the feed is written, for the tables VMRayFeedRuns_CL and VMRayFeedEvents_CL: the \
          address for logs ingestion of the data collection rule, or of a data collection endpoint. Only together with \
          LogsIngestionRule; without both no rows are written.",
    obtain: "`az monitor data-collection rule show --resource-group GROUP --name RULE --query endpoints.logsIngestion`",
    ..setting(
        "LogsIngestionEndpoint",
        Group::Health,
        Form::Url,
        Fallback::Absent,
        "https://vmray-feed-a1b2-westeurope.logs.z1.ingest.monitor.azure.com",
    )
};

pub(crate) static LOGS_INGESTION_RULE: Setting = Setting {
    doc: "Immutable id of the data collection rule that takes the rows. The identity that writes them needs the role \
          Monitoring Metrics Publisher on it.",
    obtain: "`az monitor data-collection rule show --resource-group GROUP --name RULE --query immutableId`",
    ..setting("LogsIngestionRule", Group::Health, Form::Text, Fallback::Absent, "dcr-0123456789abcdef0123456789abcdef")
};

pub(crate) static LOGS_INGESTION_CLIENT_ID: Setting = Setting {
    doc: "Client ID of a user-assigned managed identity that writes the rows. Without it the identity that uploads to \
          Sentinel does, which cannot where the rule is in another tenant than the workspace.",
    obtain: "Azure portal, Managed Identities > your identity > Overview > Client ID",
    ..setting(
        "LogsIngestionClientID",
        Group::Health,
        Form::Text,
        Fallback::Absent,
        "11111111-2222-3333-4444-555555555555",
    )
};

pub(crate) static REUSE_HOURS: Setting = Setting {
    doc: "How old a verdict may be, in hours, that POST /api/enrich answers without an analysis: any malicious one, a clean or \
          suspicious URL, a clean or suspicious file. 0 never; a verdict that VMRay could not form is never reused.",
    ..setting(
        "ReuseHours",
        Group::Enrichment,
        Form::Text,
        Fallback::Text("malicious=168,url=24,file=720"),
        "malicious=24,url=8,file=720",
    )
};

pub(crate) static RESUBMIT: Setting = Setting {
    doc: "Whether something is analysed again although VMRay knows its verdict, which costs quota each time. A request to \
          /api/enrich can say so for itself.",
    ..setting("Resubmit", Group::Enrichment, Form::Choice(&["false", "true"]), Fallback::Text("false"), "true")
};

pub(crate) static QUOTA_RESERVE: Setting = Setting {
    doc: "Percent of VMRay's quota that /api/enrich leaves alone.",
    ..setting("QuotaReserve", Group::Enrichment, Form::Integer { min: 0, max: 100 }, Fallback::Text("10"), "25")
};

pub(crate) static MAX_SUBMISSIONS_PER_INCIDENT: Setting = Setting {
    doc: "Submissions that /api/enrich makes for one incident, over all requests.",
    ..setting(
        "MaxSubmissionsPerIncident",
        Group::Enrichment,
        Form::Integer { min: 0, max: 100_000 },
        Fallback::Text("20"),
        "50",
    )
};

pub(crate) static PRIVACY_GATES: Setting = Setting {
    doc: "What /api/enrich keeps from VMRay: `internal` hosts, what the `allow-list` names, `one-time` links; and `shareable` \
          keeps hashes from VirusTotal. `all`, `none`, or a list. Credentials in a URL are always taken out.",
    ..setting("PrivacyGates", Group::Enrichment, Form::List, Fallback::Text("all"), "internal,one-time")
};

pub(crate) static INTERNAL_HOSTS: Setting = Setting {
    doc: "Hosts of your own that the gate `internal` keeps from VMRay: names with all below them, addresses, networks.",
    ..setting("InternalHosts", Group::Enrichment, Form::List, Fallback::Absent, "corp.example.com,203.0.113.0/24")
};

pub(crate) static STORAGE: Setting = Setting {
    doc: "Connection string of a storage account, with its key or a shared access signature; Azure Functions sets it. \
          Opens an `az://` place in this account; one in any other account is opened by the identity that uploads to \
          Sentinel.",
    obtain: "Azure portal, Storage accounts > your account > Security + networking > Access keys > Connection string",
    ..setting(
        "AzureWebJobsStorage",
        Group::State,
        Form::Secret,
        Fallback::Absent,
        "<connection string from Access keys>",
    )
};

pub(crate) static STORAGE_ACCOUNT_NAME: Setting = Setting {
    doc: "The storage account, when an identity opens it instead of a key. The identity needs the role Storage Blob Data \
          Contributor (or Owner) on it.",
    ..setting("AzureWebJobsStorage__accountName", Group::State, Form::Text, Fallback::Absent, "mystorageaccount")
};

pub(crate) static STORAGE_BLOB_URI: Setting = Setting {
    doc: "The same as an address, for accounts with one of their own.",
    ..setting(
        "AzureWebJobsStorage__blobServiceUri",
        Group::State,
        Form::Url,
        Fallback::Computed("by account name and AzureCloud"),
        "https://mystorageaccount.blob.core.windows.net",
    )
};

pub(crate) static STORAGE_CREDENTIAL: Setting = Setting {
    doc: "`managedidentity` opens the storage account by a managed identity (or by workload identity where its token file \
          is set). Without it the identity that uploads to Sentinel does.",
    ..setting(
        "AzureWebJobsStorage__credential",
        Group::State,
        Form::Choice(&["managedidentity"]),
        Fallback::Absent,
        "managedidentity",
    )
};

pub(crate) static STORAGE_CLIENT_ID: Setting = Setting {
    doc: "Client ID of the user-assigned identity that opens the storage account. Without it the system-assigned one does.",
    obtain: "Azure portal, Managed Identities > your identity > Overview > Client ID",
    ..setting(
        "AzureWebJobsStorage__clientId",
        Group::State,
        Form::Text,
        Fallback::Absent,
        "11111111-2222-3333-4444-555555555555",
    )
};

pub(crate) static HTTPS_PROXY: Setting = Setting {
    doc: "Proxy for every outgoing request. User and password may stand in it.",
    ..setting("HttpsProxy", Group::Network, Form::SecretUrl, Fallback::Absent, "http://proxy.example:3128")
};

pub(crate) static NO_PROXY: Setting = Setting {
    doc: "Hosts that bypass the proxy: names with their subdomains, addresses, address blocks.",
    ..setting("NoProxy", Group::Network, Form::List, Fallback::Absent, "localhost,127.0.0.1,.internal.example")
};

pub(crate) static CA_FILE: Setting = Setting {
    doc: "File with certificates to trust besides the built-in ones, for a proxy that inspects TLS.",
    ..setting("CaFile", Group::Network, Form::Path, Fallback::Absent, "/etc/ssl/certs/company-root.pem")
};

pub(crate) static CA_PEM: Setting = Setting {
    doc: "The same as text, for places that have no files.",
    ..setting("CaPem", Group::Network, Form::Text, Fallback::Absent, "-----BEGIN CERTIFICATE-----...")
};

pub(crate) static LOG_FILTER: Setting = Setting {
    doc: "What is logged to stderr: a level, and levels by part. A command that runs once on a terminal logs only \
          warnings unless this is set.",
    ..setting("LogFilter", Group::Logs, Form::Text, Fallback::Text("info,slatedb=warn"), "debug,slatedb=warn")
};

pub(crate) static LOG_FORMAT: Setting = Setting {
    doc: "How it is logged: text for people, or json with one object a line.",
    ..setting("LogFormat", Group::Logs, Form::Choice(&["text", "json"]), Fallback::Text("text"), "json")
};

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

/// Returns the setting whose name is most like `name`, if one is like it at all.
pub(crate) fn nearest(name: &str) -> Option<&'static Setting> {
    let wanted = name.to_lowercase();
    ALL.into_iter()
        .map(|setting| (strsim::jaro_winkler(&wanted, &setting.name.to_lowercase()), setting))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, setting)| setting)
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

    #[test]
    fn a_misspelled_name_is_recognised() {
        assert_eq!(nearest("VmrayBaseUrl"), Some(&VMRAY_BASE_URL));
        assert_eq!(nearest("vmray_api_key"), Some(&VMRAY_API_KEY));
        assert_eq!(nearest("Pollling"), Some(&POLLING));
        assert_eq!(nearest("colour"), None);
    }
}
