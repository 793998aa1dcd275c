//! What every kind of value has in common: how long it may be, which characters it may hold, how it fails.

use thiserror::Error;

/// Longest value that becomes an indicator.
///
/// Our limit, not Sentinel's: a request of 100 objects has to stay a few megabytes, and nothing in a log is
/// compared with a longer text.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Why a text is not a value of the kind asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ValueError {
    /// Nothing, or nothing but blanks.
    #[error("is empty")]
    Empty,
    /// Over [`MAX_VALUE_BYTES`].
    #[error("is {bytes} bytes long, the limit is {MAX_VALUE_BYTES}")]
    TooLong {
        /// Length as given.
        bytes: usize,
    },
    /// A NUL, a line break or another control character where none belongs.
    #[error("contains a control character (U+{code_point:04X})")]
    ControlCharacter {
        /// The character.
        code_point: u32,
    },
    /// A blank where none belongs.
    #[error("contains a blank, or starts or ends with one")]
    Whitespace,
    /// Written so that it cannot be clicked: `hxxp://`, `evil[.]example`.
    #[error("is defanged, and what it stood for would be a guess")]
    Defanged,
    /// Not a domain name.
    #[error("is not a domain name: {0}")]
    NotADomain(&'static str),
    /// Neither an IPv4 nor an IPv6 address, with or without port.
    #[error("is not an IP address")]
    NotAnIp,
    /// Not an absolute URL with a host.
    #[error("is not a URL: {0}")]
    NotAUrl(&'static str),
    /// Not the hex digits of that hash.
    #[error("is not a valid {algorithm} hash: {digits} hex digits expected")]
    NotAHash {
        /// Name of the algorithm as STIX spells it.
        algorithm: &'static str,
        /// How many digits it has.
        digits: usize,
    },
    /// Not `local@domain`.
    #[error("is not an e-mail address: {0}")]
    NotAnEmailAddress(&'static str),
    /// No path below a registry hive.
    #[error("is not a registry key: no backslash")]
    NotARegistryKey,
}

/// Refuses the empty and the huge.
pub(crate) fn bounded(text: &str) -> Result<(), ValueError> {
    if text.is_empty() {
        Err(ValueError::Empty)
    } else if text.len() > MAX_VALUE_BYTES {
        Err(ValueError::TooLong { bytes: text.len() })
    } else {
        Ok(())
    }
}

/// Refuses every control character (C0, DEL, C1) that `allowed` does not name.
pub(crate) fn without_controls(text: &str, allowed: &[char]) -> Result<(), ValueError> {
    // C1 controls are two bytes in UTF-8 and begin with 0xC2; plain text skips the walk over characters.
    if text.bytes().all(|byte| byte >= b' ' && byte != 0x7F && byte != 0xC2) {
        return Ok(());
    }
    match text.chars().find(|c| c.is_control() && !allowed.contains(c)) {
        Some(c) => Err(ValueError::ControlCharacter { code_point: u32::from(c) }),
        None => Ok(()),
    }
}

/// Refuses blanks at either end.
pub(crate) fn untrimmed(text: &str) -> Result<(), ValueError> {
    let blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
    if blank(text.chars().next()) || blank(text.chars().next_back()) {
        return Err(if text.trim().is_empty() { ValueError::Empty } else { ValueError::Whitespace });
    }
    Ok(())
}

/// Appends `text` in lower case, character by character.
///
/// `str::to_lowercase` looks at the neighbours of a final sigma, which would make another host of it.
pub(crate) fn push_lower_case(target: &mut String, text: &str) {
    if text.is_ascii() {
        let start = target.len();
        target.push_str(text);
        if let Some(pushed) = target.get_mut(start..) {
            pushed.make_ascii_lowercase();
        }
    } else {
        target.extend(text.chars().flat_map(char::to_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_controls_of_both_blocks() {
        assert_eq!(without_controls("plain ü 💀", &[]), Ok(()));
        assert_eq!(without_controls("a\u{85}", &[]), Err(ValueError::ControlCharacter { code_point: 0x85 }));
        assert_eq!(without_controls("a\u{a9}", &[]), Ok(()));
        assert_eq!(without_controls("a\n", &['\n']), Ok(()));
        assert_eq!(without_controls("a\0\n", &['\n']), Err(ValueError::ControlCharacter { code_point: 0 }));
        assert_eq!(without_controls("\u{7f}", &[]), Err(ValueError::ControlCharacter { code_point: 0x7F }));
    }

    #[test]
    fn lower_case_has_no_context() {
        let mut lower = String::new();
        push_lower_case(&mut lower, "ΑΣ");
        assert_eq!(lower, "ασ");
    }
}
