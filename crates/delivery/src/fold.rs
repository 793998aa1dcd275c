//! Taking in what enrichments have left, before anything is compared.
//!
//! A letter tells findings, and the mark beside it what its writer sent of them. Sent and equal to what we would write
//! ourselves is accepted, unless a run has sent the indicator since; everything else is staged and sent by this run. The
//! letter goes once that is durable, and folding it in a second time changes nothing, so a kill between the two is harmless.
//!
//! A run looks at its beginning, every five seconds while it stages, and at its end: an object of ours that was on its way
//! when a letter came may have taken a label away, and then the end of the same run puts it back.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use indicators::{Receipt, ReceiptReason};
use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, Inbox, InboxLetter, IndicatorRecord, IndicatorState, OutboxRecord};
use tokio::time::Instant;
use tracing::warn;

use crate::diff::Change;
use crate::letter::{Letter, LetterEntry, Sent, SentObject};
use crate::merge::later;
use crate::queue::Ready;
use crate::stage::{IDENTITY, record_of};
use crate::standing::{Effect, Standing};
use crate::{Delivery, Error};

/// A letter this young without a mark: its writer is likely sending it right now.
const BEING_SENT: SignedDuration = SignedDuration::from_secs(90);
/// How often a run looks for letters that came meanwhile: a listing each time.
const NOTICES_EVERY: Duration = Duration::from_secs(5);

impl Delivery {
    /// Folds the inbox in, and empties it once that is durable.
    pub async fn fold(&mut self, inbox: &Inbox) -> Result<(), Error> {
        let waiting: Vec<InboxLetter<Letter, Sent>> = inbox.waiting().await?;
        let now = self.clock.now();
        let mut folded = Vec::new();
        // When the newest object of an id was marked, by the store's clock.
        let mut marked: HashMap<String, Timestamp> = HashMap::new();
        for letter in waiting {
            let age = now.duration_since(letter.left_at);
            if letter.sent.is_none() && !age.is_negative() && age < BEING_SENT {
                self.note_incidents(&letter.content);
                continue;
            }
            self.take_in(&letter, &mut marked, now).await?;
            folded.push(letter.name);
        }
        if !folded.is_empty() {
            self.flush().await?;
            inbox.done(&folded).await?;
        }
        Ok(())
    }

    /// Takes note of the incidents in letters that came since the inbox was folded in. Their writers have sent, or are
    /// sending, objects that name them, and what this run stages of the same values would take those labels away.
    pub async fn notice(&mut self, inbox: &Inbox) -> Result<(), Error> {
        if self.noticed.is_some_and(|noticed| noticed.elapsed() < NOTICES_EVERY) {
            return Ok(());
        }
        let waiting: Vec<InboxLetter<Letter, Sent>> = inbox.waiting().await?;
        for letter in waiting {
            self.note_incidents(&letter.content);
        }
        self.noticed = Some(Instant::now());
        Ok(())
    }

    fn note_incidents(&mut self, letter: &Letter) {
        for finding in letter.entries.iter().filter_map(LetterEntry::finding) {
            let noted = self.unfolded.entry(finding.id.to_string()).or_default();
            for incident in finding.support.incidents {
                if !noted.contains(&incident) {
                    noted.push(incident);
                }
            }
        }
    }

