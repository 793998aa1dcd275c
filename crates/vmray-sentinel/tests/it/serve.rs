//! `serve`: feed and page in one process.

use crate::binary::{Running, get};
use crate::simulate::Simulator;

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
