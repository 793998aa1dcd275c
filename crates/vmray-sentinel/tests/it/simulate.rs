//! `simulate`: settings on stdout, a look inside, a clean end.

use std::fs;

use serde_json::Value;

use crate::binary::{Running, Setup, get};

/// Stand-ins on sockets.
pub(crate) struct Simulator {
    running: Running,
    pub(crate) settings: Vec<(String, String)>,
    objects: String,
}

impl Simulator {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let home = Setup::new();
        let mut running = Running::start(home.command(&[&["simulate"], arguments].concat()));
        let mut settings = Vec::new();
        loop {
            let line = running.line_with("");
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
                settings.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            }
            if let Some((_, objects)) = line.split_once("what was uploaded: ") {
                return Self { running, settings, objects: objects.to_owned() };
            }
        }
    }

    /// A setup whose commands reach the stand-ins.
    pub(crate) fn setup(&self) -> Setup {
        self.settings.iter().fold(Setup::new(), |setup, (name, value)| setup.with(name, value))
    }

    /// What was uploaded.
    pub(crate) fn objects(&self) -> Vec<Value> {
        serde_json::from_str(body(&get(&self.objects))).unwrap()
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> Value {
        self.look("stats")
    }

    /// What the stand-ins say of themselves.
    pub(crate) fn look(&self, what: &str) -> Value {
        serde_json::from_str(body(&get(&self.objects.replace("objects", what)))).unwrap()
    }

    /// The rows of a stream of logs ingestion.
    pub(crate) fn rows(&self, stream: &str) -> Vec<Value> {
        self.look("logs")[stream].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn stop(self) -> crate::binary::Done {
        self.running.terminate()
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn prints_the_settings_and_ends_cleanly_when_told() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let names: Vec<_> = simulator.settings.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "VmrayBaseURL",
            "VmrayAPIKey",
            "AzureTenantID",
            "AzureClientID",
            "AzureClientSecret",
            "AzureWorkspaceID",
            "AZURE_AUTHORITY_HOST",
            "SentinelTiEndpoint",
            "LogsIngestionEndpoint",
            "LogsIngestionRule"
        ]
    );
    assert_eq!(simulator.objects(), Vec::<Value>::new());
    assert_eq!(simulator.stats()["rows"], 0);
    simulator.stop().code(0);
}

#[test]
fn the_tokens_that_a_feed_asked_for_are_counted() {
    let simulator = Simulator::start(&["--samples", "3"]);
    assert_eq!(simulator.look("tokens"), Value::Array(Vec::new()));
    simulator.setup().run(&["feed", "--once"]);
    let stats = simulator.stats();
    let tokens = simulator.look("tokens");
    let issued: Vec<_> = tokens.as_array().unwrap().iter().map(|token| token["issued"].as_bool().unwrap()).collect();
    // One for the upload, one for the health tables.
    assert_eq!(issued, [true, true], "{tokens}");
    assert_eq!((stats["token_requests"].as_u64(), stats["tokens_issued"].as_u64()), (Some(2), Some(2)));
    let secret = simulator.setup().with("AzureClientSecret", "wrong");
    secret.run(&["feed", "--once", "--since", "30d"]);
    assert!(simulator.stats()["token_requests"].as_u64() > Some(2));
    assert_eq!(simulator.stats()["tokens_issued"], 2);
}

#[test]
fn prints_one_object_with_json() {
    let home = Setup::new();
    let mut running = Running::start(home.command(&["simulate", "--samples", "1", "--json"]));
    running.line_with("stats");
    let done = running.terminate().code(0);
    assert!(done.json()["environment"]["VmrayAPIKey"].is_string());
}

#[test]
fn refuses_other_machines_wrong_faults_and_empty_folders() {
    let home = Setup::new();
    assert!(home.run(&["simulate", "--listen", "0.0.0.0:0"]).code(2).stderr.contains("127.0.0.1"));
    fs::write(home.home().join("faults.json"), r#"[{"service":"upload","fault":"explode"}]"#).unwrap();
    assert!(home.run(&["simulate", "--faults", "faults.json"]).code(2).stderr.contains("explode"));
    fs::create_dir(home.home().join("empty")).unwrap();
    assert!(home.run(&["simulate", "--reports", "empty"]).code(2).stderr.contains("holds no report"));
}

#[test]
fn the_same_seed_and_end_are_the_same_world() {
    let fed = || {
        let simulator = Simulator::start(&["--samples", "5", "--ends", "2026-01-20T00:00:00Z"]);
        let setup = simulator.setup().with("IndicatorExpirationInDays", "3650").with("VmrayInitialFetchDate", "3650");
        setup.run(&["feed", "--once"]);
        let mut objects = simulator.objects();
        for object in &mut objects {
            // When it was sent, and the port of the stand-in.
            for field in ["modified", "description", "external_references"] {
                object.as_object_mut().unwrap().remove(field);
            }
        }
        objects
    };
    let first = fed();
    assert!(first.len() > 5, "{}", first.len());
    assert_eq!(first, fed());
}
