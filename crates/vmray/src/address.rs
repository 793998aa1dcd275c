//! Paths and queries, encoded.

use outbound::ServiceUrl;
use url::Url;

use crate::Error;

/// Returns the URL of `/rest/<segments>?<query>`.
///
/// A segment that no path can carry (empty, `.`, `..`) names nothing that exists.
pub(crate) fn of<N: AsRef<str>, V: AsRef<str>>(
    base: &ServiceUrl,
    segments: &[&str],
    query: &[(N, V)],
) -> Result<Url, Error> {
    let mut path = String::from("/rest");
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return Err(Error::NotFound);
        }
        path.push('/');
        path.extend(url::form_urlencoded::byte_serialize(segment.as_bytes()).map(|part| part.replace('+', "%20")));
    }
    let mut url = base.at(&path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NONE: [(&str, &str); 0] = [];

    fn base() -> ServiceUrl {
        "https://h.example/vmray/".parse().unwrap()
    }

    #[rstest]
    #[case(&["sample", "12", "iocs"], "https://h.example/vmray/rest/sample/12/iocs")]
    #[case(&["tag", "a/b?c#d%e f+g"], "https://h.example/vmray/rest/tag/a%2Fb%3Fc%23d%25e%20f%2Bg")]
    #[case(&["tag", "ö"], "https://h.example/vmray/rest/tag/%C3%B6")]
    #[case(&["tag", "%2e%2e"], "https://h.example/vmray/rest/tag/%252e%252e")]
    fn encodes_segments(#[case] segments: &[&str], #[case] expected: &str) {
        assert_eq!(of(&base(), segments, &NONE).unwrap().as_str(), expected);
    }

    #[rstest]
    #[case("..")]
    #[case(".")]
    #[case("")]
    fn refuses_segments_that_lead_elsewhere(#[case] segment: &str) {
        assert!(matches!(of(&base(), &["sample", segment, "iocs"], &NONE), Err(Error::NotFound)));
    }

    #[test]
    fn encodes_queries() {
        let url = of(&base(), &["submission", "search"], &[("query", "url == \"http://a/?b=c&d\"")]).unwrap();
        assert_eq!(url.query(), Some("query=url+%3D%3D+%22http%3A%2F%2Fa%2F%3Fb%3Dc%26d%22"));
        assert_eq!(url.query_pairs().next().unwrap().1, "url == \"http://a/?b=c&d\"");
    }
}
