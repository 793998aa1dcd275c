//! The server's clock.
//!
//! An instant in an answer (`Retry-After` as a date, `expires_on`) is meant on the server's clock. Ours may be an hour
//! off; the answer's `Date` says what theirs reads.

use http::HeaderMap;
use http::header::DATE;
use jiff::Timestamp;

/// Returns the `Date` of an answer, or `ours` where it has none.
pub(crate) fn server_time(headers: &HeaderMap, ours: Timestamp) -> Timestamp {
    headers
        .get(DATE)
        .and_then(|value| jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok())
        .map_or(ours, |date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_date_wins_where_it_is_readable() {
        let ours: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(server_time(&headers, ours), ours);
        headers.insert(DATE, "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
        assert_eq!(server_time(&headers, ours).to_string(), "2026-01-01T00:00:00Z");
        headers.insert(DATE, "today".parse().unwrap());
        assert_eq!(server_time(&headers, ours), ours);
    }
}
