//! What is kept from VMRay, and why.
//!
//! A sandbox opens what it is sent, from another place and in another's name. So what is internal is not sent, what
//! the operator allow-listed is not sent, and a link that works once or carries a secret is not opened. Credentials in a URL are taken
//! out when it is read ([`UrlItem`]); there is no switch for that.

use std::net::IpAddr;
use std::str::FromStr;

use indicators::{AddressClass, NoiseList, is_reserved_name};
use stix::{Observable, UrlText};
use url::Host;

use crate::held_link::{Harm, rule_for};
use crate::report::GateReport;
use crate::{FileItem, UrlItem};

/// The gates (the setting `PrivacyGates`) and the hosts that count as internal (`InternalHosts`).
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one gate, named where it is set")]
pub struct Gates {
    internal: bool,
    allow_list: bool,
    one_time: bool,
    shareable: bool,
    hosts: InternalHosts,
}

/// Hosts of one's own, besides the ones that are internal everywhere.
#[derive(Debug, Clone)]
pub struct InternalHosts {
    suffixes: Vec<String>,
    networks: NoiseList,
}

/// What the gates say of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    /// What acted.
    pub(crate) gates: Vec<GateReport>,
    /// Whether VMRay may be asked for it.
    pub(crate) look_up: bool,
    /// Whether it may be submitted.
    pub(crate) submit: bool,
}

/// Names of the gates.
const NAMES: [&str; 4] = ["internal", "allow-list", "one-time", "shareable"];

impl Gates {
    /// Lets everything pass, as the nine functions of the original did.
    pub fn none() -> Self {
        Self { internal: false, allow_list: false, one_time: false, shareable: false, hosts: InternalHosts::default() }
    }

    /// Sets the hosts of one's own.
    #[must_use]
    pub fn with_internal_hosts(mut self, hosts: InternalHosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Says whether a hash may be shared when a request asks for it.
    pub(crate) fn lets_share(&self) -> bool {
        !self.shareable
    }

    /// Returns what to report where sharing was asked for and is not allowed.
    pub(crate) fn shareable_gate() -> GateReport {
        GateReport {
            gate: "shareable".to_owned(),
            reason: "VirusTotal does not get the hash, although the request allows it; take shareable out of \
                     PrivacyGates to let requests decide"
                .to_owned(),
        }
    }

    pub(crate) fn of_url(&self, item: &UrlItem, noise: &NoiseList, send_one_time: bool) -> Passage {
        let mut passage = Passage { look_up: true, submit: true, ..Passage::default() };
        if item.carried_credentials {
            passage
                .tell("credentials", "a user name or password in the URL was taken out and sent to nobody".to_owned());
        }
        let host = item.url.host().to_string();
        if let Some(why) = self.internal_reason(&item.url) {
            passage.hold(
                "internal_host",
                format!("{host} {why}, so it was not sent to VMRay; a host that is not internal after all can be asked for with PrivacyGates without internal"),
            );
        } else if let Some(rule) = self.allow_list.then(|| noise.rule_for(&Observable::Url(item.url.clone()))).flatten()
        {
            passage.hold(
                "allow_list",
                format!("it is on the allow-list ({rule}), so it was not sent to VMRay; take the entry out of AllowList to have it analysed"),
            );
        } else if let Some(rule) = self.one_time.then(|| rule_for(item.url.as_str())).flatten() {
            let (gate, kind) = match rule.harm {
                Harm::UsedUp => ("one_time_link", "works once or acts for its owner"),
                Harm::Secret => ("secret_link", "carries a secret"),
            };
            let reason = format!("it looks like a link that {kind} ({rule})");
            if send_one_time {
                passage.tell(gate, format!("{reason}; it was sent because the request says so"));
            } else {
                passage.submit = false;
                passage.tell(
                    gate,
                    format!("{reason}, so it was only looked up; ask again with send_one_time_links to have it opened"),
                );
            }
        }
        passage
    }

    pub(crate) fn of_file(&self, item: &FileItem, noise: &NoiseList) -> Passage {
        let mut passage = Passage { look_up: true, submit: true, ..Passage::default() };
        let file = &item.file;
        let hashes = [
            Observable::sha256(file.sha256().as_str()),
            Observable::sha1(file.sha1().as_str()),
            Observable::md5(file.md5().as_str()),
        ];
        let rule = hashes.iter().flatten().filter(|_| self.allow_list).find_map(|hash| noise.rule_for(hash));
        if let Some(rule) = rule {
            passage.hold(
                "allow_list",
                format!("its hash is on the allow-list ({rule}), so it was not sent to VMRay; take the entry out of AllowList to have it analysed"),
            );
        }
        passage
    }

    /// Says why a URL leads to where only we get, if that is a gate.
    pub(crate) fn internal_reason(&self, url: &UrlText) -> Option<String> {
        if !self.internal {
            return None;
        }
        let by_address = |address: IpAddr| {
            let class = AddressClass::of(address).map(|class| format!("is a {class} address"));
            class.or_else(|| {
                let rule = self.hosts.networks.rule_for(&Observable::from(address))?;
                Some(format!("belongs to {rule} of InternalHosts"))
            })
        };
        match url.host() {
            Host::Ipv4(address) => by_address(address.into()),
            Host::Ipv6(address) => by_address(address.into()),
            Host::Domain(name) if is_reserved_name(name) => {
                Some("is a name that means something inside networks only".to_owned())
            }
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let suffix = self.hosts.suffixes.iter().find(|suffix| is_below(&name, suffix))?;
                Some(format!("belongs to {suffix} of InternalHosts"))
            }
        }
    }
}

