//! The package for Debian and what comes from it.
//!
//! A `.deb` is an `ar` archive of a version, the control files and the files (deb(5)). It holds the program, the unit for
//! systemd, manual pages, completions and terms, and no script: nothing runs when it is installed, and the service waits
//! until somebody gives it settings. The same files give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, ensure};
use flate2::{Compression, GzBuilder};
use md5::{Digest as _, Md5};

use crate::binary::NAME;
use crate::tarball::{Entry, tar};

/// When all files were written: 2000-01-01. Debian takes what is older than 1984 for a mistake.
const WRITTEN: u64 = 946_684_800;

/// What is installed, by its path below the root.
#[derive(Debug, Default)]
pub(crate) struct Debian(BTreeMap<String, File>);

#[derive(Debug)]
struct File {
    mode: u32,
    content: Vec<u8>,
}

impl Debian {
    /// Adds a file as it is.
    pub(crate) fn file(&mut self, path: impl Into<String>, content: Vec<u8>) {
        self.0.insert(path.into(), File { mode: 0o644, content });
    }

    /// Adds a program.
    pub(crate) fn program(&mut self, path: impl Into<String>, content: Vec<u8>) {
        self.0.insert(path.into(), File { mode: 0o755, content });
    }

    /// Adds a file that Debian keeps compressed, under its name with `.gz`.
    pub(crate) fn compressed(&mut self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        self.file(format!("{path}.gz"), gzip(content)?);
        Ok(())
    }

    /// Returns the package. `control` has `{version}` and `{installed_kib}` to fill in.
    pub(crate) fn package(&self, control: &str, version: &str) -> anyhow::Result<Vec<u8>> {
        // In KiB, each file and folder rounded up, as dpkg-gencontrol counts.
        let folders = self.folders();
        let kib: u64 = self.0.values().map(|file| (file.content.len() as u64).div_ceil(1024)).sum();
        let kib = kib + folders.len() as u64;
        let control = control.replace("{version}", version).replace("{installed_kib}", &kib.to_string());
        let mut sums = String::new();
        for (path, file) in &self.0 {
            for byte in Md5::digest(&file.content) {
                write!(sums, "{byte:02x}")?;
            }
            writeln!(sums, "  {path}")?;
        }
        let about = [
            Entry::folder(".", 0o755, 0),
            Entry::file("control", 0o644, control.as_bytes()),
            Entry::file("md5sums", 0o644, sums.as_bytes()),
        ];
        let about = tar(&about, WRITTEN)?;
        let mut entries = vec![Entry::folder(".", 0o755, 0)];
        entries.extend(folders.iter().map(|folder| Entry::folder(folder, 0o755, 0)));
        entries.extend(self.0.iter().map(|(path, file)| Entry::file(path.as_str(), file.mode, &file.content)));
        // A folder stands before what is in it.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &gzip(&about)?),
            ("data.tar.gz", &gzip(&tar(&entries, WRITTEN)?)?),
        ])
    }

    /// The folders of all files, each with those that it is in.
    fn folders(&self) -> BTreeSet<&str> {
        let ends = self.0.keys().flat_map(|path| path.match_indices('/').map(move |(at, _)| path.get(..at)));
        ends.flatten().collect()
    }
}

/// The unit as it is in the repository, for a program that lies where packages put it, without the words on copying it there.
pub(crate) fn unit(text: &str) -> anyhow::Result<String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("#   ")).collect();
    let unit = lines.join("\n") + "\n";
    let own = format!("/usr/local/bin/{NAME}");
    ensure!(unit.matches(&own).count() == 1, "the unit does not start {own}");
    Ok(unit.replace(&own, &format!("/usr/bin/{NAME}")))
}

/// A licence as a field of the copyright file takes it: each line begins with a blank, an empty one holds a dot.
pub(crate) fn paragraph(text: &str) -> String {
    let lines =
        text.trim().lines().map(|line| if line.trim().is_empty() { " .".to_owned() } else { format!(" {line}") });
    lines.collect::<Vec<_>>().join("\n")
}

fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    // No name and no time: both would stand in the file.
    let mut zipped = GzBuilder::new().write(Vec::new(), Compression::best());
    zipped.write_all(content).context("compressing")?;
    zipped.finish().context("compressing")
}

/// Returns an archive in the common format of ar(5).
fn ar(members: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        // Name, time, owner, group, mode and size, all padded with blanks.
        writeln!(archive, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len())?;
        archive.extend_from_slice(content);
        if content.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn example() -> Debian {
        let mut debian = Debian::default();
        debian.program("usr/bin/vmray-sentinel", b"program".to_vec());
        debian.compressed("usr/share/man/man1/vmray-sentinel.1", b"page").unwrap();
        debian
    }

    /// Members of an ar archive by name.
    fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut rest = archive.strip_prefix(b"!<arch>\n").unwrap();
        let mut found = BTreeMap::new();
        while !rest.is_empty() {
            let (header, after) = rest.split_at(60);
            assert!(header.ends_with(b"`\n"), "{header:?}");
            let field = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().trim().to_owned();
            let size: usize = field(&header[48..58]).parse().unwrap();
            found.insert(field(&header[..16]), after[..size].to_vec());
            rest = &after[size + size % 2..];
        }
        found
    }

    fn names(gzipped: &[u8]) -> Vec<(String, u32)> {
        let mut tar = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut tar).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let entry = entry.unwrap();
            assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (WRITTEN, 0));
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            (name, entry.header().mode().unwrap())
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn a_package_has_its_version_its_control_files_and_every_folder_before_what_is_in_it() {
        let package = example().package("Version: {version}\nInstalled-Size: {installed_kib}\n", "1.2.3").unwrap();
        let members = members(&package);
        assert_eq!(members["debian-binary"], b"2.0\n");
        assert_eq!(names(&members["control.tar.gz"]).len(), 3);
        let expected = [
            ("./", 0o755),
            ("usr/", 0o755),
            ("usr/bin/", 0o755),
            ("usr/bin/vmray-sentinel", 0o755),
            ("usr/share/", 0o755),
            ("usr/share/man/", 0o755),
            ("usr/share/man/man1/", 0o755),
            ("usr/share/man/man1/vmray-sentinel.1.gz", 0o644),
        ];
        assert_eq!(names(&members["data.tar.gz"]), expected.map(|(name, mode)| (name.to_owned(), mode)));
        let mut control = String::new();
        GzDecoder::new(members["control.tar.gz"].as_slice()).read_to_string(&mut control).unwrap();
        assert!(control.contains("Version: 1.2.3\nInstalled-Size: 7\n"), "{control}");
        assert!(control.contains("a9c449d4fa44e9e5a41c574ae55ce4d9  usr/bin/vmray-sentinel\n"), "{control}");
    }

    #[test]
    fn the_same_files_give_the_same_package_and_another_byte_another() {
        let of = |debian: &Debian| debian.package("Version: {version}\n", "1.2.3").unwrap();
        let mut other = example();
        assert_eq!(of(&example()), of(&other));
        other.file("usr/share/doc/vmray-sentinel/copyright", b"terms".to_vec());
        assert_ne!(of(&example()), of(&other));
    }

    #[test]
    fn the_unit_starts_the_program_where_the_package_puts_it() {
        let text = include_str!("../../deploy/vmray-sentinel.service");
        let unit = unit(text).unwrap();
        assert!(unit.contains("\nExecStart=/usr/bin/vmray-sentinel serve\n"), "{unit}");
        assert!(!unit.contains("/usr/local") && !unit.contains("install -m"), "{unit}");
        assert!(self::unit("[Service]\nExecStart=/opt/other\n").is_err());
    }

    #[test]
    fn a_licence_becomes_a_field() {
        assert_eq!(paragraph("MIT\n\nPermission\n"), " MIT\n .\n Permission");
    }
}
