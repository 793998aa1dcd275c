//! `serve` as playbooks and tools call it, over a socket.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Running, Setup, get};
use crate::simulate::Simulator;

/// `serve` on a free port, with its address.
pub(crate) struct Served {
    running: RefCell<Running>,
    _home: Arc<TempDir>,
    pub(crate) host: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Served {
    pub(crate) fn start(setup: &Setup, listen: &str) -> Self {
        let mut running = Running::start_watching_stderr(&mut setup.command(&["serve", "--listen", listen]));
        let line = running.line_with("serving the API");
        let url = line.split_once("url=").unwrap().1.trim_matches('"').trim_end_matches('/').to_owned();
        Self {
            running: RefCell::new(running),
            _home: Arc::clone(&setup.home),
            host: url.strip_prefix("http://").unwrap().to_owned(),
        }
    }

    /// Sends a request with whatever headers and body.
    pub(crate) fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.host)
            .unwrap_or_else(|error| panic!("{error}: {}", self.running.borrow_mut().last_words()));
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Calls a function as a Function action does.
    fn action(&self, function: &str, body: &Value) -> Value {
        let answer = self.ask(
            &format!("POST /api/{function}"),
            "Content-Type: application/json\r\n",
            body.to_string().as_bytes(),
        );
        assert_eq!(answer.status, 200, "{function}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn stop(self) {
        self.running.into_inner().terminate().code(0);
    }
}

/// Asks the stand-in for VMRay itself.
pub(crate) fn vmray(simulator: &Simulator, path: &str) -> Value {
    let setting = |name: &str| simulator.settings.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let base = setting("VmrayBaseURL");
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let key = setting("VmrayAPIKey");
    write!(
        stream,
        "GET /rest/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: api_key {key}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["data"].take()
}

fn without_workspace(simulator: &Simulator) -> Setup {
    let feed = ["AzureWorkspaceID", "AzureTenantID", "AzureClientID", "AzureClientSecret"];
    feed.into_iter().fold(simulator.setup(), |setup, name| setup.with(name, ""))
}

#[test]
fn a_playbook_about_a_known_url_gets_what_it_branches_on() {
    let simulator = Simulator::start(&["--samples", "60"]);
    let served = Served::start(&without_workspace(&simulator), "127.0.0.1:0");
    let samples = vmray(&simulator, "sample");
    let known = samples
        .as_array()
        .unwrap()
        .iter()
        .find(|sample| sample["sample_url"].is_string() && sample["sample_verdict"] == "malicious");
    let known = known.expect("a world of sixty samples has a malicious URL");
    let submitted =
        served.action("UplaodURL", &json!({"url": known["sample_url"], "tags": ["url_submission_logic_app"]}));
    assert_eq!(submitted["vmray_job"], json!([]));
    let submission = served
        .action("GetVMRaySubmission", &json!({"submission_id": submitted["vmray_submission"][0]["SubmissionID"]}));
    assert_eq!(submission["submission_finished"], true);
    let sample = served.action("GetVMRaySample", &json!({"sample_id": submission["submission_sample_id"]}));
    assert_eq!(sample["sample_id"], known["sample_id"]);
    assert_eq!(sample, vmray(&simulator, &format!("sample/{}", known["sample_id"])));
    assert!(served.action("GetVMRayVTIs", &json!({"sample_id": sample["sample_id"]}))["threat_indicators"].is_array());
    let iocs = served.action(
        "GetVMRayIOCs",
        &json!({
            "sample_id": sample["sample_id"], "submission_id": submission["submission_id"],
            "sample_verdict": ["malicious", "suspicious"], "incident_id": 17, "valid_until": "30",
        }),
    );
    assert!(!iocs["custom_resp"].as_array().unwrap().is_empty());
    assert_eq!(simulator.stats()["rows"], 0, "without a workspace nothing is fed");
    served.stop();
}

#[test]
fn keys_let_other_machines_in_and_stand_in_no_log() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let made = Setup::new().run(&["config", "api-key", "playbook", "--scope", "submit", "--json"]).code(0).json();
    let (key, entry) = (made["key"].as_str().unwrap(), made["entry"].as_str().unwrap());
    assert!(!entry.contains(key));
    let setup = without_workspace(&simulator).with("ApiKeys", entry).with("LogFilter", "debug");
    let served = Served::start(&setup, "0.0.0.0:0");
    assert_eq!(served.ask("GET /api/status", "", b"").status, 401);
    assert_eq!(served.ask("GET /api/status", &format!("X-Functions-Key: {key}\r\n"), b"").status, 200);
    assert_eq!(served.ask(&format!("GET /api/status?code={key}"), "X-Request-Id: seen-1\r\n", b"").status, 200);
    let running = served.running.into_inner();
    let done = running.terminate().code(0);
    assert!(done.stdout.contains("seen-1") && done.stdout.contains("playbook"), "{}", done.stdout);
    assert!(!done.stdout.contains(key), "the key is in the log");
}

#[test]
fn a_key_of_a_wrong_form_is_refused_before_anything_starts() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = without_workspace(&simulator).with("ApiKeys", "vms_secretsecret");
    let done = setup.run(&["serve", "--listen", "127.0.0.1:0"]).code(2);
    assert!(done.stderr.contains("ApiKeys") && !done.stderr.contains("secretsecret"), "{}", done.stderr);
}

