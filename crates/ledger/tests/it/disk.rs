//! What only a folder can get wrong.

use std::os::unix::fs::PermissionsExt as _;

use ledger::{Error, Reader, StateUrl, Storage};

use crate::{ROUTE, open};

#[tokio::test]
async fn a_second_run_is_refused_while_the_first_is_on_and_welcome_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let url = StateUrl::Folder(folder.path().to_owned());
    let first = open(&Storage::create(&url).unwrap()).await.unwrap();
    let error = open(&Storage::create(&url).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    first.close().await.unwrap();
    open(&Storage::create(&url).unwrap()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(&path, "not a folder").unwrap();
    let error = Storage::create(&StateUrl::Folder(path.clone())).unwrap_err();
    assert!(matches!(&error, Error::Unusable { place, .. } if *place == path.display().to_string()), "{error}");
}

#[tokio::test]
async fn reading_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent");
    let storage = Storage::existing(&StateUrl::Folder(path.clone())).unwrap();
    Reader::open(&storage, ROUTE).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_folder_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    Storage::create(&StateUrl::Folder(path.clone())).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_damaged_ledger_is_reported_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let url = StateUrl::Folder(folder.path().to_owned());
    open(&Storage::create(&url).unwrap()).await.unwrap().close().await.unwrap();
    let manifests = folder.path().join("v1").join(ROUTE).join("ledger/manifest");
    let mut damaged = 0;
    for entry in std::fs::read_dir(&manifests).unwrap() {
        std::fs::write(entry.unwrap().path(), b"rubbish").unwrap();
        damaged += 1;
    }
    assert!(damaged > 0);
    let outcome = open(&Storage::create(&url).unwrap()).await;
    assert!(outcome.is_err());
    assert_eq!(std::fs::read_dir(&manifests).unwrap().count(), damaged, "nothing was written over it");
}
