//! Variables that look like settings and are none.

use rstest::rstest;

use crate::binary::{Running, Setup};
use crate::simulate::Simulator;

#[rstest]
#[case::status(&["status"])]
#[case::config(&["config", "show"])]
#[case::quarantine(&["quarantine", "list"])]
#[case::feed_without_settings(&["feed", "--once"])]
fn a_misspelt_setting_is_a_warning_in_every_command(#[case] command: &[&str]) {
    let done = Setup::new().with("Tpl", "green").with("VMRAY_COLOUR", "red").run(command);
    assert!(done.stderr.contains("Tpl is set in the environment"), "{}", done.stderr);
    assert!(done.stderr.contains("did you mean Tlp?"), "{}", done.stderr);
    assert!(done.stderr.contains("VMRAY_COLOUR"), "{}", done.stderr);
    assert!(!done.stdout.contains("Tpl"), "{}", done.stdout);
}

#[test]
fn a_misspelt_setting_fails_a_line_of_doctor() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let report = simulator.setup().with("Tpl", "green").run(&["doctor", "--json"]).code(1).json();
    let failed: Vec<_> =
        report["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert!(failed[0]["detail"].as_str().unwrap().starts_with("Tpl "), "{report}");
    assert_eq!(failed[0]["next_steps"][0], "did you mean Tlp?");
}

#[test]
fn under_the_functions_host_a_misspelt_setting_is_in_the_log_and_the_hosts_own_names_are_not() {
    let setup = Setup::new()
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
        .with("StateUrl", "memory:")
        .with("VmrayBaseUri", "https://vmray.example")
        .with("AzureWebJobsFeatureFlags", "EnableProxies")
        .with("AzureWebJobsScriptRoot", "/home/site/wwwroot")
        .with("AzureFunctionsJobHost__functionTimeout", "00:10:00")
        .with("AZURE_FUNCTIONS_ENVIRONMENT", "Production")
        .with("AZURE_CONFIG_DIR", "/home/operator/.azure")
        .with("WEBSITE_SITE_NAME", "app");
    let mut running = Running::start_watching_stderr(&mut setup.command(&[]));
    let line = running.line_with("no setting has that name");
    assert!(line.contains("VmrayBaseUri") && line.contains("VmrayBaseURL"), "{line}");
    let rest = running.line_with("VmrayAPIKey is missing");
    assert!(!rest.contains("no setting has that name"), "{rest}");
}
