//! `UplaodURL` and `VMRayUploadSample`.
//!
//! A submit is never repeated blindly. Before it, what VMRay knows is looked up: a known verdict answers instead
//! (unless `Resubmit` is on), and so does an analysis that is still running, which makes a caller's own repeat
//! harmless. After one whose answer was lost, the same look-up finds what VMRay made of it.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json as object};
use sha2::{Digest as _, Sha256};
use tracing::info;
use vmray::{FileStream, SampleHash, SubmitOptions, SubmitReply, SubmitRequest, SubmitTarget, readable};

use super::look_up::missing;
use super::parameters::File;
use super::shape::Submitted;
use super::{Error, Functions, Parameters, json};
use crate::job::{key_of_file, marked};
use crate::{UrlItem, read_tag};

/// Name of a file whose caller gives none.
const UNNAMED: &str = "sample";
/// What the original's contract opens.
const SCHEMES: [&str; 2] = ["http://", "https://"];

/// What is submitted, as far as it can be looked up.
enum Thing<'a> {
    Url(&'a str),
    /// A file; its key where it came with a password.
    File(&'a SampleHash, Option<&'a str>),
}

impl Functions {
    pub(super) async fn submit_url(&self, parameters: &Parameters, sent: &AtomicBool) -> Result<String, Error> {
        let url = self.url(parameters)?;
        let request = SubmitRequest { target: SubmitTarget::Url(url.clone()), options: options(parameters)? };
        json(&self.submit(Thing::Url(&url), &request, sent).await?)
    }

    /// Reads a URL that may be sent, as it is sent.
    fn url(&self, parameters: &Parameters) -> Result<String, Error> {
        let url = parameters.text("url")?.filter(|url| !url.trim().is_empty());
        let item = UrlItem::parse(&url.ok_or_else(|| missing("url"))?);
        let url = item.map_err(|error| Error::bad("url", format!("is wrong: {error}")))?.url;
        if !SCHEMES.into_iter().any(|scheme| url.as_str().starts_with(scheme)) {
            return Err(Error::bad("url", "is neither http:// nor https://, which is all that is sent"));
        }
        if let Some(why) = self.gates.internal_reason(&url) {
            let way = "take internal out of PrivacyGates to have such addresses opened";
            return Err(Error::bad("url", format!("names a host that {why}, so it is not sent to VMRay; {way}")));
        }
        Ok(url.as_str().to_owned())
    }

    pub(super) async fn submit_file(&self, parameters: &Parameters, sent: &AtomicBool) -> Result<String, Error> {
        let content = parameters.file("file")?.ok_or_else(|| missing("file"))?;
        let name = parameters.text("name")?.unwrap_or_else(|| UNNAMED.to_owned());
        let mut options = options(parameters)?;
        options.document_password = parameters.text("document_password")?.map(SecretString::from);
        options.archive_password = parameters.text("archive_password")?.map(SecretString::from);
        options.further.extend(parameters.text("sample_type")?.map(|kind| ("sample_type".to_owned(), kind)));
        let (sha256, target) = match content {
            File::Whole(content) => (sha256(&content)?, SubmitTarget::File { name, content }),
            File::Spooled(file) => {
                let sha256 = file.sha256().clone();
                let content = FileStream::new(file.size_bytes(), move || file.content());
                (sha256, SubmitTarget::Streamed { name, content })
            }
        };
        let passwords = (options.archive_password.as_ref(), options.document_password.as_ref());
        let key = match passwords {
            (None, None) => None,
            (archive, document) => Some(key_of_file(&sha256, archive, document)),
        };
        if let Some(key) = &key {
            // So that it is told from an analysis without the password, and VMRay's own cache does not answer with one.
            options.submission_metadata = Some(marked(&format!("{key}/function")));
            options.analyse_again();
        }
        json(&self.submit(Thing::File(&sha256, key.as_deref()), &SubmitRequest { target, options }, sent).await?)
    }

