//! What an answer means for each record.

use std::collections::BTreeMap;

use ledger::{Batch, IndicatorState, QuarantineRecord};
use outbound::{TransportError, mutant};
use sentinel::UploadError;
use tracing::{debug, warn};

use crate::queue::Ready;
use crate::stage::IDENTITY;
use crate::{Answer, Delivery, Error};

/// Uploads that may fail one after another before this run stops sending; the next run continues.
const FAILURES_IN_A_ROW: u32 = 3;
/// Refusals for going too fast that may follow one another, for each upload that may be on its way; the pacer has
/// waited as told each time.
const THROTTLES_IN_A_ROW: u32 = 20;
/// Single objects that may be refused with their whole request, and nothing accepted in between. More means that it is
/// the requests that Sentinel refuses, not the objects, and quarantine would only fill.
const REFUSED_WHOLE_IN_A_ROW: u32 = 10;

impl Delivery {
    pub(crate) async fn settle(&mut self, answer: Answer) -> Result<(), Error> {
        let Answer { batch, outcome } = answer;
        self.queue.land(&batch);
        match outcome {
            Ok(uploaded) => {
                self.failures_in_a_row = 0;
                self.throttles_in_a_row = 0;
                if uploaded.refused.len() < batch.len() {
                    self.refused_whole_in_a_row = 0;
                }
                let refused: BTreeMap<usize, Vec<String>> = uploaded
                    .refused
                    .into_iter()
                    .filter(|_| !mutant!(PartialErrorsIgnored))
                    .map(|refusal| (refusal.index, refusal.messages))
                    .collect();
                debug!(objects = batch.len(), refused = refused.len(), "Sentinel answered an upload");
                self.write(&batch, &refused).await
            }
            Err(UploadError::BadRequest { message }) if self.is_refused_whole(&batch) => {
                self.halt(UploadError::BadRequest { message });
                Ok(())
            }
            // Its run sends nothing more. It is in the outbox.
            Err(UploadError::Transport(TransportError::NotSent)) => {
                self.queue.push_cut(batch);
                Ok(())
            }
            Err(UploadError::BadRequest { message } | UploadError::TooLarge { message }) => {
                self.failures_in_a_row = 0;
                self.cut(batch, message).await
            }
            Err(error) => {
                let out_of_patience = if let UploadError::Throttled { .. } = error {
                    self.throttles_in_a_row += 1;
                    self.throttles_in_a_row as usize >= THROTTLES_IN_A_ROW as usize * self.max_in_flight
                } else {
                    self.failures_in_a_row += 1;
                    // Without a token nothing can be sent, and asking for one was repeated already.
                    matches!(error, UploadError::Token(_)) || self.failures_in_a_row >= FAILURES_IN_A_ROW
                };
                if !error.is_transient() || out_of_patience {
                    warn!(error = %error, "sending stops; what is staged is sent by the next run");
                    self.halt(error);
                } else {
                    debug!(%error, objects = batch.len(), "an upload is sent again");
                    self.queue.push_cut(batch);
                }
                Ok(())
            }
        }
    }

    /// Ends sending, for this reason. Uploads that wait for their turn would only meet it as well.
    fn halt(&mut self, error: UploadError) {
        self.halted.get_or_insert(error);
        self.sending.cancel();
    }

    /// Counts objects that were refused alone with their whole request; says whether that is too many.
    fn is_refused_whole(&mut self, batch: &[Ready]) -> bool {
        if batch.len() > 1 {
            return false;
        }
        self.refused_whole_in_a_row += 1;
        self.refused_whole_in_a_row > REFUSED_WHOLE_IN_A_ROW
    }

    /// Cuts a batch that was refused whole in two, until the bad record is alone.
    async fn cut(&mut self, mut batch: Vec<Ready>, message: String) -> Result<(), Error> {
        if batch.len() <= 1 {
            return self.write(&batch, &BTreeMap::from([(0, vec![message])])).await;
        }
        let second = batch.split_off(batch.len() / 2);
        self.queue.push_cut(batch);
        self.queue.push_cut(second);
        Ok(())
    }

    async fn write(&mut self, sent: &[Ready], refused: &BTreeMap<usize, Vec<String>>) -> Result<(), Error> {
        if mutant!(SettleSkipped) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut batch = Batch::new();
        for (index, ready) in sent.iter().enumerate() {
            let records = self.ledger.records();
            let Some(staged) = records.outbox(&ready.id).await? else { continue };
            let record = records.indicator(&ready.id).await?;
            let state = if let Some(messages) = refused.get(&index) {
                self.tally.refused += 1;
                let before = records.quarantined(&ready.id).await?;
                let quarantine = QuarantineRecord {
                    kind: record.as_ref().map_or_else(|| "identity".to_owned(), |record| record.kind.clone()),
                    value: record.as_ref().map_or_else(|| ready.id.clone(), |record| record.value.clone()),
                    reason: "Sentinel refused it".to_owned(),
                    server: messages.clone(),
                    first_attempt: before.as_ref().map_or(now, |before| before.first_attempt),
                    last_attempt: now,
                    attempts: before.map_or(0, |before| before.attempts) + 1,
                    refused: staged.clone(),
                };
                self.notes.quarantine(&ready.id, &quarantine.value, messages);
                if !mutant!(QuarantineForgotten) {
                    batch.put_quarantine(&ready.id, &quarantine)?;
                }
                IndicatorState::Quarantined
            } else {
                self.tally.accepted += 1;
                batch.delete_quarantine(&ready.id);
                IndicatorState::Accepted
            };
            if staged.modified != ready.modified && !mutant!(NewerVersionForgotten) {
                // A later version was staged in the meantime; it has its own answer to wait for.
                continue;
            }
            batch.delete_outbox(&ready.id);
            self.objects_left = self.objects_left.saturating_sub(1);
            if let Some(mut record) = record {
                record.state = state;
                if state == IndicatorState::Accepted {
                    record.accepted_at = Some(now);
                }
                batch.put_indicator(&ready.id, &record)?;
            } else if state == IndicatorState::Accepted {
                batch.put_evidence(IDENTITY, 0, &ready.id)?;
            }
        }
        self.commit(batch).await
    }
}
