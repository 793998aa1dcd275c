//! The allow-list: values that are never sent.
//!
//! One entry a line, blank lines and what follows a `#` at the start of a line are skipped:
//!
//! | entry | leaves out |
//! |---|---|
//! | `evil.example`, `*.evil.example`, `.evil.example` | the name and all below it, URLs and mailboxes there |
//! | `=www.evil.example` | exactly this host, URLs and mailboxes there |
//! | `198.51.100.7`, `198.51.100.0/24`, `2001:db8::/32` | addresses, URLs there |
//! | 32, 40 or 64 hex digits | the hash, and the other hashes of the same file |
//! | `https://www.evil.example/path` | URLs of the same scheme and host that begin with it |
//!
//! A public suffix such as `co.uk` is refused, because it would leave out a whole country's companies, and so is
//! a network of everything.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use stix::{DomainName, FileHash, Observable, UrlText};
use thiserror::Error;
use url::Host;

use crate::address::as_v4;
use crate::excerpt::excerpt;
use crate::noise_built_in;

/// A list of values that are never sent.
#[derive(Clone, Debug)]
pub struct NoiseList {
    rules: Rules,
    built_in: Rules,
}

impl NoiseList {
    /// Returns the list that leaves nothing out.
    pub fn none() -> Self {
        Self { rules: Rules::default(), built_in: Rules::default() }
    }

    /// Returns the reviewed list that comes with the program.
    pub fn built_in() -> Self {
        // A test reads the list, so there is no error to lose.
        Self { rules: Rules::default(), built_in: Rules::parse(noise_built_in::LIST).unwrap_or_default() }
    }

    /// Reads a list of one's own.
    ///
    /// # Errors
    /// The first entry that is none; a list is not half read.
    pub fn parse(text: &str) -> Result<Self, NoiseError> {
        Ok(Self { rules: Rules::parse(text)?, built_in: Rules::default() })
    }

    /// Adds the reviewed list that comes with the program.
    #[must_use]
    pub fn with_built_in(self) -> Self {
        Self { rules: self.rules, built_in: Self::built_in().built_in }
    }

    /// Returns the entry that leaves a value out.
    pub fn rule_for(&self, observable: &Observable) -> Option<Cow<'_, str>> {
        match observable {
            Observable::DomainName(name) => self.first(|rules| rules.for_host(&ascii(name.as_str()))),
            Observable::Ipv4(address) => self.first(|rules| rules.for_address(IpAddr::V4(*address))),
            Observable::Ipv6(address) => self.first(|rules| rules.for_address(IpAddr::V6(*address))),
            Observable::Url(url) => self.first(|rules| rules.for_url(url)),
            Observable::File(hash) => self.first(|rules| rules.for_hash(hash)),
            Observable::EmailAddress(address) => self.first(|rules| rules.for_host(&ascii(address.domain()))),
            Observable::RegistryKey(_) | Observable::Mutex(_) | Observable::CommandLine(_) => None,
        }
    }

    fn first<'a>(&'a self, find: impl Fn(&'a Rules) -> Option<&'a str>) -> Option<Cow<'a, str>> {
        find(&self.rules)
            .map(Cow::Borrowed)
            .or_else(|| find(&self.built_in).map(|rule| Cow::Owned(format!("built-in {rule}"))))
    }
}

impl Default for NoiseList {
    fn default() -> Self {
        Self::built_in()
    }
}