#[test]
fn what_a_caller_can_send_has_limits() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let served = Served::start(&without_workspace(&simulator), "127.0.0.1:0");
    let long = format!("X-Long: {}\r\n", "x".repeat(40_000));
    assert_eq!(served.ask("GET /healthz", &long, b"").status, 431);
    let deep = format!("{{\"sample_id\": {}{}}}", "[".repeat(300_000), "]".repeat(300_000));
    let answer = served.ask("POST /api/GetVMRaySample", "", deep.as_bytes());
    assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some("body")), "{}", answer.body);
    let large = vec![b' '; 3_000_000];
    // The answer may come while we still write; then the connection ends under us.
    let mut stream = TcpStream::connect(&served.host).unwrap();
    write!(
        stream,
        "POST /api/GetVMRaySample HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        served.host,
        large.len()
    )
    .unwrap();
    drop(stream.write_all(&large));
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert!(get(&format!("http://{}/healthz", served.host)).starts_with("HTTP/1.1 200"), "it goes on");
    served.stop();
}

#[test]
fn links_that_are_out_work_after_their_key_was_replaced() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = without_workspace(&simulator);
    let serve = Served::start(&setup, "127.0.0.1:0");
    let kind = "Content-Type: application/json\r\n";
    let asked = serve.ask("POST /api/enrich", kind, br#"{"items":[{"url":"http://new.example/"}]}"#);
    assert_eq!(asked.status, 202, "{}", asked.body);
    let link = asked.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    assert!(setup.run(&["state", "rotate-link-key"]).code(0).stdout.contains("A new key signs"));
    assert_eq!(serve.ask(&format!("GET {link}"), "", b"").status, 202);
    let forged = link.replace(".1.", ".2.");
    assert_ne!(forged, link);
    assert!([401, 403, 404].contains(&serve.ask(&format!("GET {forged}"), "", b"").status));
}

