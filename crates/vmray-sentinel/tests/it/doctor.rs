//! `doctor` against the stand-ins: each thing that can be wrong has its next step.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::binary::{Done, Setup};
use crate::simulate::Simulator;

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

fn doctor(setup: &Setup) -> Done {
    setup.run(&["doctor", "--json"])
}

#[test]
fn everything_in_place_is_said_and_nothing_is_changed() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup();
    let report = doctor(&setup).code(0).json();
    for name in ["settings", "state", "VMRay", "quota", "clock", "token", "workspace", "health rows"] {
        assert_eq!(check(&report, name)["outcome"], "good", "{report}");
    }
    assert_eq!(fs::read_dir(setup.home()).unwrap().count(), 0);
    assert_eq!((&simulator.stats()["rows"], &simulator.stats()["log_rows"]), (&0.into(), &0.into()));
    assert!(setup.run(&["doctor"]).code(0).stdout.contains("Everything that can be checked is in place."));
}

#[rstest]
#[case::key("VmrayAPIKey", "wrong", "VMRay", "VmrayAPIKey")]
#[case::secret("AzureClientSecret", "wrong", "token", "AzureClientSecret")]
#[case::app("AzureClientID", "99999999-aaaa-4bbb-8ccc-000000000002", "token", "AzureClientID")]
#[case::tenant("AzureTenantID", "99999999-aaaa-4bbb-8ccc-000000000002", "token", "AzureTenantID")]
#[case::workspace("AzureWorkspaceID", "99999999-aaaa-4bbb-8ccc-000000000002", "workspace", "AzureWorkspaceID")]
#[case::setting("Polling", "often", "settings", "Polling")]
#[case::state("StateUrl", "s3://bucket/state", "settings", "StateUrl")]
fn what_is_wrong_comes_with_the_next_step(
    #[case] setting: &str,
    #[case] value: &str,
    #[case] failing: &str,
    #[case] step: &str,
) {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup().with(setting, value);
    let report = doctor(&setup).code(1).json();
    let check = check(&report, failing);
    assert_eq!(check["outcome"], "failed", "{report}");
    let steps = check["next_steps"].to_string();
    assert!(steps.contains(step), "{steps}");
}

#[test]
fn health_tables_that_cannot_be_written_are_a_note_and_no_failure() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup().with("LogsIngestionRule", "dcr-00000000000000000000000000000000");
    let report = doctor(&setup).code(0).json();
    let check = check(&report, "health rows");
    assert_eq!(check["outcome"], "warning", "{report}");
    assert!(check["next_steps"].to_string().contains("LogsIngestionRule"), "{check}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    // Nothing listens on the discard port.
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup().with("VmrayBaseURL", "http://127.0.0.1:9");
    let report = doctor(&setup).code(1).json();
    let vmray = check(&report, "VMRay");
    assert!(vmray["detail"].as_str().unwrap().contains("127.0.0.1:9"), "{vmray}");
    assert!(vmray["next_steps"].to_string().contains("VmrayBaseURL"), "{vmray}");
}

#[test]
fn without_settings_each_missing_one_is_a_check() {
    let report = doctor(&Setup::new()).code(1).json();
    let missing: Vec<_> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["name"] == "settings")
        .map(|check| check["detail"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(missing, ["VmrayBaseURL is missing", "VmrayAPIKey is missing", "AzureWorkspaceID is missing"]);
    assert_eq!(check(&report, "VMRay")["outcome"], "skipped");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let setup = Setup::new();
    fs::write(setup.home().join("file"), "").unwrap();
    let setup = setup.with("StateUrl", "file/state");
    let report = doctor(&setup).code(1).json();
    let state = check(&report, "state");
    assert_eq!(state["outcome"], "failed", "{state}");
    assert!(state["next_steps"].to_string().contains("StateUrl"), "{state}");
}
