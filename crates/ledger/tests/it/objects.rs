//! Names of create-only objects, and answers that get lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ledger::{Created, Error, Objects, Storage};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use rstest::rstest;

#[rstest]
#[case("")]
#[case("/a")]
#[case("a/")]
#[case("a//b")]
#[case("../a")]
#[case("a/./b")]
#[case("a b")]
#[case("ä")]
#[case("a\\b")]
#[tokio::test]
async fn refuses_what_is_no_name(#[case] name: &str) {
    let objects = Objects::of(&Storage::over(Arc::new(InMemory::new())), "jobs");
    let error = objects.create(name, "x".into()).await.unwrap_err();
    assert!(matches!(&error, Error::Name { name: told } if told == name), "{error}");
    assert!(objects.read(name).await.is_err());
    assert!(objects.delete(name).await.is_err());
}

/// Does what it is told and loses the answer, as a network does; the client's own repeat is then told that it exists.
#[derive(Debug)]
struct Forgetful {
    inner: InMemory,
    answer: Answer,
    puts: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Lost,
    RepeatedAndRefused,
    RequestLost,
}

impl fmt::Display for Forgetful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forgetful")
    }
}

#[async_trait]
impl ObjectStore for Forgetful {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let cut = || object_store::Error::Generic { store: "forgetful", source: "connection reset".into() };
        let first = self.puts.fetch_add(1, Ordering::SeqCst) == 0;
        match self.answer {
            Answer::RequestLost if first => Err(cut()),
            Answer::Lost if first => {
                self.inner.put_opts(location, payload, options).await?;
                Err(cut())
            }
            Answer::RepeatedAndRefused if first => {
                self.inner.put_opts(location, payload.clone(), options.clone()).await?;
                self.inner.put_opts(location, payload, options).await
            }
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn forgetful(answer: Answer) -> Objects {
    let store = Forgetful { inner: InMemory::new(), answer, puts: AtomicUsize::new(0) };
    Objects::of(&Storage::over(Arc::new(store)), "jobs")
}

#[rstest]
#[case(Answer::Lost)]
#[case(Answer::RepeatedAndRefused)]
#[tokio::test]
async fn a_create_whose_answer_was_lost_is_ours(#[case] answer: Answer) {
    let objects = forgetful(answer);
    assert_eq!(objects.create("claim", "mine".into()).await.unwrap(), Created::New);
    assert_eq!(objects.create("claim", "theirs".into()).await.unwrap(), Created::Exists);
    assert_eq!(objects.read("claim").await.unwrap().unwrap().content, "mine");
}

#[tokio::test]
async fn a_create_that_never_arrived_is_an_error_and_can_be_tried_again() {
    let objects = forgetful(Answer::RequestLost);
    assert!(matches!(objects.create("claim", "mine".into()).await, Err(Error::Storage(_))));
    assert_eq!(objects.create("claim", "mine".into()).await.unwrap(), Created::New);
}