impl Default for Gates {
    fn default() -> Self {
        Self { internal: true, allow_list: true, one_time: true, shareable: true, hosts: InternalHosts::default() }
    }
}

impl FromStr for Gates {
    type Err = GatesError;

    /// Reads `all`, `none` or the names of gates, separated by commas.
    fn from_str(text: &str) -> Result<Self, GatesError> {
        let mut gates = Self::none();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.to_ascii_lowercase().as_str() {
                "all" => gates = Self::default(),
                "none" => gates = Self::none(),
                "internal" => gates.internal = true,
                "allow-list" => gates.allow_list = true,
                "one-time" => gates.one_time = true,
                "shareable" => gates.shareable = true,
                _ => return Err(GatesError { name: name.to_owned() }),
            }
        }
        Ok(gates)
    }
}

/// A gate that there is none of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("names the gate {name:?}; the gates are all, none, {}", NAMES.join(", "))]
pub struct GatesError {
    /// What was named.
    name: String,
}

impl Default for InternalHosts {
    fn default() -> Self {
        Self { suffixes: Vec::new(), networks: NoiseList::none() }
    }
}

impl FromStr for InternalHosts {
    type Err = String;

    /// Reads names (with all below them), addresses and networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut hosts = Self::default();
        let mut networks = String::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if entry.contains('/') || entry.parse::<IpAddr>().is_ok() {
                networks.push_str(entry);
                networks.push('\n');
                continue;
            }
            let name = entry.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
            match Host::parse(name) {
                Ok(Host::Domain(name)) => hosts.suffixes.push(name),
                _ => return Err(format!("names {entry:?}, which is neither a host nor a network")),
            }
        }
        hosts.networks = NoiseList::parse(&networks).map_err(|error| error.to_string())?;
        Ok(hosts)
    }
}

impl Passage {
    fn tell(&mut self, gate: &str, reason: String) {
        self.gates.push(GateReport { gate: gate.to_owned(), reason });
    }

    fn hold(&mut self, gate: &str, reason: String) {
        self.look_up = false;
        self.submit = false;
        self.tell(gate, reason);
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Item;

    fn passage(gates: &Gates, url: &str) -> Passage {
        let Item::Url(item) = Item::url(url).unwrap() else { panic!("not a URL") };
        gates.of_url(&item, &NoiseList::parse("allowed.example\n").unwrap(), false)
    }

    #[rstest]
    #[case("http://10.1.2.3/x", "internal_host")]
    #[case("http://0x7f.1/x", "internal_host")]
    #[case("http://[fd00::1]/x", "internal_host")]
    #[case("https://intranet/x", "internal_host")]
    #[case("https://wiki.corp/x", "internal_host")]
    #[case("https://printer.local:631/", "internal_host")]
    #[case("https://www.allowed.example/a", "allow_list")]
    fn what_is_internal_or_allow_listed_is_not_even_looked_up(#[case] url: &str, #[case] gate: &str) {
        let passage = passage(&Gates::default(), url);
        assert!(!passage.look_up && !passage.submit);
        assert_eq!(passage.gates[0].gate, gate);
    }

    #[test]
    fn a_link_that_works_once_is_looked_up_but_not_opened() {
        let passage = passage(&Gates::default(), "https://shop.example/unsubscribe?u=1");
        assert!(passage.look_up && !passage.submit);
        assert!(passage.gates[0].reason.contains("send_one_time_links"));
    }

    #[test]
    fn hosts_of_ones_own_are_internal_with_all_below_them() {
        let hosts: InternalHosts = "corp.contoso.example, *.intra ,198.51.100.0/24".parse().unwrap();
        let gates = Gates::default().with_internal_hosts(hosts);
        for url in ["https://wiki.corp.contoso.example/", "https://x.intra/", "http://198.51.100.9/"] {
            assert!(!passage(&gates, url).look_up, "{url}");
        }
        for url in ["https://notcorp.contoso.example/", "https://contoso.example/", "http://203.0.113.9/"] {
            assert!(passage(&gates, url).submit, "{url}");
        }
    }

    #[test]
    fn gates_can_be_opened_one_by_one() {
        let gates: Gates = "allow-list, shareable".parse().unwrap();
        assert!(passage(&gates, "http://10.1.2.3/x").submit);
        assert!(!passage(&gates, "https://allowed.example/a").submit);
        assert!(passage(&"none".parse().unwrap(), "https://allowed.example/a").submit);
        assert!("interal".parse::<Gates>().unwrap_err().to_string().contains("one-time"));
    }
}
