use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use simulators::{EntryKind, ReportWorld, StackOptions, Verdict};

use crate::bench::{Bench, now};

fn summary() -> Value {
    json!({
        "_type": "summary",
        "version": "2.5",
        "analysis_metadata": {
            "_type": "analysis_metadata", "analysis_id": 77, "sample_type": "Windows Exe (x86-64)",
            "submission_filename": "own.exe", "verdict": "suspicious",
        },
        "artifacts": {"_type": "artifacts", "ref_domains": [{"_type": "reference", "path": ["domains", "domain_0"]}]},
        "domains": {
            "domain_0": {"_type": "domain", "domain": "a'b.example", "is_artifact": true, "is_ioc": true, "verdict": "malicious"},
            "domain_1": {"_type": "domain", "domain": "c.example", "is_artifact": true, "is_ioc": false, "verdict": "clean"},
        },
        "files": {
            "file_0": {
                "_type": "file", "categories": ["sample"], "is_artifact": true, "is_ioc": true, "is_sample": true,
                "hash_values": {"md5": "0cc175b9c0f1b6a831c399e269772661", "sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
                "verdict": "malicious",
            },
        },
    })
}

fn reply() -> Value {
    let domain = json!({"domain": "d.example", "ioc": true, "verdict": "suspicious", "odd": [1], "analysis_ids": [5]});
    json!({"data": {"iocs": {"domains": [domain]}, "status": "finished"}, "result": "ok"})
}

#[tokio::test(start_paused = true)]
async fn reports_become_malicious_submissions_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    write("1.json", summary().to_string());
    write("deep/2.json", reply().to_string());
    write("deep/3.JSON", reply()["data"].to_string());
    write("broken.json", "{".to_owned());
    write("other.json", json!({"data": []}).to_string());
    write("readme.txt", "not looked at".to_owned());
    let found = ReportWorld::read(folder.path(), now()).unwrap();
    let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
    assert_eq!(
        found.reports.iter().map(|path| name(path)).collect::<Vec<_>>(),
        ["1.json", "deep/2.json", "deep/3.JSON"]
    );
    let unreadable: BTreeMap<_, _> = found.unreadable.iter().map(|(path, why)| (name(path), why.clone())).collect();
    assert_eq!(unreadable.keys().collect::<Vec<_>>(), ["broken.json", "other.json"]);
    assert!(unreadable.values().all(|why| !why.is_empty()));
    let malicious = |value: &str| {
        let mut entries = found.world.entries();
        entries.any(|entry| entry.value.as_deref() == Some(value) && entry.verdict == Some(Verdict::Malicious))
    };
    assert!(malicious("a'b.example") && malicious("0cc175b9c0f1b6a831c399e269772661"));
    let bench = Bench::new(found.world, StackOptions::default());
    let listed = bench.vmray("/submission?submission_verdict=malicious&_order=asc").await.1;
    let times: Vec<_> = (0..3).map(|n| listed["data"][n]["submission_finish_time"].clone()).collect();
    assert_eq!(times, ["2026-02-28T23:58:00", "2026-02-28T23:59:00", "2026-03-01T00:00:00"]);
    assert_eq!(listed["data"][0]["submission_filename"], "own.exe");
    for sample in [1002, 1003] {
        let served = bench.vmray(&format!("/sample/{sample}/iocs")).await.1;
        assert_eq!(served["data"]["iocs"]["domains"], reply()["data"]["iocs"]["domains"]);
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_its_name() {
    let error = ReportWorld::read(Path::new("/nowhere/at/all"), now()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"));
}

#[test]
fn the_recorded_reports_are_a_world() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/vmray");
    let Ok(found) = ReportWorld::read(&folder, now()) else {
        println!("skipped: no shared fixtures");
        return;
    };
    let read = |part: &str| found.reports.iter().filter(|path| path.to_string_lossy().contains(part)).count();
    assert_eq!((read("summary_v2__"), read("sample_iocs__")), (3, 2), "{:?}", found.unreadable);
    let kinds: std::collections::BTreeSet<_> =
        found.world.entries().filter(|entry| entry.ioc == Some(true)).map(|entry| entry.kind).collect();
    for kind in
        [EntryKind::Domain, EntryKind::Ip, EntryKind::Url, EntryKind::Sha256, EntryKind::Mutex, EntryKind::Process]
    {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}
