//! Every command that is printed works as printed: in the terminal that it was printed in, with the state and the
//! settings that it is about.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binary::{Done, Running, Setup, get};
use crate::simulate::Simulator;

/// The commands of a text: what begins with the program as it was called and ends with the line, a backtick or markup.
fn commands(program: &str, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(&format!("{program} ")) {
        let before = text[..at].chars().next_back();
        let is_whole_word = before.is_none_or(|c| c.is_whitespace() || "`>'".contains(c));
        let command = text[at..].split(['\n', '`', '<']).next().unwrap().trim();
        if is_whole_word {
            found.insert(command.to_owned());
        }
    }
    found
}

/// All texts of a JSON value.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| texts(item, into)),
        _ => {}
    }
}

/// What a command printed, on both streams; JSON as the texts in it.
fn printed(done: &Done) -> String {
    let stdout = match serde_json::from_str::<Value>(&done.stdout) {
        Ok(value) => {
            let mut all = Vec::new();
            texts(&value, &mut all);
            all.join("\n")
        }
        Err(_) => done.stdout.clone(),
    };
    format!("{stdout}\n{}", done.stderr)
}

/// A feed with something refused and something open, in a folder with a blank in its name.
struct World {
    _simulator: Simulator,
    setup: Setup,
}

const STATE: &str = "./my state";

impl World {
    fn new() -> Self {
        let home = Setup::new();
        let faults = home.home().join("faults.json");
        let rules = r#"[
            {"service": "vmray", "path": "/iocs", "when": {"nth": 1}, "fault": {"status": 403}},
            {"service": "upload", "when": {"first": 6}, "fault": {"status": 400}}
        ]"#;
        fs::write(&faults, rules).unwrap();
        let simulator = Simulator::start(&["--samples", "12", "--faults", faults.to_str().unwrap()]);
        let setup = simulator.setup();
        fs::write(setup.home().join("my conf.toml"), "Tlp = 'green'\n").unwrap();
        let done = setup.run(&["feed", "--once", "--state-url", STATE]).code(4);
        assert!(done.stdout.contains("refused record") && done.stdout.contains("open sample"), "{}", done.stdout);
        Self { _simulator: simulator, setup }
    }
}

/// Says whether a command runs until it is stopped.
fn goes_on(command: &str) -> bool {
    let ends = ["--once", "--help"].iter().any(|flag| command.contains(flag));
    !ends && [" serve", " feed", " demo"].iter().any(|word| command.contains(word))
}

/// Starts a printed command that runs until it is stopped, waits until it does what it is for, and stops it.
fn must_go_on(setup: &Setup, command: &str) {
    // On a free port, whatever it says: the usual one may be in use here.
    let listens = [" serve", " demo"].iter().any(|word| command.contains(word));
    let line = match command.split_once("--listen ") {
        Some((before, after)) => {
            let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
            format!("exec {before}--listen 127.0.0.1:0 {rest}")
        }
        None if listens => format!("exec {command} --listen 127.0.0.1:0"),
        None => format!("exec {command}"),
    };
    let mut started = setup.shell_command(&line);
    let mut running =
        if command.contains(" demo") { Running::start(started) } else { Running::start_watching_stderr(&mut started) };
    running.line_with(if command.contains(" demo") { "Status page: " } else { "waiting for the next run" });
    running.terminate().code(0);
}

