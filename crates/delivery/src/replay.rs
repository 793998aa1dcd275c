//! What people asked for since the last run.

use ledger::{Batch, Command, Commands, IndicatorRecord, IndicatorState, OutboxRecord, ReceiptRecord, SampleRecord};
use stix::{Indicator, Kind};
use tracing::debug;

use crate::merge::later;
use crate::{Delivery, Error};

impl Delivery {
    /// Applies waiting commands and takes them back once that is durable.
    pub async fn apply(&mut self, commands: &Commands) -> Result<(), Error> {
        let waiting = commands.waiting().await?;
        if waiting.is_empty() {
            return Ok(());
        }
        for pending in &waiting {
            debug!(command = ?pending.command, "applying what was asked for");
            let mut batch = Batch::new();
            match &pending.command {
                Command::ReplayQuarantine { ids } => {
                    for id in ids {
                        self.replay(id, &mut batch).await?;
                    }
                }
                Command::DropQuarantine { ids } => {
                    for id in ids {
                        self.forget(id, &mut batch).await?;
                    }
                }
                Command::RetrySamples { ids } => {
                    for id in ids {
                        self.retry_sample(*id, &mut batch).await?;
                    }
                }
                Command::DropSamples { ids } => {
                    for id in ids {
                        self.drop_sample(*id, &mut batch).await?;
                    }
                }
            }
            self.commit(batch).await?;
        }
        self.flush().await?;
        commands.done(&waiting).await?;
        Ok(())
    }

    /// Stages a refused object again. Its quarantine record stays until Sentinel accepts it, so that the number of
    /// attempts is not forgotten.
    async fn replay(&mut self, id: &str, batch: &mut Batch) -> Result<(), Error> {
        let records = self.ledger.records();
        let Some(quarantined) = records.quarantined(id).await? else { return Ok(()) };
        let staged_since = records.outbox(id).await?.is_some();
        let mut refused = quarantined.refused;
        if let Some(mut record) = records.indicator(id).await? {
            if !staged_since {
                self.renew(&mut record, &mut refused);
            }
            record.state = IndicatorState::Staged;
            batch.put_indicator(id, &record)?;
        }
        if !staged_since {
            batch.put_outbox(id, &refused)?;
            self.objects_left += 1;
        }
        self.queue.push_known(id.to_owned());
        Ok(())
    }

    /// Gives a refused object the life that its last sighting earns: it may have been seen again since.
    fn renew(&self, record: &mut IndicatorRecord, refused: &mut OutboxRecord) {
        let (Ok(kind), Ok(mut indicator)) =
            (record.kind.parse::<Kind>(), serde_json::from_str::<Indicator>(&refused.object))
        else {
            // Not an object of ours any more; it is sent as it was.
            return;
        };
        let until = self.style.expiry.valid_until(kind, record.last_seen);
        if until <= record.valid_until {
            return;
        }
        indicator.valid_until = until;
        indicator.modified = later(record.modified, self.clock.now());
        let Ok(object) = serde_json::to_string(&indicator) else { return };
        record.valid_until = until;
        record.modified = indicator.modified;
        *refused = OutboxRecord { modified: record.modified, object };
    }

    /// Forgets a refused object: when VMRay reports its value again, it is sent again.
    async fn forget(&self, id: &str, batch: &mut Batch) -> Result<(), Error> {
        batch.delete_quarantine(id);
        if let Some(mut record) = self.ledger.records().indicator(id).await?
            && record.state == IndicatorState::Quarantined
        {
            record.content = String::new();
            batch.put_indicator(id, &record)?;
        }
        Ok(())
    }

    /// Makes an open sample due, whenever it was tried last.
    async fn retry_sample(&self, id: u64, batch: &mut Batch) -> Result<(), Error> {
        if let Some(mut open) = self.ledger.records().open_sample(id).await? {
            open.last_attempt = open.since;
            batch.put_open_sample(&open)?;
        }
        Ok(())
    }

    /// Gives an open sample up. It counts as read, so it is read again only when VMRay lists a new submission of it.
    async fn drop_sample(&mut self, id: u64, batch: &mut Batch) -> Result<(), Error> {
        /// What the receipt and the health tables call it.
        const CODE: &str = "sample_dropped";
        let Some(open) = self.ledger.records().open_sample(id).await? else { return Ok(()) };
        let now = self.clock.now();
        batch.delete_open_sample(id);
        batch.put_sample(id, &SampleRecord { read_at: now, submission_id: 0, findings: 0, receipts: 1 })?;
        batch.put_receipt(&ReceiptRecord {
            at: now,
            sample_id: id,
            kind: "sample".to_owned(),
            value: format!("sample {id}"),
            reason: CODE.to_owned(),
            text: format!("given up by `quarantine drop`; could not be read since {}: {}", open.since, open.reason),
        })?;
        self.notes_mut().receipt(CODE);
        Ok(())
    }
}
