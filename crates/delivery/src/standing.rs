//! Indicators as they will be once findings are taken in one after another, without writing anything.

use std::collections::HashMap;

use indicators::{Finding, Style, Support};
use jiff::Timestamp;
use ledger::{IndicatorRecord, Records};

use crate::Error;
use crate::diff::Change;
use crate::merge::{Known, Merged, supports};

/// What the ledger knows, with findings taken in.
#[derive(Debug)]
pub struct Standing<'a> {
    records: &'a Records,
    style: &'a Style,
    now: Timestamp,
    known: HashMap<String, One>,
}

#[derive(Debug, Clone)]
struct One {
    record: Option<IndicatorRecord>,
    supports: Vec<Support>,
}

/// What a finding makes of its indicator.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The indicator with the finding taken in.
    pub merged: Merged,
    /// What the newest samples said before.
    pub others: Vec<Support>,
}

impl<'a> Standing<'a> {
    /// Begins with what the ledger knows.
    pub fn new(records: &'a Records, style: &'a Style, now: Timestamp) -> Self {
        Self { records, style, now, known: HashMap::new() }
    }

    /// Takes a finding in.
    pub async fn take(&mut self, finding: Finding) -> Result<Effect, Error> {
        let id = finding.id.to_string();
        let sample_id = finding.support.sample_id;
        let one = match self.known.remove(&id) {
            Some(one) => one,
            None => One { record: self.records.indicator(&id).await?, supports: supports(self.records, &id).await? },
        };
        let before = match one.supports.iter().find(|support| support.sample_id == sample_id) {
            Some(support) => Some(support.clone()),
            None => self.records.evidence(&id, sample_id).await?,
        };
        let known = Known { before: before.filter(|_| one.record.is_some()), record: one.record };
        let mut merged = known.merge(finding, self.style, self.now);
        merged.take_in(&one.supports, self.style);
        let next = if merged.change == Change::Expired {
            One { record: known.record, supports: one.supports.clone() }
        } else {
            One { record: Some(merged.record.clone()), supports: merged.supports(&one.supports) }
        };
        self.known.insert(id, next);
        Ok(Effect { merged, others: one.supports })
    }

    /// Notes that an indicator was sent with this time, so that what is made of it next is newer.
    pub fn was_sent(&mut self, id: &str, modified: Timestamp) {
        if let Some(record) = self.known.get_mut(id).and_then(|one| one.record.as_mut()) {
            record.modified = record.modified.max(modified);
        }
    }

    /// Returns the record of an indicator whose finding was taken in.
    pub fn record(&self, id: &str) -> Option<&IndicatorRecord> {
        self.known.get(id)?.record.as_ref()
    }
}

impl Effect {
    /// Returns the object in JSON.
    pub fn object(&self, style: &Style) -> Result<String, Error> {
        self.merged.object(&self.others, style)
    }
}
