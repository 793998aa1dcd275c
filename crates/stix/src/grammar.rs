//! The grammar of one comparison, read by hand.
//!
//! `'[' path ('=' | '==') string ']'` with white space between the tokens. A string ends at the first quote
//! without a backslash; a backslash stands before a quote or another backslash and nowhere else. What OASIS'
//! grammar knows beyond that is recognised as far as needed to tell "unsupported" from "wrong".

use std::borrow::Cow;

use crate::file_hash::FileHash;
use crate::pattern::{PatternError, Property};
use crate::value::MAX_VALUE_BYTES;

/// Operators between a path and a literal that are valid STIX, but not ours.
const OTHER_OPERATORS: [&str; 13] =
    ["!=", "<>", "<=", ">=", "<", ">", "NOT", "LIKE", "MATCHES", "IN", "ISSUBSET", "ISSUPERSET", "EXISTS"];
/// What may follow a comparison inside the brackets.
const CONJUNCTIONS: [&str; 2] = ["AND", "OR"];
/// What may follow the brackets.
const QUALIFIERS: [&str; 6] = ["AND", "OR", "FOLLOWEDBY", "WITHIN", "REPEATS", "START"];

/// Reads the property and the text that it is compared with.
pub(crate) fn parse(pattern: &str) -> Result<(Property, Cow<'_, str>), PatternError> {
    // Each byte of a value can be escaped to two.
    if pattern.len() > 2 * MAX_VALUE_BYTES + 1024 {
        return Err(PatternError::TooLong);
    }
    let mut reader = Reader { pattern, rest: pattern };
    reader.skip_blanks();
    if reader.rest.starts_with('(') {
        return Err(PatternError::Unsupported);
    }
    reader.expect("[")?;
    if reader.rest.starts_with('(') || reader.at_word(&["NOT", "EXISTS"]) {
        return Err(PatternError::Unsupported);
    }
    let path = reader.path()?;
    reader.operator()?;
    let text = reader.string()?;
    if reader.at_word(&CONJUNCTIONS) {
        return Err(PatternError::Unsupported);
    }
    reader.expect("]")?;
    if reader.at_word(&QUALIFIERS) {
        return Err(PatternError::Unsupported);
    }
    if !reader.rest.is_empty() {
        return Err(reader.wrong());
    }
    let property = path.and_then(Property::from_path).ok_or(PatternError::Unsupported)?;
    let hash = match property {
        Property::Md5 => FileHash::md5(&text),
        Property::Sha1 => FileHash::sha1(&text),
        Property::Sha256 => FileHash::sha256(&text),
        _ => return Ok((property, text)),
    };
    if hash.is_ok() { Ok((property, text)) } else { Err(PatternError::NotAHash) }
}

