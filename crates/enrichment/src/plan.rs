//! What is to be done about each item: nothing, because VMRay knows it or must not be asked, or a job.

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;

use crate::facts::Facts;
use crate::job::{JobName, key_of};
use crate::limit::{Allowance, Slot, left_of_quota};
use crate::lookup::{self, Found};
use crate::record::{AskedItem, Outcome, Place, Thing};
use crate::reuse::Subject;
use crate::trouble::Trouble;
use crate::{EnrichOptions, Enrichment, Error, FileItem, Item, UrlItem};

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
}

impl Enrichment {
    /// Looks all items up.
    pub(crate) async fn plan(&self, items: &[Item], options: &EnrichOptions) -> Vec<Planned> {
        let resubmit = options.resubmit.unwrap_or(self.settings.resubmit);
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let planned: Vec<_> = items.iter().map(|item| self.plan_one(item, options, resubmit).boxed()).collect();
        stream::iter(planned).buffered(self.settings.concurrency.max(1)).collect().await
    }

    async fn plan_one(&self, item: &Item, options: &EnrichOptions, resubmit: bool) -> Planned {
        let passage = match item {
            Item::Url(item) => self.settings.gates.of_url(item, &self.rules.noise, options.send_one_time_links),
            Item::File(item) => self.settings.gates.of_file(item, &self.rules.noise),
            Item::Hash(_) => crate::gate::Passage { look_up: true, submit: false, ..Default::default() },
        };
        let mut planned = Planned {
            asked: AskedItem {
                thing: Thing::of(item),
                gates: passage.gates.clone(),
                notes: match item {
                    Item::Url(UrlItem { notes, .. }) => notes.clone(),
                    Item::Hash(_) | Item::File(_) => Vec::new(),
                },
                not_done: Vec::new(),
                place: Place::Settled { outcome: Outcome::Unknown { reason: String::new() } },
            },
            file: None,
            slot: None,
            key: key_of(item),
            wish: None,
        };
        let held = || passage.gates.last().map_or_else(String::new, |gate| gate.reason.clone());
        if !passage.look_up {
            planned.settle(Outcome::HeldBack { reason: held() });
            return planned;
        }
        let now = self.clock.now();
        let found = match item {
            Item::Url(item) => lookup::url(&self.vmray, &item.url, now).await,
            Item::Hash(hash) => lookup::hash(&self.vmray, hash, now).await,
            Item::File(item) => lookup::hash(&self.vmray, item.file.sha256(), now).await,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                planned.settle(Outcome::Failed { trouble: error.into() });
                return planned;
            }
        };
        self.decide(&mut planned, item, found, passage.submit, resubmit, now);
        if !passage.submit
            && let Place::Settled { outcome: Outcome::Unknown { .. } } = planned.asked.place
            && !passage.gates.is_empty()
        {
            planned.settle(Outcome::HeldBack { reason: held() });
        }
        planned
    }

    fn decide(
        &self,
        planned: &mut Planned,
        item: &Item,
        found: Found,
        may_submit: bool,
        resubmit: bool,
        now: Timestamp,
    ) {
        let Found { known, running } = found;
        let subject = if matches!(item, Item::Url(_)) { Subject::Url } else { Subject::File };
        let is_young = known.as_ref().is_some_and(|facts| {
            let since = facts.finished_at;
            since.is_some_and(|since| self.settings.reuse.allows(facts.verdict.as_ref(), subject, since, now))
        });
        if let Some(facts) = known.clone().filter(|_| is_young && !(resubmit && may_submit)) {
            return planned.settle(Outcome::Known { facts: Box::new(facts), not_done: Vec::new() });
        }
        if running.is_some() || may_submit {
            if let (Item::File(item), None) = (item, &running) {
                planned.file = Some(item.clone());
            }
            let fresh = resubmit || known.is_some();
            planned.wish = Some(Wish { adopt: running, known, fresh });
            return;
        }
        planned.settle(match (known, item) {
            (Some(facts), Item::Hash(_)) => Outcome::Known {
                facts: Box::new(facts),
                not_done: vec![
                    "it is older than ReuseHours allows, and a hash alone cannot be analysed again; send the file"
                        .to_owned(),
                ],
            },
            (Some(facts), Item::Url(_) | Item::File(_)) => Outcome::Known {
                facts: Box::new(facts),
                not_done: vec![
                    "it is older than ReuseHours allows, and was not analysed again: see the gates".to_owned(),
                ],
            },
            (None, _) => Outcome::Unknown {
                reason: "VMRay does not know this hash, and a hash alone cannot be analysed; send the file".to_owned(),
            },
        });
    }

    /// Finds the jobs of what is to be analysed, and counts what is submitted.
    pub(crate) async fn place(
        &self,
        planned: &mut [Planned],
        allowance: &Allowance,
        resubmit: bool,
        by: &str,
    ) -> Result<(), Error> {
        let mut quota: Option<Result<Option<u64>, Trouble>> = None;
        for item in planned.iter_mut() {
            let Some(wish) = item.wish.take() else { continue };
            let subject = match item.asked.thing {
                Thing::Url { .. } => Subject::Url,
                Thing::Hash { .. } | Thing::File { .. } => Subject::File,
            };
            let (job, is_new) = self.epoch_of(&item.key, subject, resubmit).await?;
            if is_new && wish.adopt.is_none() {
                let left = if let Some(left) = quota.take() {
                    left
                } else {
                    let asked = left_of_quota(&self.vmray, self.settings.quota_reserve_percent).await;
                    asked.map_err(Trouble::from)
                };
                match left {
                    Err(trouble) => {
                        quota = Some(Err(trouble.clone()));
                        item.refuse(wish.known, trouble);
                        continue;
                    }
                    Ok(Some(0)) => {
                        quota = Some(Ok(Some(0)));
                        item.refuse(wish.known, self.quota_is_used_up());
                        continue;
                    }
                    Ok(left) => {
                        let Some(slot) = allowance.take(&job, by).await? else {
                            quota = Some(Ok(left));
                            item.refuse(wish.known, allowance.used_up());
                            continue;
                        };
                        quota = Some(Ok(left.map(|left| left - 1)));
                        item.slot = Some(slot);
                    }
                }
            }
            item.asked.place = Place::Job { job, adopt: wish.adopt.map(Box::new), fresh: wish.fresh };
        }
        Ok(())
    }

    /// Returns the epoch that answers a thing, and whether it is begun now.
    async fn epoch_of(&self, key: &str, subject: Subject, resubmit: bool) -> Result<(JobName, bool), Error> {
        let Some((job, stage)) = self.jobs().newest(key).await? else {
            return Ok((JobName { key: key.to_owned(), epoch: 1 }, true));
        };
        if stage.is_open() {
            return Ok((job, false));
        }
        if stage.done
            && !resubmit
            && let Some(done) = self.jobs().done(&job).await?
        {
            let now = self.clock.now();
            let is_young = |facts: &Facts| {
                let since = facts.finished_at.unwrap_or(done.at);
                self.settings.reuse.allows(facts.verdict.as_ref(), subject, since, now)
            };
            if done.samples.first().is_some_and(is_young) {
                return Ok((job, false));
            }
        }
        Ok((JobName { epoch: job.epoch + 1, ..job }, true))
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

    /// Does not submit: answers what is known, however old, or nothing.
    fn refuse(&mut self, known: Option<Facts>, trouble: Trouble) {
        self.file = None;
        self.settle(match known {
            Some(facts) => {
                let not_done = vec![format!("it was not analysed again: {}", trouble.sentence())];
                Outcome::Known { facts: Box::new(facts), not_done }
            }
            None => Outcome::Refused { trouble },
        });
    }
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
        let items = ["https://A.example", "https://a.example/", "hxxps://a[.]example", "https://a.example/x"];
        let items = items.map(|url| Item::url(url).unwrap()).to_vec();
        assert_eq!(distinct(items).len(), 2);
        let hash: vmray::SampleHash = "ab".repeat(16).parse().unwrap();
        assert_eq!(distinct(vec![Item::Hash(hash.clone()), Item::Hash(hash)]).len(), 1);
    }
}
