//! The settings as types, one struct a subsystem.

use std::collections::BTreeSet;
use std::path::PathBuf;

use indicators::{Expiry, Rules};
use jiff::SignedDuration;
use outbound::{HttpOptions, HttpTransport, ServiceUrl};
use secrecy::SecretString;
use sentinel::{ClientId, Cloud, CloudName, Identity, TenantId, WorkspaceId};
use stix::{Kind, Tlp};

use crate::allow_list;
use crate::api_keys::ApiKeys;
use crate::duration;
use crate::problem::{Problem, Problems};
use crate::reader::{Reader, secret};
use crate::schedule::Schedule;
use crate::settings;
use crate::source::Settings;

/// How to reach VMRay.
#[derive(Debug, Clone)]
pub struct VmrayConfig {
    pub base: ServiceUrl,
    pub key: SecretString,
    pub concurrency: usize,
}

/// How to reach the workspace.
#[derive(Debug, Clone)]
pub struct SentinelConfig {
    pub cloud: Cloud,
    pub identity: Identity,
    pub workspace: WorkspaceId,
    pub uploads_per_minute: usize,
    pub uploads_in_flight: usize,
}

/// What becomes an indicator, and how it looks.
#[derive(Debug, Clone)]
pub struct IndicatorConfig {
    /// What is sent.
    pub rules: Rules,
    pub expiry: Expiry,
    pub tlp: Tlp,
}

/// Upload requests a minute that Sentinel allows one principal.
const SENTINEL_ALLOWS_PER_MINUTE: usize = 100;

/// Where VMRay's API is below its address. Copied from a browser or a document, the address often has it already.
pub const API: &str = "/rest";

impl VmrayConfig {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let base = reader.required::<ServiceUrl>(&settings::VMRAY_BASE_URL);
        let base = base.map(|base| base.without_end(API).unwrap_or(base));
        let key = reader.secret(&settings::VMRAY_API_KEY);
        let concurrency = reader.integer(&settings::VMRAY_CONCURRENCY);
        Some(Self { base: base?, key: key?, concurrency: concurrency? })
    }
}

impl SentinelConfig {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let cloud = cloud(reader);
        let identity = identity(reader);
        let workspace = reader.required(&settings::AZURE_WORKSPACE_ID);
        let uploads_per_minute = reader.integer(&settings::UPLOADS_PER_MINUTE);
        let uploads_in_flight = reader.integer(&settings::UPLOADS_IN_FLIGHT);
        Some(Self {
            cloud: cloud?,
            identity: identity?,
            workspace: workspace?,
            uploads_per_minute: uploads_per_minute?,
            uploads_in_flight: uploads_in_flight?,
        })
    }

    /// What is allowed, but likely a mistake.
    pub fn warning(&self) -> Option<String> {
        (self.uploads_per_minute > SENTINEL_ALLOWS_PER_MINUTE).then(|| {
            format!(
                "UploadsPerMinute is {}, but Sentinel allows {SENTINEL_ALLOWS_PER_MINUTE} requests a minute; \
                 the rest will be refused with 429 and sent again",
                self.uploads_per_minute
            )
        })
    }
}

pub(crate) fn cloud(reader: &mut Reader<'_>) -> Option<Cloud> {
    let name = reader.required::<CloudName>(&settings::AZURE_CLOUD);
    let authority = reader.optional(&settings::AZURE_AUTHORITY_HOST);
    let ti_endpoint = reader.optional(&settings::SENTINEL_TI_ENDPOINT);
    let arm_endpoint = reader.optional(&settings::ARM_ENDPOINT);
    let graph_endpoint = reader.optional(&settings::GRAPH_ENDPOINT);
    let profile = Cloud::of(name?);
    Some(Cloud {
        authority: authority?.unwrap_or(profile.authority),
        ti_endpoint: ti_endpoint?.unwrap_or(profile.ti_endpoint),
        arm_endpoint: arm_endpoint?.unwrap_or(profile.arm_endpoint),
        graph_endpoint: graph_endpoint?.unwrap_or(profile.graph_endpoint),
        ..profile
    })
}

