//! IOC lists: whatever one entry holds, the others are read.

use serde_json::{Value, json};
use vmray::{Entry, Iocs, IocsReply, ReportStatus, Verdict};

fn read(body: &Value) -> Result<IocsReply, String> {
    serde_json::from_str(&body.to_string()).map_err(|error| error.to_string())
}

#[test]
fn fields_of_an_unexpected_type_read_as_absent() {
    let entry = json!({
        "domain": "a.example", "ioc": "true", "verdict": null, "severity": 5, "numeric_severity": "4",
        "analysis_ids": ["8961xxx", 8960, "12", null, {}], "verdict_reason_code": 17, "sources": null,
        "ip_addresses": "192.0.2.1", "countries": {"a": []}, "parent_processes_ids": [1, -1, 2.0, 2.5],
        "new_field": {"deep": [[[]]]}
    });
    let reply = read(&json!({"iocs": {"domains": [entry]}})).unwrap();
    let Entry::Read(domain) = &reply.iocs.domains[0] else { panic!("{reply:?}") };
    assert_eq!(domain.domain.as_deref(), Some("a.example"));
    assert_eq!(domain.common.ioc, Some(true));
    assert_eq!(domain.common.verdict, None);
    assert_eq!(domain.common.severity.as_deref(), Some("5"));
    assert_eq!(domain.common.numeric_severity, Some(4));
    assert_eq!(domain.common.analysis_ids, [8960, 12]);
    assert_eq!(domain.common.verdict_reason_code.as_deref(), Some("17"));
    assert_eq!(domain.ip_addresses, ["192.0.2.1"]);
    assert_eq!(domain.countries, [""; 0]);
    assert_eq!(domain.parent_processes_ids, [1, 2]);
}

#[test]
fn verdicts_are_kept_when_unknown() {
    let verdicts = json!(["malicious", "Suspicious", "clean", "not_available", "haunted", "", 5, null]);
    let entries: Vec<Value> = verdicts.as_array().unwrap().iter().map(|v| json!({"verdict": v})).collect();
    let reply = read(&json!({"iocs": {"mutexes": entries}})).unwrap();
    let read: Vec<_> = vmray::readable(&reply.iocs.mutexes).map(|mutex| mutex.common.verdict.clone()).collect();
    let expected = [
        Some(Verdict::Malicious),
        Some(Verdict::Suspicious),
        Some(Verdict::Clean),
        Some(Verdict::NotAvailable),
        Some(Verdict::Other("haunted".to_owned())),
        None,
        Some(Verdict::Other("5".to_owned())),
        None,
    ];
    assert_eq!(read, expected);
}

#[test]
fn an_object_of_another_format_is_not_a_sample_without_iocs() {
    assert!(read(&json!({"iocs": {"odd": 7, "other": []}})).is_err());
    for none in [json!({}), json!({"domains": null}), json!({"domains": [], "odd": 7})] {
        assert_eq!(read(&json!({"iocs": none})).unwrap().iocs, vmray::Iocs::default());
    }
}

#[test]
fn odd_entries_leave_their_neighbours() {
    let files = json!([{"filename": "a"}, null, 5, "x", [], [{"filename": "b"}], {"filename": "c"}]);
    let reply = read(&json!({"iocs": {"files": files, "urls": "gone", "ips": null}})).unwrap();
    let names: Vec<_> = vmray::readable(&reply.iocs.files).map(|file| file.filename.as_deref().unwrap()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(reply.iocs.files.len(), 7);
    assert!(matches!(&reply.iocs.urls[..], [Entry::Unreadable { raw: Value::String(text), .. }] if text == "gone"));
    assert_eq!(reply.iocs.ips, []);
}

#[test]
fn what_breaks_json_itself_stays_in_its_entry() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for broken in [r#"{"url": "\ud800"}"#, r#"{"numeric_severity": 1e999}"#, &format!(r#"{{"parent_files": {deep}}}"#)]
    {
        let body = format!(r#"{{"iocs": {{"urls": [{{"url": "http://a/"}}, {broken}, {{"url": "http://b/"}}]}}}}"#);
        let reply: IocsReply = serde_json::from_str(&body).unwrap();
        let urls: Vec<_> = vmray::readable(&reply.iocs.urls).filter_map(|url| url.url.as_deref()).collect();
        assert_eq!(urls, ["http://a/", "http://b/"], "{broken}");
        assert!(matches!(&reply.iocs.urls[1], Entry::Unreadable { raw: Value::String(_), .. }), "{broken}");
    }
}

#[test]
fn a_missing_status_is_finished_and_missing_iocs_are_an_error() {
    assert_eq!(read(&json!({"iocs": {}})), Ok(IocsReply::default()));
    assert_eq!(read(&json!({"iocs": {}, "status": null})).unwrap().status, ReportStatus::Finished);
    assert!(read(&json!({"status": "finished"})).is_err());
    assert!(read(&json!({"iocs": null})).is_err());
    assert!(read(&json!({"iocs": []})).is_err());
    assert!(read(&json!({"iocs": "later", "status": "waiting"})).is_err());
    assert_eq!(read(&json!({"status": "waiting"})).unwrap().status, ReportStatus::Waiting);
    assert_eq!(read(&json!({"status": "odd", "iocs": {}})).unwrap().status, ReportStatus::Other("odd".to_owned()));
}

#[test]
fn what_was_read_can_be_written_and_read_again() {
    let body = json!({"files": [{"filename": "a", "hashes": [{"md5_hash": "x"}, 5], "relations": [{"a": 1}]}, null],
        "processes": [{"cmd_line": "a \"b\"", "verdict": "clean", "analysis_ids": [1]}]});
    let iocs: Iocs = serde_json::from_value(body).unwrap();
    let again: Iocs = serde_json::from_value(serde_json::to_value(&iocs).unwrap()).unwrap();
    assert_eq!(again, iocs);
}
