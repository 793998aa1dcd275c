//! What a request may spend: a share of VMRay's quota, and a number of submissions for each incident.
//!
//! An incident's submissions are counted by create-only objects `jobs/<account>/incidents/<incident>/<n>`: whoever is
//! the first to make number n has it, so requests on different instances share one count. One that was taken for a
//! submission which another request then makes is given back; one of a process that died in between stays taken.

use ledger::{Created, Error, Objects, Storage};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vmray::Client;

use crate::job::{JobName, hex_of};
use crate::trouble::Trouble;
use crate::{IncidentId, store};

/// Returns how many submissions VMRay's quota still allows once the reserve is left alone; `None` is not told.
pub(crate) async fn left_of_quota(client: &Client, reserve_percent: u8) -> Result<Option<u64>, vmray::Error> {
    let quota = match client.quota().await {
        Ok(quota) => quota,
        // Not every version tells, and not every key may ask.
        Err(vmray::Error::NotFound | vmray::Error::Forbidden | vmray::Error::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some(limit), Some(used)) = (quota.quota_limit, quota.used_quota) else { return Ok(None) };
    let (limit, used) = (limit.max(0).unsigned_abs(), used.max(0).unsigned_abs());
    let reserve = (limit * u64::from(reserve_percent.min(100))).div_ceil(100);
    Ok(Some(limit.saturating_sub(reserve).saturating_sub(used)))
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
            if store::create(&self.objects, &name, &content).await? == Created::New {
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
            "raise MaxSubmissionsPerIncident to allow more; what VMRay knows is answered all the same",
        )
    }
}
