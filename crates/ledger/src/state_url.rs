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
    /// A container in Azure Blob storage, or a folder in one.
    Blob(BlobPlace),
    /// Memory of this process: gone with it. For tests and the demo.
    Memory,
}

/// A place in Azure Blob storage: `az://account/container/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPlace {
    account: String,
    container: String,
    prefix: String,
}

/// Why a `StateUrl` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    /// A relative or foreign file URL.
    #[error("'{0}' names no folder of this machine; expected an absolute path as in file:///var/lib/vmray-sentinel")]
    Folder(String),
    /// No place in Azure Blob storage.
    #[error(
        "'{url}' names no place in Azure Blob storage: {reason}; expected az://account/container or az://account/container/folder"
    )]
    Blob {
        /// What was set.
        url: String,
        /// Which part is wrong.
        reason: &'static str,
    },
    /// A scheme this version does not know.
    #[error(
        "'{0}' uses a scheme that this version does not support; expected file:///folder, az://account/container or memory:"
    )]
    Scheme(String),
}

impl BlobPlace {
    /// Returns the root of a container.
    pub fn of_container(account: &str, container: &str) -> Result<Self, StateUrlError> {
        Self::parse(&format!("{account}/{container}"))
    }

    /// Returns the name of the storage account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the name of the container.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Returns the folder in the container; empty for its root.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reads what comes after `az://`.
    fn parse(text: &str) -> Result<Self, StateUrlError> {
        let wrong = |reason| StateUrlError::Blob { url: format!("az://{text}"), reason };
        let mut parts = text.trim_end_matches('/').splitn(3, '/');
        let account = parts.next().unwrap_or_default();
        let container = parts.next().unwrap_or_default();
        let prefix = parts.next().unwrap_or_default();
        // Naming rules of storage accounts and containers (Azure Resource Manager, resource name rules).
        if !(3..=24).contains(&account.len())
            || !account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            return Err(wrong("a storage account's name has 3 to 24 lower-case letters and digits"));
        }
        if !(3..=63).contains(&container.len())
            || !container.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            || container.starts_with('-')
            || container.ends_with('-')
            || container.contains("--")
        {
            return Err(wrong("a container's name has 3 to 63 lower-case letters, digits and single hyphens"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_folder = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_plain);
        if !prefix.is_empty() && !prefix.split('/').all(is_folder) {
            return Err(wrong("a folder's name has letters, digits, '.', '_' and '-'"));
        }
        Ok(Self { account: account.to_owned(), container: container.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "az://{}/{}", self.account, self.container)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl FromStr for StateUrl {
    type Err = StateUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some((scheme, rest)) = text.split_once("://")
            && scheme.eq_ignore_ascii_case("az")
        {
            return BlobPlace::parse(rest).map(Self::Blob);
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
            Self::Blob(place) => place.fmt(f),
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
    #[case("az://account/container", "az://account/container")]
    #[case("AZ://account1/con-tainer/", "az://account1/con-tainer")]
    #[case(" az://account/container/some/Folder_1.x/", "az://account/container/some/Folder_1.x")]
    #[case("memory:", "memory:")]
    fn accepts(#[case] text: &str, #[case] shown: &str) {
        let url = text.parse::<StateUrl>().unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(shown.parse(), Ok(url));
    }

    #[rstest]
    #[case("file://relative/path")]
    #[case("file:///")]
    #[case("az://account")]
    #[case("az://Account/container")]
    #[case("az://ac/container")]
    #[case("az://account.blob.core.windows.net/container")]
    #[case("az://account/co")]
    #[case("az://account/-container")]
    #[case("az://account/con--tainer")]
    #[case("az://account/Container")]
    #[case("az://account/container//x")]
    #[case("az://account/container/../x")]
    #[case("az://account/container/x?sv=1")]
    #[case("/var/lib/feed")]
    #[case("")]
    fn refuses(#[case] text: &str) {
        assert!(text.parse::<StateUrl>().is_err());
    }
}
