//! `quarantine` from refusal to replay and drop.

use jiff::Timestamp;
use ledger::{Batch, Ledger, OutboxRecord, Reader, StateUrl, Storage, Upkeep};

use crate::binary::Setup;
use crate::simulate::Simulator;

const ID: &str = "indicator--00000000-0000-5000-8000-0000000000aa";

/// Stages an object that the service refuses, as an older version with a mistake might have.
#[tokio::main(flavor = "current_thread")]
async fn stage_what_is_refused(state: &std::path::Path) {
    let storage = Storage::create(&StateUrl::Folder(state.to_owned())).unwrap();
    let binding = Reader::open(&storage, "default").await.unwrap().records().binding().await.unwrap().unwrap();
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let ledger = Ledger::open(&storage, "default", &binding, now, Upkeep::default()).await.unwrap();
    let object = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{ID}","created":"2026-01-01T00:00:00.000Z",
            "modified":"2026-01-01T00:00:00.000Z","pattern":"[url:value = ","pattern_type":"stix",
            "valid_from":"2026-01-01T00:00:00.000Z"}}"#
    );
    let mut batch = Batch::new();
    batch.put_outbox(ID, &OutboxRecord { modified: now, object }).unwrap();
    ledger.commit(batch).await.unwrap();
    ledger.close().await.unwrap();
}

fn attempts(setup: &Setup) -> u64 {
    setup.run(&["quarantine", "show", ID, "--json"]).code(0).json()["record"]["attempts"].as_u64().unwrap()
}

#[test]
fn a_refused_object_is_listed_replayed_and_dropped() {
    let simulator = Simulator::start(&["--samples", "0"]);
    let setup = simulator.setup();
    let state = setup.home().join("state");
    let setup = setup.with("StateUrl", state.to_str().unwrap());
    setup.run(&["feed", "--once"]).code(0);
    stage_what_is_refused(&state);

    // Refused alone, and said so.
    let run = setup.run(&["feed", "--once"]).code(4);
    assert!(run.stdout.contains("1 refused record held back"), "{}", run.stdout);
    let list = setup.run(&["quarantine", "list", "--json"]).code(0).json();
    let record = &list["quarantine"][0];
    assert_eq!(record["id"], ID);
    for field in ["value", "reason", "server", "first_attempt", "last_attempt"] {
        assert!(!record[field].is_null(), "{record}");
    }
    assert!(setup.run(&["quarantine", "show", ID]).code(0).stdout.contains("[url:value = "));
    assert_eq!(attempts(&setup), 1);

    // Sent again by the next run only, and refused again.
    let replay = setup.run(&["quarantine", "replay", "--all"]).code(0);
    assert!(replay.stdout.contains("1 record is sent again by the next run"), "{}", replay.stdout);
    assert!(setup.run(&["quarantine", "list"]).code(0).stdout.contains("next run: replay"));
    assert_eq!(attempts(&setup), 1);
    setup.run(&["feed", "--once"]).code(4);
    assert_eq!(attempts(&setup), 2);

    // Forgotten.
    setup.run(&["quarantine", "drop", ID]).code(0);
    setup.run(&["feed", "--once"]).code(0);
    assert_eq!(setup.run(&["quarantine", "list"]).code(0).stdout, "Nothing is held back.\n");
}

#[test]
fn which_records_must_be_said() {
    let setup = Setup::new();
    setup.run(&["quarantine", "replay"]).code(2);
    setup.run(&["quarantine", "replay", "--all", "x"]).code(2);
}