    async fn take_in(
        &mut self,
        letter: &InboxLetter<Letter, Sent>,
        marked: &mut HashMap<String, Timestamp>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        let mut staged = Vec::new();
        // The last effect of each id that is worth an upload: that is what its writer sent.
        let mut effects: BTreeMap<String, Option<Effect>> = BTreeMap::new();
        let records = self.ledger.records().clone();
        let style = self.style.clone();
        let mut standing = Standing::new(&records, &style, now);
        for entry in &letter.content.entries {
            let Some(finding) = entry.finding() else {
                warn!(kind = %entry.kind, "an enrichment left a value that this version cannot read");
                continue;
            };
            let id = finding.id.to_string();
            let sample_id = finding.support.sample_id;
            let effect = standing.take(finding).await?;
            if effect.merged.change == Change::Expired {
                let receipt = Receipt::new(entry.kind, &entry.value, ReceiptReason::Expired, sample_id);
                let receipt = record_of(&receipt, now);
                if !records.has_receipt(&receipt).await? {
                    self.notes.receipt(&receipt.reason);
                }
                batch.put_receipt(&receipt)?;
                continue;
            }
            batch.put_evidence(&id, sample_id, &effect.merged.finding.support)?;
            let last = effects.entry(id).or_default();
            if effect.merged.change.is_sent() {
                *last = Some(effect);
            }
        }
        for (id, effect) in effects {
            let Some(mut record) = standing.record(&id).cloned() else { continue };
            if let Some(effect) = effect {
                let sent = letter.sent.as_ref();
                let object = sent.and_then(|(sent, _)| sent.objects.iter().find(|object| object.id == id));
                // Whoever wrote this letter while another was being sent may have been overtaken by it.
                let alone = marked.get(&id).is_none_or(|before| *before <= letter.left_at);
                let waits = records.outbox(&id).await?.is_some();
                let before = records.indicator(&id).await?;
                if let Some((_, marked_at)) = sent {
                    marked.insert(id.clone(), *marked_at);
                }
                match (sent, object) {
                    (Some((sent, _)), Some(object))
                        if alone
                            && !waits
                            && before.is_none_or(|before| is_after(object, letter.left_at, &before))
                            && self.is_ours(&effect, object)? =>
                    {
                        record.modified = object.modified;
                        record.state = IndicatorState::Accepted;
                        record.accepted_at = Some(sent.at);
                        batch.delete_quarantine(&id);
                    }
                    (_, object) => {
                        self.objects_left += u64::from(!waits);
                        staged.push(self.send_ourselves(&id, &mut record, effect, object, now, &mut batch)?);
                    }
                }
            }
            batch.put_indicator(&id, &record)?;
        }
        if letter.sent.as_ref().is_some_and(|(sent, _)| sent.introduced) {
            batch.put_evidence(IDENTITY, 0, &indicators::identity().id.to_string())?;
        }
        self.commit(batch).await?;
        self.unflushed.extend(staged);
        Ok(())
    }

    fn send_ourselves(
        &mut self,
        id: &str,
        record: &mut IndicatorRecord,
        mut effect: Effect,
        sent: Option<&SentObject>,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Ready, Error> {
        match effect.merged.change {
            Change::New => self.tally.new += 1,
            Change::Refresh => self.tally.refreshed += 1,
            Change::Changed | Change::Unchanged | Change::Expired => self.tally.changed += 1,
        }
        if let Some(sent) = sent {
            // Another version of it is there already; ours must be the newer one.
            record.modified = later(sent.modified.max(record.modified), now);
        }
        effect.merged.record.modified = record.modified;
        record.state = IndicatorState::Staged;
        let object = effect.object(&self.style)?;
        batch.put_outbox(id, &OutboxRecord { modified: record.modified, object: object.clone() })?;
        batch.delete_quarantine(id);
        Ok(Ready { id: id.to_owned(), modified: record.modified, object: Bytes::from(object) })
    }

    /// Says whether an object that was sent is the one that we would send.
    fn is_ours(&self, effect: &Effect, sent: &SentObject) -> Result<bool, Error> {
        let mut ours = effect.clone();
        ours.merged.record.modified = sent.modified;
        Ok(ours.object(&self.style)? == sent.object)
    }
}

/// Says whether what the writer of a letter sent came after what the last run sent of the indicator: it is a later version,
/// and that run had its answer before the letter was left. Otherwise the run's object may have replaced the writer's.
fn is_after(sent: &SentObject, left_at: Timestamp, before: &IndicatorRecord) -> bool {
    sent.modified > before.modified && before.accepted_at.is_none_or(|at| at <= left_at)
}
