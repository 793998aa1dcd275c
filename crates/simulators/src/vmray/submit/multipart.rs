//! `multipart/form-data`, as far as submitting a file needs it. Nothing is copied: a part is a view of the body.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

use crate::answer;

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) body: Bytes,
}

/// Returns the parts of a body; `None` when it is no well-formed multipart body.
pub(super) fn parts(headers: &HeaderMap, body: &Bytes) -> Option<Vec<Part>> {
    let content_type = answer::header(headers, "content-type")?;
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let end_of_part = memmem::Finder::new(delimiter.as_bytes());
    let mut rest = body.strip_prefix(format!("--{boundary}").as_bytes())?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = end_of_part.find(part)?;
        let (whole, after) = part.split_at_checked(end)?;
        let head_end = memmem::find(whole, b"\r\n\r\n")?;
        let (head, content) = whole.split_at_checked(head_end)?;
        let head = String::from_utf8_lossy(head);
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        parts.push(Part {
            name: parameter(disposition, "name")?,
            filename: parameter(disposition, "filename"),
            body: body.slice_ref(content.get(4..)?),
        });
        rest = after.get(delimiter.len()..)?;
    }
}

fn parameter(line: &str, name: &str) -> Option<String> {
    let (_, value) = line.split_once(&format!("; {name}=\""))?;
    value.split_once('"').map(|(value, _)| value.to_owned())
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
        let body = Bytes::from_static(body);
        let parts = parts(&headers(), &body).unwrap();
        assert_eq!(parts[1].body.as_ptr(), body.slice(body.len() - 19..).as_ptr(), "a view, not a copy");
        assert_eq!(parts[0], Part { name: "tags".into(), filename: None, body: Bytes::from_static(b"a,b") });
        assert_eq!(parts[1].filename.as_deref(), Some("a; b.exe"));
        assert_eq!(*parts[1].body, *b"MZ\r\n\r\n--x");
    }

    #[test]
    fn refuses_a_body_without_end() {
        let body = Bytes::from_static(b"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb");
        assert!(parts(&headers(), &body).is_none());
    }
}
