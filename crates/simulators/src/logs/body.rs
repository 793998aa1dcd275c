//! The body of a call: its size, its compression, the array in it.

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::HeaderMap;
use serde_json::Value;

use crate::answer;

/// Bytes of a call, before and after compression.
const MAX_BYTES: usize = 1024 * 1024;

/// Why a body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// More than a megabyte.
    TooLarge,
    /// Neither plain nor gzip.
    Encoding(String),
    /// No array of elements.
    Content(&'static str),
}

/// Returns the elements of the array.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Value>, Wrong> {
    if body.len() > MAX_BYTES {
        return Err(Wrong::TooLarge);
    }
    let plain = match answer::header(headers, "content-encoding").map(str::to_ascii_lowercase).as_deref() {
        None | Some("identity") => body.to_vec(),
        Some("gzip") => unpacked(body)?,
        Some(other) => return Err(Wrong::Encoding(other.to_owned())),
    };
    match serde_json::from_slice(&plain) {
        Ok(Value::Array(rows)) if rows.is_empty() => Err(Wrong::Content("The array has no elements.")),
        Ok(Value::Array(rows)) => Ok(rows),
        Ok(_) => Err(Wrong::Content("The body is not a JSON array.")),
        Err(_) => Err(Wrong::Content("The body is not JSON.")),
    }
}

/// Unpacks no more than is needed to see that it is too much.
fn unpacked(body: &[u8]) -> Result<Vec<u8>, Wrong> {
    let mut plain = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(body).take(most).read_to_end(&mut plain).map_err(|_| Wrong::Content("The body is not gzip."))?;
    if plain.len() > MAX_BYTES { Err(Wrong::TooLarge) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn takes_arrays_plain_and_packed() {
        assert_eq!(read(&HeaderMap::new(), b"[{}]").unwrap().len(), 1);
        assert_eq!(read(&headers("gzip"), &packed(b"[{},{}]")).unwrap().len(), 2);
    }

    #[test]
    fn counts_bytes_before_and_after_unpacking() {
        let large = format!("[\"{}\"]", "x".repeat(MAX_BYTES));
        assert_eq!(read(&HeaderMap::new(), large.as_bytes()), Err(Wrong::TooLarge));
        assert_eq!(read(&headers("gzip"), &packed(large.as_bytes())), Err(Wrong::TooLarge));
    }

    #[test]
    fn refuses_the_rest() {
        assert_eq!(read(&headers("br"), b"[{}]"), Err(Wrong::Encoding("br".to_owned())));
        for body in [b"{}".as_slice(), b"[]", b"", b"[{}"] {
            assert!(matches!(read(&HeaderMap::new(), body), Err(Wrong::Content(_))));
        }
        assert!(matches!(read(&headers("gzip"), b"[{}]"), Err(Wrong::Content(_))));
    }
}
