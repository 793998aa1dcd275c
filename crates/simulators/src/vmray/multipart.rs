//! `multipart/form-data`, as far as submitting a file needs it.

use http::HeaderMap;

use crate::answer;

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) body: &'a [u8],
}

/// Returns the parts of a body; `None` when it is no well-formed multipart body.
pub(super) fn parts<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let content_type = answer::header(headers, "content-type")?;
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(format!("--{boundary}").as_bytes())?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, delimiter.as_bytes())?;
        let (whole, after) = part.split_at_checked(end)?;
        let head_end = find(whole, b"\r\n\r\n")?;
        let (head, content) = whole.split_at_checked(head_end)?;
        let head = String::from_utf8_lossy(head);
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        parts.push(Part {
            name: parameter(disposition, "name")?,
            filename: parameter(disposition, "filename"),
            body: content.get(4..)?,
        });
        rest = after.get(delimiter.len()..)?;
    }
}

fn parameter(line: &str, name: &str) -> Option<String> {
    let start = format!("{name}=\"");
    line.split("; ").find_map(|part| part.trim().strip_prefix(&start)?.strip_suffix('"')).map(str::to_owned)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=xx".parse().unwrap());
        headers
    }

    #[test]
    fn reads_fields_and_files() {
        let body = b"--xx\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\na,b\r\n--xx\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"a; b.exe\"\r\nContent-Type: application/octet-stream\r\n\r\nMZ\r\n\r\n--x\r\n--xx--\r\n";
        let parts = parts(&headers(), body).unwrap();
        assert_eq!(parts[0], Part { name: "tags".into(), filename: None, body: b"a,b" });
        assert_eq!(parts[1].body, b"MZ\r\n\r\n--x");
    }

    #[test]
    fn refuses_a_body_without_end() {
        assert!(parts(&headers(), b"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb").is_none());
    }
}
