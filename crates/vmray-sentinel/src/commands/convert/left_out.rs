//! What did not become an indicator, and which setting would make it one.

use std::collections::{BTreeMap, BTreeSet};

use indicators::{Mapped, ReceiptReason, Rules, VerdictFilter};
use jiff::Timestamp;
use stix::{Kind, StixId};
use vmray::Report;

use super::map;
use crate::invocation::quoted;
use crate::words;

const BOTH: VerdictFilter = VerdictFilter { malicious: true, suspicious: true };

/// What was left out of all reports.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Entries whose verdict is not wanted.
    filtered_out: usize,
    /// Reasons, and how often each was met.
    receipts: BTreeMap<String, usize>,
    /// How many values of each rule of the allow-list.
    allow_listed: BTreeMap<String, usize>,
    /// What the other verdicts would add.
    of_other_verdicts: BTreeSet<StixId>,
    /// What other types would add.
    of_other_types: BTreeMap<Kind, BTreeSet<StixId>>,
}

impl LeftOut {
    /// Notes what `mapped`, which came from a report by `rules`, leaves out of it.
    pub(super) fn add(&mut self, report: &Report, seen: Timestamp, rules: &Rules, mapped: &Mapped) {
        self.filtered_out += mapped.filtered_out;
        for receipt in &mapped.receipts {
            let group = match &receipt.reason {
                ReceiptReason::AllowListed { .. } => &mut self.allow_listed,
                _ => &mut self.receipts,
            };
            *group.entry(receipt.reason.to_string()).or_default() += 1;
        }
        let with_both = Rules { verdicts: BOTH, ..rules.clone() };
        self.of_other_verdicts.extend(map(report, seen, &with_both).findings.iter().map(|finding| finding.id));
        let ioc_types = Kind::ALL.into_iter().filter(|kind| !rules.ioc_types.contains(kind)).collect();
        for finding in map(report, seen, &Rules { ioc_types, ..rules.clone() }).findings {
            self.of_other_types.entry(finding.observable.kind()).or_default().insert(finding.id);
        }
    }

    /// Returns a line for each group. `is_converted` says whether a value became an indicator after all, by another
    /// report.
    pub(super) fn lines(&self, rules: &Rules, is_converted: impl Fn(&StixId) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        if self.filtered_out > 0 {
            let more = self.of_other_verdicts.iter().filter(|id| !is_converted(id)).count();
            let by = format!(
                "{} left out by VmraySampleVerdict={}",
                words::count(self.filtered_out, "entry"),
                rules.verdicts
            );
            lines.push(match more {
                0 => format!("{by}; none of them is malicious or suspicious"),
                more => by + &would_add("VmraySampleVerdict", &BOTH.to_string(), more),
            });
        }
        for (kind, ids) in &self.of_other_types {
            let types: Vec<_> = rules.ioc_types.iter().chain([kind]).map(|kind| kind.as_str()).collect();
            let by = format!("{} left out by IocTypes", words::count(ids.len(), &format!("{kind} value")));
            lines.push(by + &would_add("IocTypes", &types.join(","), ids.len()));
        }
        for (reason, amount) in &self.allow_listed {
            lines.push(
                format!("{} left out: {reason}", words::number(*amount)) + &would_add("AllowList", "none", *amount),
            );
        }
        lines.extend(
            self.receipts.iter().map(|(reason, amount)| format!("{} left out: {reason}", words::number(*amount))),
        );
        lines
    }
}

fn would_add(setting: &str, value: &str, amount: usize) -> String {
    let set = quoted(&format!("{setting}={value}"));
    format!("; --set {set} would add {}", words::count(amount, "indicator"))
}
