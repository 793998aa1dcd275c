//! What is asked about: a URL, a hash or a file.
//!
//! A URL keeps its text: only scheme and host come in lower case, credentials are taken out, and what was defanged
//! is mended; each of these is told in the item's notes. Things that cannot be read are an error that names the
//! thing and what to write instead.

use secrecy::SecretString;
use stix::{UrlText, ValueError};
use vmray::{FileStream, SampleHash, SubmitRequest};

use crate::SpooledFile;
use crate::refang::refang;
use crate::report::ItemKind;

/// Characters of a thing that an error repeats.
const SHOWN_CHARS: usize = 120;

/// Something to ask VMRay about.
#[derive(Debug, Clone)]
pub enum Item {
    /// A URL.
    Url(UrlItem),
    /// The hash of a file.
    Hash(SampleHash),
    /// A file.
    File(FileItem),
    /// Something that cannot be read: the report says so, and the others are answered.
    Unreadable(UnreadableItem),
}

/// Something that cannot be asked about, among others that can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableItem {
    /// What it was meant to be.
    pub kind: ItemKind,
    /// Where it stands in the request, such as `items[3]`.
    pub parameter: String,
    /// What is wrong with it and what to write instead.
    pub reason: String,
}

/// A URL to ask about.
#[derive(Debug, Clone)]
pub struct UrlItem {
    /// The URL as it is looked up and submitted.
    pub url: UrlText,
    /// As it was given, credentials taken out.
    pub asked: String,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// Whether it carried a user name or password, which nobody is sent.
    pub carried_credentials: bool,
}

/// A file to ask about.
#[derive(Debug, Clone)]
pub struct FileItem {
    /// Its name, as far as one is known.
    pub name: Option<String>,
    /// Its content.
    pub file: SpooledFile,
    /// Password of the archive.
    pub archive_password: Option<SecretString>,
    /// Password of the document.
    pub document_password: Option<SecretString>,
}

/// Why something cannot be asked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {reason}; {next_step}")]
pub struct ItemError {
    /// What was given, cut.
    pub item: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub next_step: &'static str,
}

impl Item {
    /// Reads a URL as people write it.
    pub fn url(text: &str) -> Result<Self, ItemError> {
        UrlItem::parse(text).map(Self::Url)
    }

    /// Reads an MD5, SHA-1 or SHA-256.
    pub fn hash(text: &str) -> Result<Self, ItemError> {
        text.parse().map(Self::Hash).map_err(|error: vmray::SampleHashError| ItemError {
            item: shown(text),
            reason: error.to_string(),
            next_step: "send 32, 40 or 64 hexadecimal digits, nothing before or behind them",
        })
    }

    /// Takes a file without passwords.
    pub fn file(name: Option<&str>, file: SpooledFile) -> Self {
        let name = name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        Self::File(FileItem { name, file, archive_password: None, document_password: None })
    }
}

impl FileItem {
    /// Returns the request that submits it, which reads it from disk while it is sent.
    pub fn submit_request(&self) -> SubmitRequest {
        let file = self.file.clone();
        let content = FileStream::new(file.size_bytes(), move || file.content());
        let name = self.name.clone().unwrap_or_else(|| self.file.sha256().to_string());
        let mut request = SubmitRequest::streamed(&name, content);
        request.options.archive_password.clone_from(&self.archive_password);
        request.options.document_password.clone_from(&self.document_password);
        request
    }
}

