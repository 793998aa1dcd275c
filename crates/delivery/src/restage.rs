//! A sample that was read and is seen again: what was read of it holds for further submissions, with their times.

use indicators::{Finding, SubmissionFacts, Support};
use ledger::SubmissionRecord;
use stix::{Kind, Observable, StixId};

use crate::stage::SampleFindings;
use crate::{Delivery, Error};

/// What was staged of one reading of a sample: small, since the ledger has the rest.
#[derive(Debug, Default)]
pub struct StagedSample {
    /// Values whose evidence is in the ledger.
    pub(crate) ids: Vec<StixId>,
    /// Values whose life was over; a later submission may make them live.
    pub(crate) expired: Vec<Finding>,
    /// Receipts of the sample.
    pub(crate) receipts: u64,
}

impl StagedSample {
    /// Returns how many values it remembers; one that is in no ledger takes more room.
    pub fn values(&self) -> usize {
        1 + self.ids.len() + self.expired.len() * 16
    }
}

impl Delivery {
    /// Stages a sample for further submissions, as if it had been read for these too.
    pub async fn stage_again(
        &mut self,
        sample_id: u64,
        staged: &mut StagedSample,
        supporting: &[SubmissionFacts],
        submissions: Vec<(u64, SubmissionRecord)>,
    ) -> Result<(), Error> {
        let mut findings = Vec::new();
        if !supporting.is_empty() {
            for id in &staged.ids {
                findings.extend(self.finding(sample_id, *id).await?);
            }
            findings.append(&mut staged.expired);
            for finding in &mut findings {
                see(&mut finding.support, supporting);
            }
        }
        let sample = SampleFindings { sample_id, submissions, findings, receipts: Vec::new() };
        let before = StagedSample { receipts: staged.receipts, ..StagedSample::default() };
        let again = self.stage_with(sample, before).await?;
        // Without supporting submissions nothing was looked at again.
        if !supporting.is_empty() {
            *staged = again;
        }
        Ok(())
    }

    /// Returns a finding of a sample as the ledger has it.
    async fn finding(&self, sample_id: u64, id: StixId) -> Result<Option<Finding>, Error> {
        let key = id.to_string();
        let Some(record) = self.records().indicator(&key).await? else { return Ok(None) };
        let support: Option<Support> = self.records().evidence(&key, sample_id).await?;
        let observable =
            record.kind.parse::<Kind>().ok().and_then(|kind| Observable::of_kind(kind, &record.value).ok());
        Ok(support.zip(observable).map(|(support, observable)| Finding { id, observable, support }))
    }
}

/// Notes that further submissions support a value.
fn see(support: &mut Support, supporting: &[SubmissionFacts]) {
    for submission in supporting {
        support.submission_id = support.submission_id.max(submission.id);
        support.first_seen = support.first_seen.min(submission.finish_time);
        support.last_seen = support.last_seen.max(submission.finish_time);
    }
}