    async fn submit(&self, thing: Thing<'_>, request: &SubmitRequest, sent: &AtomicBool) -> Result<Submitted, Error> {
        if let Some(known) = self.known(&thing).await? {
            return Ok(known);
        }
        let mut request = request.clone();
        if self.resubmit == super::Resubmit::Always {
            // Or VMRay's own caching answers with what the caller does not want.
            request.options.analyse_again();
        }
        sent.store(true, Ordering::Relaxed);
        let reply = match self.vmray.submit_value(&request).await {
            Ok(reply) => reply,
            Err(error) if error.may_have_acted() => {
                info!(%error, "the answer to a submit was lost, looking for what became of it");
                // What the look-up says of itself matters less than that the submit's fate is unknown.
                let found = self.known(&thing).await.ok().flatten();
                return found.ok_or_else(|| match error {
                    // That it failed is an answer.
                    vmray::Error::Server { .. } => error.into(),
                    error => Error::AnswerLost { reason: error.to_string() },
                });
            }
            Err(error) => return Err(error.into()),
        };
        self.read(&thing, &reply).await
    }

    async fn known(&self, thing: &Thing<'_>) -> Result<Option<Submitted>, Error> {
        match thing {
            Thing::Url(url) => self.known_url(url).await,
            Thing::File(sha256, only) => self.known_file(sha256, *only).await,
        }
    }

    /// Tells a success from the refusals that VMRay puts into one.
    async fn read(&self, thing: &Thing<'_>, reply: &Value) -> Result<Submitted, Error> {
        let read: SubmitReply = serde_json::from_value(reply.clone()).unwrap_or_default();
        let words = read.refusals().collect::<Vec<_>>().join("; ");
        let over_quota = readable(&read.errors).any(vmray::SubmitError::is_quota);
        // Over the quota a submission may still be made, without the jobs that would give it a verdict.
        let will_run = !read.jobs.is_empty() || !read.static_jobs.is_empty();
        if over_quota && !will_run {
            return Err(Error::Quota { words });
        }
        if !read.submissions.is_empty() || read.errors.is_empty() {
            return Ok(Submitted::of_reply(reply));
        }
        if readable(&read.errors).any(vmray::SubmitError::is_no_jobs_created)
            && let Some(known) = self.reused(thing, reply).await?
        {
            return Ok(known);
        }
        Err(Error::Refused { words })
    }

    /// Returns what VMRay reuses when it makes no jobs: its own setting decides that, whatever ours says.
    async fn reused(&self, thing: &Thing<'_>, reply: &Value) -> Result<Option<Submitted>, Error> {
        let kept = Self { resubmit: super::Resubmit::Never, ..self.clone() };
        let only = match thing {
            Thing::Url(_) => None,
            Thing::File(_, only) => *only,
        };
        if let Some(sample) = reply.get("samples").and_then(Value::as_array).and_then(|samples| samples.first())
            && let Some(known) = kept.known_sample(sample, only).await?
        {
            return Ok(Some(known));
        }
        kept.known(thing).await
    }
}

/// Reads what both functions take.
fn options(parameters: &Parameters) -> Result<SubmitOptions, Error> {
    let tags = parameters.list("tags", &[','])?.iter().map(|tag| read_tag(tag)).collect::<Result<_, _>>();
    let tags = tags.map_err(|error| Error::bad("tags", format!("holds one that {error}")))?;
    let max_jobs = parameters.number("max_jobs")?.map(u32::try_from).transpose();
    Ok(SubmitOptions {
        tags,
        // The original's default, and the private one.
        shareable: Some(parameters.flag("shareable")?.unwrap_or(false)),
        max_jobs: max_jobs.map_err(|_| Error::bad("max_jobs", "is too large"))?,
        user_config: parameters.text("net_scheme_name")?.map(|name| object!({ "net_scheme_name": name })),
        ..SubmitOptions::default()
    })
}

fn sha256(content: &Bytes) -> Result<SampleHash, Error> {
    use std::fmt::Write as _;

    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        write!(digits, "{byte:02x}").unwrap_or_default();
    }
    digits.parse().map_err(|_| Error::bad("file", "cannot be hashed"))
}
