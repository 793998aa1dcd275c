//! `UplaodURL` and `VMRayUploadSample`.
//!
//! A submit is never repeated blindly. Before it, what VMRay knows is looked up: a known verdict answers instead
//! (unless `Resubmit` is on), and so does an analysis that is still running, which makes a caller's own repeat
//! harmless. After one whose answer was lost, the same look-up finds what VMRay made of it.

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

/// Name of a file whose caller gives none.
const UNNAMED: &str = "sample";
/// Characters of a tag that VMRay takes.
const MAX_TAG_CHARS: usize = 255;

/// What is submitted, as far as it can be looked up.
enum Thing<'a> {
    Url(&'a str),
    /// A file; its key where it came with a password.
    File(&'a SampleHash, Option<&'a str>),
}

impl Functions {
    pub(super) async fn submit_url(&self, parameters: &Parameters) -> Result<String, Error> {
        let url = parameters.text("url")?.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| missing("url"))?;
        let request = SubmitRequest { target: SubmitTarget::Url(url.clone()), options: options(parameters)? };
        json(&self.submit(Thing::Url(&url), &request).await?)
    }

    pub(super) async fn submit_file(&self, parameters: &Parameters) -> Result<String, Error> {
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
            options.reanalyze = Some(true);
            options.analysis_caching = Some("disabled".to_owned());
        }
        json(&self.submit(Thing::File(&sha256, key.as_deref()), &SubmitRequest { target, options }).await?)
    }

    async fn submit(&self, thing: Thing<'_>, request: &SubmitRequest) -> Result<Submitted, Error> {
        if let Some(known) = self.known(&thing).await? {
            return Ok(known);
        }
        let mut request = request.clone();
        if self.resubmit == super::Resubmit::Always {
            // Or VMRay's own caching answers with what the caller does not want.
            request.options.analyse_again();
        }
        let reply = match self.vmray.submit_value(&request).await {
            Ok(reply) => reply,
            Err(error) if error.may_have_acted() => {
                info!(%error, "the answer to a submit was lost, looking for what became of it");
                // What it says itself matters less than that the submit's fate is unknown.
                return self.known(&thing).await.ok().flatten().ok_or_else(|| error.into());
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
    let tags = parameters.list("tags", &[','])?;
    if let Some(tag) = tags.iter().find(|tag| tag.contains(char::is_whitespace) || tag.chars().count() > MAX_TAG_CHARS)
    {
        let reason = format!("holds {tag:?}; VMRay takes tags of at most {MAX_TAG_CHARS} characters without blanks");
        return Err(Error::bad("tags", reason));
    }
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
