//! What came out of a sample: the members of an archive, the attachments of a mail, what a program dropped.
//!
//! A verdict is the worst of the thing's own and of everything in it, whether VMRay knew it or analysed it just now; so
//! what is known is followed in the same way as what was submitted. A member is found in two ways, because VMRay tells
//! each only for some: as a submission that its parent's submission made, and as a sample that came out of the parent's
//! sample. The second is all there is where VMRay answered from its cache.
//!
//! A sample is looked at once, whatever holds what, and only so many, so deep. What could not be seen is told in
//! [`Followed::missing`]: as long as something is missing, nobody may call the whole clean.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::warn;
use vmray::{SampleId, SubmissionFilter, SubmissionId, readable};

use crate::facts::Facts;
use crate::{Enrichment, Error, lookup};

/// Samples of one thing that are looked at.
const MAX_SAMPLES: usize = 50;
/// How deep one sample may lie in another.
const MAX_DEPTH: u32 = 4;
/// Members that are named where something is missing.
const NAMED: usize = 3;
/// How long what came out of a known sample is taken for all that did, in seconds.
const KEPT_SECONDS: i64 = 3600;
/// After its end a sample may get members that VMRay was late with; so long it is looked at each time.
const SETTLES: SignedDuration = SignedDuration::from_hours(1);

/// A thing's samples, with what came out of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Followed {
    /// The thing's own first, then what came out of it.
    pub(crate) samples: Vec<Facts>,
    /// What was not seen of it, in words.
    pub(crate) missing: Vec<String>,
}

/// What came out of one sample.
#[derive(Debug, Default)]
struct Children {
    /// By the submissions that its submission made.
    submitted: Vec<Facts>,
    /// By the sample itself.
    ids: Vec<u64>,
    /// Whether there is more than that.
    more: bool,
    /// Why it may not be all.
    hidden: Option<String>,
}

/// A sample that came out of another.
#[derive(Debug)]
struct Member {
    facts: Facts,
    /// What came out of it, where that was told along with it.
    ids: Option<Vec<u64>>,
}

impl Followed {
    /// Says whether VMRay is still at something of it.
    pub(crate) fn is_running(&self) -> bool {
        self.samples.iter().any(|facts| facts.running)
    }
}

impl Enrichment {
    /// Follows the samples of a thing level by level, all of a level side by side.
    pub(crate) async fn with_members(&self, own: Vec<Facts>) -> Result<Followed, vmray::Error> {
        let now = self.clock.now();
        let mut seen: BTreeSet<u64> = own.iter().map(|facts| facts.sample_id).collect();
        let mut followed = Followed { samples: own.clone(), missing: Vec::new() };
        let mut level: Vec<Member> = own.into_iter().map(|facts| Member { facts, ids: None }).collect();
        let (mut cut, mut hidden) = (false, Vec::new());
        while !level.is_empty() {
            // In boxes, or the compiler cannot see that the whole may move between threads.
            let children = join_all(level.iter().map(|parent| self.children_of(parent).boxed())).await;
            let (mut next, mut to_look_at) = (Vec::new(), Vec::new());
            for (Member { facts: parent, .. }, children) in level.iter().zip(children) {
                let Children { submitted, ids, more, hidden: why } = children?;
                cut |= more;
                followed.missing.extend(why);
                let by_submission = submitted.into_iter().map(|child| (child.sample_id, Some(child)));
                for (id, child) in by_submission.chain(ids.into_iter().map(|id| (id, None))) {
                    if seen.contains(&id) {
                        continue;
                    }
                    if seen.len() >= MAX_SAMPLES || parent.depth >= MAX_DEPTH {
                        cut = true;
                        continue;
                    }
                    seen.insert(id);
                    let place = (Some(parent.sample_id), parent.depth + 1);
                    match child {
                        Some(facts) => next.push((place, Member { facts, ids: None })),
                        None => to_look_at.push((place, id)),
                    }
                }
            }
            let looked_at = join_all(to_look_at.iter().map(|(_, id)| self.member(*id, now).boxed())).await;
            for ((place, id), member) in to_look_at.into_iter().zip(looked_at) {
                match member? {
                    Some(member) => next.push((place, member)),
                    None => hidden.push(format!("sample {id}")),
                }
            }
            let placed = next.into_iter().map(|((parent_sample_id, depth), member)| Member {
                facts: Facts { parent_sample_id, depth, ..member.facts },
                ids: member.ids,
            });
            level = placed.collect();
            followed.samples.extend(level.iter().map(|member| member.facts.clone()));
        }
        if !hidden.is_empty() {
            let (verb, names) = (if hidden.len() == 1 { "is" } else { "are" }, named(&hidden));
            followed.missing.push(format!("{names}, which came out of it, {verb} not shown to this key"));
        }
        if cut {
            followed.missing.push(format!(
                "only {MAX_SAMPLES} of the samples in it were followed, {MAX_DEPTH} levels deep; see VMRay for the others"
            ));
        }
        followed.missing.extend(without_verdict(&followed.samples));
        Ok(followed)
    }

