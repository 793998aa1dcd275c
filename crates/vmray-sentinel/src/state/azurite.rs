//! The conformance suite on Azure Blob storage, through the settings that an operator would use.
//!
//! `verify/blob` starts Azurite, sets them and runs these tests; alone they have nothing to run on. Every check has a
//! folder of its own in the container.

use std::future::Future;
use std::sync::Arc;

use config::{Environment, Reader, Settings, StateConfig, transport};
use ledger::{Error, Objects, Storage};
use outbound::{Clock, SystemClock, Transport};

use super::{Changes, open};
use crate::suite;

/// Opens the place that the environment names, in the folder `folder` below it.
fn storage(folder: &str) -> Storage {
    let settings = Settings::load(&[], Environment::of_process(), None);
    let url = StateConfig::load(&settings).unwrap().url();
    let flags = [("StateUrl".to_owned(), format!("{url}/{folder}"))];
    let settings = Settings::load(&flags, Environment::of_process(), None);
    let config = StateConfig::load(&settings).unwrap();
    assert!(matches!(config, StateConfig::Blob(_)), "StateUrl must name a place in Azure Blob storage, not {url}");
    let mut reader = Reader::new(&settings);
    let transport: Arc<dyn Transport> = Arc::new(transport(&mut reader).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open(&config, &transport, &clock, Changes::Kept).unwrap()
}

async fn on_blob<F: Future<Output = ()>>(check: impl Fn(Storage) -> F) {
    let folder = format!("{}-{:016x}", SystemClock.now().as_millisecond(), fastrand::u64(..));
    check(storage(&folder)).await;
}

suite::everywhere!(on_blob, ignore = "needs Azurite, see verify/blob");
suite::without_lock!(on_blob, ignore = "needs Azurite, see verify/blob");

#[tokio::test]
#[ignore = "needs Azurite, see verify/blob"]
async fn hundreds_of_objects_are_listed_in_order() {
    on_blob(|storage| async move {
        let objects = Objects::of(&storage, "jobs");
        let expected: Vec<String> = (0..300).map(|n| format!("{n:04}/intent")).collect();
        let created = expected.iter().map(|name| objects.create(name, name.clone().into()));
        for created in futures::future::join_all(created).await {
            created.unwrap();
        }
        let listed: Vec<String> = objects.list("").await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(listed, expected);
        for name in &expected {
            objects.delete(name).await.unwrap();
        }
        assert_eq!(objects.list("").await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Azurite, see verify/blob"]
async fn a_missing_container_is_an_error_and_never_an_empty_state() {
    let settings = Settings::load(&[], Environment::of_process(), None);
    let StateConfig::Blob(blob) = StateConfig::load(&settings).unwrap() else {
        panic!("StateUrl names no place in Blob")
    };
    let account = blob.place.account();
    let flags = [("StateUrl".to_owned(), format!("az://{account}/no-such-container"))];
    let settings = Settings::load(&flags, Environment::of_process(), None);
    let config = StateConfig::load(&settings).unwrap();
    let transport: Arc<dyn Transport> = Arc::new(transport(&mut Reader::new(&settings)).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let storage = open(&config, &transport, &clock, Changes::Kept).unwrap();

    let is_missing = |error: &Error| {
        let Error::Remote { reason, hint } = error else { return false };
        reason.contains("no container no-such-container") && hint.contains("az storage container create")
    };
    let objects = Objects::of(&storage, "jobs");
    let failures = [
        ledger::Reader::open(&storage, suite::ROUTE).await.unwrap_err(),
        suite::open(&storage).await.unwrap_err(),
        objects.create("claim", "mine".into()).await.unwrap_err(),
        objects.read("claim").await.unwrap_err(),
        objects.list("").await.unwrap_err(),
    ];
    for (call, error) in failures.iter().enumerate() {
        assert!(is_missing(error), "call {call}: {error:?}");
    }
}
