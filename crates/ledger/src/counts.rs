//! The order in which the counts of a run are shown: that of the data path, which a map by name does not keep.

use std::collections::BTreeMap;

use serde::Serializer;

/// From what was read to what Sentinel made of it.
const ORDER: [&str; 10] = [
    "samples_read",
    "filtered_out",
    "new",
    "changed",
    "refreshed",
    "unchanged",
    "receipts",
    "uploads",
    "accepted",
    "refused",
];

/// Returns counts in the order of the data path; names of another version follow by name.
pub fn counts_in_order(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut ordered: Vec<_> = counts.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    ordered.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    ordered
}

/// Serialises counts as a map in the order of the data path, for `#[serde(serialize_with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_counts<S: Serializer>(counts: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts_in_order(counts))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::RunRecord;

    #[test]
    fn a_record_lists_its_counts_in_the_order_of_the_data_path_and_is_read_back() {
        let names = ["accepted", "filtered_out", "new", "receipts", "samples_read", "unchanged", "zebras"];
        let record = RunRecord {
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            outcome: "done".to_owned(),
            error: None,
            next_step: None,
            counts: names.iter().map(|name| ((*name).to_owned(), 1)).collect(),
        };
        let json = serde_json::to_string(&record).unwrap();
        let order = r#"{"samples_read":1,"filtered_out":1,"new":1,"unchanged":1,"receipts":1,"accepted":1,"zebras":1}"#;
        assert!(json.contains(order), "{json}");
        assert_eq!(serde_json::from_str::<RunRecord>(&json).unwrap(), record);
    }
}
