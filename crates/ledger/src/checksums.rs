//! Which of the engine's files there must be, and what is in them: a list that is written after each of them.
//!
//! The list is an object of its own, in the format of `sha256sum`, so that `sha256sum -c` in the folder of the engine's
//! files checks it too. Its last line is the checksum of the lines before, so that a damaged list is told from a damaged
//! file. What the list promises and what it cannot is in [`crate::integrity`].

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// What the last line starts with; `sha256sum` takes it for a comment.
const SEAL: &str = "# ";
/// Digits of a file's number in its name.
const DIGITS: usize = 20;

/// A file of the engine that nothing else vouches for.
///
/// Sorted files (`compacted/`) are not among them: the manifest names each of them, and their blocks carry checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EngineFile {
    /// A version of the list of sorted files. Only the newest counts; the engine puts no checksum into it.
    Manifest(u64),
    /// A version of the list of merges. Only the newest counts; the engine puts no checksum into it.
    Compactions(u64),
    /// What was written ahead. All count that the manifest has not caught up with.
    Wal(u64),
}

impl EngineFile {
    /// Returns the file of a path below the engine's folder.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (folder, name) = path.split_once('/')?;
        let (number, ending) = name.split_once('.')?;
        let number = number.parse().ok().filter(|_| number.len() == DIGITS)?;
        match (folder, ending) {
            ("manifest", "manifest") => Some(Self::Manifest(number)),
            ("compactions", "compactions") => Some(Self::Compactions(number)),
            ("wal", "sst") => Some(Self::Wal(number)),
            _ => None,
        }
    }
}

impl fmt::Display for EngineFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(number) => write!(f, "manifest/{number:020}.manifest"),
            Self::Compactions(number) => write!(f, "compactions/{number:020}.compactions"),
            Self::Wal(number) => write!(f, "wal/{number:020}.sst"),
        }
    }
}

/// The SHA-256 of a file.
pub(crate) type Checksum = [u8; 32];

/// Returns the checksum of a content that comes in parts.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Checksum {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checksums {
    files: BTreeMap<EngineFile, Checksum>,
}

impl Checksums {
    /// Adds a file that was written. Of manifests and merges the newest stays.
    pub(crate) fn add(&mut self, file: EngineFile, checksum: Checksum) {
        let replaced = match file {
            EngineFile::Manifest(_) => self.manifest().map(EngineFile::Manifest),
            EngineFile::Compactions(_) => self.compactions().map(EngineFile::Compactions),
            EngineFile::Wal(_) => None,
        };
        match replaced {
            Some(known) if known > file => return,
            Some(known) => self.files.remove(&known),
            None => None,
        };
        self.files.insert(file, checksum);
    }

    /// Forgets what was written ahead up to this number: the manifest has caught up with it.
    pub(crate) fn forget_wal(&mut self, up_to: u64) {
        self.files.retain(|file, _| !matches!(file, EngineFile::Wal(number) if *number <= up_to));
    }

    pub(crate) fn get(&self, file: EngineFile) -> Option<&Checksum> {
        self.files.get(&file)
    }

    /// Returns the number of the newest manifest.
    pub(crate) fn manifest(&self) -> Option<u64> {
        self.files.keys().find_map(|file| if let EngineFile::Manifest(number) = file { Some(*number) } else { None })
    }

    /// Returns the number of the newest list of merges.
    pub(crate) fn compactions(&self) -> Option<u64> {
        self.files.keys().find_map(|file| if let EngineFile::Compactions(number) = file { Some(*number) } else { None })
    }

    /// Returns the numbers of what was written ahead.
    pub(crate) fn wal(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.files.keys().filter_map(|file| if let EngineFile::Wal(number) = file { Some(*number) } else { None })
    }

    /// Reads the list back.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(content).map_err(|_| "it is not text")?;
        let (lines, seal) = text.trim_end_matches('\n').rsplit_once(SEAL).ok_or("its last line is missing")?;
        if hex(&of_parts([lines.as_bytes()])) != seal {
            return Err("its lines are not the ones that were written");
        }
        let files = lines.lines().map(|line| {
            let (checksum, path) = line.split_once("  ")?;
            Some((EngineFile::parse(path)?, from_hex(checksum)?))
        });
        Ok(Self { files: files.collect::<Option<_>>().ok_or("it holds a line of another kind")? })
    }

    /// Returns the object's content.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (file, checksum) in &self.files {
            // Writing to a string does not fail.
            writeln!(text, "{}  {file}", hex(checksum)).unwrap_or_default();
        }
        let seal = hex(&of_parts([text.as_bytes()]));
        writeln!(text, "{SEAL}{seal}").unwrap_or_default();
        text
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

fn from_hex(text: &str) -> Option<Checksum> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> Checksums {
        let mut list = Checksums::default();
        for file in [
            EngineFile::Wal(7),
            EngineFile::Manifest(3),
            EngineFile::Wal(8),
            EngineFile::Manifest(2),
            EngineFile::Manifest(4),
            EngineFile::Compactions(1),
        ] {
            list.add(file, of_parts([file.to_string().as_bytes()]));
        }
        list
    }

    #[test]
    fn a_list_reads_back_and_keeps_the_newest_manifest() {
        let list = list();
        assert_eq!(Checksums::parse(list.render().as_bytes()), Ok(list.clone()));
        assert_eq!((list.manifest(), list.compactions()), (Some(4), Some(1)));
        assert_eq!(list.wal().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(Checksums::parse(Checksums::default().render().as_bytes()), Ok(Checksums::default()));
    }

    #[test]
    fn the_list_has_the_format_of_sha256sum() {
        let text = list().render();
        let line = text.lines().next().unwrap();
        assert_eq!(line.len(), 64 + 2 + "manifest/00000000000000000004.manifest".len());
        assert!(line.ends_with("  manifest/00000000000000000004.manifest"), "{line}");
    }

    #[test]
    fn what_the_manifest_has_caught_up_with_is_forgotten() {
        let mut list = list();
        list.forget_wal(7);
        assert_eq!(list.wal().collect::<Vec<_>>(), [8]);
        assert_eq!(list.manifest(), Some(4));
    }

    proptest! {
        #[test]
        fn a_list_with_any_bit_flipped_or_cut_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let whole = list().render().into_bytes();
            let place = place.index(whole.len() - 1);
            prop_assert!(Checksums::parse(&whole[..place]).is_err());
            let mut flipped = whole;
            flipped[place] ^= 1 << bit;
            prop_assert!(Checksums::parse(&flipped).is_err());
        }
    }
}
