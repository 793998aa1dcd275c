//! Variables of the environment that look like a setting and are none.
//!
//! In a flag and in the file an unknown name is an error. The environment belongs to everybody, so there it is a
//! warning, and only for names that hardly anybody else can mean:
//!
//! * a known name but for its separators, one slip of the fingers, or two in a long name;
//! * anything that begins with `VMRAY`;
//! * anything like `AzureSomething`, the way our own names are written.
//!
//! What the Functions host, App Service, systemd, Kubernetes, the Azure CLI and the SDKs set is none of these, or is
//! named in [`OTHERS`].

use crate::environment::Environment;
use crate::likeness::{known, near, nearest};
use crate::problem::Problem;

/// Names of many programs that are close to one of ours: `HttpsProxy`, `NoProxy`, `ApiKeys`.
const OF_MANY: [&str; 5] = ["http_proxy", "https_proxy", "no_proxy", "all_proxy", "api_key"];
/// Beginnings of names of other software, in lower case.
const OTHERS: [&str; 4] = [
    // Variables of this repository's scripts, and those that Kubernetes makes for a service called vmray-sentinel.
    "vmray_sentinel_",
    // Settings of the Functions host, such as AzureFunctionsJobHost__functionTimeout.
    "azurefunctions",
    // ASP.NET's way to configure sign-in.
    "azuread",
    // Host settings beside the storage: AzureWebJobs.VMRay.Disabled, AzureWebJobsFeatureFlags, AzureWebJobsScriptRoot.
    "azurewebjobs",
];
/// Host settings of the storage account that the program does not read.
const HOST_STORAGE: [&str; 6] =
    ["queueserviceuri", "tableserviceuri", "fileserviceuri", "tenantid", "clientsecret", "accountkey"];
/// Endings of the variables that Kubernetes makes for every service of a namespace (`VMRAY_SERVICE_HOST`).
const OF_A_SERVICE: [&str; 4] = ["_service_host", "_service_port", "_port", "_addr"];
/// Returns a problem for each variable that is set and looks like a misspelt setting.
pub(crate) fn find(environment: &Environment) -> Vec<Problem> {
    environment.set_names().filter_map(|name| suspicion(name, environment)).collect()
}

fn suspicion(name: &str, environment: &Environment) -> Option<Problem> {
    let lower = name.to_lowercase();
    if known().any(|known| known.eq_ignore_ascii_case(&lower)) {
        return None;
    }
    let storage = lower.strip_prefix("azurewebjobsstorage__");
    if storage.is_some_and(|rest| HOST_STORAGE.contains(&rest)) {
        return None;
    }
    if let Some(meant) = near(&lower).filter(|_| !OF_MANY.contains(&lower.as_str())) {
        // Names of the SDKs are set for other programs too; they say something only where ours is missing.
        let foreign = lower.starts_with("azure_");
        let is_set = environment.get(meant).is_ok_and(|found| found.is_some());
        return (!foreign || !is_set).then(|| warning(name, Some(meant)));
    }
    if OTHERS.iter().any(|other| lower.starts_with(other)) || is_of_a_service(&lower) {
        return None;
    }
    let rest = name.strip_prefix("Azure").or_else(|| name.strip_prefix("azure"));
    let like_ours =
        lower.starts_with("vmray") || rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    like_ours.then(|| warning(name, nearest(name).map(|setting| setting.name)))
}

fn warning(name: &str, meant: Option<&'static str>) -> Problem {
    let problem = Problem::general(format!("{name} is set in the environment, and no setting has that name"));
    match meant {
        Some(meant) => problem.with_hint(format!("did you mean {meant}?")),
        None => problem.with_hint("`vmray-sentinel config show` lists every setting"),
    }
}

