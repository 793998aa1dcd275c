//! Links to an answer that carry their own right to it.
//!
//! A token is the end of the link's life, the number of a key and an HMAC-SHA256 over both and the job. Keys are
//! create-only objects `keys/link-<n>` in the state: the newest signs, the older ones verify until the last link
//! that they signed has expired. A new one is made by [`rotate_link_key`]. A key that is damaged signs nothing, and a link
//! with its number is answered with the damage, not as one that is wrong.
//!
//! Each process lists the keys once a minute, and a new key signs when it is older than that: so every process knows the
//! key of every link that is out, and a link with the number of another key is wrong without a look. Whoever makes up
//! numbers costs us nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use ledger::{Objects, Storage};
use sha2::Sha256;
use tokio::time::{Duration, Instant};

use crate::JobId;
use crate::job::hex_of;

/// How long a link works.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long keys are remembered before they are listed anew: for so long a key that was taken away still verifies.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The same, for the times of objects: for so long there may be processes that do not know a key, and it does not sign.
const UNSEEN: SignedDuration = SignedDuration::from_secs(60);
/// Name of the keys.
const KEY: &str = "link-";

/// Why a link does not work.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, or not for this job.
    #[error("the link is not valid; use the whole link of the answer to the request")]
    Wrong,
    /// Its time is over.
    #[error("the link has expired; ask again with POST /api/enrich, what is known is answered at once")]
    Expired,
    /// The keys cannot be read.
    #[error("using the state")]
    State(#[from] ledger::Error),
}

/// Makes a new key for links, which every process signs with within two minutes. Links that are out keep working until they
/// expire.
pub async fn rotate_link_key(storage: &Storage, now: Timestamp) -> Result<(), ledger::Error> {
    Links::of(storage).rotate(now).await
}

/// Signs and verifies links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    objects: Objects,
    remembered: Arc<Mutex<Option<Remembered>>>,
}

/// The keys, and when they were listed.
#[derive(Debug)]
struct Remembered {
    at: Instant,
    keys: BTreeMap<u32, Key>,
}

#[derive(Clone)]
struct Key {
    /// Or why it is not the one that was written.
    secret: Result<Bytes, String>,
    made_at: Timestamp,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Links {
    pub(crate) fn of(storage: &Storage) -> Self {
        Self { objects: Objects::of(storage, "keys"), remembered: Arc::default() }
    }

    /// Returns the token for a job.
    pub(crate) async fn sign(&self, job: &JobId, now: Timestamp) -> Result<String, ledger::Error> {
        let keys = self.keys().await?;
        let is_known_to_all = |key: &Key| now.duration_since(key.made_at) >= UNSEEN;
        let sound = || keys.iter().filter(|(_, key)| key.secret.is_ok());
        let signing = sound().rev().find(|(_, key)| is_known_to_all(key)).or_else(|| sound().next());
        let Some((number, key)) = signing.or_else(|| keys.last_key_value()) else {
            return Err(self.objects.damaged(&name_of(1), "it was gone at once".to_owned()));
        };
        let until = now.checked_add(LIFE).unwrap_or(Timestamp::MAX).as_second();
        let mac = self.mac(key, job, until, *number)?;
        Ok(format!("{until}.{number}.{}", hex_of(&mac.finalize().into_bytes())))
    }

    pub(crate) async fn verify(&self, job: &JobId, token: &str, now: Timestamp) -> Result<(), LinkError> {
        let mut parts = token.split('.');
        let until: i64 = parts.next().and_then(|text| text.parse().ok()).ok_or(LinkError::Wrong)?;
        let number: u32 = parts.next().and_then(|text| text.parse().ok()).ok_or(LinkError::Wrong)?;
        let signature = parts.next().and_then(bytes_of).ok_or(LinkError::Wrong)?;
        if parts.next().is_some() {
            return Err(LinkError::Wrong);
        }
        let keys = self.keys().await?;
        let key = keys.get(&number).ok_or(LinkError::Wrong)?;
        // Compares in constant time.
        self.mac(key, job, until, number)?.verify_slice(&signature).map_err(|_| LinkError::Wrong)?;
        if now.as_second() >= until { Err(LinkError::Expired) } else { Ok(()) }
    }

    /// Makes a new key, which signs from now on, and takes those away whose links have all expired.
    pub(crate) async fn rotate(&self, now: Timestamp) -> Result<(), ledger::Error> {
        let entries = self.objects.list(KEY).await?;
        let numbers: Vec<(u32, Timestamp)> =
            entries.iter().filter_map(|entry| Some((number_of(&entry.name)?, entry.stored_at))).collect();
        let newest = numbers.iter().map(|(number, _)| *number).max().unwrap_or(0);
        for (number, _) in &numbers {
            // A key signs until the next one does.
            let replaced = numbers.iter().filter(|(other, _)| other > number).map(|(_, at)| *at).min();
            if replaced.is_some_and(|replaced| now.duration_since(replaced) > LIFE + UNSEEN) {
                self.objects.delete(&name_of(*number)).await?;
            }
        }
        self.add(newest + 1).await?;
        self.keys_anew().await?;
        Ok(())
    }

    async fn add(&self, number: u32) -> Result<(), ledger::Error> {
        // 244 random bits from the operating system.
        let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes);
        // Somebody else's key of that number is as good.
        self.objects.create_value(&name_of(number), &hex_of(&random.concat())).await?;
        Ok(())
    }