impl UrlItem {
    /// Reads a URL as people write it.
    pub(crate) fn parse(text: &str) -> Result<Self, ItemError> {
        let trimmed = text.trim();
        let mut notes = Vec::new();
        let mut read = refang(trimmed).into_owned();
        if read != trimmed {
            notes.push("it was written so that nobody clicks on it, and was read as the URL that is meant".to_owned());
        }
        if scheme_of(&read).is_none() {
            read = format!("http://{read}");
            notes.push("it came without a scheme and was read as http://".to_owned());
        }
        let failed = |reason: String| ItemError {
            item: shown(&without_credentials(trimmed).0),
            reason,
            next_step: "send a whole URL such as https://www.example.com/path",
        };
        let (bare, carried_credentials) = without_credentials(&read);
        if carried_credentials {
            notes.push("the user name or password in it was taken out and sent to nobody".to_owned());
        }
        let scheme = scheme_of(&bare).unwrap_or_default();
        if !["http", "https", "ftp"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return Err(failed(format!("the scheme {scheme:?} is not one that VMRay opens")));
        }
        let url = UrlText::parse(&bare).map_err(|error: ValueError| failed(error.to_string()))?;
        let asked = without_credentials(trimmed).0;
        Ok(Self { url, asked, notes, carried_credentials })
    }
}

/// Returns what stands before the first colon, if that is a scheme and not a host before its port.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (is_word && !rest.starts_with(|c: char| c.is_ascii_digit())).then_some(scheme)
}

/// Takes `user:password@` out of a URL, and says whether there was any.
fn without_credentials(text: &str) -> (String, bool) {
    // Browsers skip any number of slashes and backslashes behind the scheme.
    let behind_scheme = scheme_of(text).map_or(0, |scheme| scheme.len() + 1);
    let slashed = text.get(behind_scheme..).unwrap_or_default();
    let begin = text.len() - slashed.trim_start_matches(['/', '\\']).len();
    let rest = text.get(begin..).unwrap_or_default();
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    match rest.get(..end).and_then(|authority| authority.rfind('@')) {
        Some(at) => {
            let head = text.get(..begin).unwrap_or_default();
            (format!("{head}{}", rest.get(at + 1..).unwrap_or_default()), true)
        }
        None => (text.to_owned(), false),
    }
}

fn shown(text: &str) -> String {
    let plain: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    if plain.is_empty() { "an empty value".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn url(text: &str) -> UrlItem {
        match Item::url(text).unwrap() {
            Item::Url(item) => item,
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case("HTTPS://Evil.Example/Path?Q=A%2f", "https://evil.example/Path?Q=A%2f")]
    #[case(" https://evil.example/a b ", "https://evil.example/a b")]
    #[case("hxxps://evil[.]example/a", "https://evil.example/a")]
    #[case("evil.example/a", "http://evil.example/a")]
    #[case("evil.example:8080/a", "http://evil.example:8080/a")]
    #[case("https://me:hunter2@evil.example/a@b", "https://evil.example/a@b")]
    #[case("https:\\\\me@evil.example\\x", "https:\\\\evil.example\\x")]
    fn a_url_keeps_its_text_but_for_scheme_host_and_credentials(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(url(text).url.as_str(), expected);
    }

    #[test]
    fn what_was_read_otherwise_is_told() {
        let item = url("hxxps://me:hunter2@evil[.]example/a");
        assert_eq!(item.notes.len(), 2, "{:?}", item.notes);
        assert!(item.carried_credentials);
        assert!(!item.asked.contains("hunter2"), "{}", item.asked);
    }

    #[rstest]
    #[case("", "an empty value")]
    #[case("https://", "https://")]
    #[case("javascript://alert(1)", "javascript")]
    #[case("mailto:me@evil.example", "mailto")]
    #[case("https://evil.example/\u{1}", "https://evil.example/")]
    fn an_error_names_the_thing_and_the_next_step(#[case] text: &str, #[case] named: &str) {
        let error = Item::url(text).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.to_string().ends_with("https://www.example.com/path"), "{error}");
    }

    #[test]
    fn an_error_shows_no_password() {
        let error = Item::url("javascript://me:hunter2@evil.example").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_hash_is_read_by_its_length() {
        assert!(matches!(Item::hash(&"aB".repeat(16)).unwrap(), Item::Hash(hash) if hash.as_str() == "ab".repeat(16)));
        let error = Item::hash("xyz").unwrap_err().to_string();
        assert!(error.starts_with("xyz: is not a hash"), "{error}");
    }
}
