//! Why a value that can be read is not sent all the same.

use std::net::IpAddr;

use stix::{FileHash, Observable};
use url::Host;

use crate::address::AddressClass;
use crate::noise::NoiseList;
use crate::receipt::ReceiptReason;
use crate::reserved_name::is_reserved_name;

/// MD5, SHA-1 and SHA-256 of nothing.
const EMPTY_MD5: [u8; 16] = 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128.to_be_bytes();
const EMPTY_SHA1: [u8; 20] = [
    0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55, 0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07,
    0x09,
];
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Returns why a value is not sent; `None` if it is.
pub(crate) fn objection(observable: &Observable, noise: &NoiseList) -> Option<ReceiptReason> {
    let by_nature = match observable {
        Observable::DomainName(name) => of_domain(name.as_str()),
        Observable::Ipv4(address) => of_address(IpAddr::V4(*address)),
        Observable::Ipv6(address) => of_address(IpAddr::V6(*address)),
        Observable::Url(url) => match url.host() {
            Host::Domain(name) => of_host(name),
            Host::Ipv4(address) => of_address(IpAddr::V4(address)),
            Host::Ipv6(address) => of_address(IpAddr::V6(address)),
        },
        Observable::File(hash) => of_hash(hash),
        Observable::EmailAddress(address) => of_host(address.domain()),
        Observable::RegistryKey(_) | Observable::Mutex(_) | Observable::CommandLine(_) => None,
    };
    by_nature.or_else(|| noise.rule_for(observable).map(|rule| ReceiptReason::AllowListed { rule: rule.into_owned() }))
}

fn of_address(address: IpAddr) -> Option<ReceiptReason> {
    AddressClass::of(address).map(|class| ReceiptReason::PrivateAddress { class })
}

fn of_host(name: &str) -> Option<ReceiptReason> {
    is_reserved_name(name).then_some(ReceiptReason::ReservedName)
}

fn of_domain(name: &str) -> Option<ReceiptReason> {
    // A URL below a public suffix is one page, and a mailbox is one mailbox; only the bare name is everybody's.
    of_host(name).or_else(|| psl::domain_str(name).is_none().then_some(ReceiptReason::PublicSuffix))
}

fn of_hash(hash: &FileHash) -> Option<ReceiptReason> {
    let empty = match hash {
        FileHash::Md5(bytes) => *bytes == EMPTY_MD5,
        FileHash::Sha1(bytes) => *bytes == EMPTY_SHA1,
        FileHash::Sha256(bytes) => *bytes == EMPTY_SHA256,
    };
    empty.then_some(ReceiptReason::EmptyFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(observable: Result<Observable, stix::ValueError>) -> Option<&'static str> {
        objection(&observable.unwrap(), &NoiseList::default()).map(|reason| reason.code())
    }

    #[test]
    fn knows_the_hashes_of_nothing() {
        assert_eq!(of(Observable::md5("d41d8cd98f00b204e9800998ecf8427e")), Some("empty_file"));
        assert_eq!(of(Observable::sha1("da39a3ee5e6b4b0d3255bfef95601890afd80709")), Some("empty_file"));
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(Observable::sha256(sha256)), Some("empty_file"));
        assert_eq!(of(Observable::md5(&"0".repeat(32))), None);
    }

    #[test]
    fn knows_where_a_value_lives() {
        assert_eq!(of(Observable::domain("localhost")), Some("reserved_name"));
        assert_eq!(of(Observable::domain("co.uk")), Some("public_suffix"));
        assert_eq!(of(Observable::domain("duckdns.org")), Some("public_suffix"));
        assert_eq!(of(Observable::domain("evil.duckdns.org")), None);
        assert_eq!(of(Observable::domain("公司.cn")), Some("public_suffix"));
        assert_eq!(of(Observable::url("http://duckdns.org/evil")), None);
        assert_eq!(of(Observable::url("http://printer.local/evil")), Some("reserved_name"));
        assert_eq!(of(Observable::url("http://0x7f.1/evil")), Some("private_address"));
        assert_eq!(of(Observable::url("http://[fe80::1]/evil")), Some("private_address"));
        assert_eq!(of(Observable::email_address("root@localhost")), Some("reserved_name"));
        assert_eq!(of(Observable::email_address("evil@duckdns.org")), None);
        assert_eq!(of(Observable::domain("ocsp.digicert.com")), Some("allow_listed"));
        assert_eq!(of(Observable::mutex("localhost")), None);
    }
}
