//! `functions` as the Azure Functions host drives it: a port in the environment, then bytes on loopback.
//!
//! The requests are what the host sends (a chunked body for an invocation, the caller's own request under `/api`).
//! Where recorded ones are beside the checkout, they are sent too.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use rstest::rstest;
use serde_json::Value;

use crate::binary::{Done, Running, Setup};
use crate::simulate::Simulator;

const ID: &str = "3f0c0c0e-6b5c-4d0e-8d59-6f3d1f4b2a01";
const WITH_STATUS: &str = r#"{"Data":{"mytimer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-24T06:00:00+00:00","Next":"2026-11-24T12:00:00+00:00","LastUpdated":"2026-11-24T06:00:00+00:00"},"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"VMRay","UtcNow":"2026-11-24T12:00:00.0112233Z","RandGuid":"7e0d3b1a-2f7a-4f0d-9a9a-0c4c5a1c6b11"}}}"#;
const WITHOUT_STATUS: &str = r#"{"Data":{"mytimer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"VMRay","UtcNow":"2026-11-24T12:00:00.0112233Z","RandGuid":"7e0d3b1a-2f7a-4f0d-9a9a-0c4c5a1c6b13"}}}"#;
const PAST_DUE: &str = r#"{"Data":{"mytimer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-24T00:00:00+00:00","Next":"2026-11-24T06:00:00+00:00","LastUpdated":"2026-11-24T00:00:00+00:00"},"IsPastDue":true}},"Metadata":{"sys":{"MethodName":"VMRay"}}}"#;

/// The most that the host hands on unless told otherwise.
const LARGEST_BODY: usize = 104_857_600;

