//! `demo`: the first thing anybody runs.

use crate::binary::{Running, Setup, get};

/// The demo leaves its state in the temporary folder; the test takes it away with its home.
fn own_temporary_folder(setup: Setup) -> Setup {
    let home = setup.home().to_str().unwrap().to_owned();
    setup.with("TMPDIR", &home)
}

#[test]
fn one_demo_shows_that_it_works_and_what_to_try_next() {
    let setup = own_temporary_folder(Setup::new());
    let done = setup.run(&["demo", "--once", "--samples", "20"]).code(0);
    // Twenty, and one that was found in another.
    for part in ["21 samples", "in Sentinel", "second run   nothing new", "vmray-sentinel status --state-url"] {
        assert!(done.stdout.contains(part), "{}", done.stdout);
    }
    let state = done.stdout.split_once("status --state-url ").unwrap().1.lines().next().unwrap();
    assert!(setup.run(&["status", "--state-url", state]).code(0).stdout.contains("last run"));
}

#[test]
fn the_numbers_of_the_first_run_explain_themselves() {
    let done = own_temporary_folder(Setup::new()).run(&["demo", "--once", "--samples", "60"]).code(0);
    let (_, first) = done.stdout.split_once("first run ").unwrap();
    let (first, _) = first.split_once("second run ").unwrap();
    // On a state that is new, too, a value may be changed.
    assert!(first.contains(" changed, "), "{first}");
    assert!(first.contains("Changed and refreshed are values of this run"), "{first}");
    let number = |name: &str| {
        let (before, _) = first.split_once(&format!(" {name}")).unwrap();
        before.rsplit(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap()
    };
    let found = number("new,") + number("changed,") + number("refreshed,");
    let sent = number("accepted,") + number("refused");
    // How many versions are replaced before they are sent depends on the moment.
    assert_eq!(sent > found, first.contains("the identity that all indicators name as their creator"), "{first}");
    assert_eq!(sent < found, first.contains("Fewer objects than these were sent"), "{first}");
}

#[test]
fn the_demo_leaves_something_to_try_quarantine_with() {
    let setup = own_temporary_folder(Setup::new());
    let done = setup.run(&["demo", "--once", "--samples", "20"]).code(0);
    assert!(done.stdout.contains("held back"), "{}", done.stdout);
    assert!(done.stdout.contains("the identity that all indicators name as their creator"), "{}", done.stdout);
    let state = done.stdout.split_once("status --state-url ").unwrap().1.lines().next().unwrap();
    let held = setup.run(&["quarantine", "list", "--state-url", state, "--json"]).code(0).json();
    assert!(!held["quarantine"].as_array().unwrap().is_empty(), "{held}");
    assert!(!held["open_samples"].as_array().unwrap().is_empty(), "{held}");
    let exported = setup.run(&["state", "export", "--state-url", state]).code(0).stdout;
    assert!(exported.contains("receipt"), "no receipt in {} bytes", exported.len());
}

#[test]
fn the_demo_never_meets_real_settings() {
    let setup = Setup::new().with("VmrayBaseURL", "https://vmray.example").with("Polling", "nonsense");
    let done = own_temporary_folder(setup).run(&["demo", "--once", "--samples", "3", "--json"]).code(0);
    assert_ne!(done.json()["objects_in_sentinel"], 0);
}

#[test]
fn printed_counts_follow_the_path_of_the_data() {
    let done = own_temporary_folder(Setup::new()).run(&["demo", "--once", "--samples", "3", "--json"]).code(0);
    let path = ["samples_read", "filtered_out", "new", "changed", "refreshed", "unchanged", "receipts", "uploads"];
    let path = [&path[..], &["accepted", "refused"]].concat();
    let (_, counts) = done.stdout.split_once("\"counts\": {").unwrap();
    let (counts, _) = counts.split_once('}').unwrap();
    let names: Vec<_> = counts.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(names, path, "{counts}");
}

#[test]
fn the_page_is_served_until_told_to_stop() {
    let setup = own_temporary_folder(Setup::new());
    let command = setup.command(&["demo", "--samples", "5", "--listen", "127.0.0.1:0"]);
    let mut running = Running::start(command);
    // Not beside the command, where it would be pasted with it.
    assert!(running.line_with("/api/enrich").ends_with("/api/enrich"));
    running.line_with("ask again after 5 s for the verdict");
    let line = running.line_with("Status page: ");
    let url = line.split_once("Status page: ").unwrap().1;
    assert!(get(&format!("{url}readyz")).starts_with("HTTP/1.1 200"));
    assert!(get(url).contains("indicators known"));
    running.terminate().code(0);
}
