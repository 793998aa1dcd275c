//! Help, completions, settings: what needs nothing but the binary.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::binary::Setup;

#[rstest]
#[case::whole(&[])]
#[case::demo(&["demo"])]
#[case::feed(&["feed"])]
#[case::serve(&["serve"])]
#[case::convert(&["convert"])]
#[case::quarantine(&["quarantine"])]
#[case::simulate(&["simulate"])]
#[case::state(&["state"])]
#[case::config(&["config"])]
fn help_is_as_the_book_describes(#[case] command: &[&str]) {
    // By its name: the help calls the program as it was called, and a longer path would break lines elsewhere.
    let help = Setup::new().shell(&format!("vmray-sentinel {} --help", command.join(" "))).code(0).stdout;
    insta::assert_snapshot!(format!("help_{}", command.join("_")), help);
}

#[test]
fn without_a_command_the_help_is_shown_and_nothing_started() {
    let done = Setup::new().run(&[]).code(2);
    assert!(done.stderr.contains("Usage:"), "{}", done.stderr);
}

#[test]
fn a_wrong_flag_is_named() {
    let done = Setup::new().run(&["feed", "--onec"]).code(2);
    assert!(done.stderr.contains("--onec") && done.stderr.contains("--once"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
fn completions_are_printed(#[case] shell: &str) {
    let done = Setup::new().run(&["completions", shell]).code(0);
    assert!(done.stdout.contains("quarantine"));
    assert!(Setup::new().run(&["completions", shell, "--json"]).code(0).json()["script"].is_string());
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
fn completions_offer_the_settings_that_a_flag_may_give(#[case] shell: &str) {
    let script = Setup::new().run(&["completions", shell]).code(0).stdout;
    assert!(script.contains("IndicatorExpirationInDays="), "{script}");
    assert!(!script.contains("VmrayAPIKey="), "a secret is offered");
}

#[test]
fn bash_completes_after_a_command_too() {
    let script = Setup::new().run(&["completions", "bash"]).code(0).stdout;
    let places: Vec<_> =
        script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"')).collect();
    assert!(places.contains(&"vmray__sentinel__subcmd__feed"), "{places:?}");
    for place in places.into_iter().filter(|place| !place.is_empty()) {
        assert!(script.contains(&format!("        {place})\n")), "nothing is offered at {place}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command_and_for_the_settings() {
    let setup = Setup::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("man");
    setup.run(&["man", path.to_str().unwrap()]).code(0);
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert!(read("man1/vmray-sentinel.1").contains("vmray\\-sentinel\\-feed(1)"), "{}", read("man1/vmray-sentinel.1"));
    assert!(read("man1/vmray-sentinel-feed.1").contains("dry\\-run"));
    assert!(read("man5/vmray-sentinel-settings.5").contains("IndicatorExpirationInDays"));
    setup.run(&["man", "/dev/null/man"]).code(1);
}

#[rstest]
#[case::feed(&["feed", "--once"], &["VmrayBaseURL", "VmrayAPIKey", "AzureWorkspaceID"])]
#[case::serve_without_a_feed(&["serve"], &["VmrayBaseURL", "VmrayAPIKey"])]
#[case::serve_with_half_a_feed(&["serve", "--set", "AzureTenantID=x"], &["VmrayBaseURL", "VmrayAPIKey", "AzureWorkspaceID"])]
fn missing_settings_are_all_named_with_an_example(#[case] command: &[&str], #[case] missing: &[&str]) {
    let done = Setup::new().run(command).code(2);
    for name in missing {
        assert!(done.stderr.contains(&format!("{name} is missing")), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("example: {name}=")), "{}", done.stderr);
    }
    assert_eq!(done.stdout, "");
}

#[test]
fn a_failure_is_one_object_with_json() {
    let done = Setup::new().run(&["feed", "--once", "--json"]).code(2);
    let failure = done.json();
    assert_eq!(failure["outcome"], "failed");
    assert_eq!(failure["exit_code"], 2);
    assert!(failure["error"].as_str().unwrap().contains("VmrayBaseURL"), "{failure}");
}

#[test]
fn settings_come_from_file_environment_and_flags_in_this_order() {
    let setup = Setup::new().with("tlp", "green").with("POLLING", "5 * * * *");
    fs::write(setup.home().join("c.toml"), "Tlp = 'red'\nPolling = '0 * * * *'\nUploadsInFlight = 3\n").unwrap();
    let done = setup.run(&["config", "show", "--config", "c.toml", "--set", "Polling=7 * * * *", "--json"]).code(0);
    let shown = done.json();
    let of = |name: &str| {
        let all = shown["settings"].as_array().unwrap();
        let row = all.iter().find(|row| row["setting"] == name).unwrap();
        (row["value"].clone(), row["source"].clone())
    };
    assert_eq!(of("Tlp"), ("green".into(), "environment".into()));
    assert_eq!(of("Polling"), ("7 * * * *".into(), "flag".into()));
    assert_eq!(of("UploadsInFlight"), ("3".into(), "file".into()));
    assert_eq!(of("VmrayAPIKey"), (Value::Null, "not set".into()));
}

#[test]
fn secrets_are_never_shown() {
    let setup = Setup::new()
        .with("VmrayAPIKey", "hunter2-key")
        .with("AzureClientSecret", "hunter2-secret")
        .with("HttpsProxy", "http://me:hunter2@proxy.example:3128");
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["doctor"], &["feed", "--once"]] {
        let done = setup.run(arguments);
        assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"), "{arguments:?}");
    }
}

#[test]
fn an_unknown_key_in_the_file_is_an_error_with_a_suggestion() {
    let setup = Setup::new();
    fs::write(setup.home().join("c.toml"), "VmrayBaseUrl = 'https://vmray.example'\n").unwrap();
    let done = setup.run(&["config", "show", "--config", "c.toml"]).code(2);
    assert!(done.stderr.contains("did you mean VmrayBaseURL?"), "{}", done.stderr);
}

#[test]
fn the_schema_is_a_schema() {
    let schema = Setup::new().run(&["config", "schema"]).code(0).json();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["VmrayAPIKey"]["writeOnly"], true);
}

#[test]
fn an_empty_state_has_nothing_to_tell_and_is_not_made() {
    let setup = Setup::new();
    let status = setup.run(&["status"]).code(0);
    assert!(status.stdout.contains("none yet"), "{}", status.stdout);
    assert_eq!(setup.run(&["quarantine", "list"]).code(0).stdout, "Nothing is held back.\n");
    assert_eq!(setup.run(&["quarantine", "replay", "--all"]).code(0).stdout, "Quarantine is empty; nothing to do.\n");
    let unknown = setup.run(&["quarantine", "show", "indicator--x"]).code(1);
    assert!(unknown.stderr.contains("is not in quarantine"), "{}", unknown.stderr);
    assert_eq!(fs::read_dir(setup.home()).unwrap().count(), 0);
}
