//! Whatever JSON comes, nothing panics and neighbours stay.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vmray::{
    Entry, IocsReply, MitreAttack, Quota, Report, Sample, SampleId, Submission, SubmissionFilter, SubmitReply,
    SubmitRequest, SystemInfo, ThreatIndicators,
};

use crate::script::{always, raw};

/// Keys that mean something, so that odd values reach the code behind them.
const KEYS: [&str; 40] = [
    "data",
    "result",
    "error_msg",
    "continuation_id",
    "truncated",
    "iocs",
    "status",
    "domains",
    "ips",
    "urls",
    "files",
    "registry",
    "hashes",
    "md5_hash",
    "filenames",
    "url",
    "domain",
    "ip_address",
    "verdict",
    "ioc",
    "analysis_ids",
    "threat_indicators",
    "mitre_attack_techniques",
    "version",
    "score",
    "submission_id",
    "submission_sample_id",
    "submission_finish_time",
    "submission_finished",
    "submission_tags",
    "sample_id",
    "sample_created",
    "sample_child_sample_ids",
    "job_id",
    "analysis_id",
    "errors",
    "submissions",
    "relations",
    "quota_limit",
    "artifacts",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["malicious", "finished", "waiting", "error", "ok", "12", "2025-01-01T00:00:00"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let key = prop_oneof![4 => prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn reads_without_panic<T: serde::de::DeserializeOwned + serde::Serialize>(body: &str) {
    if let Ok(value) = serde_json::from_str::<T>(body) {
        serde_json::to_string(&value).unwrap();
    }
}

proptest! {
    #[test]
    fn any_json_in_place_of_a_model_never_panics(body in any_json()) {
        let body = body.to_string();
        reads_without_panic::<Submission>(&body);
        reads_without_panic::<Sample>(&body);
        reads_without_panic::<ThreatIndicators>(&body);
        reads_without_panic::<MitreAttack>(&body);
        reads_without_panic::<SubmitReply>(&body);
        reads_without_panic::<SystemInfo>(&body);
        reads_without_panic::<Quota>(&body);
        drop(serde_json::from_str::<IocsReply>(&body));
        drop(Report::parse(body.as_bytes()));
    }

    #[test]
    fn any_json_in_place_of_a_part_of_a_report_never_panics(odd in any_json(), kind in any::<bool>()) {
        let sections = [
            "domains", "ip_addresses", "urls", "files", "filenames", "registry_records", "processes", "mutexes", "emails",
        ];
        let mut report = json!({"artifacts": {"domains": odd, "files": [odd], "urls": {"u": odd}}});
        for part in ["analysis_metadata", "analysis_details", "sample_details", "vti", "mitre_attack"] {
            report[part] = odd.clone();
        }
        if kind {
            report["_type"] = "summary_v2".into();
            report["vti"] = json!({"matches": {"m": odd}});
            report["mitre_attack"] = json!({"v4": odd, "v14_1": {"techniques": {"technique_T1": odd}}});
            for section in sections {
                report[section] = json!({"a": odd, "b": {"ref_processes": odd, "ref_filenames": [odd, {"path": odd}]}});
            }
        }
        let report = Report::parse(report.to_string().as_bytes()).unwrap();
        prop_assert!(!kind || report.iocs.domains.len() == 2);
    }

    #[test]
    fn any_json_in_place_of_a_reply_never_panics(body in any_json(), status in prop::sample::select(vec![200, 400, 404, 429, 500])) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            // Continuations without end among them.
            let client = || always(raw(status, &[], &body.to_string())).1;
            drop(client().submissions(&SubmissionFilter::default()).await);
            drop(client().iocs(SampleId(1)).await);
            drop(client().submit(&SubmitRequest::url("http://a")).await);
        });
    }

    #[test]
    fn any_json_in_place_of_one_ioc_leaves_its_neighbours(odd in any_json(), list in prop::sample::select(vec!["domains", "files", "processes"])) {
        let body = json!({"iocs": {
            list: [{"verdict": "malicious", "analysis_ids": [1]}, odd, {"verdict": "clean", "analysis_ids": [2]}],
            "ips": [{"ip_address": "192.0.2.1"}]
        }});
        let reply: IocsReply = serde_json::from_str(&body.to_string()).unwrap();
        let ids: Vec<Option<Vec<u64>>> = match list {
            "domains" => reply.iocs.domains.iter().map(|entry| entry.read().map(|ioc| ioc.common.analysis_ids.clone())).collect(),
            "files" => reply.iocs.files.iter().map(|entry| entry.read().map(|ioc| ioc.common.analysis_ids.clone())).collect(),
            _ => reply.iocs.processes.iter().map(|entry| entry.read().map(|ioc| ioc.common.analysis_ids.clone())).collect(),
        };
        prop_assert_eq!(ids.len(), 3);
        prop_assert_eq!(&ids[0], &Some(vec![1]));
        prop_assert_eq!(&ids[2], &Some(vec![2]));
        prop_assert!(matches!(reply.iocs.ips[0], Entry::Read(_)));
    }
}
