//! Where the state is, as an operator sets it (`StateUrl`).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// A place for state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// A folder of this machine, made when absent.
    Folder(PathBuf),
    /// Memory of this process: gone with it. For tests and the demo.
    Memory,
}

/// Why a `StateUrl` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    /// A relative or foreign file URL.
    #[error("'{0}' names no folder of this machine; expected an absolute path as in file:///var/lib/vmray-sentinel")]
    Folder(String),
    /// A scheme this version does not know.
    #[error("'{0}' uses a scheme that this version does not support; expected file:///folder or memory:")]
    Scheme(String),
}

impl FromStr for StateUrl {
    type Err = StateUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        let url = Url::parse(text).map_err(|_| StateUrlError::Scheme(text.to_owned()))?;
        match url.scheme() {
            // `file://relative` has a host; `file:///` alone would make the root of the disk the state folder.
            "file" => match url.to_file_path() {
                Ok(path) if url.host().is_none() && path.parent().is_some() => Ok(Self::Folder(path)),
                _ => Err(StateUrlError::Folder(text.to_owned())),
            },
            _ => Err(StateUrlError::Scheme(text.to_owned())),
        }
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => match Url::from_directory_path(path) {
                Ok(url) => f.write_str(url.as_str().trim_end_matches('/')),
                Err(()) => write!(f, "{}", path.display()),
            },
            Self::Memory => f.write_str("memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("file:///var/lib/feed", "file:///var/lib/feed")]
    #[case("file:///var/lib/feed/", "file:///var/lib/feed")]
    #[case("file:///with%20space", "file:///with%20space")]
    #[case("memory:", "memory:")]
    fn accepts(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(text.parse::<StateUrl>().unwrap().to_string(), shown);
    }

    #[rstest]
    #[case("file://relative/path")]
    #[case("file:///")]
    #[case("az://account/container")]
    #[case("/var/lib/feed")]
    #[case("")]
    fn refuses(#[case] text: &str) {
        assert!(text.parse::<StateUrl>().is_err());
    }
}
