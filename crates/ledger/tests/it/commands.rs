//! Commands wait for a run and are taken back afterwards.

use std::sync::Arc;

use futures::TryStreamExt as _;
use ledger::{Command, Commands, Error, Storage};
use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use crate::{ROUTE, at};

#[tokio::test]
async fn commands_wait_in_order_until_they_are_done() {
    let storage = Storage::over(Arc::new(InMemory::new()));
    let commands = Commands::of(&storage, ROUTE);
    assert_eq!(commands.waiting().await.unwrap(), []);
    let replay = Command::ReplayQuarantine { ids: vec!["indicator--1".into()] };
    let discard = Command::DropQuarantine { ids: vec!["indicator--2".into()] };
    commands.leave(&replay, at(1)).await.unwrap();
    commands.leave(&discard, at(2)).await.unwrap();

    let waiting = commands.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.command.clone()).collect::<Vec<_>>(), [replay, discard.clone()]);
    commands.done(&waiting[..1]).await.unwrap();
    commands.done(&waiting[..1]).await.unwrap();
    let left = commands.waiting().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].command, discard);
    assert_eq!(Commands::of(&storage, "other").waiting().await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_command_stays_and_is_told_and_the_others_are_done() {
    let store = Arc::new(InMemory::new());
    let storage = Storage::over(store.clone());
    let commands = Commands::of(&storage, ROUTE);
    for minute in [1, 2] {
        commands.leave(&Command::DropQuarantine { ids: vec!["indicator--1".into()] }, at(minute)).await.unwrap();
    }
    let folder = format!("v1/{ROUTE}/commands").into();
    let first = store.list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap().swap_remove(0).location;
    let mut content = store.get(&first).await.unwrap().bytes().await.unwrap().to_vec();
    // Still JSON, and another indicator.
    let place = content.iter().rposition(|byte| *byte == b'1').unwrap();
    content[place] = b'2';
    store.put(&first, content.into()).await.unwrap();

    assert_eq!(commands.waiting().await.unwrap().len(), 1);
    let damage = commands.left_out().unwrap();
    assert!(matches!(&damage, Error::DamagedRequest { what, .. } if *what == first.to_string()), "{damage:?}");
    assert!(damage.to_string().contains("damaged"), "{damage}");
    store.head(&first).await.unwrap();
}
