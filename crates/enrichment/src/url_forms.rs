//! The forms of one URL. A browser sends the same request for `https://a.example`, `https://a.example:443/` and, of a
//! name with letters beyond ASCII, for both its spellings. VMRay may keep a URL as it was given or in one of these forms, so
//! all of them are asked for and all of them have one key.

use stix::UrlText;
use url::quirks::domain_to_unicode;

/// A URL, cut around what may be written in several ways.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    /// With its colon; empty for the scheme's own.
    port: &'a str,
    /// From the slash on; of an empty path only what is behind it.
    rest: &'a str,
    has_path: bool,
}

/// Returns the form that stands for all.
pub(crate) fn canonical(url: &UrlText) -> String {
    let Some(Parts { scheme, port, rest, has_path, .. }) = Parts::of(url.as_str()) else {
        return url.as_str().to_owned();
    };
    let slash = if has_path { "" } else { "/" };
    format!("{scheme}://{}{port}{slash}{rest}", url.host())
}

/// Returns all forms, the one that was given first; at most eight.
pub(crate) fn spellings(url: &UrlText) -> Vec<String> {
    let mut spellings = vec![url.as_str().to_owned()];
    let Some(Parts { scheme, host, port, rest, has_path }) = Parts::of(url.as_str()) else { return spellings };
    let ascii = url.host().to_string();
    let unicode = domain_to_unicode(&ascii);
    let mut hosts = vec![host];
    hosts.extend([ascii.as_str(), unicode.as_str()].into_iter().filter(|form| !form.is_empty()));
    let own_port = default_port(scheme).map(|port| format!(":{port}"));
    let ports: Vec<&str> = match &own_port {
        Some(own) if port.is_empty() => vec!["", own],
        _ => vec![port],
    };
    let slashes: &[&str] = if has_path { &[""] } else { &["/", ""] };
    for host in hosts {
        for port in &ports {
            for slash in slashes {
                let spelling = format!("{scheme}://{host}{port}{slash}{rest}");
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
    }
    spellings
}

/// Says whether VMRay's text of a URL is one of its forms.
pub(crate) fn is_same(given: &str, asked: &UrlText) -> bool {
    UrlText::parse(given.trim()).map_or_else(|_| given == asked.as_str(), |given| canonical(&given) == canonical(asked))
}

impl<'a> Parts<'a> {
    /// Cuts the usual form of a URL; any other is only itself.
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, behind) = text.split_once("://")?;
        let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
        let (authority, rest) = behind.split_at_checked(end)?;
        if authority.contains('@') {
            return None;
        }
        let host_end = match authority.find(']') {
            Some(bracket) => bracket + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at_checked(host_end)?;
        let number = port.strip_prefix(':').unwrap_or_default();
        let is_default =
            number.is_empty() || number.parse().ok().filter(|_| default_port(scheme).is_some()) == default_port(scheme);
        let port = if is_default { "" } else { port };
        // A lone slash is an empty path.
        let rest = if rest == "/" { "" } else { rest };
        let has_path = rest.starts_with(['/', '\\']);
        let rest = match rest.strip_prefix('/') {
            Some(behind) if behind.starts_with(['?', '#']) => {
                return Some(Self { scheme, host, port, rest: behind, has_path: false });
            }
            _ => rest,
        };
        Some(Self { scheme, host, port, rest, has_path })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> UrlText {
        UrlText::parse(text).unwrap()
    }

    #[rstest]
    #[case("https://a.example", "https://a.example/")]
    #[case("https://a.example", "https://a.example:443")]
    #[case("https://a.example:443/", "https://A.example")]
    #[case("http://a.example:80/x?y", "http://a.example/x?y")]
    #[case("http://a.example:080/x", "http://a.example/x")]
    #[case("https://a.example?x", "https://a.example/?x")]
    #[case("http://bücher.example/", "http://xn--bcher-kva.example")]
    #[case("http://[2001:db8::1]:80/a", "http://[2001:DB8::1]/a")]
    fn these_are_one(#[case] one: &str, #[case] other: &str) {
        let (one, other) = (parse(one), parse(other));
        assert_eq!(canonical(&one), canonical(&other));
        assert!(is_same(one.as_str(), &other) && is_same(other.as_str(), &one));
        assert!(spellings(&one).iter().any(|form| spellings(&other).contains(form)));
    }

    #[rstest]
    #[case("http://a.example:443/", "http://a.example/")]
    #[case("https://a.example:80/", "https://a.example/")]
    #[case("https://a.example:8443/", "https://a.example/")]
    #[case("https://a.example/x", "https://a.example/x/")]
    #[case("https://a.example/X", "https://a.example/x")]
    #[case("http://a.example/", "https://a.example/")]
    fn these_are_not(#[case] one: &str, #[case] other: &str) {
        assert_ne!(canonical(&parse(one)), canonical(&parse(other)));
        assert!(!is_same(one, &parse(other)));
    }

    #[test]
    fn every_form_is_asked_for_the_given_one_first_and_they_fit_into_one_search() {
        let forms = spellings(&parse("https://BÜCHER.example:443"));
        assert_eq!(forms[0], "https://bücher.example:443");
        for form in ["https://xn--bcher-kva.example/", "https://bücher.example/", "https://xn--bcher-kva.example:443/"]
        {
            assert!(forms.iter().any(|known| known == form), "{form} is not in {forms:?}");
        }
        assert!(forms.len() <= 10, "{forms:?}");
        assert_eq!(spellings(&parse("https://a.example/x")), ["https://a.example/x", "https://a.example:443/x"]);
    }
}
