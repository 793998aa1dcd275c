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
    for name in ["settings", "state", "VMRay", "quota", "clock", "token"] {
        assert_eq!(check(&report, name)["outcome"], "good", "{report}");
    }
    // The stand-ins refuse a request without content, which says nothing of ids and roles.
    for name in ["workspace", "health rows"] {
        assert_eq!(check(&report, name)["outcome"], "warning", "{report}");
        assert!(check(&report, name)["detail"].as_str().unwrap().starts_with("not proven"), "{report}");
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

#[test]
fn an_address_that_ends_in_rest_is_recognised() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let address = simulator.settings.iter().find(|(name, _)| name == "VmrayBaseURL").unwrap().1.clone();
    let setup = simulator.setup().with("VmrayBaseURL", &format!("{address}/rest/"));
    let report = doctor(&setup).code(0).json();
    let told: Vec<_> = report["checks"].as_array().unwrap().iter().filter(|check| check["name"] == "VMRay").collect();
    assert_eq!((&told[0]["outcome"], &told[1]["outcome"]), (&"good".into(), &"warning".into()), "{report}");
    assert_eq!(told[1]["next_steps"][0], format!("set VmrayBaseURL={address}"));
    assert!([0, 4].contains(&setup.run(&["feed", "--once"]).code));
}

#[test]
fn without_an_app_registration_and_off_azure_both_ways_are_offered() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let gone =
        "AzureTenantID AzureClientID AzureClientSecret".split(' ').fold(simulator.setup(), |s, name| s.with(name, ""));
    let report = doctor(&gone).code(1).json();
    let token = check(&report, "token");
    assert_eq!(token["outcome"], "failed", "{report}");
    let steps: Vec<_> = token["next_steps"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    let steps = steps.join("\n");
    assert!(steps.contains("AzureClientSecret") && steps.contains("az functionapp identity assign"), "{steps}");
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_as_the_proxy() {
    // Nothing listens on the discard port.
    let setup = Setup::new()
        .with("VmrayBaseURL", "https://vmray.invalid")
        .with("VmrayAPIKey", "0123456789")
        .with("AzureTenantID", "11111111-2222-3333-4444-555555555555")
        .with("AzureClientID", "11111111-2222-3333-4444-555555555555")
        .with("AzureClientSecret", "secret")
        .with("AzureWorkspaceID", "11111111-2222-3333-4444-555555555555")
        .with("HttpsProxy", "http://me:hunter2@127.0.0.1:9");
    let done = doctor(&setup).code(1);
    assert!(!done.stdout.contains("hunter2"), "{}", done.stdout);
    let report = done.json();
    for name in ["VMRay", "token"] {
        let check = check(&report, name);
        assert!(check["detail"].as_str().unwrap().contains("the proxy 127.0.0.1:9 gives no connection"), "{check}");
        assert!(check["next_steps"][0].as_str().unwrap().contains("HttpsProxy"), "{check}");
    }
}

#[test]
fn a_token_that_is_refused_is_told_once() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let done = doctor(&simulator.setup().with("AzureClientSecret", "wrong")).code(1);
    assert_eq!(done.stdout.matches("AADSTS7000215").count(), 1, "{}", done.stdout);
    assert_eq!(check(&done.json(), "health rows")["outcome"], "skipped", "{}", done.stdout);
}
