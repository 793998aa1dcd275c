//! The setting `ApiKeys`: who may call the API.
//!
//! A key is 32 random bytes, so its plain SHA-256 tells nobody how to guess it; only that hash is kept. Several keys
//! hold at once, which is how one is replaced: add the new one, move its users, take the old one away.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What a key begins with, so that scanners for leaked secrets and people know one.
const PREFIX: &str = "vms_";

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Scope {
    /// Look-ups.
    Read,
    /// Look-ups, and submitting to VMRay.
    Submit,
}

/// One key, as its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Who uses it; stands in the log.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    hash: [u8; 32],
}

/// The keys that are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<ApiKey>);

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// The key itself, shown once.
    pub key: String,
    /// Its entry in `ApiKeys`.
    pub entry: String,
}

impl ApiKeys {
    /// Says whether nobody needs a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds the key. Takes the same time whatever is presented, so that time tells nothing.
    pub fn find(&self, presented: &str) -> Option<&ApiKey> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = None;
        for key in &self.0 {
            let difference = key.hash.iter().zip(hash).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
            if std::hint::black_box(difference) == 0 {
                found = Some(key);
            }
        }
        found
    }
}

/// Makes a key.
pub fn make(name: &str, scope: Scope) -> Result<NewKey, String> {
    check_name(name)?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = Sha256::digest(key.as_bytes()).into();
    let entry = ApiKey { name: name.to_owned(), scope, hash }.to_string();
    Ok(NewKey { key, entry })
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(format!("the name `{name}` is not 1 to 64 letters, digits, `-`, `_` or `.`"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Submit => "submit",
        })
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.name, self.scope)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("name", &self.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl FromStr for ApiKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let &[name, scope, digits] = parts.as_slice() else {
            // What stands there may be a key; it must not be repeated in a message.
            return Err(
                "has an entry that is not NAME:SCOPE:HASH; `vmray-sentinel config api-key` prints one".to_owned()
            );
        };
        check_name(name).map_err(|why| format!("has an entry that is wrong: {why}"))?;
        let scope = match scope.to_ascii_lowercase().as_str() {
            "read" => Scope::Read,
            "submit" => Scope::Submit,
            _ => return Err(format!("gives `{name}` a scope that is neither read nor submit")),
        };
        let hash = hash(digits).ok_or_else(|| {
            format!("gives `{name}` no hash of 64 hexadecimal digits; put the hash there, never the key itself")
        })?;
        Ok(Self { name: name.to_owned(), scope, hash })
    }
}

fn hash(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

impl FromStr for ApiKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split([',', ' ', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        let keys = entries.map(str::parse).collect::<Result<Vec<ApiKey>, _>>()?;
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().skip(at + 1).any(|other| other.hash == key.hash) {
                return Err(format!("gives the key of `{}` twice", key.name));
            }
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_made_key_is_found_by_its_entry_and_nothing_else_is() {
        let (read, submit) = (make("soc", Scope::Read).unwrap(), make("playbook", Scope::Submit).unwrap());
        let keys: ApiKeys = format!("{}, {}", read.entry, submit.entry).parse().unwrap();
        assert_eq!(keys.find(&read.key).unwrap().scope, Scope::Read);
        assert_eq!(keys.find(&submit.key).unwrap().name, "playbook");
        assert!(keys.find("").is_none());
        assert!(keys.find(&read.key.to_uppercase()).is_none());
        assert!(keys.find(read.entry.rsplit(':').next().unwrap()).is_none(), "the hash is no key");
        assert!(read.key.starts_with(PREFIX) && read.key.len() == PREFIX.len() + 43);
        assert!(!format!("{keys:?}").contains(read.entry.rsplit(':').next().unwrap()));
    }

    #[test]
    fn without_keys_none_is_needed() {
        assert!("".parse::<ApiKeys>().unwrap().is_empty());
    }

    #[rstest]
    #[case("vms_secretsecret")]
    #[case("soc:read")]
    #[case("soc:read:vms_secretsecret")]
    #[case("soc:admin:aa")]
    #[case("so c:read:aa")]
    #[case(":read:aa")]
    fn what_is_no_entry_is_refused_without_repeating_it(#[case] text: &str) {
        let error = text.parse::<ApiKeys>().unwrap_err();
        assert!(!error.contains("secretsecret"), "{error}");
    }

    #[test]
    fn one_key_under_two_names_is_refused() {
        let entry = make("a", Scope::Read).unwrap().entry;
        let other = entry.replacen('a', "b", 1);
        assert!(format!("{entry},{other}").parse::<ApiKeys>().unwrap_err().contains("twice"));
    }
}
