//! Sending the indicators of a request to Sentinel, so that the feed knows of it.
//!
//! First a letter is left in the inbox of the feed, then what it says is sent, then the letter is marked. A process that
//! dies in between has left the letter: the next run of the feed folds it in and sends what is not marked. The object
//! that is sent is the one that the feed would send, made by the same code from the same state, and the incident is
//! part of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use delivery::{Effect, Letter, LetterEntry, Sent, SentObject, Standing, post};
use indicators::Finding;
use ledger::{Created, Inbox, InboxLetter, Reader};
use sentinel::UploadClient;
use serde::{Deserialize, Serialize};
use tracing::info;
use ulid::Ulid;

use crate::report::{UploadReport, UploadState};
use crate::{Enrichment, Error, JobId, Uploads};

/// The findings of one item of a request.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// Its place in the request.
    pub(crate) item: usize,
    pub(crate) findings: Vec<Finding>,
}

/// What became of indicators, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    accepted: u64,
    unchanged: u64,
    handed_over: u64,
}

impl Enrichment {
    /// Sends what is to be sent of a request. `running` says that more will come.
    pub(crate) async fn publish(
        &self,
        job: &JobId,
        parcels: Vec<Parcel>,
        running: bool,
    ) -> Result<UploadReport, Error> {
        let client = match &self.uploads {
            Uploads::To { client } => client,
            Uploads::Refused { reason } => return Ok(UploadReport::of(UploadState::Refused, Some(reason.clone()))),
        };
        let mut total = Tally::default();
        let mut fresh = Vec::new();
        for parcel in parcels {
            match self.requests().read_value::<Tally>(&uploaded_name(job, parcel.item)).await? {
                Some(tally) => total.add(tally),
                None => fresh.push(parcel),
            }
        }
        let mut trouble = None;
        if !fresh.is_empty() {
            let (tally, why, ours) = self.deliver(client, job, &fresh).await?;
            total.add(tally);
            trouble = why;
            for (n, parcel) in fresh.iter().enumerate().filter(|_| ours) {
                let tally = if n == 0 { tally } else { Tally::default() };
                self.requests().create_value(&uploaded_name(job, parcel.item), &tally).await?;
            }
        }
        let state = match (running, total.handed_over) {
            (true, _) => UploadState::Pending,
            (false, 0) => UploadState::Done,
            (false, _) => UploadState::HandedOver,
        };
        let reason = (total.handed_over > 0).then(|| {
            let why = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
            format!("the next run of the feed sends what is handed over{why}")
        });
        let Tally { accepted, unchanged, handed_over } = total;
        Ok(UploadReport { state, reason, accepted, unchanged, handed_over })
    }

    /// Returns what became of the parcels, why not all was accepted, and whether it was this call that did it.
    async fn deliver(
        &self,
        client: &UploadClient,
        job: &JobId,
        parcels: &[Parcel],
    ) -> Result<(Tally, Option<String>, bool), Error> {
        let mut findings: Vec<Finding> = parcels.iter().flat_map(|parcel| &parcel.findings).cloned().collect();
        findings.sort_by_key(|finding| (finding.id, finding.support.sample_id));
        let reader = Reader::open(&self.storage, &self.settings.route).await?;
        let ids: BTreeSet<String> = findings.iter().map(|finding| finding.id.to_string()).collect();
        let count = ids.len() as u64;
        let standing = Standing::new(reader.records(), &self.style, self.clock.now());
        if self.objects(standing, &findings).await?.is_empty() {
            return Ok((Tally { unchanged: count, ..Tally::default() }, None, true));
        }
        let inbox = Inbox::of(&self.storage, &self.settings.route);
        let name = letter_name(job, parcels.iter().map(|parcel| parcel.item).min().unwrap_or(0));
        let entries = findings.iter().map(LetterEntry::of).collect();
        let letter = Letter { nonce: uuid::Uuid::new_v4().to_string(), entries };
        if inbox.leave(&name, &letter).await? == Created::Exists {
            // Another process is at it, or was: the feed sends what it has not.
            let sent: Option<Sent> = inbox.marked(&name).await?;
            let accepted = sent.map_or(0, |sent| sent.objects.len() as u64).min(count);
            return Ok((Tally { accepted, handed_over: count - accepted, unchanged: 0 }, None, false));
        }
        // Of two that leave letters at the same time, the one that looks last sees both.
        let letters = inbox.waiting().await?;
        let mut standing = Standing::new(reader.records(), &self.style, self.clock.now());
        expect(&mut standing, &letters, Counted::AllBut(&name), &ids).await?;
        let objects = self.objects(standing, &findings).await?;
        let is_introduced = delivery::is_introduced(reader.records()).await.map_err(of_delivery)?;
        let HandedIn { accepted, introduced, trouble } = self.hand_in(client, &objects, is_introduced).await;
        if !accepted.is_empty() {
            let sent = Sent { at: self.clock.now(), objects: accepted.clone(), introduced };
            inbox.mark(&name, &sent).await?;
        }
        info!(objects = objects.len(), accepted = accepted.len(), "uploaded for an enrichment");
        let accepted = accepted.len() as u64;
        let sent = objects.len() as u64;
        let tally = Tally { accepted, handed_over: sent - accepted, unchanged: count - sent };
        Ok((tally, trouble, true))
    }

