//! What malware leaves on a machine: registry keys, mutexes, command lines. Text stays as it is.

use std::fmt;

use crate::value::{ValueError, bounded, without_controls};

/// Path of a registry key, as given.
///
/// No control characters (an embedded NUL or line break is a trick that no log shows), at least one backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryKey(String);

impl RegistryKey {
    /// Reads a key's path.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        filled(text)?;
        without_controls(text, &[])?;
        if text.contains('\\') { Ok(Self(text.to_owned())) } else { Err(ValueError::NotARegistryKey) }
    }

    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of a mutex, as given, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mutex(String);

impl Mutex {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        filled(text)?;
        without_controls(text, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Command line of a process, as given.
///
/// Scripts are passed with line breaks and tabs in them, so these stay; other control characters are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandLine(String);

impl CommandLine {
    /// Reads a command line.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        filled(text)?;
        without_controls(text, &['\t', '\r', '\n'])?;
        Ok(Self(text.to_owned()))
    }

    /// Returns the command line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegistryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Mutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn filled(text: &str) -> Result<(), ValueError> {
    bounded(text)?;
    if text.trim().is_empty() { Err(ValueError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_it_is() {
        let key = r"HKEY_LOCAL_MACHINE\Software\It's\ü";
        assert_eq!(RegistryKey::parse(key).unwrap().as_str(), key);
        assert_eq!(Mutex::parse(" Global\\<b>ö</b> ").unwrap().as_str(), " Global\\<b>ö</b> ");
        assert_eq!(CommandLine::parse("cmd /c \"a\r\n\tb\"").unwrap().as_str(), "cmd /c \"a\r\n\tb\"");
    }

    #[test]
    fn controls_and_nothing_are_refused() {
        assert_eq!(RegistryKey::parse("HKLM"), Err(ValueError::NotARegistryKey));
        assert_eq!(RegistryKey::parse("HKLM\\a\0"), Err(ValueError::ControlCharacter { code_point: 0 }));
        assert_eq!(Mutex::parse("a\nb"), Err(ValueError::ControlCharacter { code_point: 10 }));
        assert_eq!(Mutex::parse("  "), Err(ValueError::Empty));
        assert_eq!(CommandLine::parse("a\0b"), Err(ValueError::ControlCharacter { code_point: 0 }));
        assert_eq!(CommandLine::parse("\n"), Err(ValueError::Empty));
        assert_eq!(CommandLine::parse(&"a".repeat(16 * 1024 + 1)), Err(ValueError::TooLong { bytes: 16 * 1024 + 1 }));
        assert!(CommandLine::parse(&"a".repeat(16 * 1024)).is_ok());
    }
}