/// What is left to read.
struct Reader<'a> {
    pattern: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn wrong(&self) -> PatternError {
        PatternError::Syntax { at: self.pattern.len() - self.rest.len() }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `token` and the blanks behind it.
    fn expect(&mut self, token: &str) -> Result<(), PatternError> {
        self.rest = self.rest.strip_prefix(token).ok_or_else(|| self.wrong())?;
        self.skip_blanks();
        Ok(())
    }

    /// Says whether one of the words stands here, in capitals and not as the begin of a longer one.
    fn at_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| {
            self.rest.strip_prefix(word).is_some_and(|behind| !behind.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
    }

    /// Takes an object path; `None` if it has an index, which no property of ours has.
    fn path(&mut self) -> Result<Option<&'a str>, PatternError> {
        let start = self.rest;
        self.step(true)?;
        self.rest = self.rest.strip_prefix(':').ok_or_else(|| self.wrong())?;
        self.step(false)?;
        let mut indexed = false;
        loop {
            if let Some(behind) = self.rest.strip_prefix('.') {
                self.rest = behind;
                self.step(false)?;
            } else if let Some(behind) = self.rest.strip_prefix('[') {
                let (index, behind) = behind.split_once(']').ok_or_else(|| self.wrong())?;
                if index != "*" && (index.is_empty() || !index.bytes().all(|b| b.is_ascii_digit())) {
                    return Err(self.wrong());
                }
                indexed = true;
                self.rest = behind;
            } else {
                break;
            }
        }
        let path = start.get(..start.len() - self.rest.len()).unwrap_or_default();
        self.skip_blanks();
        Ok(if indexed { None } else { Some(path) })
    }

    /// Takes a name, or a quoted name; only an object type has hyphens without quotes.
    fn step(&mut self, hyphens: bool) -> Result<(), PatternError> {
        if let Some(quoted) = self.rest.strip_prefix('\'') {
            let (name, behind) = quoted.split_once('\'').ok_or_else(|| self.wrong())?;
            // An escaped quote in a name occurs in no property that exists.
            if name.contains('\\') {
                return Err(PatternError::Unsupported);
            }
            self.rest = behind;
            return Ok(());
        }
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || (hyphens && c == '-');
        let behind = self.rest.trim_start_matches(of_name);
        if behind.len() == self.rest.len() || self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err(self.wrong());
        }
        self.rest = behind;
        Ok(())
    }

    fn operator(&mut self) -> Result<(), PatternError> {
        if self.rest.starts_with("==") {
            return self.expect("==");
        }
        if self.rest.starts_with('=') {
            return self.expect("=");
        }
        let symbolic = OTHER_OPERATORS.iter().any(|operator| {
            !operator.starts_with(|c: char| c.is_ascii_alphabetic()) && self.rest.starts_with(operator)
        });
        Err(if symbolic || self.at_word(&OTHER_OPERATORS) { PatternError::Unsupported } else { self.wrong() })
    }

    /// Takes a string literal and removes its escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, PatternError> {
        let Some(body) = self.rest.strip_prefix('\'') else {
            // Numbers, true, false, t'...', h'...', b'...'.
            let literal =
                self.rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '+' || c == '.');
            return Err(if literal { PatternError::Unsupported } else { self.wrong() });
        };
        let mut unescaped = String::new();
        let mut rest = body;
        loop {
            let (plain, special) =
                rest.find(['\'', '\\']).and_then(|at| rest.split_at_checked(at)).ok_or_else(|| self.wrong())?;
            if let Some(behind) = special.strip_prefix('\'') {
                self.rest = behind;
                self.skip_blanks();
                if unescaped.is_empty() {
                    return Ok(Cow::Borrowed(plain));
                }
                unescaped.push_str(plain);
                return Ok(Cow::Owned(unescaped));
            }
            let mut characters = special.chars();
            characters.next();
            if let Some(escaped @ ('\'' | '\\')) = characters.next() {
                unescaped.push_str(plain);
                unescaped.push(escaped);
                rest = characters.as_str();
            } else {
                self.rest = special;
                return Err(self.wrong());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("[url:value = 'a']", Property::Url, "a")]
    #[case("  [ url:value  ==  'a' ] \n", Property::Url, "a")]
    #[case("[url:value='']", Property::Url, "")]
    #[case(r"[url:value = 'it\'s a \\ \\\' ']", Property::Url, r"it's a \ \' ")]
    #[case("[url:value = 'a\nb\0']", Property::Url, "a\nb\0")]
    #[case("[url:value = ']']", Property::Url, "]")]
    #[case("[file:hashes.MD5 = 'D41D8CD98F00B204E9800998ECF8427E']", Property::Md5, "D41D8CD98F00B204E9800998ECF8427E")]
    #[case(r"[windows-registry-key:key = 'HKLM\\a']", Property::RegistryKey, r"HKLM\a")]
    #[case("[process:command_line = 'a']", Property::CommandLine, "a")]
    fn is_a_comparison(#[case] pattern: &str, #[case] property: Property, #[case] text: &str) {
        assert_eq!(parse(pattern), Ok((property, Cow::Borrowed(text))));
    }

    #[rstest]
    #[case("[ipv4-addr:value = 'a'] FOLLOWEDBY [url:value = 'b']")]
    #[case("[ipv4-addr:value = 'a'] OR [url:value = 'b']")]
    #[case("[ipv4-addr:value = 'a'] REPEATS 5 TIMES")]
    #[case("([ipv4-addr:value = 'a'])")]
    #[case("[(ipv4-addr:value = 'a')]")]
    #[case("[ipv4-addr:value = 'a' AND url:value = 'b']")]
    #[case("[ipv4-addr:value = 'a' OR url:value = 'b']")]
    #[case("[NOT ipv4-addr:value = 'a']")]
    #[case("[EXISTS ipv4-addr:value]")]
    #[case("[ipv4-addr:value != 'a']")]
    #[case("[ipv4-addr:value <= 'a']")]
    #[case("[ipv4-addr:value NOT = 'a']")]
    #[case("[ipv4-addr:value ISSUBSET '198.51.100.0/24']")]
    #[case("[url:value MATCHES '^a']")]
    #[case("[url:value LIKE 'a%']")]
    #[case("[url:value IN ('a', 'b')]")]
    #[case("[file:size = 5]")]
    #[case("[file:created = t'2026-01-01T00:00:00Z']")]
    #[case("[file:name = 'a']")]
    #[case("[file:hashes.'SHA-512' = 'a']")]
    #[case("[email-message:to_refs[0].value = 'a']")]
    #[case("[email-message:to_refs[*].value = 'a']")]
    fn is_more_than_we_read(#[case] pattern: &str) {
        assert_eq!(parse(pattern), Err(PatternError::Unsupported));
    }

    #[rstest]
    #[case("", 0)]
    #[case("url:value = 'a'", 0)]
    #[case("[url:value = 'a'", 16)]
    #[case("[url:value = 'a]", 13)]
    #[case("[url:value = \"a\"]", 13)]
    #[case("[url:value 'a']", 11)]
    #[case("[url:value = 'a''b']", 16)]
    #[case("[url:value = 'a'b']", 16)]
    #[case(r"[url:value = 'a\b']", 15)]
    #[case(r"[url:value = 'a\']", 13)]
    #[case("[url = 'a']", 4)]
    #[case("[:value = 'a']", 1)]
    #[case("[url:value = 'a' and url:value = 'b']", 17)]
    #[case("[url:value = 'a' ANDY]", 17)]
    #[case("[file:hashes.SHA-256 = 'a']", 16)]
    #[case("[file:hashes.\"MD5\" = 'a']", 13)]
    #[case("[a:b[x] = 'a']", 4)]
    #[case("[url:value = 'a'] x", 18)]
    fn breaks_the_grammar(#[case] pattern: &str, #[case] at: usize) {
        assert_eq!(parse(pattern), Err(PatternError::Syntax { at }));
    }

    #[test]
    fn a_hash_has_its_length() {
        assert_eq!(parse("[file:hashes.MD5 = 'd41d8']"), Err(PatternError::NotAHash));
        assert_eq!(parse("[file:hashes.'SHA-1' = 'd41d8cd98f00b204e9800998ecf8427e']"), Err(PatternError::NotAHash));
    }

    #[test]
    fn the_endless_is_refused() {
        let pattern = format!("[url:value = '{}']", "a".repeat(64 * 1024));
        assert_eq!(parse(&pattern), Err(PatternError::TooLong));
    }
}
