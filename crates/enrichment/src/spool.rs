//! Files on their way through: on disk, hashed while they come in, gone when nobody holds them any more.
//!
//! The file has no name on disk where the system allows that, so even a killed process leaves nothing behind.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use vmray::SampleHash;

/// Bytes written and read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Where files are spooled, and how large they may be.
#[derive(Debug, Clone)]
pub struct SpoolRoom {
    /// The folder; the system's for temporary files if `None`.
    pub folder: Option<PathBuf>,
    /// Largest file that is taken.
    pub max_bytes: u64,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It is too large.
    #[error("the file is larger than the {max_bytes} bytes that are taken")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It has no content.
    #[error("the file is empty")]
    Empty,
    /// The disk failed.
    #[error(
        "the file could not be kept on disk while it is sent; check the space and the rights of the folder for temporary files"
    )]
    Disk(#[source] io::Error),
}

/// A file that is coming in.
#[derive(Debug)]
pub struct Spool {
    max_bytes: u64,
    size_bytes: u64,
    waiting: BytesMut,
    sink: Option<Sink>,
}

#[derive(Debug)]
struct Sink {
    file: File,
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

/// A file that came in whole. Clones share it.
#[derive(Debug, Clone)]
pub struct SpooledFile {
    file: Arc<File>,
    size_bytes: u64,
    md5: SampleHash,
    sha1: SampleHash,
    sha256: SampleHash,
}

impl SpoolRoom {
    /// Begins to take a file.
    pub async fn begin(&self) -> Result<Spool, SpoolError> {
        let folder = self.folder.clone();
        let file = blocking(move || match folder.as_deref() {
            Some(folder) => tempfile::tempfile_in::<&Path>(folder),
            None => tempfile::tempfile(),
        })
        .await?;
        let sink = Sink { file, md5: Md5::new(), sha1: Sha1::new(), sha256: Sha256::new() };
        Ok(Spool { max_bytes: self.max_bytes, size_bytes: 0, waiting: BytesMut::new(), sink: Some(sink) })
    }
}

impl Spool {
    /// Takes the next bytes. After an error the file is lost.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), SpoolError> {
        self.size_bytes += chunk.len() as u64;
        if self.size_bytes > self.max_bytes {
            self.sink = None;
            return Err(SpoolError::TooLarge { max_bytes: self.max_bytes });
        }
        self.waiting.extend_from_slice(chunk);
        if self.waiting.len() >= PIECE_BYTES { self.put_down().await } else { Ok(()) }
    }

    /// Ends the file.
    pub async fn finish(mut self) -> Result<SpooledFile, SpoolError> {
        if self.size_bytes == 0 {
            return Err(SpoolError::Empty);
        }
        self.put_down().await?;
        let Sink { file, md5, sha1, sha256 } = self.sink.take().ok_or_else(lost)?;
        Ok(SpooledFile {
            file: Arc::new(file),
            size_bytes: self.size_bytes,
            md5: hash_of(&md5.finalize()),
            sha1: hash_of(&sha1.finalize()),
            sha256: hash_of(&sha256.finalize()),
        })
    }

    async fn put_down(&mut self) -> Result<(), SpoolError> {
        let piece = self.waiting.split().freeze();
        let mut sink = self.sink.take().ok_or_else(lost)?;
        self.sink = Some(
            blocking(move || {
                sink.file.write_all(&piece)?;
                sink.md5.update(&piece);
                sink.sha1.update(&piece);
                sink.sha256.update(&piece);
                Ok(sink)
            })
            .await?,
        );
        Ok(())
    }
}

impl SpooledFile {
    /// Returns its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns its MD5.
    pub fn md5(&self) -> &SampleHash {
        &self.md5
    }

    /// Returns its SHA-1.
    pub fn sha1(&self) -> &SampleHash {
        &self.sha1
    }

    /// Returns its SHA-256.
    pub fn sha256(&self) -> &SampleHash {
        &self.sha256
    }

    /// Returns its content from the beginning, a piece at a time.
    pub fn content(&self) -> BoxStream<'static, io::Result<Bytes>> {
        let pieces = stream::try_unfold((self.file.clone(), 0), |(file, at)| async move {
            let from = Arc::clone(&file);
            let piece = tokio::task::spawn_blocking(move || piece_at(&from, at)).await.map_err(io::Error::other)??;
            let next = at + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, (file, next))))
        });
        pieces.boxed()
    }
}

/// Reads without moving a cursor that clones would share.
fn piece_at(file: &File, at: u64) -> io::Result<Bytes> {
    let mut piece = BytesMut::zeroed(PIECE_BYTES);
    #[cfg(unix)]
    let read = std::os::unix::fs::FileExt::read_at(file, &mut piece, at)?;
    #[cfg(windows)]
    let read = std::os::windows::fs::FileExt::seek_read(file, &mut piece, at)?;
    piece.truncate(read);
    Ok(piece.freeze())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, SpoolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(SpoolError::Disk),
        Err(error) => Err(SpoolError::Disk(io::Error::other(error))),
    }
}

fn lost() -> SpoolError {
    SpoolError::Disk(io::Error::other("an earlier write failed"))
}

/// Writes a digest as the hash that its length says it is.
fn hash_of(digest: &[u8]) -> SampleHash {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    // The digests above are 16, 20 and 32 bytes long.
    text.parse().unwrap_or_else(|_| unreachable!("a digest is a hash"))
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    const ROOM: SpoolRoom = SpoolRoom { folder: None, max_bytes: 1_000_000 };

    #[tokio::test]
    async fn a_file_is_hashed_while_it_comes_in_and_comes_out_as_often_as_asked() {
        let mut spool = ROOM.begin().await.unwrap();
        for _ in 0..7 {
            spool.write(&vec![b'a'; 100_000]).await.unwrap();
        }
        let file = spool.finish().await.unwrap();
        assert_eq!(file.size_bytes(), 700_000);
        for _ in 0..2 {
            let back: Vec<Bytes> = file.content().try_collect().await.unwrap();
            assert_eq!(back.concat(), vec![b'a'; 700_000]);
        }
        let mut whole = Sha256::new();
        whole.update(vec![b'a'; 700_000]);
        assert_eq!(*file.sha256(), hash_of(&whole.finalize()));
    }

    #[tokio::test]
    async fn the_hashes_are_those_of_the_standards() {
        let mut spool = ROOM.begin().await.unwrap();
        spool.write(b"abc").await.unwrap();
        let file = spool.finish().await.unwrap();
        assert_eq!(file.md5().as_str(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(file.sha1().as_str(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(file.sha256().as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_or_empty_is_refused() {
        let mut spool = ROOM.begin().await.unwrap();
        spool.write(&vec![0; 999_999]).await.unwrap();
        assert!(matches!(spool.write(&[0; 2]).await, Err(SpoolError::TooLarge { max_bytes: 1_000_000 })));
        assert!(spool.finish().await.is_err(), "what was cut is no file");
        assert!(matches!(ROOM.begin().await.unwrap().finish().await, Err(SpoolError::Empty)));
    }
}