    async fn keys(&self) -> Result<BTreeMap<u32, Key>, ledger::Error> {
        {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = remembered.as_ref().filter(|known| known.at.elapsed() < REMEMBERED) {
                return Ok(known.keys.clone());
            }
        }
        let keys = self.keys_anew().await?;
        if !keys.is_empty() {
            return Ok(keys);
        }
        // The first key is made by whoever asks first, so that no process remembers that there is none.
        self.add(1).await?;
        self.keys_anew().await
    }

    async fn keys_anew(&self) -> Result<BTreeMap<u32, Key>, ledger::Error> {
        let mut keys = BTreeMap::new();
        for entry in self.objects.list(KEY).await? {
            let Some(number) = number_of(&entry.name) else { continue };
            if let Some(secret) = self.secret(&entry.name).await? {
                keys.insert(number, Key { secret, made_at: entry.stored_at });
            }
        }
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        // That there is none is not remembered: another request of this process may look while the first key is made.
        *remembered = (!keys.is_empty()).then(|| Remembered { at: Instant::now(), keys: keys.clone() });
        Ok(keys)
    }

    /// Says whether every key is the one that was written.
    pub(crate) async fn check(&self) -> Result<(), ledger::Error> {
        for (number, key) in self.keys_anew().await? {
            key.secret.map_err(|reason| self.objects.damaged(&name_of(number), reason))?;
        }
        Ok(())
    }

    /// Reads the secret of a key, or why it is not the one that was written.
    async fn secret(&self, name: &str) -> Result<Option<Result<Bytes, String>>, ledger::Error> {
        let Some(object) = self.objects.read(name).await? else { return Ok(None) };
        if is_plain(&object.content) {
            return Ok(Some(Ok(object.content)));
        }
        Ok(match self.objects.read_value::<String>(name).await {
            Ok(hex) => hex.map(|hex| bytes_of(&hex).map(Bytes::from).ok_or_else(|| "it is no key".to_owned())),
            Err(ledger::Error::DamagedObject { reason, .. }) => Some(Err(reason)),
            Err(error) => return Err(error),
        })
    }

    fn mac(&self, key: &Key, job: &JobId, until: i64, number: u32) -> Result<Hmac<Sha256>, ledger::Error> {
        let secret = key.secret.as_ref().map_err(|reason| self.objects.damaged(&name_of(number), reason.clone()))?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        mac.update(format!("vmray-sentinel enrich {job} {until} {number}").as_bytes());
        Ok(mac)
    }
}

