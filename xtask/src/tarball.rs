//! A tar with the same bytes for the same files: one time for all of them, and owners by number only.

use anyhow::Context as _;
use tar::{Builder, EntryType, Header};

/// A folder, or a file with its content.
pub(crate) struct Entry<'a> {
    pub(crate) name: String,
    mode: u32,
    owner: u64,
    content: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    pub(crate) fn folder(name: &str, mode: u32, owner: u64) -> Self {
        Self { name: format!("{name}/"), mode, owner, content: None }
    }

    pub(crate) fn file(name: impl Into<String>, mode: u32, content: &'a [u8]) -> Self {
        Self { name: name.into(), mode, owner: 0, content: Some(content) }
    }
}

/// Returns the archive, with the entries in their order, all written at `time` (seconds since 1970).
pub(crate) fn tar(files: &[Entry<'_>], time: u64) -> anyhow::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for Entry { name, mode, owner, content } in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(if content.is_some() { EntryType::Regular } else { EntryType::Directory });
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(*owner);
        header.set_mtime(time);
        let content = content.unwrap_or_default();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).with_context(|| format!("packing {name}"))?;
    }
    tar.into_inner().context("packing")
}
