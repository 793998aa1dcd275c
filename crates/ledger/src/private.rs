//! A state on disk is for its owner only: folders 0700, files 0600, whoever made the folder above them.
//!
//! What VMRay found is confidential, and the keys of links to answers (`v1/keys/`) open it. The folder that `StateUrl`
//! names may be somebody else's, made with another mode and used for other things too: it is left as it is. Everything
//! below it is ours.

use std::io;
use std::path::Path;

/// Makes a folder, and those above it, for the owner only.
#[cfg(unix)]
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Lets this process make nothing any more that others can read. The store makes files and folders by itself and asks for
/// no mode, and changing the mode afterwards would leave a moment in between; the process writes nothing else.
#[cfg(unix)]
pub(crate) fn from_now_on() {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

#[cfg(not(unix))]
pub(crate) fn from_now_on() {}

/// Takes from others what an earlier version, or whoever restored the folder, has given them.
#[cfg(unix)]
pub(crate) fn restrict(folder: &Path) {
    if let Err(error) = unix::restrict(folder) {
        tracing::warn!(folder = %folder.display(), %error, "others may be able to read the state: its modes cannot be changed");
    }
}

#[cfg(not(unix))]
pub(crate) fn restrict(_: &Path) {}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    pub(super) fn restrict(path: &Path) -> io::Result<()> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            // Another process takes away what is done.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if found.is_symlink() {
            // What it points to is not ours.
            return Ok(());
        }
        if found.permissions().mode() & 0o077 != 0 {
            let mode = if found.is_dir() { 0o700 } else { 0o600 };
            gone_is_fine(fs::set_permissions(path, Permissions::from_mode(mode)))?;
        }
        if found.is_dir() {
            for entry in fs::read_dir(path)? {
                restrict(&entry?.path())?;
            }
        }
        Ok(())
    }

    fn gone_is_fine(outcome: io::Result<()>) -> io::Result<()> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}
