//! `feed` against the stand-ins on sockets: what arrives, what is told, how it ends.

use std::fs;

use rstest::rstest;

use crate::binary::Running;
use crate::simulate::Simulator;

/// Done; a generated world may leave samples open.
const DONE: [i32; 2] = [0, 4];

#[test]
fn a_run_fills_the_workspace_and_a_second_one_adds_nothing() {
    let simulator = Simulator::start(&["--samples", "30"]);
    let setup = simulator.setup();
    let first = setup.run(&["feed", "--once", "--json"]);
    assert!(DONE.contains(&first.code), "{}\n{}", first.stdout, first.stderr);
    assert_eq!(first.json()["run"]["outcome"], "done");
    let objects = simulator.objects();
    assert!(objects.iter().filter(|object| object["type"] == "indicator").count() > 10, "{}", objects.len());

    let rows = simulator.stats()["rows"].clone();
    let second = setup.run(&["feed", "--once"]);
    assert_eq!(second.code, first.code, "{}\n{}", second.stdout, second.stderr);
    assert!(second.stdout.contains("Done in"), "{}", second.stdout);
    assert_eq!(simulator.stats()["rows"], rows);

    let status = setup.run(&["status", "--json"]).code(0).json();
    assert_eq!(status["state"]["runs"].as_array().unwrap().len(), 2);
    assert_eq!(status["state"]["outbox"], 0);
    let report = setup.run(&["doctor", "--json"]).code(0).json();
    assert!(report.to_string().contains("last run"), "{report}");
}

#[test]
fn each_run_is_a_row_in_the_health_tables() {
    let simulator = Simulator::start(&["--samples", "20"]);
    let setup = simulator.setup();
    let done = setup.run(&["feed", "--once", "--json"]);
    assert!(DONE.contains(&done.code), "{}\n{}", done.stdout, done.stderr);
    setup.run(&["feed", "--once", "--dry-run"]);
    let rows = simulator.rows("Custom-VMRayFeedRuns_CL");
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["Good"], &rows[0]["Samples"]), (&true.into(), &done.json()["run"]["counts"]["samples_read"]));
    let events = simulator.rows("Custom-VMRayFeedEvents_CL");
    assert!(events.iter().all(|event| event["RunId"] == rows[0]["RunId"]) && !events.is_empty(), "{events:?}");
}

#[test]
fn health_tables_that_cannot_be_written_change_no_exit_code() {
    let simulator = Simulator::start(&["--samples", "5"]);
    let rule = "dcr-00000000000000000000000000000000";
    let done = simulator.setup().with("LogsIngestionRule", rule).run(&["feed", "--once"]);
    assert!(DONE.contains(&done.code), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("WARN") && done.stderr.contains("LogsIngestionRule"), "{}", done.stderr);
    let done = simulator.setup().with("LogsIngestionRule", "").run(&["feed", "--once"]).code(2);
    assert!(done.stderr.contains("LogsIngestionRule is missing"), "{}", done.stderr);
}

#[test]
fn the_whole_state_can_be_exported() {
    let simulator = Simulator::start(&["--samples", "10"]);
    let setup = simulator.setup();
    assert_eq!(setup.run(&["state", "export"]).code(0).stdout, "");
    setup.run(&["feed", "--once"]);
    let lines = setup.run(&["state", "export"]).code(0).stdout;
    let records: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| records.iter().filter(|record| record["kind"] == kind).count();
    let status = setup.run(&["status", "--json"]).code(0).json();
    assert_eq!(Some(of_kind("indicator") as u64), status["state"]["indicators"].as_u64());
    assert!(of_kind("evidence") >= of_kind("indicator"));
    assert_eq!((of_kind("run"), of_kind("outbox"), of_kind("other")), (1, 0, 0));
    let cursor = records.iter().find(|record| record["key"] == "cursor").unwrap();
    assert_eq!(cursor["record"]["until"], status["state"]["read_until"]);
}

#[test]
fn a_dry_run_sends_nothing_and_stores_nothing() {
    let simulator = Simulator::start(&["--samples", "10"]);
    let setup = simulator.setup();
    let done = setup.run(&["feed", "--once", "--dry-run"]);
    assert!(DONE.contains(&done.code), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("nothing was sent, nothing was stored"), "{}", done.stdout);
    assert_eq!(simulator.stats()["rows"], 0);
    assert_eq!(fs::read_dir(setup.home()).unwrap().count(), 0);
}

