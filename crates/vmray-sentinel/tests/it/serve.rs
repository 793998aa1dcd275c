//! `serve`: feed and page in one process.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use outbound::SystemClock;
use simulators::{Fault, FaultRule, ServiceName, Stack, StackOptions, When, World};

use crate::binary::{Running, Setup, get};
use crate::simulate::Simulator;

/// Starts to serve, and returns the address with it.
fn serve(setup: &Setup) -> (Running, String) {
    let mut running = Running::start_watching_stderr(&mut setup.command(&["serve", "--listen", "127.0.0.1:0"]));
    let line = running.line_with("serving the API and the status page");
    let address = line.split_once("http://").unwrap().1.trim_matches('"').trim_end_matches('/').to_owned();
    (running, address)
}

/// Sends a file to be enriched; the answer is still to be read.
fn send_file(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "Content-Type: application/octet-stream\r\nContent-Length: 5\r\nConnection: close";
    write!(stream, "POST /api/enrich?name=a.bin HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\nbytes").unwrap();
    stream
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_sent_again_after_a_kill_is_used_at_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hangs = FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::Hang).on_path("/sample/submit");
    let options = StackOptions { faults: vec![hangs], ..StackOptions::default() };
    let stack = Stack::new(World::new(), options, Arc::new(SystemClock));
    let listening = runtime.block_on(stack.listen("127.0.0.1:0".parse().unwrap())).unwrap();
    let setup = listening.settings().into_iter().fold(Setup::new(), |setup, (name, value)| setup.with(name, &value));
    let setup = setup.with("Polling", "0 0 1 1 *");
    let submits = || stack.vmray.requests().iter().filter(|seen| seen.path.starts_with("/rest/sample/submit")).count();
    let (running, address) = serve(&setup);
    let unanswered = send_file(&address);
    while submits() == 0 {
        std::thread::yield_now();
    }
    // SIGKILL.
    drop(running);
    drop(unanswered);
    let (running, address) = serve(&setup);
    let mut answer = String::new();
    send_file(&address).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(submits(), 2, "the file that came again was not used: {answer}");
    running.terminate().code(0);
    runtime.block_on(listening.stop());
}

#[test]
fn the_page_answers_while_the_feed_runs_and_both_end_when_told() {
    let simulator = Simulator::start(&["--samples", "5"]);
    let setup = simulator.setup().with("Polling", "0 0 1 1 *");
    let mut running = Running::start_watching_stderr(&mut setup.command(&["serve", "--listen", "127.0.0.1:0"]));
    let line = running.line_with("serving the API and the status page");
    let url = line.split_once("url=").unwrap().1.trim_matches('"').trim_end_matches('/').to_owned();
    running.line_with("waiting for the next run");
    assert!(get(&format!("{url}/healthz")).starts_with("HTTP/1.1 200"));
    assert!(get(&format!("{url}/readyz")).starts_with("HTTP/1.1 200"));
    let page = get(&format!("{url}/"));
    assert!(page.contains("indicators known") && page.contains("next run"), "{page}");
    assert!(page.to_lowercase().contains("content-security-policy: default-src 'self'"), "{page}");
    running.terminate().code(0);
}

#[test]
fn what_the_feed_asked_of_others_is_counted_at_metrics() {
    let simulator = Simulator::start(&["--samples", "5"]);
    let setup = simulator.setup().with("Polling", "0 0 1 1 *");
    let (mut running, address) = serve(&setup);
    running.line_with("waiting for the next run");
    let text = get(&format!("http://{address}/metrics"));
    let counted = |operation: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with("vmray_sentinel_outbound_requests_total"));
        lines.any(|line| line.contains(operation) && line.contains("attempt=\"1\",status=\"200\""))
    };
    for operation in
        ["GET /rest/submission\"", "GET /rest/sample/{id}/iocs\"", "threat-intelligence-stix-objects:upload\""]
    {
        assert!(counted(operation), "{operation}\n{text}");
    }
    running.terminate().code(0);
}

#[test]
fn other_machines_are_not_served() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let done = simulator.setup().run(&["serve", "--listen", "0.0.0.0:0"]).code(2);
    assert!(done.stderr.contains("--listen 127.0.0.1:8080"), "{}", done.stderr);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let simulator = Simulator::start(&["--samples", "3"]);
    let done = simulator.setup().run(&["serve", "--listen", &address]).code(1);
    assert!(done.stderr.contains(&address) && done.stderr.contains("--listen"), "{}", done.stderr);
}
