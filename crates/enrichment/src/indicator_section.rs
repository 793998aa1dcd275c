//! The part of the report that says what becomes of VMRay's findings in Sentinel.

use delivery::{Change, Standing};
use indicators::{Finding, Mapped, Reading as Map, Severity, SubmissionFacts, map};
use ledger::{Inbox, Reader};
use serde_json::Value;

use crate::dossier::{Dossier, Reading};
use crate::facts::Facts;
use crate::publish::{Counted, Parcel, expect, of_delivery};
use crate::record::Asked;
use crate::report::{IndicatorReport, IndicatorState, ItemReport};
use crate::{Enrichment, Error};

/// Indicators of one item in a report.
const MAX_INDICATORS: usize = 300;

impl Enrichment {
    /// Returns the findings of an item, and tells of the values that become none.
    pub(crate) fn findings(
        &self,
        asked: &Asked,
        readings: &[(&Facts, Reading)],
        report: &mut ItemReport,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut filtered_out = 0;
        for (facts, reading) in readings {
            let (Reading::Whole(dossier) | Reading::Waiting(dossier)) = reading else { continue };
            let mapped = self.mapped(facts, dossier);
            filtered_out += mapped.filtered_out;
            report.indicators.entries.extend(mapped.receipts.into_iter().map(|receipt| IndicatorReport {
                id: None,
                kind: receipt.kind.to_string(),
                value: receipt.value,
                state: IndicatorState::HeldBack,
                reason: Some(receipt.reason.to_string()),
                valid_until: None,
                stix: None,
            }));
            for mut finding in mapped.findings {
                finding.support.incidents = asked.incident.iter().map(ToString::to_string).collect();
                findings.push(finding);
            }
        }
        if filtered_out > 0 {
            report.not_done.push(format!(
                "{filtered_out} IOCs became no indicators because VmraySampleVerdict leaves their verdict out"
            ));
        }
        findings.sort_by_key(|finding| (finding.id, finding.support.sample_id));
        findings
    }

    /// Fills the sections of indicators: what each is to Sentinel now, as far as the state knows. That is what the feed has
    /// sent, and what enrichments have sent since, which the feed has not read yet.
    pub(crate) async fn indicators(&self, parcels: &[Parcel], items: &mut [ItemReport]) -> Result<(), Error> {
        if !parcels.is_empty() {
            let reader = Reader::open(&self.storage, &self.settings.route).await?;
            let letters = Inbox::of(&self.storage, &self.settings.route).waiting().await?;
            for Parcel { item, findings } in parcels {
                let Some(report) = items.get_mut(*item) else { continue };
                let mut standing = Standing::new(reader.records(), &self.style, self.clock.now());
                let ids = findings.iter().map(|finding| finding.id.to_string()).collect();
                expect(&mut standing, &letters, Counted::Sent, &ids).await?;
                let entries = &mut report.indicators.entries;
                for finding in findings {
                    let effect = standing.take(finding.clone()).await.map_err(of_delivery)?;
                    let object = effect.object(&self.style).map_err(of_delivery)?;
                    let record = &effect.merged.record;
                    let id = finding.id.to_string();
                    let expired = effect.merged.change == Change::Expired;
                    let entry = IndicatorReport {
                        kind: record.kind.clone(),
                        value: record.value.clone(),
                        state: match effect.merged.change {
                            Change::New => IndicatorState::New,
                            Change::Changed | Change::Refresh => IndicatorState::Changed,
                            Change::Unchanged => IndicatorState::Live,
                            Change::Expired => IndicatorState::HeldBack,
                        },
                        reason: expired.then(|| "it had expired before it was sent".to_owned()),
                        valid_until: Some(record.valid_until),
                        stix: serde_json::from_str::<Value>(&object).ok().filter(|_| !expired),
                        id: (!expired).then(|| id.clone()),
                    };
                    match entries.iter_mut().find(|entry| entry.id.as_ref() == Some(&id)) {
                        // Two samples of the item show the same value: what the first says of its state holds.
                        Some(before) => *before = IndicatorReport { state: before.state, ..entry },
                        None => entries.push(entry),
                    }
                }
            }
        }
        for report in items {
            let section = &mut report.indicators;
            section.left_out = section.entries.len().saturating_sub(MAX_INDICATORS) as u64;
            // Held back ones are cut before those that are sent.
            section.entries.sort_by_key(|entry| entry.state == IndicatorState::HeldBack);
            section.entries.truncate(MAX_INDICATORS);
        }
        Ok(())
    }

    fn mapped(&self, facts: &Facts, dossier: &Dossier) -> Mapped {
        let mut supporting: Vec<SubmissionFacts> = facts
            .history
            .iter()
            .filter(|past| self.rules.verdicts.wants(&past.verdict))
            .filter_map(|past| {
                let severity = past.verdict.as_ref().and_then(Severity::of)?;
                Some(SubmissionFacts { id: past.submission_id, finish_time: past.finished_at, severity })
            })
            .collect();
        supporting.sort_by_key(|submission| submission.id);
        let reading = Map {
            sample_id: facts.sample_id,
            submissions: &supporting,
            iocs: &dossier.iocs,
            tactics: &dossier.tactics,
        };
        map(&reading, &self.rules)
    }
}