#[test]
fn a_scheduled_feed_ends_cleanly_when_told() {
    let simulator = Simulator::start(&["--samples", "5"]);
    let setup = simulator.setup().with("Polling", "0 0 1 1 *");
    let mut command = setup.command(&["feed", "--log-format", "json"]);
    let mut running = Running::start_watching_stderr(&mut command);
    running.line_with("waiting for the next run");
    running.terminate().code(0);
    assert_ne!(simulator.stats()["rows"], 0);
    assert_eq!(simulator.rows("Custom-VMRayFeedRuns_CL").len(), 1);
}

#[test]
fn the_same_state_cannot_serve_another_workspace() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup();
    assert!(DONE.contains(&setup.run(&["feed", "--once"]).code));
    let setup = setup.with("AzureWorkspaceID", "99999999-aaaa-4bbb-8ccc-000000000002");
    let done = setup.run(&["feed", "--once"]).code(2);
    assert!(done.stderr.contains("belongs to") && done.stderr.contains("StateUrl"), "{}", done.stderr);
}

#[rstest]
#[case::key("VmrayAPIKey", "wrong", "VmrayAPIKey")]
#[case::secret("AzureClientSecret", "wrong", "AADSTS7000215")]
#[case::workspace("AzureWorkspaceID", "99999999-aaaa-4bbb-8ccc-000000000002", "AzureWorkspaceID")]
fn a_refusal_is_told_once_with_what_to_do(#[case] setting: &str, #[case] value: &str, #[case] told: &str) {
    let simulator = Simulator::start(&["--samples", "5"]);
    let setup = simulator.setup().with(setting, value);
    let done = setup.run(&["feed", "--once"]).code(1);
    assert!(done.stderr.contains(told) && done.stderr.contains("hint:"), "{}", done.stderr);
    assert_eq!(done.stderr.matches("error:").count(), 1, "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup().with("StateUrl", "file/state");
    fs::write(setup.home().join("file"), "").unwrap();
    let done = setup.run(&["feed", "--once"]).code(1);
    assert!(done.stderr.contains("file/state") && done.stderr.contains("StateUrl"), "{}", done.stderr);
}

#[test]
fn faults_cost_time_and_nothing_else() {
    let home = crate::binary::Setup::new();
    let faults = home.home().join("faults.json");
    let rules = r#"[
        {"service": "upload", "when": {"nth": 1}, "fault": "reset_after"},
        {"service": "vmray", "path": "/iocs", "when": {"every": 7}, "fault": {"status": 503}},
        {"service": "entra", "when": {"first": 1}, "fault": {"status": 500}}
    ]"#;
    fs::write(&faults, rules).unwrap();
    let plain = Simulator::start(&["--samples", "20"]);
    let broken = Simulator::start(&["--samples", "20", "--faults", faults.to_str().unwrap()]);
    let ids = |simulator: &Simulator| {
        let done = simulator.setup().run(&["feed", "--once"]);
        assert!(DONE.contains(&done.code), "{}\n{}", done.stdout, done.stderr);
        simulator.objects().iter().map(|object| object["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&plain), ids(&broken));
}

#[test]
fn a_long_retry_after_ends_the_run_with_who_asked_and_until_when() {
    let home = crate::binary::Setup::new();
    let faults = home.home().join("faults.json");
    let rule = r#"[{"service": "vmray", "when": {"first": 1}, "fault": {"throttled": 999999999}}]"#;
    fs::write(&faults, rule).unwrap();
    let simulator = Simulator::start(&["--samples", "5", "--faults", faults.to_str().unwrap()]);
    let setup = simulator.setup();
    let done = setup.run(&["feed", "--once"]).code(3);
    assert!(
        done.stdout.contains("VMRay asks us to wait until 20") && done.stdout.contains("10 min"),
        "{}",
        done.stdout
    );
    assert!(done.stderr.contains("VMRay asks us to wait until 20"), "{}", done.stderr);
    let status = setup.run(&["status"]).stdout;
    assert!(status.contains("VMRay asks us to wait until 20"), "{status}");
    // The next run asks again.
    let next = setup.run(&["feed", "--once"]);
    assert!(DONE.contains(&next.code), "{}\n{}", next.stdout, next.stderr);
}