    /// Returns the objects that findings make worth sending, as the last of them leaves each.
    async fn objects(&self, mut standing: Standing<'_>, findings: &[Finding]) -> Result<Vec<SentObject>, Error> {
        let mut effects: BTreeMap<String, Effect> = BTreeMap::new();
        for finding in findings {
            let effect = standing.take(finding.clone()).await.map_err(of_delivery)?;
            if effect.merged.change.is_sent() {
                effects.insert(finding.id.to_string(), effect);
            }
        }
        let object = |(id, effect): (String, Effect)| {
            let object = effect.object(&self.style).map_err(of_delivery)?;
            Ok(SentObject { id, modified: effect.merged.record.modified, object })
        };
        effects.into_iter().map(object).collect()
    }

    /// Sends objects, and the identity that they refer to where Sentinel may not have it.
    async fn hand_in(&self, client: &UploadClient, objects: &[SentObject], is_introduced: bool) -> HandedIn {
        let mut bodies: Vec<Bytes> = objects.iter().map(|object| Bytes::from(object.object.clone())).collect();
        let identity = serde_json::to_vec(&indicators::identity()).ok().filter(|_| !is_introduced);
        bodies.extend(identity.map(Bytes::from));
        let posted = Box::pin(post(client, &bodies)).await;
        HandedIn {
            accepted: posted.accepted.iter().filter_map(|at| objects.get(*at).cloned()).collect(),
            introduced: posted.accepted.contains(&objects.len()),
            trouble: posted.trouble,
        }
    }
}

/// What became of an upload.
struct HandedIn {
    accepted: Vec<SentObject>,
    introduced: bool,
    trouble: Option<String>,
}

/// Which letters count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted<'a> {
    /// Those of others: what they say will be with Sentinel.
    AllBut(&'a str),
    /// What Sentinel has taken of each.
    Sent,
}

/// Takes in what waits in the inbox of the indicators that are asked about.
pub(crate) async fn expect(
    standing: &mut Standing<'_>,
    letters: &[InboxLetter<Letter, Sent>],
    counted: Counted<'_>,
    ids: &BTreeSet<String>,
) -> Result<(), Error> {
    for letter in letters.iter().filter(|letter| counted != Counted::AllBut(&letter.name)) {
        for finding in letter.content.entries.iter().filter_map(LetterEntry::finding) {
            let id = finding.id.to_string();
            if !ids.contains(&id) {
                continue;
            }
            let sent = letter.sent.as_ref().and_then(|(sent, _)| sent.objects.iter().find(|one| one.id == id));
            if sent.is_none() && counted == Counted::Sent {
                continue;
            }
            standing.take(finding).await.map_err(of_delivery)?;
            if let Some(sent) = sent {
                standing.was_sent(&id, sent.modified);
            }
        }
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.unchanged += other.unchanged;
        self.handed_over += other.handed_over;
    }
}

impl UploadReport {
    pub(crate) fn of(state: UploadState, reason: Option<String>) -> Self {
        Self { state, reason, accepted: 0, unchanged: 0, handed_over: 0 }
    }
}

/// Returns the name of a letter: in the order of requests, and the same for whoever leaves it.
fn letter_name(job: &JobId, item: usize) -> String {
    let Ulid(bits) = job.ulid();
    Ulid(bits.wrapping_add(item as u128)).to_string()
}

fn uploaded_name(job: &JobId, item: usize) -> String {
    format!("{job}/uploaded-{item:03}")
}

pub(crate) fn of_delivery(error: delivery::Error) -> Error {
    match error {
        delivery::Error::State(error) => Error::State(error),
        delivery::Error::Serialise(error) => Error::State(ledger::Error::Storage(Box::new(error))),
    }
}
