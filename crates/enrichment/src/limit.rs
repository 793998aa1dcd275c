//! What a request may spend: a share of VMRay's quota, and a number of submissions for each incident.
//!
//! An incident's submissions are counted by create-only objects `jobs/<account>/incidents/<incident>/<n>`: whoever is
//! the first to make number n has it, so requests on different instances share one count. One that was taken for a
//! submission which another request then makes is given back; one of a process that died in between stays taken.

use std::time::Duration;

use ledger::{Created, Error, Objects, Storage};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;
use vmray::Client;

use crate::IncidentId;
use crate::job::{JobName, hex_of};
use crate::trouble::Trouble;

/// Longer than this the quota is not waited for.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);

/// What VMRay's quota still allows once the reserve is left alone, asked for when it is needed.
///
/// Not every version tells it, not every key may ask, and the server may fail at just this. VMRay itself refuses what is
/// over the quota, so a quota that is not told keeps nothing from being submitted; the report says that the reserve was
/// not looked at.
#[derive(Debug)]
pub(crate) struct Quota<'a> {
    client: &'a Client,
    reserve_percent: u8,
    left: Option<Left>,
}

#[derive(Debug)]
enum Left {
    Some(u64),
    /// The version or the key has none to tell.
    NotTold,
    /// It could not be asked for, for this reason.
    Failed(String),
}

impl<'a> Quota<'a> {
    pub(crate) fn new(client: &'a Client, reserve_percent: u8) -> Self {
        Self { client, reserve_percent, left: None }
    }

    /// Takes one submission; says whether there was one.
    pub(crate) async fn take(&mut self) -> bool {
        let left = match self.left.take() {
            Some(left) => left,
            None => self.ask().await,
        };
        let (left, is_there) = match left {
            Left::Some(0) => (Left::Some(0), false),
            Left::Some(left) => (Left::Some(left - 1), true),
            other => (other, true),
        };
        self.left = Some(left);
        is_there
    }

    /// Gives back one that was taken and not used.
    pub(crate) fn give_back(&mut self) {
        if let Some(Left::Some(left)) = &mut self.left {
            *left += 1;
        }
    }

    /// Returns what the report must say where the reserve could not be looked at.
    pub(crate) fn untold(&self) -> Option<String> {
        match &self.left {
            Some(Left::Failed(why)) => Some(format!("QuotaReserve was not looked at, because VMRay's quota {why}")),
            _ => None,
        }
    }

    async fn ask(&self) -> Left {
        let quota = match tokio::time::timeout(ANSWERS_WITHIN, self.client.quota()).await {
            Ok(Ok(quota)) => quota,
            Ok(Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Refused { .. })) => {
                return Left::NotTold;
            }
            Ok(Err(error)) => {
                warn!(%error, "VMRay's quota cannot be asked for, submitting anyway");
                return Left::Failed(format!("could not be asked for: {error}"));
            }
            Err(_) => {
                warn!("VMRay does not answer what its quota is, submitting anyway");
                return Left::Failed(format!("was not answered within {} s", ANSWERS_WITHIN.as_secs()));
            }
        };
        let (Some(limit), Some(used)) = (quota.quota_limit, quota.used_quota) else { return Left::NotTold };
        let (limit, used) = (limit.max(0).unsigned_abs(), used.max(0).unsigned_abs());
        let reserve = (limit * u64::from(self.reserve_percent.min(100))).div_ceil(100);
        Left::Some(limit.saturating_sub(reserve).saturating_sub(used))
    }
}

/// The submissions of one incident.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    objects: Objects,
    folder: String,
    limit: u32,
}

/// A submission that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot(String);

#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    job: JobName,
    by: String,
}

impl Allowance {
    /// Returns the allowance of an incident. `request` stands for a request that names none.
    pub(crate) fn of(
        storage: &Storage,
        account: &str,
        incident: Option<&IncidentId>,
        request: &str,
        limit: u32,
    ) -> Self {
        let name = incident.map_or_else(|| format!("request {request}"), |id| format!("incident {id}"));
        let digest = Sha256::digest(name.as_bytes());
        let folder = format!("incidents/{}", hex_of(digest.get(..20).unwrap_or_default()));
        Self { objects: Objects::of(storage, &format!("jobs/{account}")), folder, limit }
    }

    /// Takes one of the incident's submissions.
    pub(crate) async fn take(&self, job: &JobName, by: &str) -> Result<Option<Slot>, Error> {
        let entries = self.objects.list(&format!("{}/", self.folder)).await?;
        let taken: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let content = Taken { job: job.clone(), by: by.to_owned() };
        for number in 1..=self.limit {
            let name = format!("{}/{number:05}", self.folder);
            if taken.contains(&name.as_str()) {
                continue;
            }
            if self.objects.create_value(&name, &content).await? == Created::New {
                return Ok(Some(Slot(name)));
            }
        }
        Ok(None)
    }

    /// Gives one back that was not needed.
    pub(crate) async fn give_back(&self, slot: Slot) -> Result<(), Error> {
        self.objects.delete(&slot.0).await
    }

    /// Returns why no more is submitted.
    pub(crate) fn used_up(&self) -> Trouble {
        Trouble::new(
            crate::trouble::TroubleKind::Quota,
            format!("{} submissions were made for this incident already, which is the limit", self.limit),
            "raise MaxSubmissionsPerIncident to allow more; what VMRay knows is still answered",
        )
    }
}
