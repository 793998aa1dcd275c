//! The settings of the health tables.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use outbound::ServiceUrl;
use sentinel::{ClientId, RuleId};

use crate::environment::Environment;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::settings::{
    AZURE_CLIENT_SECRET_EXPIRES, LOGS_INGESTION_CLIENT_ID, LOGS_INGESTION_ENDPOINT, LOGS_INGESTION_RULE,
};

/// Where rows about the feed's runs go.
#[derive(Debug, Clone)]
pub struct HealthConfig {
    pub endpoint: ServiceUrl,
    pub rule: RuleId,
    /// The managed identity that writes them; without one it is the identity that uploads.
    pub writer: Option<ClientId>,
    /// When the client secret ends, where somebody said so.
    pub secret_expires: Option<Timestamp>,
    /// Where the feed runs.
    pub host: Option<String>,
}

impl HealthConfig {
    /// Reads these settings. The outer `None` means "wrong", the inner one that no rows are wanted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let endpoint = reader.optional::<ServiceUrl>(&LOGS_INGESTION_ENDPOINT);
        let rule = reader.quoting_optional::<RuleId>(&LOGS_INGESTION_RULE);
        let writer = reader.optional::<ClientId>(&LOGS_INGESTION_CLIENT_ID);
        let secret_expires = match reader.text(&AZURE_CLIENT_SECRET_EXPIRES) {
            None => Some(None),
            Some(value) => reader.parse_with(&AZURE_CLIENT_SECRET_EXPIRES, value, expiry).map(Some),
        };
        let (set, missing) = match (endpoint?, rule?) {
            (None, None) => return secret_expires.and(writer).map(|_| None),
            (Some(endpoint), Some(rule)) => {
                let host = host(reader.settings.environment());
                return Some(Some(Self { endpoint, rule, writer: writer?, secret_expires: secret_expires?, host }));
            }
            (Some(_), None) => (&LOGS_INGESTION_ENDPOINT, &LOGS_INGESTION_RULE),
            (None, Some(_)) => (&LOGS_INGESTION_RULE, &LOGS_INGESTION_ENDPOINT),
        };
        let hint = format!("{} is set; set both, or neither to write no rows about runs", set.name);
        // What merging already complained about is not missing as well.
        if !reader.is_noted(missing.name) {
            reader.note(Problem::missing(missing).with_hint(hint));
        }
        None
    }
}

/// Reads a day, or a time.
fn expiry(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("is `{text}`; expected a day such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z");
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date and time without an offset is no date to this parser, but it is one to a lenient reader.
    let day: Date = text.parse().map_err(|_| wrong())?;
    if day.to_string() != text {
        return Err(wrong());
    }
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_err(|_| wrong())
}

/// Names the app under Azure Functions, the machine elsewhere.
fn host(environment: &Environment) -> Option<String> {
    let of = |name| environment.get(name).ok().flatten().map(|(_, value)| value.trim().to_owned());
    let named = ["WEBSITE_HOSTNAME", "HOSTNAME", "COMPUTERNAME"].into_iter().find_map(of);
    named.or_else(|| {
        // Shells know HOSTNAME and do not hand it on; Linux tells it here.
        let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(text.trim().to_owned()).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::problem::Problems;
    use crate::source::Settings;

    const ENDPOINT: (&str, &str) = ("LogsIngestionEndpoint", "https://x.ingest.monitor.azure.com");
    const RULE: (&str, &str) = ("LogsIngestionRule", "dcr-0123456789abcdef0123456789abcdef");

    fn read(pairs: &[(&str, &str)]) -> Result<Option<HealthConfig>, Problems> {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::load(&[], environment, None);
        let mut reader = Reader::new(&settings);
        let config = HealthConfig::read(&mut reader);
        reader.finish(config)
    }

    #[test]
    fn both_settings_or_neither() {
        assert!(read(&[]).unwrap().is_none());
        let config = read(&[ENDPOINT, RULE, ("WEBSITE_HOSTNAME", "app.azurewebsites.net")]).unwrap().unwrap();
        assert_eq!((config.endpoint.to_string().as_str(), config.rule.to_string().as_str()), (ENDPOINT.1, RULE.1));
        assert_eq!((config.host.as_deref(), config.secret_expires), (Some("app.azurewebsites.net"), None));
        assert!(read(&[("LogsIngestionEndpoint", "http://127.0.0.1:9"), RULE]).unwrap().is_some());
    }

    #[rstest]
    #[case(ENDPOINT, "LogsIngestionRule is missing", "LogsIngestionEndpoint is set; set both, or neither")]
    #[case(RULE, "LogsIngestionEndpoint is missing", "LogsIngestionRule is set; set both, or neither")]
    fn one_without_the_other_names_the_other(#[case] one: (&str, &str), #[case] missing: &str, #[case] set: &str) {
        let problems = read(&[one]).unwrap_err().to_string();
        assert!(problems.contains(missing) && problems.contains(set), "{problems}");
        assert!(problems.contains("where to get it: `az resource show"), "{problems}");
    }

    #[rstest]
    #[case(&[("LogsIngestionEndpoint", "http://ingest.example"), RULE], "unencrypted")]
    #[case(&[ENDPOINT, ("LogsIngestionRule", "my-rule")], "is `my-rule`: is not the immutable id")]
    #[case(&[ENDPOINT, RULE, ("LogsIngestionClientID", "me")], "LogsIngestionClientID (from the environment) is not a client")]
    #[case(&[("AzureClientSecretExpires", "next year")], "expected a day such as 2027-06-30")]
    #[case(&[("AzureClientSecretExpires", "2027-02-30")], "expected a day such as 2027-06-30")]
    #[case(&[("AzureClientSecretExpires", "2027-06-30T12:00:00")], "expected a day such as 2027-06-30")]
    fn names_what_is_malformed(#[case] pairs: &[(&str, &str)], #[case] reason: &str) {
        let problems = read(pairs).unwrap_err().to_string();
        assert!(problems.starts_with("the settings have a problem\n") && problems.contains(reason), "{problems}");
    }

    #[rstest]
    #[case("2027-06-30", "2027-06-30T00:00:00Z")]
    #[case("2027-06-30T12:00:00Z", "2027-06-30T12:00:00Z")]
    #[case("2027-06-30T12:00:00+02:00", "2027-06-30T10:00:00Z")]
    fn a_secret_ends_on_a_day_or_at_a_time(#[case] text: &str, #[case] expected: &str) {
        let config = read(&[ENDPOINT, RULE, ("AzureClientSecretExpires", text)]).unwrap().unwrap();
        assert_eq!(config.secret_expires, Some(expected.parse().unwrap()));
    }
}
