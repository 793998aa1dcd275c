//! Hashes of files.

use std::fmt;

use crate::value::{ValueError, bounded};

/// Hash of a file, as bytes, so that there is one spelling: lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileHash {
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl FileHash {
    /// Reads 32 hex digits.
    pub fn md5(text: &str) -> Result<Self, ValueError> {
        from_hex(text, "MD5").map(Self::Md5)
    }

    /// Reads 40 hex digits.
    pub fn sha1(text: &str) -> Result<Self, ValueError> {
        from_hex(text, "SHA-1").map(Self::Sha1)
    }

    /// Reads 64 hex digits.
    pub fn sha256(text: &str) -> Result<Self, ValueError> {
        from_hex(text, "SHA-256").map(Self::Sha256)
    }

    /// Returns the hash's name as STIX spells it.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Sha1(_) => "SHA-1",
            Self::Sha256(_) => "SHA-256",
        }
    }

    /// Returns the hash itself.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// Returns the hex digits.
    pub(crate) fn to_hex(self) -> String {
        let bytes = self.bytes();
        let mut text = String::with_capacity(2 * bytes.len());
        text.extend(bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 0xF)]));
        text
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 })
}

fn from_hex<const N: usize>(text: &str, algorithm: &'static str) -> Result<[u8; N], ValueError> {
    bounded(text)?;
    let wrong = || ValueError::NotAHash { algorithm, digits: 2 * N };
    if text.len() != 2 * N {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                b'A'..=b'F' => digit - b'A' + 10,
                _ => return Err(wrong()),
            };
            *byte = *byte << 4 | nibble;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_lower_case_hex_of_the_right_length() {
        let hash = FileHash::md5("D41D8CD98F00B204E9800998ECF8427E").unwrap();
        assert_eq!(hash.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(FileHash::sha1(&"0f".repeat(20)).unwrap().to_string(), "0f".repeat(20));
        assert_eq!(FileHash::sha256(&"A9".repeat(32)).unwrap().to_string(), "a9".repeat(32));
    }

    #[test]
    fn wrong_length_and_wrong_digits_are_named() {
        let error = ValueError::NotAHash { algorithm: "MD5", digits: 32 };
        assert_eq!(FileHash::md5("d41d8"), Err(error.clone()));
        assert_eq!(FileHash::md5(&"g".repeat(32)), Err(error.clone()));
        assert_eq!(FileHash::md5(&"ü".repeat(16)), Err(error.clone()));
        assert_eq!(FileHash::md5(&"0".repeat(40)), Err(error));
        assert_eq!(FileHash::md5(""), Err(ValueError::Empty));
    }
}
