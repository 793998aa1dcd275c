//! Patterns: one comparison of one property with one text.
//!
//! Sentinel makes only such a pattern searchable (`ObservableKey`, `ObservableValue`); everything else it
//! stores and never matches. So this is all that we build, and all that we read: other valid patterns are
//! [`PatternError::Unsupported`]. The grammar is our own, small enough to be checked against the recorded
//! verdicts of OASIS' parser.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::grammar;
use crate::ip::{parse_v4, parse_v6};
use crate::observable::Observable;
use crate::value::ValueError;

/// `[<property> = '<text>']`
///
/// The text is whatever the literal says: [`Pattern::observable`] tells whether it makes sense.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    property: Property,
    text: String,
}

impl Pattern {
    /// Builds the pattern that finds a value.
    pub fn of(observable: &Observable) -> Self {
        Self { property: Property::of(observable), text: observable.value().into_owned() }
    }

    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        let (property, text) = grammar::parse(pattern)?;
        Ok(Self { property, text: text.into_owned() })
    }

    /// Says whether `pattern` is what `property` and `text` were written as.
    ///
    /// [`Pattern::write`] and then this is the round trip without a copy of the text.
    pub fn means(pattern: &str, property: Property, text: &str) -> bool {
        grammar::parse(pattern).is_ok_and(|(read, value)| read == property && value == text)
    }

    /// Appends the pattern of a property and a text, with quotes and backslashes escaped.
    pub fn write(target: &mut String, property: Property, text: &str) {
        target.push('[');
        target.push_str(property.path());
        target.push_str(" = '");
        let mut rest = text;
        while let Some((plain, tail)) = rest.find(['\'', '\\']).and_then(|at| rest.split_at_checked(at)) {
            target.push_str(plain);
            target.push('\\');
            let mut characters = tail.chars();
            target.extend(characters.next());
            rest = characters.as_str();
        }
        target.push_str(rest);
        target.push_str("']");
    }

    /// Returns what is compared.
    pub fn property(&self) -> Property {
        self.property
    }

    /// Returns what it is compared with, without escapes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the value that the pattern finds.
    pub fn observable(&self) -> Result<Observable, ValueError> {
        let text = self.text.as_str();
        match self.property {
            Property::DomainName => Observable::domain(text),
            Property::Ipv4 => parse_v4(text).map(Observable::Ipv4),
            Property::Ipv6 => parse_v6(text).map(Observable::from),
            Property::Url => Observable::url(text),
            Property::Md5 => Observable::md5(text),
            Property::Sha1 => Observable::sha1(text),
            Property::Sha256 => Observable::sha256(text),
            Property::EmailAddress => Observable::email_address(text),
            Property::RegistryKey => Observable::registry_key(text),
            Property::MutexName => Observable::mutex(text),
            Property::CommandLine => Observable::command_line(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pattern = String::with_capacity(self.text.len() + 40);
        Self::write(&mut pattern, self.property, &self.text);
        f.write_str(&pattern)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The properties that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// `domain-name:value`
    DomainName,
    /// `ipv4-addr:value`
    Ipv4,
    /// `ipv6-addr:value`
    Ipv6,
    /// `url:value`
    Url,
    /// `file:hashes.'MD5'`
    Md5,
    /// `file:hashes.'SHA-1'`
    Sha1,
    /// `file:hashes.'SHA-256'`
    Sha256,
    /// `email-addr:value`
    EmailAddress,
    /// `windows-registry-key:key`
    RegistryKey,
    /// `mutex:name`
    MutexName,
    /// `process:command_line`
    CommandLine,
}

impl Property {
    const ALL: [Self; 11] = [
        Self::DomainName,
        Self::Ipv4,
        Self::Ipv6,
        Self::Url,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::EmailAddress,
        Self::RegistryKey,
        Self::MutexName,
        Self::CommandLine,
    ];

    /// Returns the property in which a value is found.
    pub fn of(observable: &Observable) -> Self {
        use crate::file_hash::FileHash;
        match observable {
            Observable::DomainName(_) => Self::DomainName,
            Observable::Ipv4(_) => Self::Ipv4,
            Observable::Ipv6(_) => Self::Ipv6,
            Observable::Url(_) => Self::Url,
            Observable::File(FileHash::Md5(_)) => Self::Md5,
            Observable::File(FileHash::Sha1(_)) => Self::Sha1,
            Observable::File(FileHash::Sha256(_)) => Self::Sha256,
            Observable::EmailAddress(_) => Self::EmailAddress,
            Observable::RegistryKey(_) => Self::RegistryKey,
            Observable::Mutex(_) => Self::MutexName,
            Observable::CommandLine(_) => Self::CommandLine,
        }
    }

    /// Returns the path in the original's spelling (`MD5` needs no quotes, but has them there).
    pub fn path(self) -> &'static str {
        match self {
            Self::DomainName => "domain-name:value",
            Self::Ipv4 => "ipv4-addr:value",
            Self::Ipv6 => "ipv6-addr:value",
            Self::Url => "url:value",
            Self::Md5 => "file:hashes.'MD5'",
            Self::Sha1 => "file:hashes.'SHA-1'",
            Self::Sha256 => "file:hashes.'SHA-256'",
            Self::EmailAddress => "email-addr:value",
            Self::RegistryKey => "windows-registry-key:key",
            Self::MutexName => "mutex:name",
            Self::CommandLine => "process:command_line",
        }
    }

    pub(crate) fn from_path(path: &str) -> Option<Self> {
        if path == "file:hashes.MD5" {
            return Some(Self::Md5);
        }
        Self::ALL.into_iter().find(|known| known.path() == path)
    }
}

/// Why a text is not one of our patterns.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// No STIX pattern.
    #[error("the pattern breaks off the grammar at byte {at}")]
    Syntax {
        /// Where, counted from 0.
        at: usize,
    },
    /// A hash literal that is no hash of that name.
    #[error("the pattern compares a hash with something else")]
    NotAHash,
    /// STIX, but more than one comparison, another operator, another property.
    #[error("the pattern is more than one comparison of a known property")]
    Unsupported,
    /// Longer than any value may be.
    #[error("the pattern is too long")]
    TooLong,
}