/// Entries by what they match; the value of each map is the entry as written.
#[derive(Clone, Debug, Default)]
struct Rules {
    suffixes: HashMap<String, String>,
    hosts: HashMap<String, String>,
    networks: HashMap<IpNet, String>,
    /// Prefix lengths that occur, longest first, so that an address is looked up a few times only.
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
    hashes: HashMap<FileHash, String>,
    /// URL prefixes by host.
    prefixes: HashMap<String, Vec<(UrlText, String)>>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self, NoiseError> {
        let mut rules = Self::default();
        // Editors on Windows put a byte order mark first.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            let entry = line.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            rules.add(entry).map_err(|problem| NoiseError { line: at + 1, entry: excerpt(entry, 80), problem })?;
        }
        let lengths = |v4: bool| {
            let networks = rules.networks.keys().filter(|network| matches!(network, IpNet::V4(_)) == v4);
            let mut lengths: Vec<u8> = networks.map(IpNet::prefix_len).collect();
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
            lengths
        };
        (rules.lengths_v4, rules.lengths_v6) = (lengths(true), lengths(false));
        Ok(rules)
    }

    fn add(&mut self, entry: &str) -> Result<(), NoiseProblem> {
        let written = entry.to_owned();
        if entry.contains("://") {
            let url = UrlText::parse(entry).map_err(|error| NoiseProblem::NotAnEntry(error.to_string()))?;
            self.prefixes.entry(host_key(&url.host())).or_default().push((url, written));
        } else if let Some(network) = network_of(entry) {
            if network.prefix_len() == 0 {
                return Err(NoiseProblem::Everything);
            }
            self.networks.insert(network, written);
        } else if let Some(hash) = hash_of(entry) {
            self.hashes.insert(hash, written);
        } else if let Some(host) = entry.strip_prefix('=') {
            self.hosts.insert(name_of_entry(host)?, written);
        } else {
            let name = entry.strip_prefix("*.").or(entry.strip_prefix('.')).unwrap_or(entry);
            let name = name_of_entry(name)?;
            if psl::domain_str(&name).is_none() {
                return Err(NoiseProblem::PublicSuffix);
            }
            self.suffixes.insert(name, written);
        }
        Ok(())
    }

    fn for_host(&self, name: &str) -> Option<&str> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(rule) = self.hosts.get(name) {
            return Some(rule);
        }
        if self.suffixes.is_empty() {
            return None;
        }
        let mut rest = name;
        loop {
            if let Some(rule) = self.suffixes.get(rest) {
                return Some(rule);
            }
            (_, rest) = rest.split_once('.')?;
        }
    }

    /// An address of IPv6 that stands for one of IPv4 is what it stands for, too.
    fn for_address(&self, address: IpAddr) -> Option<&str> {
        let stands_for = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => as_v4(address).map(IpAddr::V4),
        };
        [Some(address), stands_for].into_iter().flatten().find_map(|address| self.for_exactly(address))
    }

    fn for_exactly(&self, address: IpAddr) -> Option<&str> {
        let lengths = if address.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        lengths.iter().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.networks.get(&network).map(String::as_str)
        })
    }

    fn for_hash(&self, hash: &FileHash) -> Option<&str> {
        self.hashes.get(hash).map(String::as_str)
    }

    fn for_url(&self, url: &UrlText) -> Option<&str> {
        let host = url.host();
        let by_host = match host {
            Host::Domain(name) => self.for_host(name),
            Host::Ipv4(address) => self.for_address(IpAddr::V4(address)),
            Host::Ipv6(address) => self.for_address(IpAddr::V6(address)),
        };
        if by_host.is_some() || self.prefixes.is_empty() {
            return by_host;
        }
        // The host is compared too: `https://evil.example` is also the begin of `https://evil.example.bad.test`.
        let prefixes = self.prefixes.get(&host_key(&host))?;
        let found = prefixes.iter().find(|(prefix, _)| url.as_str().starts_with(prefix.as_str()))?;
        Some(&found.1)
    }
}

fn host_key(host: &Host<&str>) -> String {
    host.to_string()
}

/// Returns the form of a name in which `url` gives hosts.
fn ascii(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    match Host::parse(name) {
        Ok(Host::Domain(ascii)) => Cow::Owned(ascii),
        _ => Cow::Borrowed(name),
    }
}

fn name_of_entry(text: &str) -> Result<String, NoiseProblem> {
    let name = DomainName::parse(text).map_err(|error| NoiseProblem::NotAnEntry(error.to_string()))?;
    Ok(ascii(name.as_str()).into_owned())
}

fn network_of(entry: &str) -> Option<IpNet> {
    if let Ok(network) = entry.parse::<IpNet>() {
        return Some(network.trunc());
    }
    entry.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()))
}

fn hash_of(entry: &str) -> Option<FileHash> {
    FileHash::md5(entry).or_else(|_| FileHash::sha1(entry)).or_else(|_| FileHash::sha256(entry)).ok()
}

