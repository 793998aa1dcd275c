//! What VMRay found in a sample, read once for each submission.
//!
//! A reading is kept as an object `findings/<account>/<sample>-<submission>`, so that a thing asked about again costs
//! its look-up and nothing more.

use ledger::{Objects, Storage};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};
use vmray::{Client, Iocs, ReportStatus, SampleId};

use crate::facts::Facts;
use crate::trouble::Trouble;

/// What is known of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dossier {
    pub(crate) name: Option<String>,
    pub(crate) sample_type: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) threat_names: Vec<String>,
    pub(crate) classifications: Vec<String>,
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
    /// VMRay has not answered yet.
    Unanswered,
}

/// Whom to ask for findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The state, and VMRay for what is not there.
    Vmray,
    /// The state alone, where there is no time for more.
    State,
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

    /// Returns what is kept of what VMRay found in a sample.
    pub(crate) async fn kept(&self, facts: &Facts) -> Result<Option<Reading>, ledger::Error> {
        let name = name_of(facts);
        match self.objects.read_value(&name).await {
            Ok(dossier) => Ok(dossier.map(|dossier| Reading::Whole(Box::new(dossier)))),
            // Damaged, or kept by another version: VMRay has them.
            Err(error @ ledger::Error::DamagedObject { .. }) => {
                warn!(%error, "reading the findings again");
                self.objects.delete(&name).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what VMRay found in a sample that it calls malicious or suspicious.
    pub(crate) async fn read(&self, client: &Client, facts: &Facts) -> Result<Reading, ledger::Error> {
        if let Some(kept) = self.kept(facts).await? {
            return Ok(kept);
        }
        let (reading, whole) = ask(client, SampleId(facts.sample_id)).await;
        if let (Reading::Whole(dossier), true, Some(_)) = (&reading, whole, facts.submission_id) {
            self.objects.create_value(&name_of(facts), dossier).await?;
        }
        Ok(reading)
    }
}

fn name_of(facts: &Facts) -> String {
    format!("{}-{}", facts.sample_id, facts.submission_id.unwrap_or(0))
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
