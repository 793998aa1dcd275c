//! Every recorded reply is read by the model of its endpoint.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;
use vmray::{
    Analysis, Entry, IocsReply, Job, MitreAttack, Report, Sample, Submission, SubmitReply, SystemInfo, ThreatIndicators,
};

use crate::script::{always, raw};

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/vmray");
    let there = folder.is_dir();
    if !there {
        println!("skipped: no shared fixtures");
    }
    there.then_some(folder)
}

/// Reads the `data` of a reply, or the whole of a file that holds `data` only.
fn read<T: DeserializeOwned>(body: &Value) -> T {
    let data = body.get("data").unwrap_or(body);
    serde_json::from_str(&data.to_string()).unwrap_or_else(|error| panic!("{error}: {data}"))
}

/// Reads a list whose every element must be readable.
fn read_list<T: DeserializeOwned>(body: &Value) -> Vec<T> {
    all(read::<Vec<Entry<T>>>(body))
}

fn all<T>(entries: Vec<Entry<T>>) -> Vec<T> {
    entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Read(item) => item,
            Entry::Unreadable { raw, reason } => panic!("{reason}: {raw}"),
        })
        .collect()
}

#[test]
fn every_file_is_read_by_the_model_of_its_endpoint() {
    let Some(folder) = folder() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        check(name.strip_suffix(".json").unwrap(), &body);
    }
}

fn check(name: &str, body: &Value) {
    match name {
        _ if name.starts_with("error_submit") || name.contains("sample_submit") => submit(name, body),
        _ if name.starts_with("error_") => failure(name, body),
        _ if name.starts_with("merged_scan") => merged(body),
        _ if name.contains("summary") => report(name, body),
        _ if name.contains("system_info") => {
            assert_eq!(read::<SystemInfo>(body).api_items_per_request, Some(100), "{name}");
        }
        _ if name.contains("sample_iocs") => iocs(body.get("data").unwrap_or(body)),
        _ if name.contains("vtis") => {
            let vtis = all(read::<ThreatIndicators>(body).threat_indicators);
            assert!(!vtis.is_empty() && vtis.iter().all(|vti| vti.score.is_some()), "{name}");
        }
        _ if name.contains("mitre_attack") => {
            let techniques = all(read::<MitreAttack>(body).techniques);
            assert_eq!(techniques.len(), 7);
            assert!(techniques.iter().all(|technique| technique.technique_id.is_some()));
            assert!(techniques.iter().all(|technique| !technique.threat_indicators.is_empty()));
        }
        _ if name.contains("submission_get") => {
            let submission: Submission = read(body);
            assert_eq!(submission.finished, submission.finish_time.is_some(), "{name}");
        }
        _ if name.contains("submission_sample_list") => {
            assert!(read_list::<Submission>(body).iter().all(|submission| submission.created.is_some()), "{name}");
        }
        _ if name.contains("sample_get") => {
            assert!(read::<Sample>(body).sha256hash.is_some(), "{name}");
        }
        _ if name.ends_with("_sample_list") => assert!(!read_list::<Sample>(body).is_empty(), "{name}"),
        _ if name.contains("job_sample") => {
            assert_eq!(read_list::<Job>(body).len(), usize::from(name.ends_with("running")), "{name}");
        }
        _ if name.contains("analysis") => {
            let analyses = read_list::<Analysis>(body);
            assert!(!analyses.is_empty() && analyses.iter().all(|analysis| analysis.created.is_some()), "{name}");
        }
        _ => panic!("{name} has no model here"),
    }
}

fn submit(name: &str, body: &Value) {
    let reply: SubmitReply = read(body);
    let refused = name.contains("error");
    assert_eq!(reply.refusals().count(), usize::from(refused), "{name}");
    if refused {
        let error = all(reply.errors).remove(0);
        assert_ne!(error.is_quota(), error.is_no_jobs_created(), "{name}");
    } else {
        assert!(!all(reply.submissions).is_empty() && !all(reply.samples).is_empty(), "{name}");
        all(reply.jobs);
    }
}

