use rstest::rstest;
use serde_json::{Value, json};
use simulators::{Access, Hashes, Ioc, IocKind, Sample, StackOptions, Submission, Verdict, VmrayOptions, World};

use crate::bench::{Bench, at};

fn world() -> World {
    let mut world = World::new();
    let mut hidden = Ioc::new(IocKind::Url, "http://a.example/", Verdict::Clean);
    hidden.ioc = Some(false);
    let mut unknown = Ioc::new(IocKind::Mutex, "m", Verdict::Clean);
    unknown.verdict = None;
    let iocs = vec![
        Ioc::new(IocKind::Domain, "a.example", Verdict::Malicious),
        Ioc::new(IocKind::Domain, "b.example", Verdict::Suspicious),
        Ioc::file("x.exe", Hashes::of_nothing(), Verdict::Malicious),
        Ioc::memory_dump(Hashes::invented(1), Verdict::Clean),
        hidden,
        unknown,
    ];
    world.add_sample(Sample::file(1, at("2026-01-01T00:00:00Z"), "a.exe").with_iocs(iocs));
    world.add_submission(Submission::finished(10, 1, at("2026-01-01T01:00:00Z"), Some(Verdict::Malicious)));
    world
}

fn bench(vmray: VmrayOptions) -> Bench {
    Bench::new(world(), StackOptions { vmray, ..StackOptions::default() })
}

fn count(body: &Value) -> Vec<usize> {
    let lists = body["data"]["iocs"].as_object().unwrap();
    assert_eq!(lists.len(), 10);
    ["domains", "files", "urls", "mutexes"].map(|list| lists[list].as_array().unwrap().len()).to_vec()
}

#[rstest]
#[case("", [2, 2, 0, 1])]
#[case("?all_artifacts=true", [2, 2, 1, 1])]
#[case("?all_artifacts=True", [2, 2, 1, 1])]
#[case("?all_artifacts=False", [2, 2, 0, 1])]
#[case("/all_artifacts/True", [2, 2, 1, 1])]
#[case("?all_artifacts=true&ioc_verdict=malicious", [1, 1, 0, 0])]
#[case("/verdict/clean", [0, 1, 0, 0])]
#[case("/verdict/null", [0, 0, 0, 1])]
#[case("/severity/suspicious", [1, 0, 0, 0])]
#[case("/type/domain", [2, 0, 0, 0])]
#[case("/type/domain/verdict/malicious", [1, 0, 0, 0])]
#[case("/type/domain/verdict/malicious/severity/suspicious", [0, 0, 0, 0])]
#[case("?ioc_type=url&all_artifacts=true", [0, 0, 1, 0])]
#[tokio::test(start_paused = true)]
async fn selects_entries(#[case] what: &str, #[case] expected: [usize; 4]) {
    let (status, body) = bench(VmrayOptions::default()).vmray(&format!("/sample/1/iocs{what}")).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["status"], "finished");
    assert_eq!(count(&body), expected);
}

#[rstest]
#[case("/verdict", 405)]
#[case("/verdict/malicious/type/domain", 405)]
#[case("/colour/red", 405)]
#[case("/verdict/Malicious", 400)]
#[case("/type/domains", 400)]
#[case("?ioc_verdict=malicious,suspicious", 400)]
#[case("?all_artifacts=1", 400)]
#[case("?colour=red", 400)]
#[tokio::test(start_paused = true)]
async fn refuses_other_forms(#[case] what: &str, #[case] expected: u16) {
    assert_eq!(bench(VmrayOptions::default()).vmray(&format!("/sample/1/iocs{what}")).await.0, expected);
}

#[tokio::test(start_paused = true)]
async fn entries_have_the_fields_of_the_real_ones() {
    let (_, body) = bench(VmrayOptions::default()).vmray("/sample/1/iocs").await;
    let iocs = &body["data"]["iocs"];
    let domain = &iocs["domains"][0];
    assert_eq!(domain["domain"], "a.example");
    assert_eq!(
        (&domain["id"], &domain["ioc_type"], &domain["type"]),
        (&json!(0), &json!("domain"), &json!("domain_artifact"))
    );
    assert_eq!((&domain["numeric_severity"], &domain["analysis_ids"]), (&json!(4), &json!([100])));
    assert!(domain.get("threat_names").is_none());
    let dump = &iocs["files"][1];
    assert_eq!((&dump["filename"], &dump["categories"]), (&json!(null), &json!(["Memory Dump"])));
    assert_eq!(dump["hashes"].as_array().unwrap().len(), 1);
    assert_eq!((&iocs["mutexes"][0]["verdict"], &iocs["mutexes"][0]["severity"]), (&json!(null), &json!(null)));
}

#[tokio::test(start_paused = true)]
async fn switches_what_the_references_leave_open() {
    let bench = bench(VmrayOptions { all_artifacts_by_default: true, tells_status: false, ..VmrayOptions::default() });
    let (_, body) = bench.vmray("/sample/1/iocs").await;
    assert_eq!(count(&body), [2, 2, 1, 1]);
    assert!(body["data"].get("status").is_none());
}

#[rstest]
#[case(Access::Forbidden, "/sample/1", 403)]
#[case(Access::Forbidden, "/sample/1/iocs", 403)]
#[case(Access::Forbidden, "/submission/10", 200)]
#[case(Access::Missing, "/sample/1/iocs", 404)]
#[case(Access::Locked, "/sample/1", 200)]
#[case(Access::Locked, "/sample/1/iocs", 403)]
#[case(Access::Locked, "/sample/1/vtis", 403)]
#[case(Access::Waiting, "/sample/1/iocs", 200)]
#[tokio::test(start_paused = true)]
async fn a_sample_can_be_closed_while_the_server_runs(#[case] access: Access, #[case] path: &str, #[case] status: u16) {
    let bench = bench(VmrayOptions::default());
    assert_eq!(bench.vmray(path).await.0, 200);
    bench.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = access);
    assert_eq!(bench.vmray(path).await.0, status);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_reply_has_lists_only_when_switched_on() {
    for (lists_while_waiting, expected) in [(false, [0, 0, 0, 0]), (true, [2, 2, 0, 1])] {
        let bench = bench(VmrayOptions { lists_while_waiting, ..VmrayOptions::default() });
        bench.stack.vmray.edit(|world| world.sample_mut(1).unwrap().access = Access::Waiting);
        let (_, body) = bench.vmray("/sample/1/iocs").await;
        assert_eq!(body["data"]["status"], "waiting");
        assert_eq!(count(&body), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn vtis_have_two_names_and_techniques_hold_them() {
    let bench = bench(VmrayOptions::default());
    let (_, new) = bench.vmray("/sample/1/vtis").await;
    let (_, old) = bench.vmray("/sample/1/threat_indicators").await;
    assert_eq!(new, old);
    let (_, attack) = bench.vmray("/sample/1/mitre_attack").await;
    assert!(attack["data"]["mitre_attack_techniques"].is_array());
    bench.stack.vmray.edit_options(|options| options.absent_endpoints = vec!["threat_indicators".to_owned()]);
    assert_eq!(bench.vmray("/sample/1/threat_indicators").await.0, 404);
}
