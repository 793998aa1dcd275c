//! A sample that is too large to be read beside others.
//!
//! How much VMRay answers is not ours to decide: a sample may have a hundred thousand IOCs. Such a reply is read alone,
//! when its turn has come, and staged in parts of some hundred values, so that neither its models nor its batch are ever
//! in memory whole. A reply beyond [`LARGEST_REPLY_BYTES`] is not read: its sample stays open with its size told, and
//! costs its neighbours nothing. One that a run has no time for stays open as well, and is read again from its beginning.

use delivery::{SampleFindings, StagedSample};
use indicators::{Reading, map};
use outbound::Clock as _;
use vmray::SampleId;

use crate::Error;
use crate::read::{Read, failed, not_finished, open, supporting, tactics_of};
use crate::run::Run;
use crate::waits::patiently;
use crate::window::{Group, record_of};

/// The largest reply that is read. The longest known of a real server has 94 kB.
const LARGEST_REPLY_BYTES: usize = 48 * 1024 * 1024;

/// Why a sample stays open whose run ended first.
const CUT_OFF: &str = "the run ended before all of it was read; the next run reads it from its beginning";

/// How far reading a large sample came.
enum Reached {
    /// It is staged, or open for a reason of its own.
    Settled,
    /// The run is to end.
    CutOff,
}

impl Run<'_> {
    /// Reads and stages a large sample. A run that is to end meanwhile leaves it open, for the next.
    pub(crate) async fn read_large(&mut self, group: Group) -> Result<(), Error> {
        let (sample_id, submissions) = (group.sample_id, group.submissions.clone());
        match self.read_in_parts(group).await? {
            Reached::Settled => Ok(()),
            Reached::CutOff => self.leave_open(sample_id, &submissions, CUT_OFF, false).await,
        }
    }

    async fn read_in_parts(&mut self, group: Group) -> Result<Reached, Error> {
        let Group { sample_id, submissions, attempts } = group;
        let client = self.feed.vmray.clone();
        let id = SampleId(sample_id);
        let asked = self.meanwhile(patiently(|| client.iocs_in_parts(id, LARGEST_REPLY_BYTES))).await?;
        let reply = match asked {
            None => return Ok(Reached::CutOff),
            Some(Ok(reply)) => reply,
            Some(Err(error)) => return Box::pin(self.settle_unread(failed(sample_id, submissions, error))).await,
        };
        if let Some(reason) = not_finished(&reply.status) {
            return Box::pin(self.settle_unread(open(sample_id, submissions, reason, false))).await;
        }
        let tactics = match self.meanwhile(tactics_of(&client, sample_id, attempts)).await? {
            None => return Ok(Reached::CutOff),
            Some(Ok(tactics)) => tactics,
            Some(Err(error)) => return Box::pin(self.settle_unread(failed(sample_id, submissions, error))).await,
        };
        let supporting = supporting(&self.feed.rules, &submissions, self.clock.now());
        let mut staged = StagedSample::default();
        let mut filtered_out = 0;
        let parts = match reply.parts() {
            Ok(parts) => parts,
            Err(error) => return Box::pin(self.settle_unread(failed(sample_id, submissions, error))).await,
        };
        for iocs in parts {
            let reading = Reading { sample_id, submissions: &supporting, iocs: &iocs, tactics: &tactics };
            let mapped = map(&reading, &self.rules);
            drop(iocs);
            filtered_out += mapped.filtered_out as u64;
            self.delivery.stage_part(sample_id, mapped.findings, mapped.receipts, &mut staged).await?;
            self.delivery.start_uploads(delivery::Fill::Full).await?;
            self.publish_progress();
            // Answers of Sentinel that have come are settled between two parts.
            if self.meanwhile(tokio::task::yield_now()).await?.is_none() {
                return Ok(Reached::CutOff);
            }
        }
        let submissions = submissions.iter().map(|submission| (submission.id.0, record_of(submission))).collect();
        let rest = SampleFindings { sample_id, submissions, findings: Vec::new(), receipts: Vec::new() };
        let staged = self.delivery.stage_with(rest, staged).await?;
        self.remember(sample_id, staged);
        self.samples_read += 1;
        self.filtered_out += filtered_out;
        self.troubles = 0;
        Ok(Reached::Settled)
    }

    async fn settle_unread(&mut self, unread: Read) -> Result<Reached, Error> {
        self.stage(unread).await?;
        Ok(Reached::Settled)
    }
}
