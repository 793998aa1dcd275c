//! Commands wait for a run and are taken back afterwards.

use std::sync::Arc;

use ledger::{Command, Commands, Storage};
use object_store::memory::InMemory;

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
