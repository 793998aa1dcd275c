//! What people asked for since the last run.

use ledger::{Batch, Command, Commands, IndicatorState};

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
                        batch.delete_quarantine(id);
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
        if let Some(mut record) = records.indicator(id).await? {
            record.state = IndicatorState::Staged;
            batch.put_indicator(id, &record)?;
        }
        if records.outbox(id).await?.is_none() {
            batch.put_outbox(id, &quarantined.refused)?;
        }
        self.queue.push_known(id.to_owned());
        Ok(())
    }
}
