//! Domain names.

use std::fmt;

use crate::value::{ValueError, bounded, push_lower_case, untrimmed, without_controls};

/// Longest name in text form, without the root's dot (RFC 1035 section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A domain name in lower case, without the root's dot.
///
/// A label may hold letters, digits, hyphens and underscores, as names do on the wire, not only as host names
/// should. A name in another script stays as it is written (`bücher.example` does not become `xn--...`), but
/// must have an ASCII form. Blanks, control characters and everything that makes a URL, a wildcard or an IP
/// address of it are refused. One label is a name here; whether it is worth an indicator is not our question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// Reads a domain name.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        bounded(text)?;
        without_controls(text, &[])?;
        untrimmed(text)?;
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_ascii() {
            check_ascii(name)?;
        } else {
            check_international(name)?;
        }
        let mut lower = String::with_capacity(name.len());
        push_lower_case(&mut lower, name);
        Ok(Self(lower))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_ascii(name: &str) -> Result<(), ValueError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(ValueError::NotADomain("longer than 253 characters"));
    }
    let mut last = "";
    for label in name.split('.') {
        check_label(label)?;
        last = label;
    }
    if ends_in_number(last) {
        return Err(ValueError::NotADomain("its last label is a number"));
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), ValueError> {
    if label.is_empty() {
        return Err(ValueError::NotADomain("a label is empty"));
    }
    if label.len() > MAX_LABEL_BYTES {
        return Err(ValueError::NotADomain("a label is longer than 63 characters"));
    }
    match label.bytes().find(|&byte| !is_label_byte(byte)) {
        None => Ok(()),
        Some(b'[' | b']') => Err(ValueError::Defanged),
        Some(b' ') => Err(ValueError::Whitespace),
        Some(_) => Err(ValueError::NotADomain("a character that no name has")),
    }
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Says whether URL parsers take the name for an IPv4 address (WHATWG URL, "ends in a number").
fn ends_in_number(label: &str) -> bool {
    let digits =
        |text: &str, hex: bool| text.bytes().all(|b| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() });
    digits(label, false) || label.strip_prefix("0x").or(label.strip_prefix("0X")).is_some_and(|rest| digits(rest, true))
}

fn check_international(name: &str) -> Result<(), ValueError> {
    for c in name.chars() {
        match c {
            '[' | ']' => return Err(ValueError::Defanged),
            // Full stops of other scripts, which IDNA reads as dots: two spellings of one name.
            '\u{3002}' | '\u{FF0E}' | '\u{FF61}' => return Err(ValueError::NotADomain("a dot of another script")),
            c if c.is_whitespace() => return Err(ValueError::Whitespace),
            '.' => {}
            c if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '-' && c != '_' => {
                return Err(ValueError::NotADomain("a character that no name has"));
            }
            _ => {}
        }
    }
    match url::Host::parse(name) {
        Ok(url::Host::Domain(ascii)) => check_ascii(&ascii),
        _ => Err(ValueError::NotADomain("it has no ASCII form")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("evil.example", "evil.example")]
    #[case("EVIL.Example.", "evil.example")]
    #[case("_dmarc.evil.example", "_dmarc.evil.example")]
    #[case("-odd-.evil.example", "-odd-.evil.example")]
    #[case("Bücher.example", "bücher.example")]
    #[case("BÜCHER.example", "bücher.example")]
    #[case("xn--bcher-kva.example", "xn--bcher-kva.example")]
    #[case("💀.example", "💀.example")]
    #[case("localhost", "localhost")]
    fn is_a_name(#[case] text: &str, #[case] name: &str) {
        assert_eq!(DomainName::parse(text).unwrap().as_str(), name);
    }

    #[rstest]
    #[case("", ValueError::Empty)]
    #[case(" ", ValueError::Empty)]
    #[case(" evil.example", ValueError::Whitespace)]
    #[case("ev il.example", ValueError::Whitespace)]
    #[case("evil.example\u{3000}", ValueError::Whitespace)]
    #[case("evil[.]example", ValueError::Defanged)]
    #[case("bücher[.]example", ValueError::Defanged)]
    #[case("evil.example\n", ValueError::ControlCharacter { code_point: 10 })]
    #[case("evil\0.example", ValueError::ControlCharacter { code_point: 0 })]
    #[case(".", ValueError::NotADomain("a label is empty"))]
    #[case("evil..example", ValueError::NotADomain("a label is empty"))]
    #[case("198.51.100.7", ValueError::NotADomain("its last label is a number"))]
    #[case("evil.0x7F", ValueError::NotADomain("its last label is a number"))]
    #[case("2001:db8::1", ValueError::NotADomain("a character that no name has"))]
    #[case("*.evil.example", ValueError::NotADomain("a character that no name has"))]
    #[case("evil.example/a", ValueError::NotADomain("a character that no name has"))]
    #[case("evil.example:80", ValueError::NotADomain("a character that no name has"))]
    #[case("a@bücher.example", ValueError::NotADomain("a character that no name has"))]
    #[case("evil\u{3002}example", ValueError::NotADomain("a dot of another script"))]
    fn is_no_name(#[case] text: &str, #[case] error: ValueError) {
        assert_eq!(DomainName::parse(text), Err(error));
    }

    #[test]
    fn lengths_are_those_of_the_wire() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(DomainName::parse(&longest).is_ok());
        assert!(DomainName::parse(&format!("{longest}a")).is_err());
        assert!(DomainName::parse(&format!("{label}a.example")).is_err());
        // 40 letters of two bytes, but an ASCII form over 63.
        assert!(DomainName::parse(&format!("{}.example", "ü".repeat(80))).is_err());
    }
}