/// Asks for what a printed `curl` asks for, and returns the body of the answer. The shell reads the line as it stands;
/// there need be no curl on the machine.
fn curl(setup: &Setup, line: &str) -> String {
    let arguments = setup.shell(&format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{line}")).code(0).stdout;
    let arguments: Vec<_> = arguments.lines().collect();
    let (url, body) = match arguments.as_slice() {
        ["--json", body, url] => (*url, Some(*body)),
        [url] => (*url, None),
        other => panic!("{line}: {other:?}"),
    };
    let answer = match body {
        None => get(url),
        Some(body) => {
            let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let mut stream = TcpStream::connect(host).unwrap();
            let length = body.len();
            let head =
                format!("Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {length}");
            write!(stream, "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n\r\n{body}")
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
    };
    assert!(answer.starts_with("HTTP/1.1 20"), "{line}: {answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Runs a printed command, which must find what it is about.
fn must_work(setup: &Setup, command: &str) {
    if goes_on(command) {
        return must_go_on(setup, command);
    }
    let done = setup.shell(command);
    let all = format!("$ {command}\nexit {}\n{}\n{}", done.code, done.stdout, done.stderr);
    assert!([0, 1, 4].contains(&done.code), "{all}");
    for missed in
        ["Nothing is held back", "Quarantine is empty", "none yet", "no run yet", "No runs", "not in quarantine"]
    {
        assert!(!done.stdout.contains(missed) && !done.stderr.contains(missed), "{all}");
    }
}

#[test]
fn what_the_terminal_prints_works_with_the_same_state_and_settings() {
    let World { setup, .. } = &World::new();
    // Another run, so that there is one before the newest.
    setup.run(&["feed", "--once", "--state-url", STATE]).code(4);
    let global =
        ["--config", "my conf.toml", "--state-url", STATE, "--set", "VmraySampleVerdict=Malicious & Suspicious"];
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let mut met = BTreeSet::new();
    let says: [&[&str]; 12] = [
        &["status"],
        &["status", "--json"],
        &["status", "--check"],
        &["status", "--check", "--json"],
        &["status", "--runs", "1"],
        &["quarantine", "list"],
        &["quarantine", "show", "0000"],
        &["quarantine", "show", "0000", "--json"],
        &["feed", "--once"],
        &["doctor"],
        &["doctor", "--json"],
        &["serve", "--listen", "0.0.0.0:0"],
    ];
    for arguments in says {
        let done = setup.run(&[arguments, &global].concat());
        let found = commands(program, &printed(&done));
        for command in &found {
            assert!(
                command.contains("--state-url './my state'") && command.contains("--config 'my conf.toml'"),
                "{command}"
            );
        }
        met.extend(found);
        assert!(!printed(&done).contains("`vmray-sentinel "), "{arguments:?}: {}", printed(&done));
    }
    // What is wrong with the settings, too.
    let wrong =
        setup.run(&["feed", "--once", "--set", "Tpl=green", "--set", "Colour=red", "--state-url", STATE]).code(2);
    met.extend(commands(program, &printed(&wrong)));
    for part in
        ["quarantine list", "quarantine replay --all", "status --runs 1 --before", "config show", "config api-key"]
    {
        assert!(met.iter().any(|command| command.contains(part)), "nobody prints {part}: {met:#?}");
    }
    for command in &met {
        must_work(setup, command);
    }
}

#[test]
fn a_program_that_is_found_by_its_name_is_called_by_it() {
    let World { setup, .. } = &World::new();
    let list = setup.shell("vmray-sentinel quarantine list --state-url './my state'").code(0);
    let found = commands("vmray-sentinel", &list.stdout);
    assert_eq!(found.len(), 1, "{}", list.stdout);
    for command in &found {
        must_work(setup, command);
    }
    let waiting = setup.run(&["quarantine", "list", "--state-url", STATE, "--json"]).code(0).json();
    assert_eq!(waiting["quarantine"][0]["next_run"], "replay", "the command had reached the state that was listed");
    assert_eq!(waiting["open_samples"][0]["next_run"], "replay");
}

#[test]
fn what_cargo_runs_is_called_by_cargo() {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let setup = Setup::new().with("CARGO_PKG_NAME", "vmray-sentinel").with("CARGO_MANIFEST_DIR", manifest);
    let status = setup.run(&["status", "--state-url", "s"]).code(0);
    let workspace = Path::new(manifest).parent().unwrap().parent().unwrap().display().to_string();
    let expected = format!("--manifest-path {workspace}/Cargo.toml --bin vmray-sentinel -- feed --once --state-url s");
    assert!(status.stdout.contains("cargo run ") && status.stdout.contains(&expected), "{}", status.stdout);
}

#[test]
fn what_the_page_prints_works_in_any_terminal_of_this_machine() {
    let World { setup, .. } = &World::new();
    let mut command =
        setup.command(&["serve", "--listen", "127.0.0.1:0", "--state-url", STATE, "--config", "my conf.toml"]);
    let mut running = Running::start_watching_stderr(command.env("Polling", "0 0 1 1 *"));
    let line = running.line_with("serving the API and the status page");
    let url = line.split_once("url=").unwrap().1.trim_matches('"').to_owned();
    running.line_with("waiting for the next run");
    let page = get(&url).replace("&#39;", "'").replace("&#x27;", "'").replace("&amp;", "&");
    running.terminate().code(0);
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let found = commands(program, &page);
    assert!(found.iter().any(|command| command.contains("quarantine replay --all")), "{page}");
    for command in &found {
        let done = Command::new("/bin/sh")
            .args(["-c", command])
            .env_clear()
            .env("HOME", "/")
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && !stdout.contains("empty"), "{command}: {stdout}");
    }
}

#[test]
fn what_is_printed_to_start_the_feed_starts_it() {
    let simulator = Simulator::start(&["--samples", "3"]);
    let setup = simulator.setup().with("Polling", "0 0 1 1 *");
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let done = setup.run(&["status", "--check", "--state-url", "./new state"]).code(1);
    let found = commands(program, &printed(&done));
    for part in [" feed ", " serve "] {
        assert!(found.iter().any(|command| command.contains(part) && goes_on(command)), "no{part}in {found:?}");
    }
    for command in &found {
        must_work(&setup, command);
    }
    // Both ran on the state that was asked about.
    let runs = setup.run(&["status", "--runs", "9", "--state-url", "./new state", "--json"]).code(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), found.len(), "{runs}");
}

#[test]
fn a_dry_run_prints_no_command_about_what_it_did_not_store() {
    let World { setup, .. } = &World::new();
    let done = setup.run(&["feed", "--once", "--dry-run", "--state-url", "./none"]).code(4);
    assert!(done.stdout.contains("would be held back"), "{}", done.stdout);
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    assert_eq!(commands(program, &printed(&done)), BTreeSet::new());
}

#[test]
fn what_the_help_prints_works() {
    let setup = Setup::new();
    let home = setup.home().to_str().unwrap().to_owned();
    let setup = setup.with("TMPDIR", &home);
    let help = setup.shell("vmray-sentinel --help").code(0).stdout;
    let found: BTreeSet<_> =
        commands("vmray-sentinel", &help).into_iter().filter(|command| !command.contains('[')).collect();
    assert_eq!(found, BTreeSet::from(["vmray-sentinel demo".to_owned()]), "{help}");
    for command in &found {
        must_work(&setup, command);
    }
}

#[test]
fn what_the_running_demo_prints_works_as_it_stands() {
    let setup = Setup::new();
    let home = setup.home().to_str().unwrap().to_owned();
    let setup = setup.with("TMPDIR", &home);
    let mut running = Running::start(setup.command(&["demo", "--samples", "30", "--listen", "127.0.0.1:0"]));
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.starts_with("API: ")) {
        lines.push(running.line_with(""));
    }
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let found = commands(program, &lines.join("\n"));
    assert!(found.iter().any(|command| command.contains("quarantine list")), "{lines:#?}");
    for command in &found {
        must_work(&setup, command);
    }
    let asked: Vec<_> = lines.iter().filter(|line| line.trim_start().starts_with("curl ")).collect();
    let answers: Vec<Value> = asked.iter().map(|line| serde_json::from_str(&curl(&setup, line)).unwrap()).collect();
    let [objects, enriched] = answers.as_slice() else { panic!("{lines:#?}") };
    assert!(objects.as_array().unwrap().iter().any(|object| object["type"] == "indicator"));
    assert_eq!(enriched["items"][0]["kind"], "url", "{enriched}");
    running.terminate().code(0);
}

#[test]
fn what_the_demo_and_the_simulator_print_works() {
    let setup = Setup::new();
    let home = setup.home().to_str().unwrap().to_owned();
    let setup = setup.with("TMPDIR", &home);
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let done = setup.run(&["demo", "--once", "--samples", "30"]).code(0);
    let found = commands(program, &done.stdout);
    assert!(found.len() >= 3, "{}", done.stdout);
    for command in &found {
        must_work(&setup, command);
    }

    let mut running = Running::start(setup.command(&["simulate", "--samples", "3"]));
    let mut script = String::new();
    let next = loop {
        let line = running.line_with("");
        if let Some(next) = line.strip_prefix("# then: ") {
            break next.to_owned();
        }
        script.push_str(&line);
        script.push('\n');
    };
    let done = setup.shell(&format!("{script}{next}"));
    assert!([0, 4].contains(&done.code) && done.stdout.contains("Done in"), "{script}{next}\n{}", done.stderr);
}
