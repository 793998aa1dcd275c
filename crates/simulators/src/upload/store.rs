//! The tables: rows are only ever added.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::StaleModified;
use super::object::{Checked, message};

/// One accepted object.
#[derive(Debug, Clone)]
pub struct Row {
    /// When it was accepted (`TimeGenerated`).
    pub time_generated: Timestamp,
    /// Number of the upload that brought it, from 0.
    pub upload: u64,
    /// Place of its request in the log of all requests, from 0.
    pub request: u64,
    /// STIX id.
    pub id: String,
    /// STIX type.
    pub stix_type: String,
    /// `sourcesystem` of the request.
    pub source_system: String,
    /// `created`.
    pub created: Timestamp,
    /// `modified`.
    pub modified: Timestamp,
    /// `valid_until` of an indicator.
    pub valid_until: Option<Timestamp>,
    /// `revoked`.
    pub revoked: bool,
    /// `ObservableKey` and `ObservableValue`, for simple patterns only.
    pub observable: Option<(String, String)>,
    /// The object as it came, compact.
    pub text: Arc<str>,
}

impl Row {
    /// Returns the object as it came.
    pub fn object(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Says whether analytics would still match it.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && self.valid_until.is_none_or(|end| end > now)
    }
}

/// The request that brings an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) upload: u64,
    pub(super) request: u64,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    rows: Vec<Row>,
    newest: BTreeMap<(String, String), usize>,
    uploads: u64,
}

impl Store {
    pub(super) fn next_upload(&mut self) -> u64 {
        self.uploads += 1;
        self.uploads - 1
    }

    /// Adds a row, or says why the object is refused.
    pub(super) fn put(
        &mut self,
        source_system: &str,
        checked: Checked,
        arrival: Arrival,
        stale: StaleModified,
    ) -> Result<(), Vec<String>> {
        let key = (checked.id.clone(), source_system.to_owned());
        if let Some(stored) = self.newest.get(&key).and_then(|at| self.rows.get(*at)) {
            if stored.revoked && !checked.revoked {
                return Err(vec![message(
                    "revoked",
                    "The object is revoked and cannot come back.",
                    &Value::Bool(false),
                )]);
            }
            if checked.modified <= stored.modified {
                match stale {
                    StaleModified::Append => {}
                    StaleModified::Ignore => return Ok(()),
                    StaleModified::Refuse => {
                        let shown = Value::String(checked.modified.to_string());
                        return Err(vec![message("modified", "The stored object is as new or newer.", &shown)]);
                    }
                }
            }
        }
        self.newest.insert(key, self.rows.len());
        self.rows.push(Row {
            time_generated: arrival.at,
            upload: arrival.upload,
            request: arrival.request,
            id: checked.id,
            stix_type: checked.stix_type,
            source_system: source_system.to_owned(),
            created: checked.created,
            modified: checked.modified,
            valid_until: checked.valid_until,
            revoked: checked.revoked,
            observable: checked.observable,
            text: checked.text,
        });
        Ok(())
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the newest row of each id; of the same id under two source systems the one that came last.
    pub(super) fn newest(&self) -> BTreeMap<String, Row> {
        let mut positions: Vec<usize> = self.newest.values().copied().collect();
        positions.sort_unstable();
        positions.into_iter().filter_map(|at| self.rows.get(at)).map(|row| (row.id.clone(), row.clone())).collect()
    }
}
