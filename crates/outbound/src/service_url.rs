//! The address of a service, as an operator may set it.
//!
//! Keys and tokens travel to it, so plain http is accepted for loopback only (simulators, emulators).

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// An https address, or an http address on loopback, without user info, query or fragment and without a
/// trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl(Url);

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceUrlError {
    /// Not a URL at all.
    #[error("is not a URL ({0}); expected something like https://us.cloud.vmray.com")]
    Unreadable(url::ParseError),
    /// Keys would travel unencrypted.
    #[error(
        "uses http to {0}; keys would travel unencrypted, use https (http is accepted for 127.0.0.1 and localhost only)"
    )]
    PlainHttp(String),
    /// Neither http nor https.
    #[error("uses the scheme {0}; expected https")]
    Scheme(String),
    /// More than an address.
    #[error("carries user info, a query or a fragment; expected only scheme, host, port and path")]
    Extra,
}

impl ServiceUrl {
    /// Returns the URL of `path` below this address. `path` starts with a slash and is already encoded.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Returns the address without `end`, which starts with a slash, where its path ends so.
    pub fn without_end(&self, end: &str) -> Option<Self> {
        let path = self.0.path().trim_end_matches('/').strip_suffix(end)?.to_owned();
        let mut url = self.0.clone();
        url.set_path(path.trim_end_matches('/'));
        Some(Self(url))
    }

    /// Returns the host in lower case.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Says whether requests to it stay on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl FromStr for ServiceUrl {
    type Err = ServiceUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(&with_scheme).map_err(ServiceUrlError::Unreadable)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(ServiceUrlError::PlainHttp(url.host_str().unwrap_or_default().to_owned())),
            other => return Err(ServiceUrlError::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(ServiceUrlError::Extra);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://us.cloud.vmray.com", "https://us.cloud.vmray.com")]
    #[case("https://us.cloud.vmray.com/", "https://us.cloud.vmray.com")]
    #[case(" US.cloud.vmray.com ", "https://us.cloud.vmray.com")]
    #[case("http://127.0.0.1:8088", "http://127.0.0.1:8088")]
    #[case("http://localhost:8088/x/", "http://localhost:8088/x")]
    #[case("http://[::1]:8088", "http://[::1]:8088")]
    fn accepts(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(text.parse::<ServiceUrl>().unwrap().to_string(), shown);
    }

    #[rstest]
    #[case("http://us.cloud.vmray.com", "unencrypted")]
    #[case("http://127.0.0.1.evil.example", "unencrypted")]
    #[case("ftp://h.example", "scheme ftp")]
    #[case("https://key@h.example", "user info")]
    #[case("https://h.example/?a=b", "query")]
    #[case("https://", "not a URL")]
    fn refuses(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<ServiceUrl>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn joins_paths_below_a_prefix() {
        let url: ServiceUrl = "https://h.example/vmray/".parse().unwrap();
        assert_eq!(url.at("/rest/system_info").as_str(), "https://h.example/vmray/rest/system_info");
    }
}