/// A secret wins; else a workload identity's token file; else the managed identity.
pub(crate) fn identity(reader: &mut Reader<'_>) -> Option<Identity> {
    let secret_value = reader.text(&settings::AZURE_CLIENT_SECRET);
    let token_file = reader.text(&settings::AZURE_FEDERATED_TOKEN_FILE);
    // A secret that could not be read must not turn into another identity unnoticed.
    if reader.is_noted(settings::AZURE_CLIENT_SECRET.name) {
        return None;
    }
    if secret_value.is_none() && token_file.is_none() {
        let client_id = reader.optional::<ClientId>(&settings::AZURE_CLIENT_ID)?;
        return Some(Identity::Managed { client_id });
    }
    let tenant = reader.required::<TenantId>(&settings::AZURE_TENANT_ID);
    let client_id = reader.required::<ClientId>(&settings::AZURE_CLIENT_ID);
    if let Some(value) = secret_value {
        let secret = reader.parse_with(&settings::AZURE_CLIENT_SECRET, value, secret);
        return Some(Identity::ClientSecret { tenant: tenant?, client_id: client_id?, secret: secret? });
    }
    let token_file = PathBuf::from(&token_file?.text);
    Some(Identity::Workload { tenant: tenant?, client_id: client_id?, token_file })
}

impl IndicatorConfig {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let verdicts = reader.quoting(&settings::VMRAY_SAMPLE_VERDICT);
        let expiry = reader.quoting(&settings::INDICATOR_EXPIRATION);
        let tlp = reader.quoting(&settings::TLP);
        let ioc_types =
            reader.needed(&settings::IOC_TYPES).and_then(|value| reader.parse_with(&settings::IOC_TYPES, value, kinds));
        let noise = reader
            .needed(&settings::ALLOW_LIST)
            .and_then(|value| reader.parse_with(&settings::ALLOW_LIST, value, allow_list::read));
        let rules = Rules { verdicts: verdicts?, ioc_types: ioc_types?, noise: noise? };
        Some(Self { rules, expiry: expiry?, tlp: tlp? })
    }

    /// Reads these settings alone.
    pub fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }
}

fn kinds(text: &str) -> Result<BTreeSet<Kind>, String> {
    items(text).map(|item| item.parse::<Kind>().map_err(|error| format!("holds `{item}`: {error}"))).collect()
}

/// The entries of a list.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n']).map(str::trim).filter(|item| !item.is_empty())
}

/// How many days back the first run reads.
pub fn initial_fetch(reader: &mut Reader<'_>) -> Option<SignedDuration> {
    let value = reader.needed(&settings::VMRAY_INITIAL_FETCH_DATE)?;
    reader.parse_with(&settings::VMRAY_INITIAL_FETCH_DATE, value, days)
}

fn days(text: &str) -> Result<SignedDuration, String> {
    /// VMRay is younger than that.
    const MOST_DAYS: i64 = 3660;
    let wrong = || format!("is `{text}`; expected a number of days from 0 to {MOST_DAYS}");
    if let Ok(days) = text.parse::<i64>() {
        return if (0..=MOST_DAYS).contains(&days) { Ok(SignedDuration::from_hours(24 * days)) } else { Err(wrong()) };
    }
    let span = duration::parse(text).map_err(|_| wrong())?;
    let span = SignedDuration::try_from(span).map_err(|_| wrong())?;
    if span <= SignedDuration::from_hours(24 * MOST_DAYS) { Ok(span) } else { Err(wrong()) }
}

/// Says whether somebody set out to configure a feed; if nobody did, only the API is served.
pub fn feed_is_configured(settings: &Settings) -> bool {
    let of_the_feed = [&settings::AZURE_WORKSPACE_ID, &settings::AZURE_TENANT_ID, &settings::AZURE_CLIENT_SECRET];
    of_the_feed.into_iter().any(|setting| settings.get(setting).is_some())
}

/// Where others reach the API. The outer `None` means "wrong".
pub fn public_url(reader: &mut Reader<'_>) -> Option<Option<ServiceUrl>> {
    let Some(value) = reader.text(&settings::PUBLIC_URL) else { return Some(None) };
    // Azure's own variable holds a name without a scheme.
    let read =
        |text: &str| if text.contains("://") { text.parse() } else { format!("https://{text}").parse::<ServiceUrl>() };
    reader.parse_with(&settings::PUBLIC_URL, value, read).map(Some)
}

/// Who may call the API.
pub fn api_keys(settings: &Settings) -> Result<ApiKeys, Problems> {
    let mut reader = Reader::new(settings);
    let keys = reader.optional::<ApiKeys>(&settings::API_KEYS);
    reader.finish(keys.map(Option::unwrap_or_default))
}

/// When the feed runs.
pub fn schedule(reader: &mut Reader<'_>) -> Option<Schedule> {
    reader.required(&settings::POLLING)
}

