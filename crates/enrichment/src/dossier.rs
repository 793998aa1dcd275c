//! What VMRay found in a sample, read once for each submission.
//!
//! A reading is kept as an object `findings/<account>/<sample>-<submission>`, so that a thing asked about again costs
//! its look-up and nothing more.

use ledger::{Objects, Storage};
use serde::{Deserialize, Serialize};
use tracing::debug;
use vmray::{Client, Iocs, ReportStatus, SampleId};

use crate::facts::Facts;
use crate::store;
use crate::trouble::Trouble;

/// Samples in one that are named.
const MAX_CHILDREN: usize = 50;

/// What is known of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dossier {
    pub(crate) name: Option<String>,
    pub(crate) sample_type: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) threat_names: Vec<String>,
    pub(crate) classifications: Vec<String>,
    pub(crate) child_sample_ids: Vec<u64>,
    pub(crate) iocs: Iocs,
    pub(crate) tactics: Vec<String>,
}

/// How reading went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    Whole(Box<Dossier>),
    /// VMRay is still gathering; what is there is there.
    Waiting(Box<Dossier>),
    Failed(Trouble),
}

/// The readings of one account.
#[derive(Debug, Clone)]
pub(crate) struct Dossiers {
    objects: Objects,
}

impl Dossiers {
    pub(crate) fn of(storage: &Storage, account: &str) -> Self {
        Self { objects: Objects::of(storage, &format!("findings/{account}")) }
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Reads what VMRay found in a sample that it calls malicious or suspicious.
    pub(crate) async fn read(&self, client: &Client, facts: &Facts) -> Result<Reading, ledger::Error> {
        let name = format!("{}-{}", facts.sample_id, facts.submission_id.unwrap_or(0));
        match store::read(&self.objects, &name).await {
            Ok(Some(dossier)) => return Ok(Reading::Whole(Box::new(dossier))),
            Ok(None) => {}
            // Kept by another version: read it again.
            Err(ledger::Error::Damaged { reason, .. }) => debug!(name, reason, "reading the findings again"),
            Err(error) => return Err(error),
        }
        let (reading, whole) = ask(client, SampleId(facts.sample_id)).await;
        if let (Reading::Whole(dossier), true, Some(_)) = (&reading, whole, facts.submission_id) {
            store::create(&self.objects, &name, dossier).await?;
        }
        Ok(reading)
    }
}

/// Returns the reading, and whether nothing is missing that another question would find.
async fn ask(client: &Client, id: SampleId) -> (Reading, bool) {
    let (iocs, sample, attack) = futures::join!(client.iocs(id), client.sample(id), client.mitre_attack(id));
    let reply = match iocs {
        Ok(reply) => reply,
        Err(error) => return (Reading::Failed(error.into()), false),
    };
    let mut dossier = Dossier { iocs: reply.iocs, ..Dossier::default() };
    // Names and techniques are worth having, but not worth withholding the findings.
    let mut whole = true;
    match sample {
        Ok(sample) => {
            let children = sample.child_sample_ids.iter().take(MAX_CHILDREN);
            dossier.child_sample_ids = children.map(|id| id.0).collect();
            dossier.name = sample.filename;
            dossier.sample_type = sample.sample_type;
            dossier.sha256 = sample.sha256hash;
            dossier.threat_names = sample.threat_names;
            dossier.classifications = sample.classifications;
        }
        Err(error) => {
            whole &= !error.is_transient();
            debug!(%error, "a sample's names could not be read");
        }
    }
    match attack {
        Ok(attack) => dossier.tactics = indicators::tactics(&attack),
        Err(error) => {
            whole &= !error.is_transient();
            debug!(%error, "a sample's techniques could not be read");
        }
    }
    match reply.status {
        ReportStatus::Finished => (Reading::Whole(Box::new(dossier)), whole),
        ReportStatus::Waiting | ReportStatus::Other(_) => (Reading::Waiting(Box::new(dossier)), false),
    }
}
