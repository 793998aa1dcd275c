//! Jobs: who submits what, agreed on by create-only objects.
//!
//! | object | says |
//! |---|---|
//! | `jobs/<account>/<key>/<epoch>/intent` | this thing is to be analysed |
//! | `.../claim-<n>` | this process submits it |
//! | `.../submitted` | VMRay has it, as these submissions |
//! | `.../done` | they have ended, with these samples |
//! | `.../failed` | it was not submitted, for this reason |
//!
//! The key is made of the thing, so whoever asks for the same meets at the same job. Only the first to create a claim
//! submits. A claim of a process that died is two minutes old, by the store's clock, and has no `submitted` beside it:
//! then the next number may be claimed, and at once where the process ran here and is seen to be gone (`owner`). A process that takes its time (a large file) claims the next number itself
//! before that. `submitted` wins over `failed`, whoever wrote which first.
//!
//! A new epoch is begun when the last one failed, is too old to be answered from, or when somebody asks to have the
//! thing analysed again; an epoch that is still open is joined even then.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use ledger::{Created, Error, Objects, Storage};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;
use vmray::{SampleHash, Submission};

use crate::facts::Facts;
use crate::trouble::Trouble;
use crate::{Item, url_forms};

/// Field of `submission_metadata` that holds the mark of a job.
const MARK: &str = "vmray_sentinel_job";
/// A claim this old without `submitted` is one of a dead process.
pub(crate) const CLAIM_EXPIRES: SignedDuration = SignedDuration::from_secs(120);

/// A job: a thing and how often it has been begun.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct JobName {
    pub(crate) key: String,
    pub(crate) epoch: u32,
}

impl JobName {
    /// Returns what VMRay keeps with the submission, so that it is found again.
    pub(crate) fn mark(&self) -> String {
        format!("{}/{}", self.key, self.epoch)
    }

    fn object(&self, what: &str) -> String {
        format!("{}/{:06}/{what}", self.key, self.epoch)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) intent: Option<Timestamp>,
    /// The highest claim and when it was made, by the store's clock.
    pub(crate) claim: Option<(u32, Timestamp)>,
    pub(crate) submitted: bool,
    pub(crate) done: bool,
    pub(crate) failed: bool,
}

/// Who submits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) owner: String,
    /// How often the thing may have been sent, this time included.
    pub(crate) attempt: u32,
}

/// What VMRay made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) at: Timestamp,
    pub(crate) how: How,
    /// The submissions as they were then.
    pub(crate) samples: Vec<Facts>,
    /// VMRay's words on what it did not take of it and does not know either.
    pub(crate) refusals: Vec<String>,
    /// Whether it may have been sent twice.
    pub(crate) repeated: bool,
}

/// How the submissions came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// We made them.
    Made,
    /// Somebody else had made one just before.
    Adopted,
    /// VMRay knew the thing, but was still at what came out of it.
    Known,
    /// We had made them, and found them by their mark.
    Recovered,
    /// VMRay created no jobs, because it knows the sample.
    Reused,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) samples: Vec<Facts>,
    pub(crate) not_done: Vec<String>,
    /// What was not seen of it, which keeps it from being called clean.
    #[serde(default)]
    pub(crate) missing: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    value: String,
    made_at: Timestamp,
}

/// The jobs of one account.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    objects: Objects,
}

impl Jobs {
    pub(crate) fn of(storage: &Storage, account: &str) -> Self {
        Self { objects: Objects::of(storage, &format!("jobs/{account}")) }
    }

    /// Returns the newest epoch of a thing.
    pub(crate) async fn newest(&self, key: &str) -> Result<Option<(JobName, Stage)>, Error> {
        let entries = self.objects.list(&format!("{key}/")).await?;
        let epochs = entries.iter().filter_map(|entry| entry.name.split('/').nth(1)?.parse::<u32>().ok());
        let Some(epoch) = epochs.max() else { return Ok(None) };
        let job = JobName { key: key.to_owned(), epoch };
        let stage = Stage::of(&job, &entries);
        Ok(Some((job, stage)))
    }

    pub(crate) async fn stage(&self, job: &JobName) -> Result<Stage, Error> {
        Ok(Stage::of(job, &self.objects.list(&job.object("")).await?))
    }

    pub(crate) async fn intend(&self, job: &JobName, value: &str, now: Timestamp) -> Result<(), Error> {
        let intent = Intent { value: value.to_owned(), made_at: now };
        self.objects.create_value(&job.object("intent"), &intent).await?;
        Ok(())
    }

    pub(crate) async fn claim(&self, job: &JobName, number: u32, claim: &Claim) -> Result<Created, Error> {
        self.objects.create_value(&job.object(&claim_name(number)), claim).await
    }

