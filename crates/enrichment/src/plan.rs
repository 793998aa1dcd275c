//! What is to be done about each item: nothing, because VMRay knows it or must not be asked, or a job.

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use stix::UrlText;

use crate::facts::Facts;
use crate::job::{JobName, key_of};
use crate::limit::{Allowance, Quota, Slot};
use crate::lookup::{self, Found, Recent};
use crate::members::Followed;
use crate::progress::Shared;
use crate::record::{Asked, AskedItem, Outcome, Place, Thing};
use crate::reuse::Subject;
use crate::trouble::{Trouble, TroubleKind};
use crate::{EnrichOptions, Enrichment, Error, FileItem, Item, UnreadableItem, UrlItem};

/// An item and what is done about it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) asked: AskedItem,
    /// The file, for as long as it may have to be sent.
    pub(crate) file: Option<FileItem>,
    pub(crate) slot: Option<Slot>,
    key: String,
    wish: Option<Wish>,
}

/// A wish to have something analysed.
#[derive(Debug)]
struct Wish {
    adopt: Option<Facts>,
    /// What is answered if it may not be submitted.
    known: Option<Facts>,
    fresh: bool,
    /// Whether an older job must not answer.
    anew: bool,
}

/// What is known of how an item may be answered.
#[derive(Debug, Clone, Copy)]
struct Terms {
    may_submit: bool,
    has_password: bool,
    resubmit: bool,
    now: Timestamp,
}

/// What is done about what a look-up found.
enum Decision {
    Answer { facts: Facts, not_done: Vec<String> },
    Wish(Box<Wish>),
    Settle(Outcome),
}

impl Enrichment {
    /// Reads what is asked, without asking anybody.
    pub(crate) fn received(&self, item: &Item, options: &EnrichOptions) -> AskedItem {
        let passage = match item {
            Item::Url(item) => self.settings.gates.of_url(item, &self.rules.noise, options.send_one_time_links),
            Item::File(item) => self.settings.gates.of_file(item, &self.rules.noise),
            Item::Hash(_) => crate::gate::Passage { look_up: true, submit: false, ..Default::default() },
            Item::Unreadable(_) => crate::gate::Passage::default(),
        };
        let has_password = match item {
            Item::File(file) => file.archive_password.is_some() || file.document_password.is_some(),
            Item::Url(_) | Item::Hash(_) | Item::Unreadable(_) => false,
        };
        let place = match item {
            Item::Unreadable(UnreadableItem { parameter, reason, .. }) => {
                let message = format!("{parameter} {reason}");
                let trouble = Trouble::new(TroubleKind::Unreadable, message, "correct it and ask again");
                Place::Settled { outcome: Outcome::Failed { trouble } }
            }
            _ if passage.look_up => Place::Open { key: key_of(item), may_submit: passage.submit, has_password },
            _ => Place::Settled { outcome: Outcome::HeldBack { reason: held_by(&passage.gates) } },
        };
        AskedItem {
            thing: Thing::of(item),
            gates: passage.gates,
            notes: match item {
                Item::Url(UrlItem { notes, .. }) => notes.clone(),
                Item::Hash(_) | Item::File(_) | Item::Unreadable(_) => Vec::new(),
            },
            not_done: Vec::new(),
            place,
        }
    }

    /// Looks up all items of a request side by side and tells each as it is known.
    pub(crate) async fn plan(
        &self,
        asked: &Asked,
        files: Vec<Option<FileItem>>,
        shared: &Shared,
    ) -> Result<Vec<Planned>, Error> {
        let recent = &Recent::default();
        let planning = asked.items.iter().zip(files).enumerate().map(|(n, (item, file))| {
            let planning = async move {
                let planned = self.plan_one(item.clone(), file, asked.resubmit, recent).await?;
                shared.note_planned(n, &planned.asked);
                Ok(planned)
            };
            // In boxes, or the compiler cannot see that the whole may move between threads.
            planning.boxed()
        });
        join_all(planning.collect::<Vec<_>>()).await.into_iter().collect()
    }