/// Builds the one transport of the process.
pub fn transport(reader: &mut Reader<'_>) -> Option<HttpTransport> {
    let proxy = reader.text(&settings::HTTPS_PROXY);
    let mut extra_roots_pem = Vec::new();
    if let Some(value) = reader.text(&settings::CA_FILE) {
        let read =
            |path: &str| std::fs::read(path).map_err(|error| format!("names {path}, which cannot be read: {error}"));
        extra_roots_pem.push(reader.parse_with(&settings::CA_FILE, value, read)?);
    }
    if let Some(value) = reader.text(&settings::CA_PEM) {
        // Places that hold one line write line breaks as \n.
        extra_roots_pem.push(value.text.replace("\\n", "\n").into_bytes());
    }
    let options = HttpOptions {
        extra_roots_pem,
        proxy: proxy.map(|value| value.text.clone()),
        no_proxy: reader.text(&settings::NO_PROXY).map(|value| value.text.clone()),
    };
    match HttpTransport::try_new(&options) {
        Ok(transport) => Some(transport),
        Err(error) => {
            reader.note(Problem::general(error.to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::environment::Environment;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const GOOD: [(&str, &str); 6] = [
        ("VmrayBaseURL", "https://vmray.example"),
        ("VmrayAPIKey", "0123456789abcdef"),
        ("AzureTenantID", TENANT),
        ("AzureClientID", TENANT),
        ("AzureClientSecret", "s3cret~value"),
        ("AzureWorkspaceID", TENANT),
    ];

    /// Reads everything the feed needs from good settings with `changed` on top; an empty value removes.
    fn read(changed: &[(&str, &str)]) -> Result<(VmrayConfig, SentinelConfig, IndicatorConfig), Problems> {
        let mut pairs: Vec<_> =
            GOOD.iter().filter(|(name, _)| changed.iter().all(|(other, _)| other != name)).collect();
        pairs.extend(changed);
        let environment: Environment =
            pairs.into_iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::load(&[], environment, None);
        let mut reader = Reader::new(&settings);
        let vmray = VmrayConfig::read(&mut reader);
        let sentinel = SentinelConfig::read(&mut reader);
        let indicators = IndicatorConfig::read(&mut reader);
        let others = (initial_fetch(&mut reader), schedule(&mut reader), transport(&mut reader));
        let whole = (|| {
            let (Some(_), Some(_), Some(_)) = others else { return None };
            Some((vmray?, sentinel?, indicators?))
        })();
        reader.finish(whole)
    }

    fn refusal(changed: &[(&str, &str)]) -> String {
        read(changed).unwrap_err().to_string()
    }

    #[test]
    fn good_settings_are_read() {
        let (vmray, sentinel, _) = read(&[]).unwrap();
        assert_eq!(vmray.base.to_string(), "https://vmray.example");
        assert_eq!((vmray.concurrency, sentinel.uploads_per_minute, sentinel.uploads_in_flight), (64, 95, 40));
        assert!(matches!(sentinel.identity, Identity::ClientSecret { .. }));
        assert_eq!(sentinel.warning(), None);
    }

    #[rstest]
    #[case("https://vmray.example/rest/")]
    #[case("https://vmray.example/rest")]
    #[case("vmray.example")]
    fn an_address_with_the_path_of_the_api_is_the_servers(#[case] text: &str) {
        let (vmray, _, _) = read(&[("VmrayBaseURL", text)]).unwrap();
        assert_eq!(vmray.base.to_string(), "https://vmray.example");
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let problems = refusal(&[
            ("VmrayBaseURL", "http://vmray.example"),
            ("VmrayAPIKey", ""),
            ("AzureTenantID", "contoso"),
            ("AzureWorkspaceID", ""),
            ("Polling", "often"),
            ("VmrayConcurrency", "0"),
        ]);
        insta::assert_snapshot!(problems);
    }

    #[rstest]
    #[case::plain_http("VmrayBaseURL", "http://vmray.example", "unencrypted")]
    #[case::no_url("VmrayBaseURL", "https://", "is not a URL")]
    #[case::placeholder("VmrayAPIKey", "<VMRay API Key>", "placeholder of a template")]
    #[case::quoted("VmrayAPIKey", "\"abc\"", "quotation mark")]
    #[case::line_break("AzureClientSecret", "abc\ndef", "line breaks")]
    #[case::tenant("AzureTenantID", "contoso", "is not a tenant")]
    #[case::client("AzureClientID", "my-app", "is not a client id")]
    #[case::workspace("AzureWorkspaceID", "my-workspace", "is not a workspace id")]
    #[case::cloud("AzureCloud", "germany", "expected public, usgov or china")]
    #[case::authority("AZURE_AUTHORITY_HOST", "http://login.example", "unencrypted")]
    #[case::endpoint("SentinelTiEndpoint", "ftp://ti.example", "scheme ftp")]
    #[case::zero_uploads("UploadsPerMinute", "0", "whole number from 1")]
    #[case::no_number("UploadsInFlight", "many", "whole number from 1 to 100")]
    #[case::negative("VmrayConcurrency", "-1", "whole number from 1 to 256")]
    #[case::days("VmrayInitialFetchDate", "-1", "number of days")]
    #[case::far("VmrayInitialFetchDate", "99999999999", "number of days")]
    #[case::date("VmrayInitialFetchDate", "2026-01-01", "number of days")]
    #[case::cron("Polling", "* * *", "cron has five fields")]
    #[case::verdict("VmraySampleVerdict", "Evil", "VmraySampleVerdict")]
    #[case::expiry("IndicatorExpirationInDays", "ip=soon", "IndicatorExpirationInDays")]
    #[case::kind("IocTypes", "domain,colour", "colour")]
    #[case::tlp("Tlp", "purple", "purple")]
    #[case::allow_list("AllowList", "/nowhere/allow.txt", "/nowhere/allow.txt")]
    #[case::ca_file("CaFile", "/nowhere/ca.pem", "cannot be read")]
    #[case::ca_pem("CaPem", "not a certificate", "BEGIN CERTIFICATE")]
    #[case::proxy("HttpsProxy", "http://", "HttpsProxy")]
    fn names_what_is_malformed(#[case] name: &str, #[case] value: &str, #[case] reason: &str) {
        let problems = refusal(&[(name, value)]);
        assert!(problems.contains(reason), "{problems}");
        assert!(problems.starts_with("the settings have a problem"), "{problems}");
    }

    #[rstest]
    #[case("VmrayBaseURL")]
    #[case("VmrayAPIKey")]
    #[case("AzureTenantID")]
    #[case("AzureClientID")]
    #[case("AzureWorkspaceID")]
    fn names_what_is_missing_with_an_example_and_a_place(#[case] name: &str) {
        let problems = refusal(&[(name, "")]);
        assert!(problems.contains(&format!("{name} is missing")), "{problems}");
        assert!(problems.contains(&format!("example: {name}=")), "{problems}");
        assert!(problems.contains("where to get it: "), "{problems}");
    }

    #[test]
    fn an_unresolved_secret_never_becomes_another_identity() {
        let problems = refusal(&[("AzureClientSecret", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")]);
        assert!(problems.starts_with("the settings have a problem\n\n  AzureClientSecret still reads"), "{problems}");
    }

    #[test]
    fn without_a_secret_the_token_file_decides_between_workload_and_managed_identity() {
        let (_, sentinel, _) = read(&[("AzureClientSecret", ""), ("AZURE_FEDERATED_TOKEN_FILE", "/t")]).unwrap();
        assert!(matches!(sentinel.identity, Identity::Workload { .. }));
        let (_, sentinel, _) = read(&[("AzureClientSecret", ""), ("AzureTenantID", "")]).unwrap();
        assert!(matches!(sentinel.identity, Identity::Managed { client_id: Some(_) }));
        let (_, sentinel, _) = read(&[("AzureClientSecret", ""), ("AzureClientID", "")]).unwrap();
        assert!(matches!(sentinel.identity, Identity::Managed { client_id: None }));
    }

    #[test]
    fn more_uploads_than_sentinel_allows_are_warned_about() {
        let (_, sentinel, _) = read(&[("UploadsPerMinute", "200")]).unwrap();
        assert!(sentinel.warning().unwrap().contains("Sentinel allows 100"));
    }

    #[rstest]
    #[case("90", 90 * 24)]
    #[case("7d", 7 * 24)]
    #[case("12h", 12)]
    #[case("0", 0)]
    fn the_first_run_reads_days_or_a_duration(#[case] text: &str, #[case] hours: i64) {
        assert_eq!(days(text), Ok(SignedDuration::from_hours(hours)));
    }

    #[test]
    fn one_cloud_may_have_another_address() {
        let (_, sentinel, _) = read(&[("AzureCloud", "USGov"), ("SentinelTiEndpoint", "http://127.0.0.1:9")]).unwrap();
        assert_eq!(sentinel.cloud.ti_endpoint.to_string(), "http://127.0.0.1:9");
        assert_eq!(sentinel.cloud.authority.host(), "login.microsoftonline.us");
    }
}
