//! URLs, as text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use url::{Host, Url};

use crate::value::{ValueError, bounded, push_lower_case, untrimmed, without_controls};

/// Schemes in which a backslash is a slash and slashes may be missing (WHATWG URL, "special").
const SPECIAL: [&str; 5] = ["http", "https", "ftp", "ws", "wss"];

/// An absolute URL with a host, as it was given, with scheme and host in lower case.
///
/// The `url` crate finds the host but never prints the value: it would encode, decode and shorten, and what
/// stands in a proxy's log would no longer be found. Control characters (a tab, a line break, NUL) are refused,
/// because parsers drop them silently, and so are blanks at the ends; a blank inside the path stays. A
/// URL without a host (`mailto:`, `data:`) is refused: there is no traffic to match it with.
#[derive(Clone, Debug)]
pub struct UrlText {
    text: String,
    host: HostForm,
}

impl UrlText {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        bounded(text)?;
        without_controls(text, &[])?;
        untrimmed(text)?;
        let (scheme, _) = text.split_once(':').ok_or(ValueError::NotAUrl("no scheme"))?;
        if scheme.eq_ignore_ascii_case("hxxp") || scheme.eq_ignore_ascii_case("hxxps") || scheme.ends_with('[') {
            return Err(ValueError::Defanged);
        }
        let Some(Authority { special, before_host, host, after_host }) = Authority::find(text, scheme) else {
            return Err(ValueError::NotAUrl("no host"));
        };
        if host.contains("[.]") {
            return Err(ValueError::Defanged);
        }
        let url = Url::parse(text).map_err(|_| ValueError::NotAUrl("it cannot be parsed"))?;
        let reached = url.host().ok_or(ValueError::NotAUrl("no host"))?;

        let mut value = String::with_capacity(text.len());
        push_lower_case(&mut value, scheme);
        value.push_str(before_host);
        let start = value.len();
        push_lower_case(&mut value, host);
        let lower = value.get(start..).unwrap_or_default();
        let form = if let Some(form) = HostForm::of(lower, &reached, special, start..value.len()) {
            form
        } else {
            // A letter whose lower case is another host to IDNA: the text stays, if it is where we think it is.
            value.truncate(start);
            value.push_str(host);
            HostForm::of(host, &reached, special, start..value.len())
                .ok_or(ValueError::NotAUrl("its host cannot be recognised in its text"))?
        };
        value.push_str(after_host);
        Ok(Self { text: value, host: form })
    }

    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host that a client connects to, a name in its ASCII form.
    pub fn host(&self) -> Host<&str> {
        match &self.host {
            HostForm::AsWritten(range) => Host::Domain(self.text.get(range.clone()).unwrap_or_default()),
            HostForm::Domain(name) => Host::Domain(name),
            HostForm::Ipv4(address) => Host::Ipv4(*address),
            HostForm::Ipv6(address) => Host::Ipv6(*address),
        }
    }
}

impl fmt::Display for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for UrlText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UrlText {}