    /// Follows what VMRay knows, once an hour for all processes where it ended a while ago.
    pub(crate) async fn with_known_members(&self, known: Facts) -> Result<Result<Followed, vmray::Error>, Error> {
        let now = self.clock.now();
        let is_settled = known.finished_at.is_some_and(|at| now.duration_since(at) >= SETTLES);
        let hour = now.as_second().div_euclid(KEPT_SECONDS);
        let id = known.submission_id.filter(|_| is_settled);
        let name = id.map(|id| format!("members-{}-{id}-{hour}", known.sample_id));
        let objects = self.dossiers().objects();
        if let Some(name) = &name {
            match objects.read_value::<Followed>(name).await {
                Ok(Some(kept)) => return Ok(Ok(kept)),
                Ok(None) => {}
                // Damaged, or kept by another version: VMRay has them.
                Err(error @ ledger::Error::DamagedObject { .. }) => {
                    warn!(%error, "looking at the members again");
                    objects.delete(name).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let followed = match self.with_members(vec![known]).await {
            Ok(followed) => followed,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(name) = name.filter(|_| !followed.is_running() && followed.missing.is_empty()) {
            objects.create_value(&name, &followed).await?;
        }
        Ok(Ok(followed))
    }

    async fn children_of(&self, parent: &Member) -> Result<Children, vmray::Error> {
        let Member { facts, ids } = parent;
        let told = async {
            match ids {
                Some(ids) => Ok((ids.clone(), None)),
                None => self.children_of_sample(facts.sample_id).await,
            }
        };
        let (submitted, told) = futures::join!(self.children_of_submission(facts), told);
        let (submitted, more) = submitted?;
        let (ids, hidden) = told?;
        Ok(Children { submitted, ids, more, hidden })
    }

    /// Returns what the submission of a sample made, and whether that is not all.
    async fn children_of_submission(&self, facts: &Facts) -> Result<(Vec<Facts>, bool), vmray::Error> {
        let Some(id) = facts.submission_id else { return Ok((Vec::new(), false)) };
        let filter = SubmissionFilter { parent: Some(SubmissionId(id)), ..SubmissionFilter::default() };
        let listing = match self.vmray.submissions(&filter).await {
            Ok(listing) => listing,
            // A server that does not know the filter has nothing to tell; the sample has.
            Err(vmray::Error::Refused { .. } | vmray::Error::NotFound | vmray::Error::Forbidden) => {
                return Ok((Vec::new(), false));
            }
            Err(error) => return Err(error),
        };
        // A server that ignores the filter lists everybody's.
        let own: Vec<Facts> = readable(&listing.items)
            .filter(|child| child.parent_submission_id.is_some_and(|parent| parent.0 == id))
            .map(Facts::of_submission)
            .collect();
        let more = listing.more && !own.is_empty();
        Ok((own, more))
    }

    /// Returns what a sample says came out of it, or why it does not say so.
    async fn children_of_sample(&self, id: u64) -> Result<(Vec<u64>, Option<String>), vmray::Error> {
        let why = match self.vmray.sample(SampleId(id)).await {
            Ok(sample) => return Ok((sample.child_sample_ids.iter().map(|id| id.0).collect(), None)),
            Err(error @ (vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Unreadable { .. })) => error,
            Err(error) => return Err(error),
        };
        Ok((Vec::new(), Some(format!("what came out of sample {id} could not be seen: {why}"))))
    }

    /// Looks at a sample of which only the id is known; `None` is not shown.
    async fn member(&self, id: u64, now: Timestamp) -> Result<Option<Member>, vmray::Error> {
        let id = SampleId(id);
        let (sample, found) = futures::join!(self.vmray.sample(id), lookup::sample(&self.vmray, id, now));
        let found = match found {
            Ok(found) => found,
            // A key that may not list them still sees the sample.
            Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Refused { .. }) => {
                lookup::Found::default()
            }
            Err(error) => return Err(error),
        };
        let (alone, ids) = match sample {
            Ok(sample) => {
                let ids = sample.child_sample_ids.iter().map(|id| id.0).collect();
                (Some(Facts::of_sample(&sample)), Some(ids))
            }
            Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Unreadable { .. }) => (None, None),
            Err(error) => return Err(error),
        };
        let lookup::Found { known, running, .. } = found;
        let (judged, unjudged): (Option<Facts>, Option<Facts>) = match known {
            Some(facts) if facts.is_judged() => (Some(facts), None),
            other => (None, other),
        };
        let facts = judged.or(running).or_else(|| alone.clone().filter(Facts::is_judged)).or(unjudged).or(alone);
        Ok(facts.map(|facts| Member { facts, ids }))
    }
}

/// Says which samples ended without a verdict. One that VMRay calls `not_available` has been looked at.
fn without_verdict(samples: &[Facts]) -> Option<String> {
    // Of a single one the report says so itself.
    let names: Vec<String> = samples
        .iter()
        .filter(|facts| samples.len() > 1 && !facts.running && facts.verdict.is_none())
        .map(|facts| match &facts.name {
            Some(name) => format!("{name} (sample {})", facts.sample_id),
            None => format!("sample {}", facts.sample_id),
        })
        .collect();
    (!names.is_empty()).then(|| format!("VMRay formed no verdict on {}", named(&names)))
}

/// Writes a list of which the first are named.
fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