/// Says whether a key was written by a version that wrote the bytes as they are: two UUIDs of version 4.
fn is_plain(content: &[u8]) -> bool {
    let (pairs, rest) = content.as_chunks::<16>();
    pairs.len() == 2
        && rest.is_empty()
        && pairs.iter().all(|uuid| uuid::Uuid::from_bytes(*uuid).get_version() == Some(uuid::Version::Random))
}

fn name_of(number: u32) -> String {
    format!("{KEY}{number:06}")
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix(KEY)?.parse().ok()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| Some(u8::try_from(c.to_digit(16)?).unwrap_or(0))).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::StateUrl;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn storage() -> Storage {
        Storage::create(&StateUrl::Memory).unwrap()
    }

    #[tokio::test]
    async fn a_request_that_comes_while_the_first_key_is_made_gets_its_link() {
        let links = Links::of(&storage());
        let now = at("2026-01-01T00:00:00Z");
        // What another request has seen that is about to make the key.
        assert!(links.keys_anew().await.unwrap().is_empty());
        links.sign(&JobId::at(now), now).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_works_for_its_job_until_it_expires_on_every_instance() {
        let storage = storage();
        let (one, other) = (Links::of(&storage), Links::of(&storage));
        let now = at("2026-01-01T00:00:00Z");
        let (job, another) = (JobId::at(now), JobId::at(now));
        let token = one.sign(&job, now).await.unwrap();
        other.verify(&job, &token, now).await.unwrap();
        assert!(matches!(other.verify(&another, &token, now).await, Err(LinkError::Wrong)));
        let late = at("2026-01-08T00:00:00Z");
        assert!(matches!(other.verify(&job, &token, late).await, Err(LinkError::Expired)));
        let stretched = token.replacen("1767", "1867", 1);
        assert_ne!(stretched, token);
        for wrong in [stretched.as_str(), "", "1.2", "1.2.3", "99999999999.1.zz", "99999999999.7.00"] {
            assert!(matches!(other.verify(&job, wrong, now).await, Err(LinkError::Wrong)), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_new_key_signs_once_every_process_knows_it_and_the_old_one_still_verifies() {
        let storage = storage();
        let links = Arc::new(Links::of(&storage));
        let job = JobId::at(at("2026-01-01T00:00:00Z"));
        let made = links.keys().await.unwrap()[&1].made_at;
        let old = links.sign(&job, made).await.unwrap();
        links.rotate(made).await.unwrap();
        let replaced = links.keys().await.unwrap()[&2].made_at;
        let soon = links.sign(&job, replaced + SignedDuration::from_secs(59)).await.unwrap();
        assert!(soon.contains(".1."), "{soon}");
        let later = replaced + UNSEEN;
        let new = links.sign(&job, later).await.unwrap();
        assert!(new.contains(".2."), "{new}");
        for link in [old, soon, new] {
            links.verify(&job, &link, later).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_of_no_key_costs_no_listing() {
        let storage = storage();
        let (links, other) = (Links::of(&storage), Links::of(&storage));
        let job = JobId::at(at("2026-01-01T00:00:00Z"));
        links.keys().await.unwrap();
        let made = other.keys().await.unwrap()[&1].made_at;
        other.rotate(made).await.unwrap();
        let signed = other.keys().await.unwrap()[&2].made_at + UNSEEN;
        let token = other.sign(&job, signed).await.unwrap();
        assert!(token.contains(".2."), "{token}");
        // A look would find the key. Links are only signed with it when this process has listed it by itself.
        assert!(matches!(links.verify(&job, &token, signed).await, Err(LinkError::Wrong)));
        tokio::time::advance(REMEMBERED).await;
        links.verify(&job, &token, signed).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_process_remembers_that_there_is_no_key() {
        let storage = storage();
        let (one, other) = (Links::of(&storage), Links::of(&storage));
        let now = at("2026-01-01T00:00:00Z");
        let job = JobId::at(now);
        assert!(matches!(one.verify(&job, "99999999999.1.00", now).await, Err(LinkError::Wrong)));
        let token = other.sign(&job, now).await.unwrap();
        one.verify(&job, &token, now).await.unwrap();
    }
}
