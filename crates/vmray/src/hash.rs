//! The hash by which a sample is looked up.

use std::fmt;
use std::str::FromStr;

/// An MD5, SHA-1 or SHA-256 in lower case; its length tells which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleHash(String);

/// Why a text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a hash; expected 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")]
pub struct SampleHashError;

impl SampleHash {
    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the kind, as VMRay's paths have it: `md5`, `sha1` or `sha256`.
    pub fn kind(&self) -> &'static str {
        match self.0.len() {
            32 => "md5",
            40 => "sha1",
            _ => "sha256",
        }
    }
}

impl FromStr for SampleHash {
    type Err = SampleHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if matches!(text.len(), 32 | 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(SampleHashError)
        }
    }
}

impl fmt::Display for SampleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kind_by_the_length() {
        for (digits, kind) in [(32, "md5"), (40, "sha1"), (64, "sha256")] {
            let hash: SampleHash = format!(" {} ", "A".repeat(digits)).parse().unwrap();
            assert_eq!((hash.kind(), hash.as_str()), (kind, "a".repeat(digits).as_str()));
        }
    }

    #[test]
    fn refuses_what_is_no_hash() {
        for text in ["", "g0000000000000000000000000000000", "00", "../../../../../../../../../../x"] {
            assert_eq!(text.parse::<SampleHash>(), Err(SampleHashError), "{text}");
        }
    }
}