/// The binary as the host starts it.
struct Hosted {
    running: Running,
    port: u16,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Hosted {
    /// Starts it without a command, as an older `host.json` would, on a free port.
    fn start(setup: Setup) -> (Self, Setup) {
        // The host's machines come and go, so the state has no folder there by default.
        let state = format!("file://{}/state", setup.home().display());
        let setup = setup.with("FUNCTIONS_CUSTOMHANDLER_PORT", "0").with("StateUrl", &state);
        let mut running = Running::start(setup.command(&[]));
        let line = running.line_with("answering the Functions host");
        let (_, rest) = line.split_once("port").unwrap();
        let digits: String =
            rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        (Self { running, port: digits.parse().unwrap() }, setup)
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        Answer::read(stream)
    }

    fn timer(&self, body: &str) -> Answer {
        self.ask(&timer_request("VMRay", body))
    }

    fn stop(self) -> Done {
        self.running.terminate()
    }
}

impl Answer {
    fn read(stream: TcpStream) -> Self {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the connection was closed: {head}");
        }
        let head = head.to_lowercase();
        let length =
            head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        Self { status: head[9..12].parse().unwrap(), head, body }
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert!(self.head.contains("json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The lines for the host's log; checks the shape of the answer on the way.
    #[track_caller]
    fn logs(&self) -> String {
        let answer = self.json();
        assert!(answer["Outputs"].is_object() && answer["ReturnValue"].is_null(), "{answer}");
        let lines: Vec<_> = answer["Logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        lines.join("\n")
    }
}

/// An invocation as the host's formatter writes it: its length is not known, so it comes in chunks.
fn timer_request(function: &str, body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /{function} HTTP/1.1\r\nHost: 127.0.0.1:7071\r\nX-Azure-Functions-HostVersion: 4.1037.0.0\r\n\
         X-Azure-Functions-InvocationId: {ID}\r\nUser-Agent: Azure-Functions-Host/4.1037.0.0\r\n\
         Transfer-Encoding: chunked\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    );
    for part in body.as_bytes().chunks(64) {
        request.extend([format!("{:x}\r\n", part.len()).as_str(), std::str::from_utf8(part).unwrap(), "\r\n"]);
    }
    request += "0\r\n\r\n";
    request.into_bytes()
}

/// A caller's request as the host hands it on: the caller's host and headers, ours appended.
fn forwarded(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: app.azurewebsites.net\r\nUser-Agent: curl/8 Azure-Functions-Host/4.1037.0.0\r\n\
         Accept: */*\r\nX-Forwarded-For: 192.0.2.7\r\nX-Azure-Functions-InvocationId: {ID}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn with_nothing_but_a_port_it_is_ready_and_an_invocation_says_what_to_set() {
    let (hosted, _setup) = Hosted::start(Setup::new());
    assert_eq!(hosted.ask(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status, 200);
    for _ in 0..4 {
        let answer = hosted.timer(WITH_STATUS);
        assert_eq!(answer.status, 500);
        let logs = answer.logs();
        assert!(logs.contains("VmrayBaseURL is missing; example: VmrayBaseURL=https://"), "{logs}");
        assert!(logs.contains("AzureWorkspaceID is missing"), "{logs}");
    }
    let done = hosted.stop().code(200);
    assert!(done.stderr.contains("VmrayBaseURL is missing; example:") && done.stderr.contains(ID), "{}", done.stderr);
    assert!(!done.stdout.contains("is missing"), "{}", done.stdout);
}

#[rstest]
#[case::key_vault(
    "VmrayAPIKey",
    "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)",
    "Key Vault Secrets User"
)]
#[case::log_format("LogFormat", "xml", "expected text or json")]
#[case::log_filter("LogFilter", "a=b=c", "is no log filter")]
#[case::wrong_value("UploadsInFlight", "many", "expected a whole number")]
fn a_setting_that_cannot_be_read_fails_invocations_and_not_the_process(
    #[case] setting: &str,
    #[case] value: &str,
    #[case] told: &str,
) {
    let simulator = Simulator::start(&["--samples", "3"]);
    let (hosted, _setup) = Hosted::start(simulator.setup().with(setting, value));
    let answer = hosted.timer(WITH_STATUS);
    assert_eq!(answer.status, 500);
    assert!(answer.logs().contains(told) && answer.logs().contains(setting), "{}", answer.logs());
    assert_eq!(hosted.ask(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status, 200);
    let done = hosted.stop().code(200);
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn a_timer_runs_with_a_status_without_one_past_due_and_in_any_case_of_its_name() {
    let simulator = Simulator::start(&["--samples", "20"]);
    let (hosted, _setup) = Hosted::start(simulator.setup());
    let mut bodies = vec![WITHOUT_STATUS.to_owned(), WITH_STATUS.to_owned(), PAST_DUE.to_owned()];
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sentinel/functions");
    for name in ["first_run_no_status", "past_due", "request_body"] {
        bodies.extend(fs::read_to_string(recorded.join(format!("timer_invocation__{name}.json"))));
    }
    for body in &bodies {
        let answer = hosted.timer(body);
        assert_eq!(answer.status, 200, "{}", answer.logs());
        assert!(answer.logs().contains("run ended: "), "{}", answer.logs());
    }
    assert_ne!(simulator.stats()["rows"], 0);
    assert_eq!(simulator.rows("Custom-VMRayFeedRuns_CL").len(), bodies.len());
    assert_eq!(hosted.ask(&timer_request("vmray", "")).status, 200);
    let other = hosted.ask(&timer_request("Other", WITH_STATUS));
    assert_eq!((other.status, other.logs().as_str()), (404, "there is no function Other here"));
    let done = hosted.stop().code(200);
    let past_due = bodies.iter().filter(|body| body.replace(' ', "").contains(r#""IsPastDue":true"#)).count();
    assert_eq!(done.stdout.matches("the timer is past due").count(), past_due, "{}", done.stdout);
}

#[test]
fn a_timer_while_a_run_is_on_is_answered_at_once_and_starts_none() {
    let simulator =
        with_faults("10", r#"[{"service":"vmray","path":"/rest/submission","when":{"first":1},"fault":"hang"}]"#);
    let (mut hosted, _setup) = Hosted::start(simulator.setup());
    let mut first = hosted.connect();
    first.write_all(&timer_request("VMRay", WITH_STATUS)).unwrap();
    hosted.running.line_with("run started");
    let second = hosted.timer(WITH_STATUS);
    assert_eq!(second.status, 200);
    assert!(second.logs().contains("a run has been active since"), "{}", second.logs());
    // Stopping ends the run that hangs, and its caller hears of it.
    let done = hosted.stop().code(200);
    let first = Answer::read(first);
    assert_eq!(first.status, 200, "{}", first.logs());
    assert!(first.logs().contains("stopped early"), "{}", first.logs());
    assert_eq!(done.stdout.matches("run started").count(), 1, "{}", done.stdout);
}

#[test]
fn a_host_that_hangs_up_stops_the_run_and_the_next_one_is_free_to_begin() {
    let simulator =
        with_faults("10", r#"[{"service":"vmray","path":"/rest/submission","when":{"first":1},"fault":"hang"}]"#);
    let (mut hosted, _setup) = Hosted::start(simulator.setup());
    let mut first = hosted.connect();
    first.write_all(&timer_request("VMRay", WITH_STATUS)).unwrap();
    hosted.running.line_with("run started");
    drop(first);
    hosted.running.line_with("stopped early");
    let second = hosted.timer(WITH_STATUS);
    assert_eq!(second.status, 200, "{}", second.logs());
    assert!(!second.logs().contains("a run has been active"), "{}", second.logs());
    assert_ne!(simulator.stats()["rows"], 0);
}

#[test]
fn a_run_stops_within_the_time_that_host_json_allows() {
    let simulator =
        with_faults("10", r#"[{"service":"vmray","path":"/rest/submission","when":{"first":1},"fault":"hang"}]"#);
    let app = tempfile::tempdir().unwrap();
    fs::write(app.path().join("host.json"), r#"{"version":"2.0","functionTimeout":"00:00:09"}"#).unwrap();
    let setup = simulator.setup().with("FUNCTIONS_APP_ROOT_PATH", app.path().to_str().unwrap());
    let (hosted, _setup) = Hosted::start(setup);
    let answer = hosted.timer(WITH_STATUS);
    assert_eq!(answer.status, 200, "{}", answer.logs());
    assert!(answer.logs().contains("stopped early"), "{}", answer.logs());
}

#[test]
fn a_failed_run_fails_its_invocation_and_says_what_to_do() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let (hosted, _setup) = Hosted::start(simulator.setup().with("VmrayAPIKey", "wrong"));
    let answer = hosted.timer(WITH_STATUS);
    assert_eq!(answer.status, 500);
    assert!(answer.logs().contains("VmrayAPIKey"), "{}", answer.logs());
    let done = hosted.stop().code(200);
    assert!(done.stderr.contains("run failed") && !done.stderr.contains("key=wrong"), "{}", done.stderr);
}

#[test]
fn another_run_on_the_same_state_is_given_way_to() {
    let simulator =
        with_faults("10", r#"[{"service":"vmray","path":"/rest/submission","when":{"first":1},"fault":"hang"}]"#);
    let (mut one, setup) = Hosted::start(simulator.setup());
    let mut first = one.connect();
    first.write_all(&timer_request("VMRay", WITH_STATUS)).unwrap();
    one.running.line_with("run started");
    // Its first call hangs only once the state is open.
    while simulator.stats()["vmray_requests"] == 0 {}
    let (other, _setup) = Hosted::start(setup);
    let answer = other.timer(WITH_STATUS);
    assert_eq!(answer.status, 200, "{}", answer.logs());
    assert!(answer.logs().contains("another run is active"), "{}", answer.logs());
}

#[test]
fn each_line_of_a_run_carries_the_id_of_its_invocation_and_goes_where_the_host_expects_it() {
    let simulator = with_faults("10", r#"[{"service":"vmray","path":"/iocs","when":"always","fault":{"status":403}}]"#);
    let (hosted, _setup) = Hosted::start(simulator.setup().with("LogFormat", "json"));
    hosted.timer(WITH_STATUS);
    let done = hosted.stop().code(200);
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let (out, err) = (lines(&done.stdout), lines(&done.stderr));
    assert!(out.iter().all(|line| line["level"] == "INFO"), "{}", done.stdout);
    assert!(
        !err.is_empty() && err.iter().all(|line| line["level"] == "WARN" || line["level"] == "ERROR"),
        "{}",
        done.stderr
    );
    for line in err.iter().chain(out.iter().filter(|line| line.to_string().contains("run "))) {
        assert_eq!(line["span"]["id"], ID, "{line}");
    }
}

#[rstest]
#[case::get("GET", "/api/NoSuchFunction?x=1&x=2&code=hunter2", "X-Functions-Key: hunter2\r\n", "")]
#[case::post("POST", "/api/NoSuchFunction", "Content-Type: application/json\r\nContent-Length: 7\r\n", "{\"a\":1}")]
#[case::empty_post("POST", "/api/NoSuchFunction?code=hunter2", "Content-Length: 0\r\n", "")]
fn a_callers_request_is_answered_and_its_key_is_not_logged(
    #[case] method: &str,
    #[case] target: &str,
    #[case] headers: &str,
    #[case] body: &str,
) {
    let simulator = Simulator::start(&["--samples", "3"]);
    let (hosted, _setup) = Hosted::start(simulator.setup().with("LogFilter", "trace"));
    let answer = hosted.ask(&forwarded(method, target, headers, body));
    assert_eq!(answer.status, 404);
    assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    assert_eq!(answer.json()["status"], 404);
    let done = hosted.stop().code(200);
    assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn the_nine_functions_answer_callers_under_api_and_a_missing_setting_is_named_to_them() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let (hosted, _setup) = Hosted::start(simulator.setup());
    let answer = hosted.ask(&forwarded("GET", "/api/GetVMRaySample?sample_id=1&code=k", "", ""));
    assert!(answer.head.contains("json") && matches!(answer.status, 200 | 404), "{}", answer.head);
    let missing = hosted.ask(&forwarded("POST", "/api/getvmraysample", "Content-Length: 0\r\n", ""));
    assert_eq!(missing.status, 400);
    let (hosted, _setup) = Hosted::start(Setup::new());
    let unset = hosted.ask(&forwarded("GET", "/api/GetVMRaySample?sample_id=1", "", ""));
    assert_eq!(unset.status, 500);
    assert!(unset.json()["detail"].as_str().unwrap().contains("VmrayBaseURL is missing; example:"));
}

#[test]
fn the_timer_of_open_enrichments_looks_at_them_with_the_api_alone_and_says_what_is_missing() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let of_the_feed = ["AzureWorkspaceID", "AzureTenantID", "AzureClientID", "AzureClientSecret"];
    let (hosted, setup) = Hosted::start(simulator.setup().without(&of_the_feed));
    let none = hosted.ask(&timer_request("VMRayJobs", WITH_STATUS));
    assert_eq!((none.status, none.logs().starts_with("0 open enrichments looked at")), (200, true), "{}", none.logs());
    let item = r#"{"items":[{"url":"http://new.example/"}]}"#;
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", item.len());
    assert_eq!(hosted.ask(&forwarded("POST", "/api/enrich", &headers, item)).status, 202);
    let one = hosted.ask(&timer_request("vmrayjobs", WITH_STATUS));
    assert!(one.logs().starts_with("1 open enrichment looked at"), "{}", one.logs());
    drop(hosted);
    let (hosted, _setup) = Hosted::start(setup.with("VmrayAPIKey", "another"));
    let all_fail = hosted.ask(&timer_request("VMRayJobs", WITH_STATUS));
    assert_eq!(all_fail.status, 500, "{}", all_fail.logs());
    assert!(
        all_fail.logs().contains("1 could not be looked at now") && all_fail.logs().contains("doctor"),
        "{}",
        all_fail.logs()
    );

    let (hosted, _setup) = Hosted::start(Setup::new());
    let unset = hosted.ask(&timer_request("VMRayJobs", WITH_STATUS));
    assert_eq!(unset.status, 500);
    assert!(unset.logs().contains("VmrayBaseURL is missing; example:"), "{}", unset.logs());
}

#[test]
fn open_enrichments_are_looked_at_by_one_invocation_at_a_time() {
    let simulator =
        with_faults("3", r#"[{"service":"vmray","path":"/rest/submission/","when":{"nth":3},"fault":"hang"}]"#);
    let (hosted, _setup) = Hosted::start(simulator.setup());
    let item = r#"{"items":[{"url":"http://new.example/"}]}"#;
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", item.len());
    assert_eq!(hosted.ask(&forwarded("POST", "/api/enrich", &headers, item)).status, 202);
    let before = simulator.stats()["vmray_requests"].as_u64().unwrap();
    let mut first = hosted.connect();
    first.write_all(&timer_request("VMRayJobs", WITH_STATUS)).unwrap();
    while simulator.stats()["vmray_requests"].as_u64().unwrap() == before {}
    let second = hosted.ask(&timer_request("VMRayJobs", WITH_STATUS));
    assert_eq!(second.logs(), "nothing to do: another invocation looks at open enrichments");
}

#[test]
fn the_largest_body_that_the_host_hands_on_is_read_before_it_is_refused() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let (hosted, _setup) = Hosted::start(simulator.setup());
    let headers = format!("Content-Type: application/octet-stream\r\nContent-Length: {LARGEST_BODY}\r\n");
    let mut stream = hosted.connect();
    stream.write_all(&forwarded("POST", "/api/NoSuchFunction", &headers, "")).unwrap();
    let part = vec![b'x'; 1 << 20];
    for _ in 0..LARGEST_BODY / part.len() {
        stream.write_all(&part).unwrap();
    }
    assert_eq!(Answer::read(stream).status, 404);
}

#[test]
fn a_run_that_was_killed_is_continued_by_the_next_process() {
    let untroubled = Simulator::start(&["--samples", "60"]);
    untroubled.setup().run(&["feed", "--once"]);
    let expected = ids(&untroubled);

    let simulator = with_faults("60", r#"[{"service":"upload","when":{"nth":2},"fault":"hang"}]"#);
    let (hosted, setup) = Hosted::start(simulator.setup());
    let mut killed = hosted.connect();
    killed.write_all(&timer_request("VMRay", WITH_STATUS)).unwrap();
    while simulator.stats()["upload_requests"].as_u64().unwrap() < 2 {}
    drop(hosted);

    let (hosted, _setup) = Hosted::start(setup);
    let answer = hosted.timer(PAST_DUE);
    assert_eq!(answer.status, 200, "{}", answer.logs());
    assert_eq!(ids(&simulator), expected);
}

#[test]
fn without_a_port_it_says_who_starts_it_and_a_taken_port_is_named() {
    let done = Setup::new().run(&["functions"]).code(2);
    assert!(done.stderr.contains("FUNCTIONS_CUSTOMHANDLER_PORT") && done.stderr.contains("serve"), "{}", done.stderr);
    let done = Setup::new().with("FUNCTIONS_CUSTOMHANDLER_PORT", "seven").run(&[]).code(2);
    assert!(done.stderr.contains("`seven`"), "{}", done.stderr);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = Setup::new().with("FUNCTIONS_CUSTOMHANDLER_PORT", &port).run(&[]).code(1);
    assert!(done.stderr.contains(&port), "{}", done.stderr);
}

fn ids(simulator: &Simulator) -> std::collections::BTreeSet<String> {
    simulator.objects().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

fn with_faults(samples: &str, rules: &str) -> Simulator {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), rules).unwrap();
    // It is read before the stand-ins say where they are.
    Simulator::start(&["--samples", samples, "--faults", file.path().to_str().unwrap()])
}
