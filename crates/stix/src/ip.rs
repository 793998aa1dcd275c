//! IP addresses as VMRay writes them: bare, in brackets, with a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::value::{ValueError, bounded, without_controls};

/// Reads an IPv4 or IPv6 address and the port behind it, if there is one.
///
/// Octets with leading zeros are refused (readers disagree whether they are octal), and so is a zone
/// (`fe80::1%eth0`), which only means something on one machine. An IPv4-mapped IPv6 address is the IPv4
/// address: that is what the peer's packets and every log line carry.
pub(crate) fn parse_ip(text: &str) -> Result<(IpAddr, Option<u16>), ValueError> {
    bounded(text)?;
    without_controls(text, &[])?;
    if text.contains("[.]") {
        return Err(ValueError::Defanged);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((unmapped(address), None));
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bracketed.and_then(|inner| inner.parse::<Ipv6Addr>().ok()) {
        return Ok((unmapped(IpAddr::V6(address)), None));
    }
    match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V6(socket)) if text.contains('%') || socket.scope_id() != 0 => Err(ValueError::NotAnIp),
        Ok(socket) => Ok((unmapped(socket.ip()), Some(socket.port()))),
        Err(_) => Err(ValueError::NotAnIp),
    }
}

/// Reads an address without port, for a pattern that names its family.
pub(crate) fn parse_v4(text: &str) -> Result<Ipv4Addr, ValueError> {
    text.parse().map_err(|_| ValueError::NotAnIp)
}

/// Reads an IPv6 address without brackets, port or zone.
pub(crate) fn parse_v6(text: &str) -> Result<IpAddr, ValueError> {
    text.parse().map(|address| unmapped(IpAddr::V6(address))).map_err(|_| ValueError::NotAnIp)
}

fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("198.51.100.7", "198.51.100.7", None)]
    #[case("198.51.100.7:80", "198.51.100.7", Some(80))]
    #[case("2001:DB8:0:0:0:0:0:1", "2001:db8::1", None)]
    #[case("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", None)]
    #[case("2001:0:0:1:0:0:0:1", "2001:0:0:1::1", None)]
    #[case("[::1]", "::1", None)]
    #[case("[::1]:80", "::1", Some(80))]
    #[case("::ffff:198.51.100.7", "198.51.100.7", None)]
    #[case("[::FFFF:c633:6407]:443", "198.51.100.7", Some(443))]
    fn is_an_address(#[case] text: &str, #[case] address: &str, #[case] port: Option<u16>) {
        let (parsed, parsed_port) = parse_ip(text).unwrap();
        assert_eq!((parsed.to_string().as_str(), parsed_port), (address, port));
    }

    #[rstest]
    #[case("198.51.100.07")]
    #[case("198.51.100")]
    #[case("198.51.100.256")]
    #[case("198.51.100.7:65536")]
    #[case("198.51.100.7:+80")]
    #[case("198.51.100.7:")]
    #[case("198.51.100.7/24")]
    #[case(" 198.51.100.7")]
    #[case("fe80::1%eth0")]
    #[case("[fe80::1%1]:80")]
    #[case("[198.51.100.7]")]
    #[case("0x7f.1")]
    #[case("evil.example")]
    fn is_no_address(#[case] text: &str) {
        assert_eq!(parse_ip(text), Err(ValueError::NotAnIp));
    }

    #[test]
    fn says_defanged() {
        assert_eq!(parse_ip("198.51.100[.]7"), Err(ValueError::Defanged));
    }
}
