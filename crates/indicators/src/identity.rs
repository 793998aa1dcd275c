//! Who makes the indicators.

use jiff::Timestamp;
use stix::{Identity, IdentityClass, ObjectType, SpecVersion, StixId};

/// 2026-01-01T00:00:00Z. Any fixed time would do: an identity that changed with every run would be a new row.
const MADE_AT_SECOND: i64 = 1_767_225_600;

/// Returns the identity that `created_by_ref` of our objects points at, the same for every installation.
pub fn identity() -> Identity {
    let made_at = Timestamp::from_second(MADE_AT_SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
    Identity {
        spec_version: SpecVersion::V2_1,
        id: StixId::derived(ObjectType::Identity, "identity", "vmray-sentinel"),
        created: made_at,
        modified: made_at,
        name: "VMRay for Microsoft Sentinel".to_owned(),
        description: Some("Makes indicators of the IOCs that VMRay found in analysed samples.".to_owned()),
        identity_class: IdentityClass::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_for_ever() {
        insta::assert_json_snapshot!(identity());
    }
}
