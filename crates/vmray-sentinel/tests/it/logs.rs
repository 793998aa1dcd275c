//! What is logged at which level.

use rstest::rstest;

use crate::simulate::Simulator;

#[test]
fn debug_shows_what_we_ask_and_decide_and_nothing_of_the_engine() {
    let simulator = Simulator::start(&["--samples", "10"]);
    let setup = simulator.setup();
    let log = setup.run(&["feed", "--once", "--log", "debug"]).stderr;
    let vmray = simulator.settings.iter().find(|(name, _)| name == "VmrayBaseURL").unwrap().1.replace("http://", "");
    let call = log.lines().find(|line| line.contains("GET /rest/sample/")).unwrap_or_else(|| panic!("{log}"));
    for part in [vmray.as_str(), "run{", "sample{", "attempt=1", "status=200", "duration_ms="] {
        assert!(call.contains(part), "{part} is missing in {call}");
    }
    for decided in
        ["listed a page", "read a sample", "decided about a sample", "Sentinel answered an upload", "a new token"]
    {
        assert!(log.contains(decided), "{decided} is missing in {log}");
    }
    for other in ["hyper", "reqwest", "slatedb", "pooling idle connection", "rustls"] {
        assert!(!log.contains(other), "{other} is in {log}");
    }
    for (name, value) in simulator.settings.iter().filter(|(name, _)| name.contains("Key") || name.contains("Secret")) {
        assert!(!log.contains(value.as_str()), "{name} is in the log");
    }
    assert!(!log.contains("eyJ") && !log.to_lowercase().contains("bearer"), "a token is in the log");
}

#[test]
fn a_call_that_is_made_again_tells_each_attempt() {
    let home = crate::binary::Setup::new();
    let faults = home.home().join("faults.json");
    std::fs::write(&faults, r#"[{"service": "vmray", "path": "/iocs", "when": {"nth": 1}, "fault": {"status": 503}}]"#)
        .unwrap();
    let simulator = Simulator::start(&["--samples", "3", "--faults", faults.to_str().unwrap()]);
    let log = simulator.setup().run(&["feed", "--once", "--log", "debug"]).stderr;
    assert!(
        log.lines().any(|line| line.contains("/iocs") && line.contains("attempt=1") && line.contains("status=503"))
    );
    assert!(log.lines().any(|line| line.contains("trying again") && line.contains("wait_ms")), "{log}");
    assert!(
        log.lines().any(|line| line.contains("/iocs") && line.contains("attempt=2") && line.contains("status=200"))
    );
}

#[rstest]
#[case::info("info", false)]
#[case::everything("all=debug", true)]
fn others_are_logged_when_they_are_asked_for(#[case] filter: &str, #[case] others: bool) {
    let simulator = Simulator::start(&["--samples", "3"]);
    let log = simulator.setup().run(&["feed", "--once", "--log", filter, "--log-format", "json"]).stderr;
    let targets: Vec<String> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|line| line["target"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        targets.iter().any(|target| target.starts_with("slatedb") || target.starts_with("hyper")),
        others,
        "{log}"
    );
}
