//! Mails (`.eml`): attachments, mails in mails, and the links of the texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Content, MAX_MEMBERS, Member};
use crate::world::RelationKind;

/// Mails within mails that are looked into.
const MAX_DEPTH: usize = 8;

/// Returns what a mail holds.
pub(super) fn members(bytes: &[u8], follow_links: bool) -> Vec<Member> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut found = Vec::new();
    part(&text, follow_links, 0, &mut found);
    found.truncate(MAX_MEMBERS);
    found
}

fn part(text: &str, follow_links: bool, depth: usize, found: &mut Vec<Member>) {
    let (head, body) = match text.strip_prefix('\n') {
        Some(body) => ("", body),
        None => text.split_once("\n\n").unwrap_or((text, "")),
    };
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let kind = header("Content-Type").unwrap_or("text/plain");
    let disposition = header("Content-Disposition").unwrap_or_default();
    if let Some(boundary) = parameter(kind, "boundary").filter(|_| depth < MAX_DEPTH) {
        let mark = format!("--{boundary}");
        for piece in body.split(&mark).skip(1).take_while(|piece| !piece.starts_with("--")) {
            part(piece.strip_prefix('\n').unwrap_or(piece), follow_links, depth + 1, found);
        }
        return;
    }
    let content = match header("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase().as_str() {
        "base64" => {
            let packed: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(packed).unwrap_or_default()
        }
        "quoted-printable" => unquoted(body),
        _ => body.strip_suffix('\n').unwrap_or(body).as_bytes().to_vec(),
    };
    let name = parameter(disposition, "filename").or_else(|| parameter(kind, "name"));
    let is_mail = kind.to_ascii_lowercase().starts_with("message/rfc822");
    if let Some(name) = name.or_else(|| is_mail.then(|| "attached.eml".to_owned())) {
        found.push(Member { name, content: Content::File(content), relation: RelationKind::Attachment });
    } else if follow_links {
        let text = String::from_utf8_lossy(&content).into_owned();
        for url in text.split(|c: char| c.is_whitespace() || "<>\"'".contains(c)) {
            if url.starts_with("http://") || url.starts_with("https://") {
                let content = Content::Url(url.to_owned());
                found.push(Member { name: url.to_owned(), content, relation: RelationKind::EmbeddedUrl });
            }
        }
    }
}

/// Returns a parameter of a header, quoted or not.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn unquoted(text: &str) -> Vec<u8> {
    let joined = text.replace("=\n", "");
    let mut bytes = joined.bytes();
    let mut plain = Vec::with_capacity(joined.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let decoded = if byte == b'=' { digit(bytes.next()).zip(digit(bytes.next())) } else { None };
        plain.push(decoded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()).unwrap_or(byte));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: a@example.com\r\nSubject: invoice\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed;\r\n boundary=\"=-x\"\r\n\r\nignored\r\n--=-x\r\n\
        Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <a href=3D\"https://h.example/a?b=3D1\">x</a>\r\n--=-x\r\n\
        Content-Type: application/octet-stream; name=\"a.exe\"\r\nContent-Transfer-Encoding: base64\r\n\
        Content-Disposition: attachment; filename=\"a.exe\"\r\n\r\naGVs\r\nbG8=\r\n--=-x--\r\n";

    #[test]
    fn holds_attachments_and_links_where_they_are_followed() {
        let names = |follow| members(MAIL.as_bytes(), follow).into_iter().map(|member| member.name).collect::<Vec<_>>();
        assert_eq!(names(false), ["a.exe"]);
        assert_eq!(names(true), ["https://h.example/a?b=1", "a.exe"]);
        let attached = members(MAIL.as_bytes(), false).pop().unwrap();
        assert_eq!((attached.content, attached.relation), (Content::File(b"hello".to_vec()), RelationKind::Attachment));
    }

    #[test]
    fn a_text_is_no_attachment() {
        assert_eq!(members(b"Subject: x\r\n\r\nhello", true), []);
        assert_eq!(members(b"", true), []);
    }
}
