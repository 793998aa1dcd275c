//! An object storage behind a network: every call ends, and a create whose answer is lost is settled.
//!
//! Three things go wrong with a distant store that cannot go wrong with a folder:
//!
//! * **A create is done and its answer is lost.** A client that repeats it is told that the object exists, and whoever
//!   believes that thinks that another writer was faster: the engine would fence itself. So what is not a plain success
//!   is settled by reading back. It is ours when the content is ours and so is every attribute that we gave it; the
//!   engine gives each conditional write an id of its own, without which two writers that take the ledger over at once
//!   could not be told apart (what they write is the same, byte for byte).
//! * **Nobody answers.** A call with all its repeats ends within [`LONGEST_CALL`], and what has failed then is not
//!   repeated by the layers above, some of which would repeat for ever.
//! * **It refuses.** A client says so with a [`RemoteTrouble`] in the chain of causes, with what an operator must do.
//!
//! Creates are repeated here; everything else is idempotent, and repeating it is the client's business.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use slatedb_common::retry::{NonRetryable, should_retry};

/// One call, with everything that is repeated, ends within this.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(60);
/// Wait before a create is tried a second time; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What the client of a distant store says about a failure, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RemoteTrouble {
    /// What happened.
    pub reason: String,
    /// What to do.
    pub hint: String,
    /// Whether the same call may pass later by itself.
    pub repeat: Repeat,
}

/// Whether a failed call may pass later by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It may.
    MayHelp,
    /// Somebody must change something first.
    Useless,
}

impl RemoteTrouble {
    /// Finds it among the causes of an error.
    pub(crate) fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(found) = cause.downcast_ref() {
                return Some(found);
            }
            next = cause.source();
        }
        None
    }
}

#[derive(Debug)]
pub(crate) struct Remote {
    inner: Arc<dyn ObjectStore>,
}

/// What stands where we wanted to create something.
enum Found {
    Ours(ObjectMeta),
    Another,
    Nothing,
}

impl Remote {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    async fn create(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mut wait = FIRST_WAIT;
        loop {
            let failed = match self.inner.put_opts(location, payload.clone(), options.clone()).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let exists = matches!(failed, Error::AlreadyExists { .. } | Error::Precondition { .. });
            if !exists && is_final(&failed) {
                return Err(failed);
            }
            match self.look(location, &payload, &options.attributes).await {
                Ok(Found::Ours(meta)) => {
                    return Ok(PutResult { e_tag: meta.e_tag, version: meta.version, extensions: Extensions::new() });
                }
                Ok(Found::Another) => {
                    let path = location.to_string();
                    return Err(if exists { failed } else { Error::AlreadyExists { path, source: failed.into() } });
                }
                Err(error) if is_final(&error) => return Err(failed),
                // It was refused and is gone again, or never arrived, or cannot be seen right now.
                Ok(Found::Nothing) | Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn look(&self, location: &Path, payload: &PutPayload, attributes: &Attributes) -> Result<Found> {
        let found = match self.inner.get(location).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let meta = found.meta.clone();
        let has_ours = attributes.iter().all(|(name, value)| found.attributes.get(name) == Some(value));
        let is_ours =
            has_ours && meta.size == payload.content_length() as u64 && found.bytes().await? == *flat(payload);
        Ok(if is_ours { Found::Ours(meta) } else { Found::Another })
    }
}

fn flat(payload: &PutPayload) -> Vec<u8> {
    payload.iter().flat_map(|part| part.iter().copied()).collect()
}

/// Says whether repeating is no use.
fn is_final(error: &Error) -> bool {
    let refused = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
    refused
        || !should_retry(error)
        || RemoteTrouble::find(error).is_some_and(|trouble| trouble.repeat == Repeat::Useless)
}

/// Marks an error as one that nobody above repeats.
fn last(error: Error) -> Error {
    if should_retry(&error) {
        Error::Generic { store: "remote", source: Box::new(NonRetryable(error.into())) }
    } else {
        error
    }
}

async fn within<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    let in_time = tokio::time::timeout(LONGEST_CALL, Box::pin(call)).await;
    in_time.unwrap_or_else(|_| Err(silent())).map_err(last)
}

fn silent() -> Error {
    let trouble = RemoteTrouble {
        reason: format!("the storage did not answer within {} s", LONGEST_CALL.as_secs()),
        hint: "nothing to do if it passes, the next run continues; if it lasts, check the network and the status of \
               the storage service"
            .to_owned(),
        repeat: Repeat::MayHelp,
    };
    Error::Generic { store: "remote", source: Box::new(trouble) }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Remote {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            within(self.create(location, payload, options)).await
        } else {
            within(self.inner.put_opts(location, payload, options)).await
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        within(self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        within(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations).map_err(last).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_err(last).boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        // Emulators do not know where to start and list everything.
        let from = offset.clone();
        let after = move |meta: &ObjectMeta| futures::future::ready(meta.location > from);
        self.inner.list_with_offset(prefix, offset).try_filter(after).map_err(last).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        within(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        within(self.inner.copy_opts(from, to, options)).await
    }
}
