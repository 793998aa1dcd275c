//! Addresses that no packet on the Internet carries.
//!
//! IPv6 has many ways to write an address of IPv4, and a translator or tunnel on the way makes it that address again:
//! `64:ff9b::10.0.0.7` is as private as `10.0.0.7`. Each form is judged by what it carries.
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
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address).or_else(|| {
                let mut carried = as_v4(address).into_iter().chain(tunnelled(address));
                carried.find_map(Self::of_v4)
            }),
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
            // IETF protocol assignments (RFC 6890), of which .9 and .10 alone are reached from everywhere.
            [192, 0, 0, last] if !matches!(last, 9 | 10) => Self::Reserved,
            [240..=255, ..] => Self::Reserved,
            _ => return None,
        })
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        let [first, second, third, fourth, ..] = address.segments();
        Some(match (first, second, third, fourth) {
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            // The last is NAT64 within one network (RFC 8215), whatever it leads to.
            (0xFC00..=0xFDFF | 0xFEC0..=0xFEFF, ..) | (0x0064, 0xFF9B, 0x0001, _) => Self::Private,
            (0xFE80..=0xFEBF, ..) => Self::LinkLocal,
            (0xFF00..=0xFFFF, ..) => Self::Multicast,
            // Discarded (RFC 6666), ORCHIDs (RFC 4843, RFC 7343), segment identifiers (RFC 9602).
            (0x0100, 0, 0, 0) | (0x2001, 0x0010..=0x002F, ..) | (0x5F00, ..) => Self::Reserved,
            _ => return None,
        })
    }
}

/// Returns the address of IPv4 that an address of IPv6 stands for: the same host, written otherwise.
pub(crate) fn as_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible (RFC 4291, 2.5.5.1), mapped (2.5.5.2), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low]
        | [0, 0, 0, 0, 0xFFFF, 0, high, low]
        | [0x0064, 0xFF9B, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056): the site behind the address.
        | [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    }
}

/// Returns the addresses of IPv4 at the ends of a tunnel that an address of IPv6 names.
fn tunnelled(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let ends = match address.segments() {
        // Teredo (RFC 4380): the server, and the client with all bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [Some(joined(high, low)), Some(joined(!client_high, !client_low))]
        }
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x0200, 0x5EFE, high, low] => [Some(joined(high, low)), None],
        _ => [None, None],
    };
    ends.into_iter().flatten()
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
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
    #[case("::ffff:198.51.100.7", None)]
    #[case("::10.0.0.1", Some(AddressClass::Private))]
    #[case("::ffff:0:192.168.1.1", Some(AddressClass::Private))]
    #[case("64:ff9b::10.0.0.7", Some(AddressClass::Private))]
    #[case("64:ff9b::127.0.0.1", Some(AddressClass::Loopback))]
    #[case("64:ff9b::169.254.169.254", Some(AddressClass::LinkLocal))]
    #[case("64:ff9b::198.51.100.7", None)]
    #[case("64:ff9b:1::198.51.100.7", Some(AddressClass::Private))]
    #[case("64:ff9b:1:a00:7::", Some(AddressClass::Private))]
    #[case("2002:a00:1::1", Some(AddressClass::Private))]
    #[case("2002:c633:6407::1", None)]
    #[case("2001:0:c633:6407:0:0:f5ff:fffe", Some(AddressClass::Private))]
    #[case("2001:0:a00:1:0:0:39cc:9bf8", Some(AddressClass::Private))]
    #[case("2001:0:c633:6407:0:0:39cc:9bf8", None)]
    #[case("2001:db8::5efe:10.0.0.1", Some(AddressClass::Private))]
    #[case("2001:db8::200:5efe:198.51.100.7", None)]
    #[case("100::1", Some(AddressClass::Reserved))]
    #[case("2001:20::1", Some(AddressClass::Reserved))]
    #[case("192.0.0.170", Some(AddressClass::Reserved))]
    #[case("fd00::1", Some(AddressClass::Private))]
    #[case("fec0::1", Some(AddressClass::Private))]
    #[case("fe80::1", Some(AddressClass::LinkLocal))]
    #[case("ff02::1", Some(AddressClass::Multicast))]
    #[case("2001:db8::1", None)]
    #[case("2606:4700::1", None)]
    fn classes(#[case] address: IpAddr, #[case] class: Option<AddressClass>) {
        assert_eq!(AddressClass::of(address), class);
    }

    proptest::proptest! {
        #[test]
        fn a_form_of_ipv6_has_the_class_of_what_it_carries(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            // The first 256 of them share their bits with `::` and its neighbours.
            proptest::prop_assume!(bits > 0xFF);
            let class = AddressClass::of(v4.into());
            let [a, b, c, d] = v4.octets();
            let hex = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
            let not = format!("{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d);
            let forms = [
                format!("::{v4}"),
                format!("::ffff:{v4}"),
                format!("::ffff:0:{v4}"),
                format!("64:ff9b::{v4}"),
                format!("2002:{hex}::1"),
                format!("2001:0:c633:6407:8000:1234:{not}"),
                format!("2001:db8::5efe:{v4}"),
            ];
            for form in forms {
                let address: Ipv6Addr = form.parse().unwrap();
                proptest::prop_assert_eq!(AddressClass::of(address.into()), class, "{}", form);
            }
        }
    }
}
