//! ZIP archives: stored and deflated members, the old encryption.
//!
//! An Office document is a ZIP too, and not taken for an archive. What is encrypted in another way stays locked.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::zip_crypto::{HEADER, Keys, crc32};
use super::{Content, MAX_MEMBERS, Member, Opened};
use crate::world::RelationKind;

/// Bytes of a member that are inflated.
const MAX_MEMBER_BYTES: u64 = 256 * 1024 * 1024;

/// A member as the directory at the end names it.
#[derive(Debug)]
struct Listed<'a> {
    name: String,
    is_encrypted: bool,
    method: u16,
    crc: u32,
    content: &'a [u8],
}

/// Opens an archive; `None` when it is none.
pub(super) fn open(bytes: &[u8], passwords: &[&str]) -> Option<Opened> {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return None;
    }
    let listed = directory(bytes)?;
    if listed.iter().any(|member| member.name == "[Content_Types].xml") {
        return None;
    }
    let is_protected = listed.iter().any(|member| member.is_encrypted);
    let mut members = Vec::new();
    for member in listed.iter().filter(|member| !member.name.ends_with('/')).take(MAX_MEMBERS) {
        let content = if member.is_encrypted {
            passwords.iter().find_map(|password| member.decrypted(password))
        } else {
            member.inflated(member.content)
        };
        let Some(content) = content else { return Some(Opened::Locked { kind: Some("archive") }) };
        let content = Content::File(content);
        members.push(Member { name: member.name.clone(), content, relation: RelationKind::EmbeddedFile });
    }
    Some(Opened::Container { kind: "archive", is_protected, members })
}

impl Listed<'_> {
    fn decrypted(&self, password: &str) -> Option<Vec<u8>> {
        let mut keys = Keys::of(password);
        let plain: Vec<u8> = self.content.iter().map(|byte| keys.decrypt(*byte)).collect();
        self.inflated(plain.get(HEADER..)?)
    }

    /// Returns the content, if its checksum is right.
    fn inflated(&self, packed: &[u8]) -> Option<Vec<u8>> {
        let content = match self.method {
            0 => packed.to_vec(),
            8 => {
                let mut content = Vec::new();
                DeflateDecoder::new(packed).take(MAX_MEMBER_BYTES).read_to_end(&mut content).ok()?;
                content
            }
            _ => return None,
        };
        (crc32(&content) == self.crc).then_some(content)
    }
}

/// Reads the directory; `None` when there is none to read.
fn directory(bytes: &[u8]) -> Option<Vec<Listed<'_>>> {
    let end = memchr::memmem::rfind(bytes, b"PK\x05\x06")?;
    let count = short(bytes, end + 10)?;
    let mut at = usize::try_from(long(bytes, end + 16)?).ok()?;
    let mut listed = Vec::new();
    for _ in 0..count {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let name_length = usize::from(short(bytes, at + 28)?);
        let further = usize::from(short(bytes, at + 30)?) + usize::from(short(bytes, at + 32)?);
        let name = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name_length)?).into_owned();
        let local = usize::try_from(long(bytes, at + 42)?).ok()?;
        let start = local + 30 + usize::from(short(bytes, local + 26)?) + usize::from(short(bytes, local + 28)?);
        let size = usize::try_from(long(bytes, at + 20)?).ok()?;
        listed.push(Listed {
            name,
            is_encrypted: short(bytes, at + 8)? & 1 == 1,
            method: short(bytes, at + 10)?,
            crc: long(bytes, at + 16)?,
            content: bytes.get(start..start.checked_add(size)?)?,
        });
        at += 46 + name_length + further;
    }
    Some(listed)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with one stored member.
    fn archive(name: &str, content: &[u8], password: Option<&str>) -> Vec<u8> {
        let crc = crc32(content);
        let packed = match password {
            None => content.to_vec(),
            Some(password) => {
                let mut keys = Keys::of(password);
                let header = [0; HEADER];
                header.iter().chain(content).map(|byte| keys.encrypt(*byte)).collect()
            }
        };
        let flags = u16::from(password.is_some()).to_le_bytes();
        let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common = [&flags[..], &[0, 0], &[0; 4], &crc.to_le_bytes(), &size, &size, &name_length, &[0, 0]].concat();
        let local = [b"PK\x03\x04\x14\x00", &common[..], name.as_bytes(), &packed].concat();
        let central = [b"PK\x01\x02\x14\x00\x14\x00", &common[..], &[0; 14], name.as_bytes()].concat();
        let mut end =
            [b"PK\x05\x06", &[0; 4][..], &[1, 0, 1, 0], &u32::try_from(central.len()).unwrap().to_le_bytes()].concat();
        end.extend(u32::try_from(local.len()).unwrap().to_le_bytes());
        end.extend([0, 0]);
        [local, central, end].concat()
    }

    fn contents(opened: Option<Opened>) -> Vec<(String, Vec<u8>)> {
        let members = opened.unwrap().into_members();
        members
            .into_iter()
            .map(|member| match member.content {
                Content::File(content) => (member.name, content),
                Content::Url(url) => (member.name, url.into_bytes()),
            })
            .collect()
    }

    #[test]
    fn opens_a_plain_archive() {
        let found = contents(open(&archive("a/b.txt", b"hello", None), &[]));
        assert_eq!(found, [("a/b.txt".to_owned(), b"hello".to_vec())]);
    }

    #[test]
    fn opens_a_protected_archive_with_the_right_password_only() {
        let bytes = archive("b.exe", b"MZ..", Some("s3cret"));
        assert_eq!(open(&bytes, &["infected"]), Some(Opened::Locked { kind: Some("archive") }));
        assert_eq!(contents(open(&bytes, &["infected", "s3cret"])), [("b.exe".to_owned(), b"MZ..".to_vec())]);
    }

    #[test]
    fn takes_neither_a_document_nor_a_fragment_for_an_archive() {
        assert_eq!(open(&archive("[Content_Types].xml", b"<x/>", None), &[]), None);
        assert_eq!(open(b"PK\x03\x04 and nothing more", &[]), None);
        assert_eq!(open(b"MZ", &[]), None);
    }
}