fn failure(name: &str, body: &Value) {
    let (status, headers, body) = match body.get("body") {
        Some(inner) => (429, vec![("retry-after", "1")], inner),
        None => (name["error_".len()..].parse().unwrap(), vec![], body),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let error = runtime.block_on(async {
        let (_, client) = always(raw(status, &headers, &body.to_string()));
        client.system_info().await.unwrap_err()
    });
    let expected = match status {
        401 => "VMRay refused the API key (401)",
        405 => "VMRay refused the request (405): Method not allowed",
        429 => "VMRay asks to wait 1 s",
        _ => panic!("{name}"),
    };
    assert_eq!(error.to_string(), expected);
}

/// Reads as many artifacts and IOCs as the fixtures' own page counts.
fn report(name: &str, body: &Value) {
    let report = Report::parse(body.to_string().as_bytes()).unwrap();
    let iocs = serde_json::to_value(&report.iocs).unwrap();
    let count = |list: &str| {
        let entries = iocs[list].as_array().unwrap();
        (entries.len(), entries.iter().filter(|entry| entry["ioc"] == true).count())
    };
    let lists = ["domains", "ips", "urls", "files", "mutexes", "registry", "processes", "email_addresses"];
    let expected = match name {
        _ if name.contains("smoketester") => [(7, 2), (15, 2), (6, 2), (7, 2), (5, 5), (4, 1), (1, 1), (2, 0)],
        _ if name.contains("86d8257a") => [(1, 1), (1, 0), (1, 0), (8, 0), (0, 0), (1, 0), (1, 0), (0, 0)],
        _ if name.contains("eb12873c") => [(0, 0), (6, 0), (0, 0), (1, 0), (1, 0), (13, 0), (1, 0), (0, 0)],
        _ if name.contains("jobmalawi") => [(1, 0), (2, 0), (1, 0), (1, 0), (2, 0), (1, 0), (0, 0), (0, 0)],
        _ if name.contains("57pax") => [(1, 0), (0, 0), (0, 0), (2, 1), (0, 0), (0, 0), (2, 0), (0, 0)],
        _ => [(0, 0); 8],
    };
    assert_eq!(lists.map(count), expected, "{name}");
    assert!(report.created.is_some(), "{name}");
    let techniques = match name {
        _ if name.contains("smoketester") => 2,
        _ if name.contains("jobmalawi") => 4,
        _ if name.contains("57pax") => 1,
        _ => 0,
    };
    assert_eq!(report.techniques.len(), techniques, "{name}");
}

/// Every entry is readable, and every list and verdict is there.
fn iocs(data: &Value) {
    let reply: IocsReply = read(data);
    let written = serde_json::to_value(&reply.iocs).unwrap();
    for (list, entries) in data["iocs"].as_object().unwrap() {
        let entries = entries.as_array().unwrap();
        assert_eq!(written[list].as_array().unwrap().len(), entries.len(), "{list}");
        for (was, is) in entries.iter().zip(written[list].as_array().unwrap()) {
            // Masked ids in lists of numbers are the only loss that publishing caused.
            for (key, value) in was.as_object().unwrap().iter().filter(|(key, _)| *key != "analysis_ids") {
                let is = &is[key];
                let both_empty = value.is_null() && *is == Value::Array(vec![]);
                assert!(is == value || both_empty, "{list}.{key}: {value} became {is}");
            }
        }
    }
    all(reply.iocs.domains);
    all(reply.iocs.urls);
    all(reply.iocs.processes);
    for file in all(reply.iocs.files) {
        all(file.hashes);
    }
}

/// Replies that an integration merged and masked: the sample's own id is gone, the rest is there.
fn merged(body: &Value) {
    for entity in body.as_array().unwrap() {
        let merged = &entity["EntityResult"];
        iocs(merged);
        assert_eq!(all(read::<ThreatIndicators>(merged).threat_indicators).len(), 1);
        assert!(serde_json::from_value::<Sample>(merged.clone()).is_err(), "its id is masked");
        let mut merged = merged.clone();
        merged["sample_id"] = 7.into();
        let sample: Sample = read(&merged);
        assert_eq!(sample.vti_score, merged["sample_vti_score"].as_str().map(str::to_owned));
        assert!(sample.extra.contains_key("sample_temporary"));
    }
}
