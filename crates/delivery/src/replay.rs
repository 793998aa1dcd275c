//! What people asked for since the last run.

use ledger::{Batch, Command, Commands, IndicatorRecord, IndicatorState, OutboxRecord};
use stix::{Indicator, Kind};

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
}
