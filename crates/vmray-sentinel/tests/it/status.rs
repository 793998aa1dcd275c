//! `status` for people, and `--check` for monitors.

use jiff::{SignedDuration, Timestamp};
use ledger::{Batch, Ledger, Reader, RunRecord, StateUrl, Storage, Upkeep};

use crate::binary::Setup;
use crate::simulate::Simulator;

/// A feed that ran once, with its state in the home folder.
fn fed(samples: &str) -> (Simulator, Setup) {
    let simulator = Simulator::start(&["--samples", samples]);
    let setup = simulator.setup().with("StateUrl", "state");
    let done = setup.run(&["feed", "--once"]);
    assert!([0, 4].contains(&done.code), "{}", done.stderr);
    (simulator, setup)
}

#[test]
fn after_a_run_that_failed_status_fails_and_says_what_to_do() {
    let simulator = Simulator::start(&["--samples", "5"]);
    let setup = simulator.setup().with("StateUrl", "state").with("AzureClientSecret", "wrong");
    setup.run(&["feed", "--once"]).code(1);
    let status = setup.run(&["status"]).code(1);
    assert!(status.stdout.contains("AADSTS7000215"), "{}", status.stdout);
    assert!(status.stdout.contains("next step") && status.stdout.contains("AzureClientSecret"), "{}", status.stdout);
    let json = setup.run(&["status", "--json"]).code(1).json();
    assert!(json["state"]["runs"][0]["next_step"].as_str().unwrap().contains("AzureClientSecret"), "{json}");

    let check = setup.run(&["status", "--check"]).code(1);
    let first = check.stdout.lines().next().unwrap();
    assert!(first.starts_with("failed: the last run failed") && first.contains("AADSTS7000215"), "{first}");
}

#[test]
fn a_monitor_gets_one_line_and_a_code() {
    let none = Setup::new().run(&["status", "--check"]).code(1);
    assert!(none.stdout.starts_with("failed: no run yet"), "{}", none.stdout);

    let (_simulator, setup) = fed("0");
    let well = setup.run(&["status", "--check"]).code(0);
    assert!(well.stdout.starts_with("ok: last run "), "{}", well.stdout);
    let json = setup.run(&["status", "--check", "--json"]).code(0).json();
    assert_eq!(
        (json["check"]["outcome"].as_str(), json["check"]["next_steps"].as_array().unwrap().len()),
        (Some("good"), 0)
    );

    let wrong = setup.run(&["status", "--check", "--set", "Polling=often"]).code(2);
    assert!(wrong.stderr.contains("Polling"), "{}", wrong.stderr);
}

/// Writes runs into the state, one every ten minutes until ten minutes ago.
#[tokio::main(flavor = "current_thread")]
async fn remember_runs(state: &std::path::Path, amount: i64) {
    let storage = Storage::create(&StateUrl::Folder(state.to_owned())).unwrap();
    let binding = Reader::open(&storage, "default").await.unwrap().records().binding().await.unwrap().unwrap();
    let newest = Reader::open(&storage, "default").await.unwrap().records().newest_runs(1).await.unwrap()[0].started;
    let ledger = Ledger::open(&storage, "default", &binding, newest, Upkeep::default()).await.unwrap();
    let mut batch = Batch::new();
    for number in 1..=amount {
        let started: Timestamp = newest - SignedDuration::from_mins(10 * number);
        let counts = std::collections::BTreeMap::from([("accepted".to_owned(), number.unsigned_abs())]);
        let ended = started + SignedDuration::from_secs(5);
        batch
            .put_run(&RunRecord { started, ended, outcome: "done".to_owned(), error: None, next_step: None, counts })
            .unwrap();
    }
    ledger.commit(batch).await.unwrap();
    ledger.close().await.unwrap();
}

#[test]
fn the_runs_of_thirty_days_are_listed_page_by_page() {
    let (_simulator, setup) = fed("0");
    let month = 30 * 24 * 6 - 1;
    remember_runs(&setup.home().join("state"), month);
    // The next run tidies up.
    setup.run(&["feed", "--once"]);
    let all = setup.run(&["status", "--runs", "10000", "--json"]).code(0).json();
    assert_eq!(all["runs"].as_array().unwrap().len(), usize::try_from(month + 2).unwrap());

    let mut seen = 0;
    let mut command = "vmray-sentinel status --runs 2000".to_owned();
    loop {
        let page = setup.shell(&command).code(0).stdout;
        seen += page.lines().filter(|line| line.contains("  done ")).count();
        let Some((_, older)) = page.split_once("Older: ") else { break };
        older.trim().clone_into(&mut command);
    }
    assert_eq!(seen, usize::try_from(month + 2).unwrap());
    setup.run(&["status", "--runs", "0"]).code(2);
    setup.run(&["status", "--before", "2026-01-01"]).code(2);
}