#[test]
fn a_read_key_and_a_page_of_another_site_submit_nothing_over_a_socket() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let made = Setup::new().run(&["config", "api-key", "soc", "--scope", "read", "--json"]).code(0).json();
    let submissions = || vmray(&simulator, "submission").as_array().unwrap().len();
    let before = submissions();
    let served =
        Served::start(&without_workspace(&simulator).with("ApiKeys", made["entry"].as_str().unwrap()), "127.0.0.1:0");
    let key = format!("X-Functions-Key: {}\r\n", made["key"].as_str().unwrap());
    for name in ["UplaodURL", "%55plaodURL", "%75pla%6FdURL"] {
        let answer = served.ask(&format!("GET /api/{name}?url=http://a.example/"), &key, b"");
        assert_eq!(answer.status, 403, "{name}: {}", answer.body);
    }
    served.stop();
    let served = Served::start(&without_workspace(&simulator), "127.0.0.1:0");
    let foreign = "Origin: https://evil.example\r\nContent-Type: text/plain\r\n";
    let answer = served.ask("POST /api/enrich", foreign, br#"{"items":[{"url":"http://a.example/"}]}"#);
    assert_eq!((answer.status, answer.json()["type"].as_str()), (403, Some("urn:vmray-sentinel:problem:cross-site")));
    let image = "User-Agent: Mozilla/5.0\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n";
    assert_eq!(served.ask("GET /api/UplaodURL?url=http://a.example/", image, b"").status, 403);
    assert_eq!(served.ask("GET /healthz", "Host: evil.example\r\n", b"").status, 400, "two hosts");
    assert_eq!(submissions(), before);
    served.stop();
}

#[test]
fn silent_connections_lock_nobody_out_of_health() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let served = Served::start(&without_workspace(&simulator), "127.0.0.1:0");
    let silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&served.host).unwrap()).collect();
    assert_eq!(served.ask("GET /healthz", "", b"").status, 200);
    let refused = served.ask("GET /api/status", "", b"");
    assert_eq!((refused.status, refused.json()["type"].as_str()), (503, Some("urn:vmray-sentinel:problem:busy")));
    drop(silent);
    served.stop();
}

#[test]
fn the_log_repeats_no_password_and_little_of_what_was_sent() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let served = Served::start(&without_workspace(&simulator).with("LogFilter", "debug"), "127.0.0.1:0");
    let password = br#"{"items":[{"file":"aGVsbG8=","archive_password":47114711}]}"#;
    assert_eq!(served.ask("POST /api/enrich", "X-Request-Id: seen-1\r\n", password).status, 400);
    let long = format!("{{\"sample_id\":\"\u{202e}{}\"}}", "x".repeat(900_000));
    assert_eq!(served.ask("POST /api/GetVMRaySample", "X-Request-Id: seen-2\r\n", long.as_bytes()).status, 400);
    let running = served.running.into_inner();
    let lines = running.terminate().code(0).stdout;
    assert!(lines.contains("seen-1") && lines.contains("seen-2"), "{lines}");
    assert!(!lines.contains("47114711") && !lines.contains('\u{202e}'), "{lines}");
    assert!(lines.lines().all(|line| line.len() < 2000), "a line of the log is long");
}

#[test]
fn a_password_of_a_proxy_is_refused_as_a_flag_and_not_shown() {
    let done = Setup::new().run(&["config", "show", "--set", "HttpsProxy=http://me:hunter2@proxy.example:3128"]);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains("HttpsProxy with a user name or a password in it cannot be given as a flag"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn nothing_is_uploaded_from_a_state_in_memory() {
    let simulator = Simulator::start(&["--samples", "60"]);
    let samples = vmray(&simulator, "sample");
    let is_known = |sample: &&Value| sample["sample_url"].is_string() && sample["sample_verdict"] == "malicious";
    let known = samples.as_array().unwrap().iter().find(is_known).unwrap();
    let setup = simulator.setup().with("StateUrl", "memory:").with("Polling", "0 0 1 1 *");
    let served = Served::start(&setup.with("ReuseHours", "malicious=87600,url=24,file=720"), "127.0.0.1:0");
    let body = json!({"items": [{"url": known["sample_url"]}], "upload": true}).to_string();
    let answer = served.ask("POST /api/enrich", "Content-Type: application/json\r\n", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let upload = &answer.json()["upload"];
    assert_eq!(upload["state"], "refused", "{upload}");
    assert!(upload["reason"].as_str().unwrap().contains("StateUrl"), "{upload}");
    served.stop();
}
