//! Times as STIX and Sentinel write them: UTC, three decimals, `Z`.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// Prints a time cut to milliseconds.
pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Reads an RFC 3339 time.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer)
}
