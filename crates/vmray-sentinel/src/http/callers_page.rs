//! Which web page, if any, made a browser send a request.
//!
//! A browser lets every page send some requests anywhere: a form, a text, an image's address. It adds the password that
//! it was given for the place (Basic), and a server on this machine needs none at all. What no page can do is to leave
//! out where it stands: `Origin` and `Sec-Fetch-Site` are the browser's own (Fetch standard; Fetch Metadata). So a
//! submission that another site's page asks for is known by them. An old browser leaves them out of a GET; that it is a
//! browser still shows.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use url::{Origin, Url};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Says whether another site's page asked for it. `own` are the places at which we are reached.
pub(super) fn is_foreign(headers: &HeaderMap, own: &[Url]) -> bool {
    let texts = |name: &HeaderName| headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    // `none`: nobody's page, but a person at the address bar.
    let site = texts(&SEC_FETCH_SITE).any(|site| !matches!(site, "same-origin" | "none"));
    let origin = texts(&header::ORIGIN).any(|origin| !is_own(origin, own));
    // Browsers that send neither may still say which page it was.
    let says_more = headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN);
    let referer = !says_more && texts(&header::REFERER).any(|page| !is_own(page, own));
    site || origin || referer
}

/// Says whether a browser sent it, whatever page it shows.
pub(super) fn is_browsers(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    agent.is_some_and(|agent| agent.starts_with(b"Mozilla/"))
        || headers.contains_key(header::ORIGIN)
        || headers.contains_key(header::REFERER)
        || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// Returns the address that stands in a Host header, for both schemes: one that terminates TLS may be before us.
pub(super) fn addresses_of(host: &str) -> impl Iterator<Item = Url> {
    ["http", "https"].into_iter().filter_map(move |scheme| Url::parse(&format!("{scheme}://{host}/")).ok())
}

/// `null`, which stands for pages without a place, is nobody's own.
fn is_own(page: &str, own: &[Url]) -> bool {
    match Url::parse(page).map(|page| page.origin()) {
        Ok(origin @ Origin::Tuple(..)) => own.iter().any(|own| own.origin() == origin),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value): (HeaderName, _)| {
                headers.append(name, value);
                headers
            })
    }

    #[rstest]
    #[case::tool(&[], false)]
    #[case::own_page(&[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")], false)]
    #[case::behind_tls(&[("origin", "https://localhost:8080")], false)]
    #[case::address_bar(&[("sec-fetch-site", "none")], false)]
    #[case::other_site(&[("sec-fetch-site", "cross-site")], true)]
    #[case::other_port(&[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], true)]
    #[case::other_origin(&[("origin", "https://evil.example")], true)]
    #[case::own_and_other(&[("origin", "http://localhost:8080"), ("origin", "https://evil.example")], true)]
    #[case::no_place(&[("origin", "null")], true)]
    #[case::longer(&[("origin", "http://localhost:8080.evil.example")], true)]
    #[case::old_browser(&[("referer", "https://evil.example/page")], true)]
    #[case::old_browser_here(&[("referer", "http://localhost:8080/docs")], false)]
    #[case::unknown_word(&[("sec-fetch-site", "sideways")], true)]
    fn another_sites_page_is_known(#[case] lines: &[(&str, &str)], #[case] expected: bool) {
        let own: Vec<Url> = addresses_of("localhost:8080").collect();
        assert_eq!(is_foreign(&headers(lines), &own), expected);
    }

    #[rstest]
    #[case(&[("user-agent", "curl/8.9.1")], false)]
    #[case(&[], false)]
    #[case(&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")], true)]
    #[case(&[("sec-fetch-dest", "image")], true)]
    #[case(&[("referer", "http://localhost/")], true)]
    fn a_browser_shows(#[case] lines: &[(&str, &str)], #[case] expected: bool) {
        assert_eq!(is_browsers(&headers(lines)), expected);
    }
}
