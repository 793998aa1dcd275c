//! `quarantine` from refusal to replay and drop.

use jiff::Timestamp;
use ledger::{Batch, Ledger, OutboxRecord, Reader, StateUrl, Storage, Upkeep};
use serde_json::Value;

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

    // Forgotten, by the beginning of its id.
    assert!(setup.run(&["quarantine", "show", "indicator--ffff"]).code(1).stderr.contains("is not in quarantine"));
    setup.run(&["quarantine", "drop", "indicator--0000"]).code(0);
    setup.run(&["feed", "--once"]).code(0);
    assert_eq!(setup.run(&["quarantine", "list"]).code(0).stdout, "Nothing is held back.\n");
}

#[test]
fn an_open_sample_is_shown_read_again_and_given_up() {
    let home = Setup::new();
    let faults = home.home().join("faults.json");
    let rule = r#"[{"service": "vmray", "path": "/iocs", "fault": {"status": 403}}]"#;
    std::fs::write(&faults, rule).unwrap();
    let simulator = Simulator::start(&["--samples", "12", "--faults", faults.to_str().unwrap()]);
    let setup = simulator.setup().with("VmraySampleVerdict", "Malicious & Suspicious");
    let held = |setup: &Setup| setup.run(&["quarantine", "list", "--json"]).code(0).json()["open_samples"].clone();
    let first = setup.run(&["feed", "--once"]);
    assert_eq!(first.code, 4, "{}{}", first.stdout, first.stderr);
    let id = held(&setup)[0]["sample_id"].to_string();

    let shown = setup.run(&["quarantine", "show", &id]).code(0).stdout;
    assert!(shown.contains(&id) && shown.contains("403") && shown.contains("tried again by every run"), "{shown}");
    let json = setup.run(&["quarantine", "show", &id, "--json"]).code(0).json();
    assert_eq!(json["sample"]["attempts"], 1);

    let replay = setup.run(&["quarantine", "replay", &id]).code(0);
    assert_eq!(replay.stdout, "1 sample is read again by the next run.\n");
    assert_eq!(held(&setup)[0]["next_run"], "replay");
    setup.run(&["feed", "--once"]).code(4);
    let again = held(&setup);
    assert_eq!(
        (again[0]["sample_id"].to_string(), &again[0]["attempts"], &again[0]["next_run"]),
        (id.clone(), &2.into(), &Value::Null)
    );

    let drop = setup.run(&["quarantine", "drop", &id, "--json"]).code(0).json();
    assert_eq!((&drop["next_run"], drop["samples"][0].to_string()), (&"drop".into(), id.clone()));
    setup.run(&["feed", "--once"]);
    let left = held(&setup);
    assert!(left.as_array().unwrap().iter().all(|sample| sample["sample_id"].as_u64() != id.parse().ok()), "{left}");
    let receipts = setup.run(&["state", "export"]).code(0).stdout;
    assert!(receipts.contains("sample_dropped") && receipts.contains(&id), "{receipts}");
    setup.run(&["quarantine", "show", &id]).code(1);
}

#[test]
fn which_records_must_be_said() {
    let setup = Setup::new();
    setup.run(&["quarantine", "replay"]).code(2);
    setup.run(&["quarantine", "replay", "--all", "x"]).code(2);
}
