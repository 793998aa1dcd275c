//! A zip as the Functions host takes it, the same bytes for the same files.
//!
//! Only on some plans does the host make the handler executable, so the mode is in the zip: made by Unix, 0100777 for the
//! program and 0100666 for everything else, as Microsoft's Core Tools write it (`ZipHelper`). Files stand in the order of
//! their names and all have the same time.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use anyhow::Context as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Files of an archive by name; folders come from the names.
#[derive(Debug, Default, Clone)]
pub(crate) struct Archive(BTreeMap<String, File>);

#[derive(Debug, Clone)]
struct File {
    content: Vec<u8>,
    mode: u32,
}

impl Archive {
    /// Adds a file that is read.
    pub(crate) fn file(&mut self, name: impl Into<String>, content: Vec<u8>) {
        self.0.insert(name.into(), File { content, mode: 0o666 });
    }

    /// Adds a file that is run.
    pub(crate) fn program(&mut self, name: impl Into<String>, content: Vec<u8>) {
        self.0.insert(name.into(), File { content, mode: 0o777 });
    }

    /// Returns the zip.
    pub(crate) fn zip(&self) -> anyhow::Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, file) in &self.0 {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(9))
                .last_modified_time(DateTime::default())
                .system(System::Unix)
                .unix_permissions(file.mode);
            zip.start_file(name, options).with_context(|| format!("packing {name}"))?;
            zip.write_all(&file.content).with_context(|| format!("packing {name}"))?;
        }
        Ok(zip.finish().context("packing")?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use zip::ZipArchive;

    use super::*;

    fn example() -> Archive {
        let mut archive = Archive::default();
        archive.program("vmray-sentinel", b"\x7fELF".repeat(1000));
        archive.file("host.json", b"{}".to_vec());
        archive.file("VMRay/function.json", b"{}".to_vec());
        archive
    }

    #[test]
    fn the_order_in_which_files_are_added_leaves_no_trace() {
        let mut other = Archive::default();
        other.file("VMRay/function.json", b"{}".to_vec());
        other.file("host.json", b"{}".to_vec());
        other.program("vmray-sentinel", b"\x7fELF".repeat(1000));
        assert_eq!(example().zip().unwrap(), other.zip().unwrap());
    }

    #[test]
    fn one_byte_more_in_one_file_is_another_archive() {
        let mut other = example();
        other.file("host.json", b"{} ".to_vec());
        assert_ne!(example().zip().unwrap(), other.zip().unwrap());
    }

    #[test]
    fn modes_host_and_time_are_what_the_functions_host_and_a_second_build_expect() {
        let bytes = example().zip().unwrap();
        let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let names: Vec<_> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["VMRay/function.json", "host.json", "vmray-sentinel"]);
        for (name, mode) in
            [("VMRay/function.json", 0o100_666), ("host.json", 0o100_666), ("vmray-sentinel", 0o100_777)]
        {
            let mut file = zip.by_name(name).unwrap();
            assert_eq!(file.unix_mode(), Some(mode), "{name}");
            assert_eq!(file.last_modified(), Some(DateTime::default()), "{name}");
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            assert!(!content.is_empty(), "{name}");
        }
        // The central directory says who made each file: byte 5 of its entry is 3 for Unix.
        let entries: Vec<_> = (0..bytes.len() - 5).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
        assert_eq!(entries.len(), 3);
        assert!(entries.iter().all(|at| bytes[at + 5] == 3));
    }
}