    pub(crate) async fn claimed(&self, job: &JobName, number: u32) -> Result<Option<Claim>, Error> {
        self.objects.read_value(&job.object(&claim_name(number))).await
    }

    pub(crate) async fn put_submitted(&self, job: &JobName, submitted: &Submitted) -> Result<(), Error> {
        self.objects.create_value(&job.object("submitted"), submitted).await?;
        Ok(())
    }

    pub(crate) async fn submitted(&self, job: &JobName) -> Result<Option<Submitted>, Error> {
        self.objects.read_value(&job.object("submitted")).await
    }

    pub(crate) async fn put_done(&self, job: &JobName, done: &End) -> Result<(), Error> {
        self.objects.create_value(&job.object("done"), done).await?;
        Ok(())
    }

    pub(crate) async fn done(&self, job: &JobName) -> Result<Option<End>, Error> {
        self.objects.read_value(&job.object("done")).await
    }

    pub(crate) async fn put_failed(&self, job: &JobName, trouble: &Trouble) -> Result<(), Error> {
        self.objects.create_value(&job.object("failed"), trouble).await?;
        Ok(())
    }

    pub(crate) async fn failed(&self, job: &JobName) -> Result<Option<Trouble>, Error> {
        self.objects.read_value(&job.object("failed")).await
    }

    /// Returns what time it is to the store.
    pub(crate) async fn store_time(&self) -> Result<Timestamp, Error> {
        let name = format!("clock/{}", Ulid::from_parts(0, uuid::Uuid::new_v4().as_u128()));
        self.objects.create_value(&name, &()).await?;
        let stored = self.objects.read(&name).await?.map(|object| object.stored_at);
        self.objects.delete(&name).await?;
        stored.ok_or_else(|| self.objects.damaged(&name, "it was gone at once".to_owned()))
    }
}

impl Stage {
    fn of(job: &JobName, entries: &[ledger::Entry]) -> Self {
        let folder = job.object("");
        let mut stage = Self::default();
        for entry in entries {
            match entry.name.strip_prefix(&folder) {
                Some("intent") => stage.intent = Some(entry.stored_at),
                Some("submitted") => stage.submitted = true,
                Some("done") => stage.done = true,
                Some("failed") => stage.failed = true,
                Some(other) => {
                    let number = other.strip_prefix("claim-").and_then(|number| number.parse().ok());
                    stage.claim = stage.claim.max(number.map(|number| (number, entry.stored_at)));
                }
                None => {}
            }
        }
        stage
    }

    /// Says whether it was begun and has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.intent.is_some() && !self.done && (self.submitted || !self.failed)
    }
}

/// Returns the key of a thing. Passwords are part of it: with another one, a file is analysed otherwise.
pub(crate) fn key_of(item: &Item) -> String {
    match item {
        // One spelling for all that reach the same page.
        Item::Url(item) => key('u', &[&url_forms::canonical(&item.url)]),
        Item::Hash(value) => key('h', &[value.as_str()]),
        Item::File(item) => {
            key_of_file(item.file.sha256(), item.archive_password.as_ref(), item.document_password.as_ref())
        }
        Item::Unreadable(item) => key('x', &[&item.parameter]),
    }
}

/// Returns the key of a file.
pub(crate) fn key_of_file(
    sha256: &SampleHash,
    archive_password: Option<&SecretString>,
    document_password: Option<&SecretString>,
) -> String {
    let shown = |password: Option<&SecretString>| password.map_or("", |password| password.expose_secret()).to_owned();
    key('f', &[sha256.as_str(), &shown(archive_password), &shown(document_password)])
}

fn key(letter: char, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in parts {
        hash.update(text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    format!("{letter}-{}", hex_of(hash.finalize().get(..20).unwrap_or_default()))
}

/// Returns the metadata of a submission that carries a mark.
pub(crate) fn marked(mark: &str) -> Value {
    json!({ MARK: mark })
}

/// Returns the mark that a submission carries. A server may write its metadata anew, so their text is not compared.
pub(crate) fn mark_of(submission: &Submission) -> Option<String> {
    let metadata: Value = serde_json::from_str(submission.metadata.as_deref()?).ok()?;
    Some(metadata.get(MARK)?.as_str()?.to_owned())
}

/// Says whether a submission was made for exactly this key, by whichever epoch or function.
pub(crate) fn is_of(submission: &Submission, key: &str) -> bool {
    mark_of(submission).is_some_and(|mark| mark.strip_prefix(key).is_some_and(|rest| rest.starts_with('/')))
}

/// Writes bytes in hexadecimal digits.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

fn claim_name(number: u32) -> String {
    format!("claim-{number:04}")
}