    async fn plan_one(
        &self,
        asked: AskedItem,
        file: Option<FileItem>,
        resubmit: bool,
        recent: &Recent,
    ) -> Result<Planned, Error> {
        let Place::Open { key, may_submit, has_password } = asked.place.clone() else {
            return Ok(Planned { asked, file: None, slot: None, key: String::new(), wish: None });
        };
        let mut planned = Planned { asked, file: None, slot: None, key, wish: None };
        let now = self.clock.now();
        let terms = Terms { may_submit, has_password, resubmit, now };
        let only = has_password.then_some(planned.key.as_str());
        let found = match self.look_up(&planned.asked.thing, recent, only, now).await {
            Ok(found) => found,
            Err(error) => {
                planned.settle(Outcome::Failed { trouble: error.into() });
                return Ok(planned);
            }
        };
        planned.asked.notes.extend(found.notes.iter().cloned());
        match self.decide(&planned.asked.thing, found, terms) {
            Decision::Wish(wish) => {
                planned.file = file.filter(|_| wish.adopt.is_none());
                planned.wish = Some(*wish);
            }
            Decision::Answer { facts, not_done } => self.answer_known(&mut planned, facts, not_done).await?,
            Decision::Settle(Outcome::Unknown { .. }) if !may_submit && !planned.asked.gates.is_empty() => {
                let reason = held_by(&planned.asked.gates);
                planned.settle(Outcome::HeldBack { reason });
            }
            Decision::Settle(outcome) => planned.settle(outcome),
        }
        Ok(planned)
    }

    async fn look_up(
        &self,
        thing: &Thing,
        recent: &Recent,
        only: Option<&str>,
        now: Timestamp,
    ) -> Result<Found, vmray::Error> {
        // What was asked was read once, so its text is one that can be read.
        let hash = match thing {
            Thing::Url { url, .. } => {
                let Ok(url) = UrlText::parse(url) else { return Ok(Found::default()) };
                return lookup::url(&self.vmray, &url, recent, now).await;
            }
            Thing::Hash { hash } => hash,
            Thing::File { facts } => &facts.sha256,
            Thing::Unreadable { .. } => return Ok(Found::default()),
        };
        let Ok(hash) = hash.parse() else { return Ok(Found::default()) };
        lookup::hash(&self.vmray, &hash, only, now).await
    }

    fn decide(&self, thing: &Thing, Found { known, running, .. }: Found, terms: Terms) -> Decision {
        let Terms { may_submit, has_password, resubmit, now } = terms;
        let is_young = known.as_ref().is_some_and(|facts| {
            let since = facts.finished_at;
            since.is_some_and(|since| self.settings.reuse.allows(facts.verdict.as_ref(), thing.subject(), since, now))
        });
        if let Some(facts) = known.clone().filter(|_| is_young && !(resubmit && may_submit)) {
            return Decision::Answer { facts, not_done: Vec::new() };
        }
        if running.is_some() || may_submit {
            // What VMRay keeps in its own cache may have been analysed without the password.
            let fresh = resubmit || known.is_some() || has_password;
            return Decision::Wish(Box::new(Wish { adopt: running, known, fresh, anew: resubmit }));
        }
        let Some(facts) = known else {
            return Decision::Settle(Outcome::Unknown {
                reason: "VMRay does not know this hash, and a hash alone cannot be analysed; send the file".to_owned(),
            });
        };
        let why = match thing {
            Thing::Hash { .. } => {
                "it is older than ReuseHours allows, and a hash alone cannot be analysed again; send the file"
            }
            Thing::Url { .. } | Thing::File { .. } | Thing::Unreadable { .. } => {
                "it is older than ReuseHours allows, and was not analysed again: see the gates"
            }
        };
        Decision::Answer { facts, not_done: vec![why.to_owned()] }
    }

    /// Answers what VMRay knows, with what came out of it; where VMRay is still at that, it is waited for.
    async fn answer_known(&self, planned: &mut Planned, facts: Facts, not_done: Vec<String>) -> Result<(), Error> {
        let followed = self.with_known_members(facts.clone()).await?;
        if followed.as_ref().is_ok_and(Followed::is_running) {
            planned.asked.not_done.extend(not_done);
            planned.wish = Some(Wish { adopt: Some(facts), known: None, fresh: false, anew: true });
            return Ok(());
        }
        planned.settle(known(facts, followed, not_done));
        Ok(())
    }

