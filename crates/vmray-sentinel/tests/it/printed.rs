//! Every command that is printed works as printed: in the terminal that it was printed in, with the state and the
//! settings that it is about.

use std::collections::BTreeSet;
use std::fs;
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

/// Runs a printed command, which must find what it is about.
fn must_work(setup: &Setup, command: &str) {
    // These go on until stopped, on the one port that they say; that they are understood is seen from their help.
    let goes_on = [" serve", " feed", " demo"].iter().any(|word| command.contains(word)) && !command.contains("--once");
    let done = setup.shell(&if goes_on { format!("{command} --help") } else { command.to_owned() });
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
fn what_the_demo_and_the_simulator_print_works() {
    let setup = Setup::new();
    let home = setup.home().to_str().unwrap().to_owned();
    let setup = setup.with("TMPDIR", &home);
    let program = assert_cmd::cargo::cargo_bin!("vmray-sentinel").to_str().unwrap();
    let done = setup.run(&["demo", "--once", "--samples", "30"]).code(0);
    let found = commands(program, &done.stdout);
    assert!(found.len() >= 3, "{}", done.stdout);
    for command in &found {
        if command.contains("quarantine") {
            // A small world need not hold anything back.
            setup.shell(command).code(0);
        } else {
            must_work(&setup, command);
        }
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
