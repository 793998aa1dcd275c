//! E-mail addresses.

use std::fmt;

use crate::domain::DomainName;
use crate::value::{ValueError, bounded, untrimmed, without_controls};

/// Longest local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// An e-mail address: the local part as given, the domain in lower case.
///
/// Blanks, control characters, angle brackets and further at signs are refused: a display name or a list of
/// addresses is no address, and a quoted local part is seen in RFCs only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads `local@domain`.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        bounded(text)?;
        without_controls(text, &[])?;
        untrimmed(text)?;
        let (local, domain) = text.split_once('@').ok_or(ValueError::NotAnEmailAddress("no at sign"))?;
        if local.is_empty() || local.len() > MAX_LOCAL_BYTES {
            return Err(ValueError::NotAnEmailAddress("its local part is empty or longer than 64 bytes"));
        }
        if local.contains(char::is_whitespace) {
            return Err(ValueError::Whitespace);
        }
        if local.contains(['<', '>', '"', ',', ';', '(', ')']) {
            return Err(ValueError::NotAnEmailAddress("more than an address"));
        }
        let domain = DomainName::parse(domain)?;
        Ok(Self(format!("{local}@{domain}")))
    }

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the domain behind the at sign.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn keeps_the_local_part() {
        let address = EmailAddress::parse("O'Neil+X@Evil.Example").unwrap();
        assert_eq!(address.as_str(), "O'Neil+X@evil.example");
        assert_eq!(address.domain(), "evil.example");
    }

    #[rstest]
    #[case("")]
    #[case("@evil.example")]
    #[case("a")]
    #[case("a@")]
    #[case("a@b@evil.example")]
    #[case("A <a@evil.example>")]
    #[case("<a@evil.example>")]
    #[case("a@evil.example, b@evil.example")]
    #[case("a b@evil.example")]
    #[case("a@evil.example\r\nBcc: b@evil.example")]
    #[case("a@198.51.100.7")]
    fn is_no_address(#[case] text: &str) {
        assert!(EmailAddress::parse(text).is_err(), "{text}");
    }
}