    /// Finds the jobs of what is to be analysed, and counts what is submitted.
    pub(crate) async fn place(&self, planned: &mut [Planned], allowance: &Allowance, by: &str) -> Result<(), Error> {
        let mut quota = Quota::new(&self.vmray, self.settings.quota_reserve_percent);
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let epochs = planned.iter().map(|item| {
            let epoch = async move {
                let Some(wish) = &item.wish else { return Ok(None) };
                self.epoch_of(&item.key, item.asked.thing.subject(), wish.anew).await.map(Some)
            };
            epoch.boxed()
        });
        let epochs = join_all(epochs.collect::<Vec<_>>()).await;
        for (item, epoch) in planned.iter_mut().zip(epochs) {
            let (Some((job, is_new)), Some(wish)) = (epoch?, item.wish.take()) else { continue };
            if is_new && wish.adopt.is_none() {
                if !quota.take().await {
                    self.refuse(item, wish.known, self.quota_is_used_up()).await?;
                    continue;
                }
                let Some(slot) = allowance.take(&job, by).await? else {
                    quota.give_back();
                    self.refuse(item, wish.known, allowance.used_up()).await?;
                    continue;
                };
                item.slot = Some(slot);
                item.asked.not_done.extend(quota.untold());
            }
            item.asked.place = Place::Job { job, adopt: wish.adopt.map(Box::new), fresh: wish.fresh };
        }
        Ok(())
    }

    /// Returns the epoch that answers a thing, and whether it is begun now. `anew` wants one that has not ended.
    async fn epoch_of(&self, key: &str, subject: Subject, anew: bool) -> Result<(JobName, bool), Error> {
        let Some((job, stage)) = self.jobs().newest(key).await? else {
            return Ok((JobName { key: key.to_owned(), epoch: 1 }, true));
        };
        if stage.is_open() {
            return Ok((job, false));
        }
        if stage.done
            && !anew
            && let Some(done) = self.jobs().done(&job).await?
        {
            let now = self.clock.now();
            let is_young = |facts: &Facts| {
                let since = facts.finished_at.unwrap_or(done.at);
                self.settings.reuse.allows(facts.verdict.as_ref(), subject, since, now)
            };
            // An archive may have become several submissions, all of which must be young.
            let mut own = done.samples.iter().filter(|facts| facts.depth == 0).peekable();
            if own.peek().is_some() && own.all(is_young) {
                return Ok((job, false));
            }
        }
        Ok((JobName { epoch: job.epoch + 1, ..job }, true))
    }

    /// Does not submit: answers what is known, however old, or nothing.
    async fn refuse(&self, item: &mut Planned, facts: Option<Facts>, trouble: Trouble) -> Result<(), Error> {
        item.file = None;
        let Some(facts) = facts else {
            item.settle(Outcome::Refused { trouble });
            return Ok(());
        };
        let followed = self.with_known_members(facts.clone()).await?;
        item.settle(known(facts, followed, vec![format!("it was not analysed again: {}", trouble.sentence())]));
        Ok(())
    }

    fn quota_is_used_up(&self) -> Trouble {
        Trouble::quota(format!(
            "VMRay's quota is used up but for the {} % that QuotaReserve leaves alone",
            self.settings.quota_reserve_percent
        ))
    }
}

impl Planned {
    fn settle(&mut self, outcome: Outcome) {
        self.asked.place = Place::Settled { outcome };
    }
}

impl Thing {
    fn subject(&self) -> Subject {
        match self {
            Self::Url { .. } => Subject::Url,
            Self::Hash { .. } | Self::File { .. } | Self::Unreadable { .. } => Subject::File,
        }
    }
}

/// Returns how something stands that VMRay knows.
fn known(facts: Facts, followed: Result<Followed, vmray::Error>, not_done: Vec<String>) -> Outcome {
    let alone = |missing: String| (vec![facts.clone()], vec![missing]);
    let (samples, mut missing) = match followed {
        Ok(Followed { samples, missing }) => (samples, missing),
        Err(error) => alone(format!("what came out of it could not be asked for: {}", Trouble::from(error).sentence())),
    };
    let running = samples.iter().filter(|facts| facts.running).count();
    if running > 0 {
        missing.push(format!("VMRay is still analysing {running} of the samples that came out of it"));
    }
    let members = samples.into_iter().skip(1).collect();
    Outcome::Known { facts: Box::new(facts), members, not_done, missing }
}

fn held_by(gates: &[crate::report::GateReport]) -> String {
    gates.last().map_or_else(String::new, |gate| gate.reason.clone())
}

/// Returns the items, each thing once.
pub(crate) fn distinct(items: Vec<Item>) -> Vec<Item> {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(key_of(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_twice_is_one() {
        let items = ["https://A.example", "https://a.example:443/", "hxxps://a[.]example", "https://a.example/x"];
        let items = items.map(|url| Item::url(url).unwrap()).to_vec();
        assert_eq!(distinct(items).len(), 2);
        let hash: vmray::SampleHash = "ab".repeat(16).parse().unwrap();
        assert_eq!(distinct(vec![Item::Hash(hash.clone()), Item::Hash(hash)]).len(), 1);
    }
}
