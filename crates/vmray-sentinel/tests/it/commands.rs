//! Help, completions, settings: what needs nothing but the binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::binary::Setup;

/// The help of a command, called by its name: the help calls the program as it was called, and a longer path would break
/// lines elsewhere.
fn help(command: &str) -> String {
    Setup::new().shell(&format!("vmray-sentinel {command} --help")).code(0).stdout
}

/// The lines of a section of a help, without their indent.
fn section<'a>(help: &'a str, title: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| line.trim_end_matches(':') != title).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).map(str::trim).collect()
}

/// Every command of the program as its own help lists them, groups included, each with its help.
fn all_commands() -> Vec<(String, String)> {
    let mut found = vec![(String::new(), help("")), ("man".to_owned(), help("man"))];
    let mut at = 0;
    while let Some((command, text)) = found.get(at).cloned() {
        let inner =
            section(&text, "Commands").into_iter().filter_map(|line| line.split_once("  ")?.0.split(' ').next());
        for inner in inner.filter(|inner| *inner != "help") {
            let name = format!("{command} {inner}").trim().to_owned();
            let text = help(&name);
            found.push((name, text));
        }
        at += 1;
    }
    found
}

#[test]
fn help_is_as_the_book_describes() {
    for (command, help) in all_commands() {
        insta::assert_snapshot!(format!("help_{}", command.replace([' ', '-'], "_")), help);
    }
}

/// `--since TIME`, `--once` from a line or span; what follows a flag is its value if it is in angle brackets or, on the
/// page, a word of its own.
fn flags(line: &str) -> impl Iterator<Item = String> {
    line.split("--").skip(1).map(|rest| {
        let mut words = rest.split([' ', ']']).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let value = words.next().filter(|word| word.chars().any(|c| c.is_ascii_uppercase()) || word.contains('|'));
        format!("--{name} {}", value.unwrap_or_default()).trim().to_owned()
    })
}

/// The options of a section of a help, as the page writes them.
fn options(help: &str, title: &str) -> BTreeSet<String> {
    let lines = section(help, title).into_iter().filter(|line| line.starts_with('-'));
    let named = lines.filter_map(|line| {
        let line = line.split_once("  ").map_or(line, |(named, _)| named);
        flags(&line.replace(['<', '>'], "")).next()
    });
    named.filter(|flag| flag != "--help" && flag != "--version").collect()
}

#[test]
fn the_page_of_commands_is_what_the_live_help_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/commands.md")).unwrap();
    let commands = all_commands();
    let mut on_the_page: BTreeMap<&str, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(" | ").next().unwrap());
    for span in rows.flat_map(|row| row.split('`').step_by(2)).map(|span| span.replace("\\|", "|")) {
        let names = commands.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty());
        let fitting = names.filter(|name| span == **name || span.starts_with(&format!("{name} ")));
        let name = fitting.max_by_key(|name| name.len()).unwrap_or_else(|| panic!("no command: {span}"));
        let (flags_of, arguments) = on_the_page.entry(name).or_default();
        let of_span: Vec<_> = flags(&span).collect();
        let plain =
            of_span.iter().fold(span[name.len()..].replace(['[', ']'], ""), |text, flag| text.replace(flag, ""));
        arguments.extend(
            plain.split(' ').map(|word| word.trim_matches(['.', '|']).to_owned()).filter(|word| !word.is_empty()),
        );
        flags_of.extend(of_span);
    }
    for (name, help) in commands.iter().filter(|(name, help)| !name.is_empty() && section(help, "Commands").is_empty())
    {
        let arguments = section(help, "Arguments").into_iter().filter(|line| {
            line.starts_with(['<', '[']) && !line.starts_with("[default") && !line.starts_with("[possible")
        });
        let arguments = arguments.map(|line| line.split_once("  ").map_or(line, |(name, _)| name));
        let arguments = arguments.map(|name| name.trim_matches(['<', '>', '[', ']', '.']).to_owned()).collect();
        let live = (options(help, "Options"), arguments);
        assert_eq!(on_the_page.remove(name.as_str()), Some(live), "{name}");
    }
    assert_eq!(on_the_page, BTreeMap::new(), "only on the page");

    let sentence =
        page.split_once("Flags of every command: ").unwrap().1.split_once(". ").unwrap().0.replace('\n', " ");
    let of_every: BTreeSet<_> = sentence.split('`').skip(1).step_by(2).flat_map(flags).collect();
    for (name, help) in &commands {
        assert_eq!(options(help, "Options of every command"), of_every, "{name}");
    }
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
