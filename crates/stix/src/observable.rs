//! What an indicator looks for: one value of one kind.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::domain::DomainName;
use crate::email::EmailAddress;
use crate::file_hash::FileHash;
use crate::host_artifact::{CommandLine, Mutex, RegistryKey};
use crate::id::{ObjectType, StixId};
use crate::ip::parse_ip;
use crate::pattern::Pattern;
use crate::url_text::UrlText;
use crate::value::ValueError;

/// One value that can be seen in logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Observable {
    /// A domain name.
    DomainName(DomainName),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address that is not a mapped IPv4 address.
    Ipv6(Ipv6Addr),
    /// A URL.
    Url(UrlText),
    /// The hash of a file.
    File(FileHash),
    /// An e-mail address.
    EmailAddress(EmailAddress),
    /// A registry key.
    RegistryKey(RegistryKey),
    /// A mutex.
    Mutex(Mutex),
    /// A process's command line.
    CommandLine(CommandLine),
}

impl Observable {
    /// Reads a value of a kind, as [`Observable::value`] prints it; a hash is known by its length.
    pub fn of_kind(kind: Kind, text: &str) -> Result<Self, ValueError> {
        match kind {
            Kind::Domain => Self::domain(text),
            Kind::Ip => Self::ip(text).map(|(observable, _port)| observable),
            Kind::Url => Self::url(text),
            Kind::File if text.len() == 32 => Self::md5(text),
            Kind::File if text.len() == 40 => Self::sha1(text),
            Kind::File => Self::sha256(text),
            Kind::EmailAddress => Self::email_address(text),
            Kind::RegistryKey => Self::registry_key(text),
            Kind::Mutex => Self::mutex(text),
            Kind::CommandLine => Self::command_line(text),
        }
    }

    /// Reads a domain name.
    pub fn domain(text: &str) -> Result<Self, ValueError> {
        DomainName::parse(text).map(Self::DomainName)
    }

    /// Reads an IP address and the port behind it, if any.
    pub fn ip(text: &str) -> Result<(Self, Option<u16>), ValueError> {
        parse_ip(text).map(|(address, port)| (Self::from(address), port))
    }

    /// Reads a URL.
    pub fn url(text: &str) -> Result<Self, ValueError> {
        UrlText::parse(text).map(Self::Url)
    }

    /// Reads an MD5 hash.
    pub fn md5(text: &str) -> Result<Self, ValueError> {
        FileHash::md5(text).map(Self::File)
    }

    /// Reads a SHA-1 hash.
    pub fn sha1(text: &str) -> Result<Self, ValueError> {
        FileHash::sha1(text).map(Self::File)
    }

    /// Reads a SHA-256 hash.
    pub fn sha256(text: &str) -> Result<Self, ValueError> {
        FileHash::sha256(text).map(Self::File)
    }

    /// Reads an e-mail address.
    pub fn email_address(text: &str) -> Result<Self, ValueError> {
        EmailAddress::parse(text).map(Self::EmailAddress)
    }

    /// Reads a registry key.
    pub fn registry_key(text: &str) -> Result<Self, ValueError> {
        RegistryKey::parse(text).map(Self::RegistryKey)
    }

    /// Reads the name of a mutex.
    pub fn mutex(text: &str) -> Result<Self, ValueError> {
        Mutex::parse(text).map(Self::Mutex)
    }

    /// Reads a command line.
    pub fn command_line(text: &str) -> Result<Self, ValueError> {
        CommandLine::parse(text).map(Self::CommandLine)
    }

    /// Returns which kind of value this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::DomainName(_) => Kind::Domain,
            Self::Ipv4(_) | Self::Ipv6(_) => Kind::Ip,
            Self::Url(_) => Kind::Url,
            Self::File(_) => Kind::File,
            Self::EmailAddress(_) => Kind::EmailAddress,
            Self::RegistryKey(_) => Kind::RegistryKey,
            Self::Mutex(_) => Kind::Mutex,
            Self::CommandLine(_) => Kind::CommandLine,
        }
    }

    /// Returns the normalised text, the one that id and pattern are made of.
    pub fn value(&self) -> Cow<'_, str> {
        match self {
            Self::DomainName(name) => Cow::Borrowed(name.as_str()),
            Self::Ipv4(address) => Cow::Owned(address.to_string()),
            Self::Ipv6(address) => Cow::Owned(address.to_string()),
            Self::Url(url) => Cow::Borrowed(url.as_str()),
            Self::File(hash) => Cow::Owned(hash.to_hex()),
            Self::EmailAddress(address) => Cow::Borrowed(address.as_str()),
            Self::RegistryKey(key) => Cow::Borrowed(key.as_str()),
            Self::Mutex(name) => Cow::Borrowed(name.as_str()),
            Self::CommandLine(line) => Cow::Borrowed(line.as_str()),
        }
    }

    /// Returns the id of the indicator that looks for this value.
    pub fn id(&self) -> StixId {
        self.kind().id_of(&self.value())
    }

    /// Returns the pattern that finds this value.
    pub fn pattern(&self) -> Pattern {
        Pattern::of(self)
    }
}

impl From<IpAddr> for Observable {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl fmt::Display for Observable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value())
    }
}

/// The kinds of value, as settings and ids name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `domain`
    Domain,
    /// `ip`
    Ip,
    /// `url`
    Url,
    /// `file`
    File,
    /// `email`
    EmailAddress,
    /// `registry`
    RegistryKey,
    /// `mutex`
    Mutex,
    /// `process`
    CommandLine,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Domain,
        Self::Ip,
        Self::Url,
        Self::File,
        Self::EmailAddress,
        Self::RegistryKey,
        Self::Mutex,
        Self::CommandLine,
    ];

    /// The kinds that are sent unless more are asked for.
    pub const USUAL: [Self; 4] = [Self::Domain, Self::Ip, Self::Url, Self::File];

    /// Returns the name. The first four are the original product's; they are part of its ids.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Ip => "ip",
            Self::Url => "url",
            Self::File => "file",
            Self::EmailAddress => "email",
            Self::RegistryKey => "registry",
            Self::Mutex => "mutex",
            Self::CommandLine => "process",
        }
    }

    /// Returns the indicator's id for a value of this kind, which is taken as given.
    pub fn id_of(self, value: &str) -> StixId {
        StixId::derived(ObjectType::Indicator, self.as_str(), value)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownKind)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// The text names no [`Kind`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the types of IOC are domain, ip, url, file, email, registry, mutex and process")]
pub struct UnknownKind;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_printed() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::from_str::<Kind>(&serde_json::to_string(&kind).unwrap()).unwrap(), kind);
        }
        assert_eq!("hash".parse::<Kind>(), Err(UnknownKind));
    }

    #[test]
    fn ids_are_those_of_the_original_for_lower_case_values() {
        let id = "indicator--4ace2095-44c6-5a74-ac18-77ecaf65f5fc";
        assert_eq!(Observable::domain("Example.COM.").unwrap().id().to_string(), id);
        let id = "indicator--31c88e86-7783-5622-b81a-2275cbb49783";
        assert_eq!(Observable::ip("203.0.113.7:443").unwrap().0.id().to_string(), id);
        assert_eq!(Observable::ip("::ffff:203.0.113.7").unwrap().0.id().to_string(), id);
    }
}
