//! `simulate`: settings on stdout, a look inside, a clean end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::api::vmray;
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

    /// Changes something in the stand-ins; status and answer.
    pub(crate) fn control(&self, method: &str, what: &str, body: &str) -> (u16, Value) {
        let (address, prefix) = self.objects.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let path = prefix.replace("objects", what);
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(stream, "{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(self::body(&answer)).unwrap_or_default())
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
    secret.run(&["feed", "--once"]).code(1);
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
fn every_switch_is_on_its_page_and_can_be_set_while_it_runs() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/simulators.md");
    let page = fs::read_to_string(page).unwrap();
    let switches = simulator.look("switches");
    let mut count = 0;
    for (service, names) in switches.as_object().unwrap() {
        for name in names.as_array().unwrap() {
            let name = name.as_str().unwrap();
            assert!(page.contains(&format!("`{name}`")), "{service}.{name} is not on the page of the simulators");
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
    assert_eq!(simulator.control("POST", "vmray?field_set=2.1&quota_used=9", "").0, 200);
    assert_eq!(vmray(&simulator, "system_info")["version"], "2.1.0");
    assert_eq!(simulator.control("POST", "vmray?quota_used=10&colour=red", "").0, 400);
    assert_eq!(vmray(&simulator, "api_key/quota")["used_quota"], 9, "all or none");
    assert_eq!(simulator.control("POST", "upload?workspaces=", "").0, 200);
    let done = simulator.setup().run(&["feed", "--once"]).code(1);
    assert!(done.stderr.contains("does not know workspace"), "{}", done.stderr);
    assert_eq!(simulator.control("POST", "entra?apps=none", "").0, 200);
    assert_eq!(simulator.control("POST", "logs?audience=https://monitor.azure.us", "").0, 200);
    assert_eq!(simulator.control("POST", "weather?sun=1", "").0, 404);
    let home = Setup::new();
    assert!(home.run(&["simulate", "--switch", "vmray.colour=red"]).code(2).stderr.contains("field_set"));
    assert!(home.run(&["simulate", "--switch", "colour=red"]).code(2).stderr.contains("vmray.NAME=VALUE"));
    assert!(home.run(&["simulate", "--odd", "101"]).code(2).stderr.contains("0 to 100"));
}

#[test]
fn a_world_is_changed_while_it_is_served() {
    let simulator = Simulator::start(&["--samples", "0", "--switch", "vmray.max_upload_bytes=77"]);
    assert_eq!(vmray(&simulator, "system_info")["webif_max_upload_size"], 77);
    let (status, made) = simulator.control(
        "POST",
        "samples?url=http://a.example/&ioc=domain:new.example.net&ioc=url:http://x.example.net/a",
        "",
    );
    assert_eq!(status, 200, "{made}");
    let (sample, submission) = (made["sample"].as_u64().unwrap(), made["submission"].as_u64().unwrap());
    assert_ne!(sample, submission);
    assert_eq!(simulator.control("POST", &format!("samples/{sample}?access=forbidden"), "").0, 200);
    let setup = simulator.setup();
    let list = |setup: &Setup| setup.run(&["quarantine", "list"]).stdout;
    setup.run(&["feed", "--once"]).code(4);
    assert!(list(&setup).contains(&sample.to_string()), "{}", list(&setup));
    assert_eq!(simulator.objects().len(), 1, "the identity alone");
    assert_eq!(simulator.control("POST", &format!("samples/{sample}?access=open"), "").0, 200);
    let fault = r#"[{"service": "vmray", "path": "/iocs", "when": {"first": 1}, "fault": {"status": 503}}]"#;
    assert_eq!(simulator.control("POST", "faults", fault).0, 200);
    assert_eq!(simulator.control("POST", "faults", r#"[{"service": "vmray", "fault": "explode"}]"#).0, 400);
    setup.run(&["feed", "--once"]).code(0);
    assert_eq!(simulator.objects().len(), 3);
    assert_eq!(simulator.control("DELETE", "faults", "").0, 200);
    let change = format!("submissions/{submission}?verdict=clean&tells_errors=false&verdict_reason=because");
    assert_eq!(simulator.control("POST", &change, "").0, 200);
    let shown = vmray(&simulator, &format!("submission/{submission}"));
    assert_eq!((shown["submission_verdict"].as_str(), shown["submission_has_errors"].as_bool()), (Some("clean"), None));
    assert_eq!(shown["submission_verdict_reason_description"], "because");
    assert_eq!(simulator.control("POST", &format!("submissions/{submission}?colour=red"), "").0, 400);
    assert_eq!(simulator.control("DELETE", &format!("submissions/{submission}"), "").1["was_there"], true);
    assert_eq!(simulator.control("DELETE", &format!("submissions/{submission}"), "").1["was_there"], false);
}

#[test]
fn a_server_that_gives_no_verdicts_is_told_and_ends_with_4() {
    let no_field = Simulator::start(&["--odd", "0", "--samples", "20", "--switch", "world.no_verdict_field_rate=1"]);
    let done = no_field.setup().run(&["feed", "--once"]).code(4);
    assert!(done.stdout.contains("were dropped for one reason, `null_verdict`"), "{}", done.stdout);
    let again = no_field.setup().run(&["feed", "--once", "--json"]).code(4).json();
    assert_eq!(again["run"]["all_dropped"]["reason"], "null_verdict");
    let old = Simulator::start(&["--odd", "0", "--samples", "20", "--switch", "vmray.field_set=2.1"]);
    let done = old.setup().run(&["feed", "--once"]).code(4);
    assert!(done.stdout.contains("has a verdict"), "{}", done.stdout);
    let plain = Simulator::start(&["--odd", "0", "--samples", "20"]);
    assert!(!plain.setup().run(&["feed", "--once"]).code(0).stdout.contains("dropped"));
}

#[test]
fn a_dry_run_lists_the_first_values_and_says_that_nothing_was_stored() {
    let simulator = Simulator::start(&["--odd", "0", "--samples", "20"]);
    let setup = simulator.setup();
    let dry = setup.run(&["feed", "--once", "--dry-run"]).code(0);
    let values: Vec<_> =
        dry.stdout.lines().filter(|line| line.starts_with("  domain ") || line.starts_with("  ip ")).collect();
    assert!(!values.is_empty(), "{}", dry.stdout);
    assert!(dry.stdout.contains("nothing was stored"), "{}", dry.stdout);
    let told = setup.run(&["feed", "--once", "--dry-run", "--json"]).code(0).json();
    assert_eq!(told["would_send"].as_array().unwrap().len(), 10);
    assert_eq!(simulator.objects().len(), 0);
    let real = setup.run(&["feed", "--once"]).code(0);
    assert!(real.stdout.contains("the identity that all indicators name as their creator"), "{}", real.stdout);
    let sent: Vec<_> =
        simulator.objects().iter().map(|object| object["pattern"].as_str().unwrap_or_default().to_owned()).collect();
    for line in values {
        let value = line.trim().split_once(' ').unwrap().1;
        assert!(sent.iter().any(|pattern| pattern.contains(value)), "{value} was not sent");
    }
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