/// An entry that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line} of the allow-list, {entry:?}: {problem}")]
pub struct NoiseError {
    /// Line, counted from 1.
    pub line: usize,
    /// The entry, cut.
    pub entry: String,
    /// What is wrong with it.
    pub problem: NoiseProblem,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoiseProblem {
    /// A public suffix.
    #[error("a public suffix would leave out everybody with a name below it; name the domains below it")]
    PublicSuffix,
    /// `0.0.0.0/0`.
    #[error("this would leave out every address")]
    Everything,
    /// None of the forms.
    #[error("neither a domain, an address or network, a hash nor a URL (read as one, it {0})")]
    NotAnEntry(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LIST: &str = "\u{feff}# ours
Ours.Example
=www.shared.example
*.wild.example
bücher.example
198.51.100.0/24
203.0.113.7
2001:DB8::/32
D41D8CD98F00B204E9800998ECF8427E
https://Store.example/ours/
https://exact.example
";

    fn observable(text: &str) -> Observable {
        let readers: [fn(&str) -> Option<Observable>; 5] = [
            |text| Observable::url(text).ok(),
            |text| Observable::ip(text).ok().map(|(observable, _)| observable),
            |text| Observable::md5(text).ok(),
            |text| Observable::email_address(text).ok(),
            |text| Observable::domain(text).ok(),
        ];
        readers.iter().find_map(|read| read(text)).unwrap()
    }

    #[rstest]
    #[case("ours.example", Some("Ours.Example"))]
    #[case("a.b.ours.example", Some("Ours.Example"))]
    #[case("notours.example", None)]
    #[case("a@mail.ours.example", Some("Ours.Example"))]
    #[case("ftp://ours.example./a", Some("Ours.Example"))]
    #[case("www.shared.example", Some("=www.shared.example"))]
    #[case("other.www.shared.example", None)]
    #[case("wild.example", Some("*.wild.example"))]
    #[case("www.bücher.example", Some("bücher.example"))]
    #[case("www.xn--bcher-kva.example", Some("bücher.example"))]
    #[case("https://bücher.example/", Some("bücher.example"))]
    #[case("198.51.100.200", Some("198.51.100.0/24"))]
    #[case("http://198.51.100.200:8080/a", Some("198.51.100.0/24"))]
    #[case("203.0.113.7", Some("203.0.113.7"))]
    #[case("203.0.113.8", None)]
    #[case("2001:db8:1::1", Some("2001:DB8::/32"))]
    #[case("http://[::ffff:198.51.100.200]/a", Some("198.51.100.0/24"))]
    #[case("64:ff9b::198.51.100.200", Some("198.51.100.0/24"))]
    #[case("2002:c633:6407::1", Some("198.51.100.0/24"))]
    #[case("64:ff9b::203.0.113.8", None)]
    #[case("d41d8cd98f00b204e9800998ecf8427e", Some("D41D8CD98F00B204E9800998ECF8427E"))]
    #[case("https://store.example/ours/a", Some("https://Store.example/ours/"))]
    #[case("https://store.example/other", None)]
    #[case("http://store.example/ours/a", None)]
    #[case("https://exact.example/a", Some("https://exact.example"))]
    #[case("https://exact.example.evil.test/a", None)]
    #[case("https://exact.example@evil.test/", None)]
    #[case("https://exact.example:x@evil.test/", None)]
    #[case("store.example", None)]
    fn finds_the_entry(#[case] value: &str, #[case] rule: Option<&str>) {
        let list = NoiseList::parse(LIST).unwrap();
        assert_eq!(list.rule_for(&observable(value)).as_deref(), rule);
    }

    #[rstest]
    #[case("co.uk", NoiseProblem::PublicSuffix)]
    #[case("*.github.io", NoiseProblem::PublicSuffix)]
    #[case("com", NoiseProblem::PublicSuffix)]
    #[case("公司.cn", NoiseProblem::PublicSuffix)]
    #[case("0.0.0.0/0", NoiseProblem::Everything)]
    fn refuses_what_is_too_wide(#[case] entry: &str, #[case] problem: NoiseProblem) {
        let error = NoiseList::parse(&format!("ours.example\n\n{entry}\n")).unwrap_err();
        assert_eq!(error, NoiseError { line: 3, entry: entry.to_owned(), problem });
    }

    #[test]
    fn refuses_what_is_nothing() {
        let error = NoiseList::parse("ours example").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1 of the allow-list, \"ours example\": neither a domain, an address or network, a hash nor a URL \
             (read as one, it contains a blank, or starts or ends with one)"
        );
        assert!(NoiseList::parse("198.51.100.0/33").is_err());
        assert!(NoiseList::parse("https://").is_err());
    }

    #[test]
    fn the_built_in_list_is_exact() {
        assert!(Rules::parse(noise_built_in::LIST).is_ok());
        let list = NoiseList::default();
        let rule = |value| list.rule_for(&observable(value)).map(Cow::into_owned);
        assert_eq!(rule("ocsp.digicert.com").as_deref(), Some("built-in =ocsp.digicert.com"));
        assert_eq!(rule("http://ctldl.windowsupdate.com/a.cab").as_deref(), Some("built-in =ctldl.windowsupdate.com"));
        assert_eq!(rule("8.8.8.8").as_deref(), Some("built-in 8.8.8.8"));
        assert_eq!(rule("microsoft.com"), None);
        assert_eq!(rule("evil.ocsp.digicert.com"), None);
        assert!(NoiseList::none().rule_for(&observable("8.8.8.8")).is_none());
        let both = NoiseList::parse("ours.example").unwrap().with_built_in();
        assert!(
            both.rule_for(&observable("8.8.8.8")).is_some() && both.rule_for(&observable("ours.example")).is_some()
        );
    }

    #[test]
    fn the_built_in_list_has_no_whole_domain() {
        assert!(Rules::parse(noise_built_in::LIST).unwrap().suffixes.is_empty());
    }
}