fn is_of_a_service(lower: &str) -> bool {
    OF_A_SERVICE.iter().any(|end| lower.ends_with(end)) || lower.contains("_service_port_") || lower.contains("_port_")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        find(&pairs.collect()).iter().map(ToString::to_string).collect()
    }

    #[rstest]
    #[case("Tpl", "Tlp")]
    #[case("TTLP", "Tlp")]
    #[case("VMRAY_API_KEY", "VmrayAPIKey")]
    #[case("VmrayBaseUri", "VmrayBaseURL")]
    #[case("STATE_URL", "StateUrl")]
    #[case("StateUlr", "StateUrl")]
    #[case("Pollling", "Polling")]
    #[case("AzureTenatID", "AzureTenantID")]
    #[case("AZURE_WORKSPACE_ID", "AzureWorkspaceID")]
    #[case("AZURE_CLIENT_SECRET", "AzureClientSecret")]
    #[case("AzureWebJobStorage", "AzureWebJobsStorage")]
    #[case("AzureWebJobsStorage_accountName", "AzureWebJobsStorage__accountName")]
    #[case("UploadPerMinutes", "UploadsPerMinute")]
    #[case("CONFIG_URL", "ConfigUrl")]
    fn a_misspelt_name_says_which_was_meant(#[case] name: &str, #[case] meant: &str) {
        let found = found(&[(name, "x")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(name) && found[0].contains(&format!("did you mean {meant}?")), "{found:?}");
    }

    #[rstest]
    #[case("VMRAY_COLOUR")]
    #[case("VmrayWhatever")]
    #[case("AzureSubscription")]
    fn a_name_like_ours_that_is_no_setting_is_told(#[case] name: &str) {
        assert_eq!(found(&[(name, "x")]).len(), 1);
    }

    /// What stands in the environment of the Functions host, App Service, systemd units, pods, shells with the Azure
    /// CLI and programs with the Azure SDKs, as their documentation lists it.
    const OF_OTHERS: &str = "AZURE_CONFIG_DIR AZURE_EXTENSION_DIR AZURE_FUNCTIONS_ENVIRONMENT AZURE_SUBSCRIPTION_ID \
        AZURE_CLIENT_CERTIFICATE_PATH AZURE_USERNAME AZURE_PASSWORD AZURE_REGIONAL_AUTHORITY_NAME AZURE_ADDITIONALLY_ALLOWED_TENANTS \
        AZURE_TOKEN_CREDENTIALS AZURE_LOG_LEVEL AZURE_HTTP_USER_AGENT AZURE_CORE_OUTPUT AZURE_DEFAULTS_GROUP \
        AZURE_STORAGE_ACCOUNT AZURE_STORAGE_CONNECTION_STRING AZURE_STORAGE_KEY AZURE_ENV_NAME AZURE_LOCATION \
        AZURE_RESOURCE_GROUP AZURE_POD_IDENTITY_AUTHORITY_HOST AZURE_IDENTITY_DISABLE_MULTITENANTAUTH AZURE_CLI_DISABLE_CONNECTION_VERIFICATION \
        AZURE_TRACING_ENABLED AZURE_ARC_TOKEN AZURE_OPENAI_ENDPOINT AZUREML_MODEL_DIR AZURE_TENANT_ID AZURE_CLIENT_ID \
        AZURE_FEDERATED_TOKEN_FILE AZURE_AUTHORITY_HOST \
        AzureWebJobsFeatureFlags AzureWebJobsScriptRoot AzureWebJobsDashboard AzureWebJobsSecretStorageType \
        AzureWebJobsDisableHomepage AzureWebJobsDotNetReleaseCompilation AzureWebJobsKubernetesSecretName \
        AzureWebJobsStorage AzureWebJobsStorage__accountName AzureWebJobsStorage__blobServiceUri \
        AzureWebJobsStorage__queueServiceUri AzureWebJobsStorage__tableServiceUri AzureWebJobsStorage__credential \
        AzureWebJobsStorage__clientId AzureWebJobsEnv AzureWebJobs.VMRay.Disabled AzureWebJobs__VMRay__Disabled \
        AzureFunctionsWebHost__hostid AzureFunctionsJobHost__functionTimeout AzureFunctionsJobHost__logging__logLevel__default \
        APPLICATIONINSIGHTS_CONNECTION_STRING APPINSIGHTS_INSTRUMENTATIONKEY FUNCTIONS_CUSTOMHANDLER_PORT \
        FUNCTIONS_CUSTOMHANDLER_WORKER_ID FUNCTIONS_EXTENSION_VERSION FUNCTIONS_WORKER_RUNTIME FUNCTIONS_HTTPWORKER_PORT \
        WEBSITE_HOSTNAME WEBSITE_SITE_NAME WEBSITE_CONTENTSHARE WEBSITE_CONTENTAZUREFILECONNECTIONSTRING WEBSITE_RUN_FROM_PACKAGE \
        WEBSITE_INSTANCE_ID WEBSITE_TIME_ZONE WEBSITE_OWNER_NAME WEBSITE_AUTH_ENABLED IDENTITY_ENDPOINT IDENTITY_HEADER \
        MSI_ENDPOINT MSI_SECRET CONTAINER_NAME SCM_COMMIT_ID HOME PATH PWD USER LOGNAME SHELL LANG LC_ALL TERM TMPDIR TMP TEMP \
        STATE_DIRECTORY LOGS_DIRECTORY CACHE_DIRECTORY RUNTIME_DIRECTORY CONFIGURATION_DIRECTORY CREDENTIALS_DIRECTORY \
        INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID NOTIFY_SOCKET LISTEN_PID WATCHDOG_USEC MAINPID MANAGERPID \
        KUBERNETES_SERVICE_HOST KUBERNETES_PORT VMRAY_SERVICE_HOST VMRAY_SERVICE_PORT VMRAY_SERVICE_PORT_HTTPS VMRAY_PORT \
        VMRAY_PORT_443_TCP VMRAY_PORT_443_TCP_ADDR VMRAY_SENTINEL_SERVICE_HOST VMRAY_SENTINEL_PORT_8080_TCP \
        API_KEY HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR RUST_LOG \
        RUST_BACKTRACE NO_COLOR XDG_STATE_HOME XDG_CONFIG_HOME HOSTNAME TLS ARM_TENANT_ID ARM_CLIENT_ID ARM_CLIENT_SECRET \
        LOG_LEVEL POLL TL LP PATHEXT COMPUTERNAME LOCALAPPDATA";

    #[test]
    fn names_of_other_software_raise_no_alarm() {
        for name in OF_OTHERS.split_whitespace() {
            let ours = [("AzureClientSecret", "x"), (name, "x")];
            assert_eq!(found(&ours), [""; 0], "{name}");
        }
    }

    #[test]
    fn an_empty_variable_and_a_secret_that_is_set_under_its_own_name_are_no_alarm() {
        assert_eq!(found(&[("Tpl", "")]), [""; 0]);
        assert_eq!(found(&[("AZURE_CLIENT_SECRET", "x"), ("AzureClientSecret", "y")]), [""; 0]);
    }

    #[test]
    fn every_setting_and_alias_is_known_in_any_case() {
        for name in known() {
            assert_eq!(found(&[(&name.to_uppercase(), "x")]), [""; 0], "{name}");
        }
    }
}
