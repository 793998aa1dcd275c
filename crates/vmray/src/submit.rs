//! What is submitted, and how it is written.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::ready;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use outbound::StreamedBody;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// A file or URL to analyse, with its options.
#[derive(Debug, Clone)]
pub struct SubmitRequest {
    /// What to analyse.
    pub target: SubmitTarget,
    /// How.
    pub options: SubmitOptions,
}

/// What to analyse.
#[derive(Debug, Clone)]
pub enum SubmitTarget {
    /// A file.
    File {
        /// Its name; folders before it are cut off.
        name: String,
        /// Its content.
        content: Bytes,
    },
    /// A file that is read while it is sent.
    Streamed {
        /// Its name; folders before it are cut off.
        name: String,
        /// Its content.
        content: FileStream,
    },
    /// A URL.
    Url(String),
}

/// A file that can be read from its beginning as often as it takes.
#[derive(Clone)]
pub struct FileStream {
    size_bytes: u64,
    open: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

type Pieces = BoxStream<'static, io::Result<Bytes>>;

impl FileStream {
    /// Returns a file of this size; `open` begins to read it.
    pub fn new(size_bytes: u64, open: impl Fn() -> Pieces + Send + Sync + 'static) -> Self {
        Self { size_bytes, open: Arc::new(open) }
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// The body of a submit.
pub(crate) enum Encoded {
    Whole(Bytes),
    Streamed(StreamedBody),
}

/// How to analyse it. What is left out is decided by the key's settings in VMRay.
#[derive(Debug, Clone, Default)]
pub struct SubmitOptions {
    /// Tags; VMRay refuses spaces in them.
    pub tags: Vec<String>,
    /// Whether VirusTotal may learn the hash.
    pub shareable: Option<bool>,
    /// A remark.
    pub comment: Option<String>,
    /// Password of a document.
    pub document_password: Option<SecretString>,
    /// Password of an archive.
    pub archive_password: Option<SecretString>,
    /// Upper bound on the jobs.
    pub max_jobs: Option<u32>,
    /// Whether to analyse again although a result is known (older servers).
    pub reanalyze: Option<bool>,
    /// `disabled`, `enabled`, `smart`, `legacy`: the same on newer servers.
    pub analysis_caching: Option<String>,
    /// Settings of the analysis, such as `{"timeout": 180}`.
    pub user_config: Option<Value>,
    /// What VMRay shall keep with the submission.
    pub submission_metadata: Option<Value>,
    /// Further parameters by their name in VMRay.
    pub further: Vec<(String, String)>,
}

impl SubmitRequest {
    /// Returns a request for a file.
    pub fn file(name: &str, content: Bytes) -> Self {
        let target = SubmitTarget::File { name: name.to_owned(), content };
        Self { target, options: SubmitOptions::default() }
    }

    /// Returns a request for a file that is read while it is sent.
    pub fn streamed(name: &str, content: FileStream) -> Self {
        let target = SubmitTarget::Streamed { name: name.to_owned(), content };
        Self { target, options: SubmitOptions::default() }
    }

    /// Returns a request for a URL.
    pub fn url(url: &str) -> Self {
        Self { target: SubmitTarget::Url(url.to_owned()), options: SubmitOptions::default() }
    }

    /// Returns content type and body.
    pub(crate) fn encode(&self) -> (String, Encoded) {
        let fields = self.options.fields();
        match &self.target {
            SubmitTarget::Url(url) => {
                let url = ("sample_url", url.as_str());
                let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([url]);
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                let body = form.extend_pairs(fields).finish();
                ("application/x-www-form-urlencoded".to_owned(), Encoded::Whole(body.into()))
            }
            SubmitTarget::File { name, content } => {
                let Frame { content_type, mut head, tail } = Frame::around(name, fields);
                head.reserve(content.len() + tail.len());
                head.extend_from_slice(content);
                head.extend_from_slice(&tail);
                (content_type, Encoded::Whole(head.into()))
            }
            SubmitTarget::Streamed { name, content } => {
                let Frame { content_type, head, tail } = Frame::around(name, fields);
                let size_bytes = (head.len() + tail.len()) as u64 + content.size_bytes;
                let around = |piece: Vec<u8>| stream::once(ready(Ok(Bytes::from(piece))));
                let pieces = around(head).chain((content.open)()).chain(around(tail)).boxed();
                (content_type, Encoded::Streamed(StreamedBody { size_bytes, pieces }))
            }
        }
    }
}

impl SubmitOptions {
    /// Has it analysed although VMRay knows a result. Newer servers read `analysis_caching`, older ones `reanalyze`.
    pub fn analyse_again(&mut self) {
        self.reanalyze = Some(true);
        self.analysis_caching = Some("disabled".to_owned());
    }

    fn fields(&self) -> Vec<(String, String)> {
        let tags = (!self.tags.is_empty()).then(|| self.tags.join(","));
        let secret = |secret: &Option<SecretString>| secret.as_ref().map(|text| text.expose_secret().to_owned());
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let named = [
            ("tags", tags),
            ("shareable", self.shareable.map(|flag| flag.to_string())),
            ("comment", self.comment.clone()),
            ("document_password", secret(&self.document_password)),
            ("archive_password", secret(&self.archive_password)),
            ("max_jobs", self.max_jobs.map(|number| number.to_string())),
            ("reanalyze", self.reanalyze.map(|flag| flag.to_string())),
            ("analysis_caching", self.analysis_caching.clone()),
            ("user_config", json(&self.user_config)),
            ("submission_metadata", json(&self.submission_metadata)),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        named.chain(self.further.iter().cloned()).collect()
    }
}

/// File name of a part whose real name is in the field `sample_filename_b64enc` (VMRay's own Python client).
const NAME_IS_ENCODED: &str = "@param=sample_filename_b64enc";

/// Returns the name without folders, Windows' or ours.
fn base_name(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    if name.is_empty() { "sample" } else { name }
}

/// Says whether the name can stand in a header as it is, and cannot be taken for a parameter.
fn is_plain(name: &str) -> bool {
    !name.starts_with('@')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'-'))
}

/// Returns a boundary that no submitted file can foresee and so contain.
fn boundary() -> String {
    // The standard library keys each state at random from the operating system.
    let random = || RandomState::new().build_hasher().finish();
    format!("vmray-{:016x}{:016x}", random(), random())
}

/// A multipart body but for the file in it.
struct Frame {
    content_type: String,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Frame {
    fn around(file_name: &str, mut fields: Vec<(String, String)>) -> Self {
        let name = base_name(file_name);
        let part_name = if is_plain(name) {
            name
        } else {
            fields.push(("sample_filename_b64enc".to_owned(), STANDARD.encode(name)));
            NAME_IS_ENCODED
        };
        let boundary = boundary();
        let mut head = Vec::with_capacity(1024);
        for (name, value) in &fields {
            let name = quoted(name);
            head.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        head.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"{part_name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            )
            .as_bytes(),
        );
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            head,
            tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
        }
    }
}

/// Writes a field's name as browsers do (WHATWG, "multipart form data").
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn body_of(request: &SubmitRequest) -> (String, String) {
        let (content_type, body) = request.encode();
        let Encoded::Whole(body) = body else { panic!("it is streamed") };
        (content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_streamed_file_has_the_body_of_a_whole_one_and_its_length() {
        let content = || [&b"MZ"[..], b"\r\n"].map(|piece| Ok(Bytes::from_static(piece)));
        let file = FileStream::new(4, move || stream::iter(content()).boxed());
        let mut request = SubmitRequest::streamed("/tmp/in voice.doc", file);
        request.options.comment = Some("a remark".to_owned());
        let (content_type, body) = request.encode();
        let Encoded::Streamed(body) = body else { panic!("it is whole") };
        let pieces: Vec<Bytes> = body.pieces.map(Result::unwrap).collect().await;
        let streamed = String::from_utf8(pieces.concat()).unwrap();
        assert_eq!(body.size_bytes, streamed.len() as u64);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        request.target = SubmitTarget::File { name: "in voice.doc".to_owned(), content: Bytes::from_static(b"MZ\r\n") };
        let (other_type, whole) = body_of(&request);
        let other = other_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(streamed.replace(boundary, "B"), whole.replace(other, "B"));
    }

    #[test]
    fn a_url_is_a_form() {
        let mut request = SubmitRequest::url("http://a.example/?b=c&d");
        request.options.tags = vec!["one".to_owned(), "two".to_owned()];
        request.options.shareable = Some(false);
        request.options.user_config = Some(json!({"timeout": 180}));
        let (content_type, body) = body_of(&request);
        assert_eq!(content_type, "application/x-www-form-urlencoded");
        assert_eq!(
            body,
            "tags=one%2Ctwo&shareable=false&user_config=%7B%22timeout%22%3A180%7D\
             &sample_url=http%3A%2F%2Fa.example%2F%3Fb%3Dc%26d"
        );
    }

    #[test]
    fn a_file_is_a_part() {
        let mut request = SubmitRequest::file("C:\\Users\\me\\in voice.doc", Bytes::from_static(b"MZ\r\n"));
        request.options.comment = Some("a remark".to_owned());
        let (content_type, body) = body_of(&request);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\na remark\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"sample_file\"; filename=\"in voice.doc\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nMZ\r\n\r\n--{boundary}--\r\n"
        );
        assert_eq!(body, expected);
    }

    #[rstest]
    #[case("übung.doc")]
    #[case("a\"; name=\"x.doc")]
    #[case("a\r\nb.doc")]
    #[case("@param=comment")]
    fn a_name_that_a_header_cannot_carry_is_encoded(#[case] name: &str) {
        let (_, body) = body_of(&SubmitRequest::file(name, Bytes::new()));
        let encoded = STANDARD.encode(name);
        assert!(body.contains(&format!("name=\"sample_filename_b64enc\"\r\n\r\n{encoded}\r\n")), "{body}");
        assert!(body.contains("filename=\"@param=sample_filename_b64enc\"\r\n"), "{body}");
    }

    #[rstest]
    #[case("", "sample")]
    #[case("folder/", "sample")]
    #[case("/etc/passwd", "passwd")]
    fn names_lose_their_folders(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(base_name(name), expected);
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(boundary(), boundary());
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut request = SubmitRequest::url("http://a.example");
        request.options.archive_password = Some("infected".into());
        assert!(!format!("{request:?}").contains("infected"));
    }
}
