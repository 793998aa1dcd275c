//! The settings of the enrichment.

use enrichment::{Gates, InternalHosts, ReuseHours};

use crate::reader::Reader;
use crate::settings;

/// How `/api/enrich` and the functions that submit behave.
#[derive(Debug, Clone)]
pub struct EnrichConfig {
    pub reuse: ReuseHours,
    pub resubmit: bool,
    pub quota_reserve_percent: u8,
    pub max_submissions_per_incident: u32,
    pub gates: Gates,
}

impl EnrichConfig {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let reuse = reader.quoting::<ReuseHours>(&settings::REUSE_HOURS);
        let resubmit = reader.needed(&settings::RESUBMIT);
        let resubmit = resubmit.and_then(|value| reader.parse_with(&settings::RESUBMIT, value, flag));
        let reserve = reader.integer(&settings::QUOTA_RESERVE);
        let most = reader.integer(&settings::MAX_SUBMISSIONS_PER_INCIDENT);
        let gates = reader.quoting::<Gates>(&settings::PRIVACY_GATES);
        let hosts = reader.optional::<InternalHosts>(&settings::INTERNAL_HOSTS);
        Some(Self {
            reuse: reuse?,
            resubmit: resubmit?,
            // The rows bound both.
            quota_reserve_percent: u8::try_from(reserve?).unwrap_or(100),
            max_submissions_per_incident: u32::try_from(most?).unwrap_or(u32::MAX),
            gates: gates?.with_internal_hosts(hosts?.unwrap_or_default()),
        })
    }
}

/// Templates write booleans in both cases.
fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("is `{text}`; expected true or false")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::environment::Environment;
    use crate::source::Settings;

    fn read(name: &str, value: &str) -> Result<EnrichConfig, String> {
        let environment: Environment = [(name.to_owned(), value.to_owned())].into_iter().collect();
        let settings = Settings::load(&[], environment, None);
        let mut reader = Reader::new(&settings);
        let config = EnrichConfig::read(&mut reader);
        reader.finish(config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let config = read("Tlp", "amber").unwrap();
        assert_eq!(config.reuse, ReuseHours::default());
        assert_eq!((config.quota_reserve_percent, config.max_submissions_per_incident), (10, 20));
        assert!(!config.resubmit);
        assert!(read("Resubmit", "True").unwrap().resubmit);
    }

    #[rstest]
    #[case("ReuseHours", "url=soon")]
    #[case("Resubmit", "sometimes")]
    #[case("QuotaReserve", "101")]
    #[case("MaxSubmissionsPerIncident", "-1")]
    #[case("PrivacyGates", "front-door")]
    #[case("InternalHosts", "http://a b")]
    fn what_is_malformed_is_named(#[case] name: &str, #[case] value: &str) {
        assert!(read(name, value).unwrap_err().contains(name));
    }
}