impl PartialOrd for UrlText {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UrlText {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for UrlText {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The host, without a second copy where the text already says it.
#[derive(Clone, Debug)]
enum HostForm {
    AsWritten(Range<usize>),
    Domain(String),
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
}

impl HostForm {
    /// Returns the host of `written` if that is the host which `url` found in the whole text.
    fn of(written: &str, reached: &Host<&str>, special: bool, range: Range<usize>) -> Option<Self> {
        if let Host::Domain(name) = reached
            && special
            && *name == written
        {
            return Some(Self::AsWritten(range));
        }
        // Other schemes have opaque hosts, whose case the parser leaves alone.
        let parsed = if special { Host::parse(written) } else { Host::parse_opaque(written) }.ok()?;
        match (&parsed, reached) {
            (Host::Domain(ours), Host::Domain(theirs)) if ours.eq_ignore_ascii_case(theirs) => {}
            (Host::Ipv4(ours), Host::Ipv4(theirs)) if ours == theirs => {}
            (Host::Ipv6(ours), Host::Ipv6(theirs)) if ours == theirs => {}
            _ => return None,
        }
        Some(match parsed {
            Host::Domain(name) => match name.parse() {
                Ok(address) => Self::Ipv4(address),
                Err(_) => Self::Domain(name),
            },
            Host::Ipv4(address) => Self::Ipv4(address),
            Host::Ipv6(address) => match address.to_ipv4_mapped() {
                Some(address) => Self::Ipv4(address),
                None => Self::Ipv6(address),
            },
        })
    }
}

/// The text of a URL behind its scheme, cut around the host.
struct Authority<'a> {
    special: bool,
    before_host: &'a str,
    host: &'a str,
    after_host: &'a str,
}

impl<'a> Authority<'a> {
    fn find(text: &'a str, scheme: &str) -> Option<Self> {
        let special = SPECIAL.iter().any(|known| known.eq_ignore_ascii_case(scheme));
        let rest = text.get(scheme.len()..)?;
        let behind_slashes =
            if special { rest.strip_prefix(':')?.trim_start_matches(['/', '\\']) } else { rest.strip_prefix("://")? };
        let ends: &[char] = if special { &['/', '\\', '?', '#'] } else { &['/', '?', '#'] };
        let authority = behind_slashes.split(ends).next()?;
        let address = authority.rsplit('@').next()?;
        let host =
            if address.starts_with('[') { address.get(..=address.find(']')?)? } else { address.split(':').next()? };
        if host.is_empty() {
            return None;
        }
        let start = rest.len() - behind_slashes.len() + authority.len() - address.len();
        Some(Self { special, before_host: rest.get(..start)?, host, after_host: rest.get(start + host.len()..)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://evil.example/a", "http://evil.example/a")]
    #[case("HTTP://EVIL.Example:80/A?B=%2f#C", "http://evil.example:80/A?B=%2f#C")]
    #[case("https://User:PassWord@EVIL.example/", "https://User:PassWord@evil.example/")]
    #[case("http://A@B@EVIL.example/", "http://A@B@evil.example/")]
    #[case("https://API.ipify.org?Test=<b>Ö</b>", "https://api.ipify.org?Test=<b>Ö</b>")]
    #[case("http:\\\\EVIL.example\\A", "http:\\\\evil.example\\A")]
    #[case("http:EVIL.example/A", "http:evil.example/A")]
    #[case("http://BÜCHER.example/Ü", "http://bücher.example/Ü")]
    #[case("http://%45vil.example/", "http://%45vil.example/")]
    #[case("http://[2001:DB8::1]:80/A", "http://[2001:db8::1]:80/A")]
    #[case("http://0X7F.1/A", "http://0x7f.1/A")]
    #[case("http://evil.example/a b/../c", "http://evil.example/a b/../c")]
    #[case("LDAP://EVIL.example/A", "ldap://evil.example/A")]
    #[case("http://evil.example./", "http://evil.example./")]
    fn only_scheme_and_host_change(#[case] text: &str, #[case] value: &str) {
        assert_eq!(UrlText::parse(text).unwrap().as_str(), value);
    }

    #[rstest]
    #[case("http://EVIL.example/", Host::Domain("evil.example"))]
    #[case("http://%45vil.example/", Host::Domain("evil.example"))]
    #[case("http://bücher.example/", Host::Domain("xn--bcher-kva.example"))]
    #[case("http://0x7f.1/", Host::Ipv4(Ipv4Addr::LOCALHOST))]
    #[case("http://[::1]/", Host::Ipv6(Ipv6Addr::LOCALHOST))]
    #[case("http://[::ffff:127.0.0.1]/", Host::Ipv4(Ipv4Addr::LOCALHOST))]
    #[case("tcp://127.0.0.1:80", Host::Ipv4(Ipv4Addr::LOCALHOST))]
    #[case("http://good.example@evil.example", Host::Domain("evil.example"))]
    #[case("http://evil.example\\@good.example", Host::Domain("evil.example"))]
    #[case("http://evil.example#@good.example", Host::Domain("evil.example"))]
    fn finds_the_host_that_is_reached(#[case] text: &str, #[case] host: Host<&str>) {
        assert_eq!(UrlText::parse(text).unwrap().host(), host);
    }

    #[rstest]
    #[case("", ValueError::Empty)]
    #[case("evil.example/a", ValueError::NotAUrl("no scheme"))]
    #[case("mailto:a@evil.example", ValueError::NotAUrl("no host"))]
    #[case("data:text/html,x", ValueError::NotAUrl("no host"))]
    #[case("file:///C:/a", ValueError::NotAUrl("no host"))]
    #[case("http://", ValueError::NotAUrl("no host"))]
    #[case("http://:80/", ValueError::NotAUrl("no host"))]
    #[case("http://a b/", ValueError::NotAUrl("it cannot be parsed"))]
    #[case("http://evil.example:99999/", ValueError::NotAUrl("it cannot be parsed"))]
    #[case("hxxps://evil.example/", ValueError::Defanged)]
    #[case("http://evil[.]example/", ValueError::Defanged)]
    #[case("http[:]//evil.example/", ValueError::Defanged)]
    #[case("http://evil.example/a\nb", ValueError::ControlCharacter { code_point: 10 })]
    #[case("http://evil.example/\0", ValueError::ControlCharacter { code_point: 0 })]
    #[case("http://evil.example/ ", ValueError::Whitespace)]
    fn is_no_url(#[case] text: &str, #[case] error: ValueError) {
        assert_eq!(UrlText::parse(text), Err(error));
    }

    #[test]
    fn a_huge_url_is_refused_with_its_length() {
        let text = format!("http://evil.example/{}", "a".repeat(100_000));
        assert_eq!(UrlText::parse(&text), Err(ValueError::TooLong { bytes: 100_020 }));
    }
}
