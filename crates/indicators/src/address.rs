//! Addresses that no packet on the Internet carries.
//!
//! Documentation ranges (192.0.2.0/24 and its like, 2001:db8::/32) and the benchmark range are left alone: no
//! sandbox meets them, while demonstrations and simulators are made of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Why an address is the same on every network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressClass {
    /// RFC 1918, and unique or site local of IPv6.
    Private,
    /// The machine itself.
    Loopback,
    /// The cable it hangs on.
    LinkLocal,
    /// A group.
    Multicast,
    /// 0.0.0.0/8 and `::`.
    Unspecified,
    /// 100.64.0.0/10, behind a carrier's address translation.
    CarrierGrade,
    /// 240.0.0.0/4 with the broadcast address: never given to anybody.
    Reserved,
}

impl AddressClass {
    /// Returns the class of an address; `None` if it may be somebody's on the Internet.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        Some(match address.octets() {
            [0, ..] => Self::Unspecified,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [100, 64..=127, ..] => Self::CarrierGrade,
            [224..=239, ..] => Self::Multicast,
            [240..=255, ..] => Self::Reserved,
            _ => return None,
        })
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        let [first, ..] = address.segments();
        Some(match first {
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            0xFC00..=0xFDFF | 0xFEC0..=0xFEFF => Self::Private,
            0xFE80..=0xFEBF => Self::LinkLocal,
            0xFF00..=0xFFFF => Self::Multicast,
            _ => return None,
        })
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::CarrierGrade => "carrier-grade NAT",
            Self::Reserved => "reserved",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0.0.0.0", Some(AddressClass::Unspecified))]
    #[case("10.1.2.3", Some(AddressClass::Private))]
    #[case("172.16.0.1", Some(AddressClass::Private))]
    #[case("172.32.0.1", None)]
    #[case("192.168.0.1", Some(AddressClass::Private))]
    #[case("127.0.0.53", Some(AddressClass::Loopback))]
    #[case("169.254.169.254", Some(AddressClass::LinkLocal))]
    #[case("100.64.0.1", Some(AddressClass::CarrierGrade))]
    #[case("100.128.0.1", None)]
    #[case("224.0.0.252", Some(AddressClass::Multicast))]
    #[case("255.255.255.255", Some(AddressClass::Reserved))]
    #[case("192.0.2.1", None)]
    #[case("198.51.100.7", None)]
    #[case("203.0.113.7", None)]
    #[case("::", Some(AddressClass::Unspecified))]
    #[case("::1", Some(AddressClass::Loopback))]
    #[case("::ffff:10.0.0.1", Some(AddressClass::Private))]
    #[case("fd00::1", Some(AddressClass::Private))]
    #[case("fec0::1", Some(AddressClass::Private))]
    #[case("fe80::1", Some(AddressClass::LinkLocal))]
    #[case("ff02::1", Some(AddressClass::Multicast))]
    #[case("2001:db8::1", None)]
    #[case("2606:4700::1", None)]
    fn classes(#[case] address: IpAddr, #[case] class: Option<AddressClass>) {
        assert_eq!(AddressClass::of(address), class);
    }
}
