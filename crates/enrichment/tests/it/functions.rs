//! The nine functions against the stand-in for VMRay: each parameter in each form, each answer, each refusal.

use std::sync::Arc;

use bytes::Bytes;
use enrichment::functions::{Error, Function, Functions, Parameters, Resubmit};
use http::Method;
use indicators::{Expiry, Rules, Style};
use jiff::{SignedDuration, Timestamp};
use outbound::{Clock, Exchange, RetryPolicy, TokioClock, Transport};
use rstest::rstest;
use serde_json::{Value, json};
use simulators::{
    Fault, FaultRule, Hashes, Ioc, IocKind, Rewriting, Sample, ServiceName, Stack, StackOptions, Submission, Verdict,
    When, World,
};

const SAMPLE: u64 = 12;
const SUBMISSION: u64 = 51;
const OTHER_SAMPLE: u64 = 13;
pub(crate) const KNOWN_URL: &str = "http://known.example/login?a=b&c=d";
pub(crate) const SHA256: &str = "46d2a7a499be0dbc6f46617afd57b9c2b785d597b7fd2c8b5902e5c165226e29";

/// VMRay with two samples, and the functions on it.
pub(crate) struct Bench {
    stack: Stack,
    functions: Functions,
    clock: Arc<TokioClock>,
}

fn start() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn world() -> World {
    let finished = start().checked_sub(SignedDuration::from_hours(48)).unwrap();
    let mut world = World::new();
    let iocs = vec![
        Ioc::new(IocKind::Domain, "evil.example.net", Verdict::Malicious),
        Ioc::new(IocKind::Url, "http://evil.example.net/o'clock", Verdict::Suspicious),
        Ioc::new(IocKind::Ip, "203.0.114.7", Verdict::Clean),
        Ioc { verdict: None, ..Ioc::new(IocKind::Ip, "203.0.114.8", Verdict::Malicious) },
    ];
    let mut sample = Sample::file(SAMPLE, finished, "invoice.exe").with_iocs(iocs);
    sample.hashes = Hashes { sha256: Some(SHA256.to_owned()), ..Hashes::default() };
    world.add_sample(sample);
    world.add_submission(Submission::finished(SUBMISSION, SAMPLE, finished, Some(Verdict::Malicious)));
    world.add_sample(Sample::url(OTHER_SAMPLE, finished, KNOWN_URL));
    world.add_submission(Submission::finished(61, OTHER_SAMPLE, finished, Some(Verdict::Suspicious)));
    world.add_submission(Submission::finished(62, OTHER_SAMPLE, finished, Some(Verdict::Malicious)));
    world.add_submission(Submission::finished(63, OTHER_SAMPLE, finished, None));
    world
}

impl Bench {
    fn new() -> Self {
        Self::with(Resubmit::Never, Vec::new())
    }

    fn with(resubmit: Resubmit, faults: Vec<FaultRule>) -> Self {
        let clock = Arc::new(TokioClock::new(start()));
        let stack = Stack::new(world(), StackOptions { faults, ..StackOptions::default() }, clock.clone());
        stack.vmray.edit_options(|options| options.submit_verdict = Some(Some(Verdict::Malicious)));
        let network: Arc<dyn Transport> = Arc::new(stack.in_process());
        Self::over(stack, network, clock, resubmit)
    }

    /// Functions that speak to a rewritten VMRay, and what rewrites it.
    pub(crate) fn rewritten() -> (Self, Arc<Rewriting>) {
        let bench = Self::new();
        let rewriting = Arc::new(Rewriting::of(bench.stack.vmray.clone()));
        let network = bench.stack.in_process().with_host(Stack::VMRAY_HOST, rewriting.clone());
        (Self::over(bench.stack, Arc::new(network), bench.clock, Resubmit::Never), rewriting)
    }

    fn over(stack: Stack, network: Arc<dyn Transport>, clock: Arc<TokioClock>, resubmit: Resubmit) -> Self {
        let exchange = Exchange::new(network, RetryPolicy::default()).with_seed(7);
        let key = stack.settings().into_iter().find(|(name, _)| *name == "VmrayAPIKey").unwrap().1;
        let base = "https://vmray.test".parse().unwrap();
        let vmray = vmray::Client::new(exchange, base, key.into(), "test", clock.clone());
        let style = Style {
            vmray_base: Some("https://vmray.test".to_owned()),
            tlp: stix::Tlp::Amber,
            expiry: Expiry::default(),
            created_by: indicators::identity().id,
        };
        let functions = Functions {
            vmray,
            rules: Arc::new(Rules::default()),
            style: Arc::new(style),
            resubmit,
            gates: Arc::default(),
            clock: clock.clone(),
        };
        Self { stack, functions, clock }
    }

    pub(crate) async fn ask(&self, function: Function, body: &Value) -> Result<Value, Error> {
        self.call(function, &[], &body.to_string()).await
    }

    async fn call(&self, function: Function, query: &[(&str, &str)], body: &str) -> Result<Value, Error> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parameters = Parameters::read(query, body.as_bytes())?;
        let answer = self.functions.call(function, &parameters).await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// What VMRay itself says, byte for byte.
    async fn vmray_says(&self, path: &str) -> String {
        let key = self.stack.settings().into_iter().find(|(name, _)| *name == "VmrayAPIKey").unwrap().1;
        let request = http::Request::get(format!("https://vmray.test/rest/{path}"))
            .header("authorization", format!("api_key {key}"))
            .body(Bytes::new())
            .unwrap();
        let answer = self.stack.in_process().send(request).await.unwrap();
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        let envelope: Value = serde_json::from_str(&text).unwrap();
        let data = envelope["data"].to_string();
        assert!(text.contains(&data), "the stand-in writes as serde does");
        data
    }

    /// Paths that VMRay was asked for, from a request on.
    fn asked_since(&self, count: u64) -> Vec<String> {
        let seen = self.stack.vmray.requests();
        seen.iter().skip(usize::try_from(count).unwrap()).map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    fn submits(&self) -> usize {
        self.asked_since(0).iter().filter(|asked| asked.starts_with("POST /rest/sample/submit")).count()
    }
}

#[rstest]
#[case(Function::GetVMRaySample, "sample_id", "sample/12", "12")]
#[case(Function::GetVMRayIOCs, "sample_id", "sample/12/iocs", "12")]
#[case(Function::GetVMRayThreatIndicator, "sample_id", "sample/12/threat_indicators", "12")]
#[case(Function::GetVMRayVTIs, "sample_id", "sample/12/vtis", "12")]
#[case(Function::GetAnalysisBySampleID, "sample_id", "analysis/sample/12", "12")]
#[case(Function::GetVMRaySubmission, "submission_id", "submission/51", "51")]
#[case(Function::GetVMRaySampleByHash, "hash", &format!("sample/sha256/{SHA256}"), SHA256)]
#[tokio::test(start_paused = true)]
async fn a_look_up_hands_on_what_vmray_says_byte_for_byte_in_one_call(
    #[case] function: Function,
    #[case] parameter: &str,
    #[case] path: &str,
    #[case] value: &str,
) {
    let bench = Bench::new();
    let expected = bench.vmray_says(path).await;
    let mut forms = vec![
        (vec![(parameter.to_owned(), value.to_owned())], String::new()),
        (vec![(parameter.to_owned(), value.to_owned())], json!({"other": 1}).to_string()),
        (vec![], json!({ parameter: value }).to_string()),
    ];
    if let Ok(number) = value.parse::<u64>() {
        forms.push((vec![], json!({ parameter: number }).to_string()));
    }
    for (query, body) in forms {
        let before = bench.stack.vmray.request_count();
        let parameters = Parameters::read(query, body.as_bytes()).unwrap();
        assert_eq!(bench.functions.call(function, &parameters).await.unwrap(), expected);
        assert_eq!(bench.asked_since(before), [format!("GET /rest/{path}")], "nothing else is asked");
    }
}

#[rstest]
#[case(json!({"sample_id": SAMPLE}), "analysis/sample/12")]
#[case(json!({"sample_id": SAMPLE, "limit": null}), "analysis/sample/12")]
#[case(json!({"sample_id": SAMPLE, "limit": 1}), "analysis/sample/12?_limit=1")]
#[case(json!({"sample_id": SAMPLE, "limit": "1"}), "analysis/sample/12?_limit=1")]
#[tokio::test(start_paused = true)]
async fn analyses_come_with_or_without_a_limit(#[case] body: Value, #[case] path: &str) {
    let bench = Bench::new();
    let answer = bench.ask(Function::GetAnalysisBySampleID, &body).await.unwrap();
    assert!(!answer.as_array().unwrap().is_empty());
    assert_eq!(bench.asked_since(0), [format!("GET /rest/{path}")]);
}

#[rstest]
#[case(json!(["malicious", "suspicious"]), 2)]
#[case(json!(["Malicious"]), 1)]
#[case(json!("malicious"), 1)]
#[case(json!("malicious,suspicious"), 2)]
#[case(json!("Malicious & Suspicious"), 2)]
#[case(json!("[\"malicious\", \"suspicious\"]"), 2)]
#[case(json!(["clean"]), 0)]
#[tokio::test(start_paused = true)]
async fn verdicts_are_a_list_or_a_text(#[case] verdicts: Value, #[case] indicators: usize) {
    let bench = Bench::new();
    let body = json!({"sample_id": SAMPLE, "submission_id": SUBMISSION, "sample_verdict": verdicts});
    let answer = bench.ask(Function::GetVMRayIOCs, &body).await.unwrap();
    assert_eq!(answer["api_resp"].to_string(), bench.vmray_says("sample/12/iocs").await);
    assert_eq!(answer["custom_resp"].as_array().unwrap().len(), indicators, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn indicators_are_the_feeds_with_a_label_for_the_incident_where_one_is_named() {
    let bench = Bench::new();
    let mut body =
        json!({"sample_id": "12", "submission_id": "51", "sample_verdict": ["malicious"], "incident_id": 4711});
    let named = bench.ask(Function::GetVMRayIOCs, &body).await.unwrap();
    insta::assert_json_snapshot!(named["custom_resp"]);
    body["incident_id"] = Value::Null;
    let unnamed = bench.ask(Function::GetVMRayIOCs, &body).await.unwrap();
    let labels = unnamed["custom_resp"][0]["labels"].to_string();
    assert!(!labels.contains("incident_id"), "{labels}");
}

#[rstest]
#[case(json!(7), "2026-12-01T12:00:00.000Z")]
#[case(json!("30"), "2026-12-24T12:00:00.000Z")]
#[case(json!(null), "2026-12-22T12:00:00.000Z")]
#[tokio::test(start_paused = true)]
async fn the_life_of_an_indicator_is_the_callers_days_from_now_or_the_feeds(#[case] days: Value, #[case] until: &str) {
    let bench = Bench::new();
    let body = json!({"sample_id": 12, "submission_id": 51, "sample_verdict": ["malicious"], "valid_until": days});
    let answer = bench.ask(Function::GetVMRayIOCs, &body).await.unwrap();
    assert_eq!(answer["custom_resp"][0]["valid_until"], until);
    assert_eq!(answer["custom_resp"][0]["valid_from"], "2026-11-22T12:00:00.000Z", "it is as old as the finding");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_interleaved_requests_never_see_each_other() {
    let bench = Bench::new();
    let ask = |incident: u64| {
        let bench = &bench;
        async move {
            let body = json!({
                "sample_id": SAMPLE, "submission_id": SUBMISSION, "sample_verdict": ["malicious", "suspicious"],
                "incident_id": incident,
            });
            let answer = bench.ask(Function::GetVMRayIOCs, &body).await.unwrap();
            let indicators = answer["custom_resp"].as_array().unwrap();
            assert_eq!(indicators.len(), 2);
            let own = format!("incident_id: {incident}");
            for indicator in indicators {
                let labels = indicator["labels"].as_array().unwrap();
                let incidents: Vec<_> =
                    labels.iter().filter(|label| label.as_str().unwrap().starts_with("incident_id")).collect();
                assert_eq!(incidents, [&json!(own)]);
            }
        }
    };
    bench.stack.faults().add(FaultRule::new(
        ServiceName::Vmray,
        When::Probability(0.5),
        Fault::Delay(std::time::Duration::from_millis(20)),
    ));
    futures::future::join_all((0..1000).map(ask)).await;
}

#[rstest]
#[case(Function::GetVMRaySample, json!({}), "sample_id")]
#[case(Function::GetVMRaySample, json!({"sample_id": "12/iocs"}), "sample_id")]
#[case(Function::GetVMRaySample, json!({"sample_id": [12]}), "sample_id")]
#[case(Function::GetVMRayIOCs, json!({"submission_id": 51}), "sample_id")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": "x"}), "submission_id")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": 51, "sample_verdict": "evil"}), "sample_verdict")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": 51, "sample_verdict": ["malicious"], "valid_until": "soon"}), "valid_until")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": 51, "sample_verdict": ["malicious"], "valid_until": 99999}), "valid_until")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": 51, "sample_verdict": ["malicious"], "incident_id": "a\nb"}), "incident_id")]
#[case(Function::GetVMRaySampleByHash, json!({}), "hash")]
#[case(Function::GetVMRaySampleByHash, json!({"hash": "abc"}), "hash")]
#[case(Function::GetVMRaySampleByHash, json!({"hash": "g".repeat(32)}), "hash")]
#[case(Function::GetVMRaySubmission, json!({"sample_id": 12}), "submission_id")]
#[case(Function::GetAnalysisBySampleID, json!({"sample_id": 12, "limit": "many"}), "limit")]
#[case(Function::GetVMRayThreatIndicator, json!({"sample_id": null}), "sample_id")]
#[case(Function::GetVMRayVTIs, json!({"sample_id": 0}), "sample_id")]
#[case(Function::UplaodURL, json!({}), "url")]
#[case(Function::UplaodURL, json!({"url": "  "}), "url")]
#[case(Function::UplaodURL, json!({"url": "http://a.example", "shareable": "maybe"}), "shareable")]
#[case(Function::UplaodURL, json!({"url": "http://a.example", "max_jobs": "two"}), "max_jobs")]
#[case(Function::UplaodURL, json!({"url": "http://a.example", "max_jobs": 99_999_999_999_u64}), "max_jobs")]
#[case(Function::UplaodURL, json!({"url": "http://a.example", "tags": ["a b"]}), "tags")]
#[case(Function::UplaodURL, json!({"url": "http://a.example", "tags": [{"a": 1}]}), "tags")]
#[case(Function::VMRayUploadSample, json!({"name": "a.doc"}), "file")]
#[case(Function::VMRayUploadSample, json!({"file": "%%%", "name": "a.doc"}), "file")]
#[tokio::test(start_paused = true)]
async fn a_bad_parameter_is_named_before_vmray_is_asked(
    #[case] function: Function,
    #[case] body: Value,
    #[case] parameter: &str,
) {
    let bench = Bench::new();
    match bench.ask(function, &body).await {
        Err(Error::BadRequest { parameter: named, .. }) => assert_eq!(named, parameter),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.stack.vmray.request_count(), 0);
}

#[rstest]
#[case(Function::GetVMRaySample, json!({"sample_id": 999}), "the sample 999")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 999}), "the sample 999")]
#[case(Function::GetVMRayVTIs, json!({"sample_id": 999}), "the sample 999")]
#[case(Function::GetVMRaySubmission, json!({"submission_id": 999}), "the submission 999")]
#[case(Function::GetVMRayIOCs, json!({"sample_id": 12, "submission_id": 999, "sample_verdict": ["malicious"]}), "the submission 999")]
#[tokio::test(start_paused = true)]
async fn what_vmray_does_not_know_is_named(#[case] function: Function, #[case] body: Value, #[case] what: &str) {
    match Bench::new().ask(function, &body).await {
        Err(Error::NotFound { what: named }) => assert_eq!(named, what),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_hash_is_an_empty_list_as_vmray_has_it() {
    let answer = Bench::new().ask(Function::GetVMRaySampleByHash, &json!({"hash": "a".repeat(32)})).await.unwrap();
    assert_eq!(answer, json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_known_url_is_answered_from_vmrays_store_in_one_call() {
    let bench = Bench::new();
    let answer = bench.ask(Function::UplaodURL, &json!({"url": KNOWN_URL})).await.unwrap();
    assert_eq!(answer["vmray_job"], json!([]));
    assert_eq!(answer["vmray_submission"][0]["SubmissionID"], 62, "the newest finished one with a verdict");
    assert_eq!(answer["vmray_submission"][0]["SampleID"], OTHER_SAMPLE);
    assert_eq!(answer["vmray_sample"][0]["SampleID"], OTHER_SAMPLE);
    assert_eq!(bench.stack.vmray.request_count(), 1);
    assert_eq!(bench.submits(), 0);
}

#[tokio::test(start_paused = true)]
async fn resubmit_analyses_what_is_known_again_whatever_vmrays_own_caching() {
    let bench = Bench::with(Resubmit::Always, Vec::new());
    bench.stack.vmray.edit_options(|options| options.analysis_caching = simulators::AnalysisCaching::Legacy);
    let answer = bench.ask(Function::UplaodURL, &json!({"url": KNOWN_URL})).await.unwrap();
    assert_eq!(answer["vmray_job"].as_array().unwrap().len(), 1);
    assert_eq!(bench.submits(), 1);
    let again = bench.ask(Function::UplaodURL, &json!({"url": KNOWN_URL})).await.unwrap();
    assert_eq!(again["vmray_submission"], answer["vmray_submission"], "one that still runs is not doubled");
    assert_eq!(bench.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn resubmit_analyses_a_known_file_again_whatever_vmrays_own_caching() {
    let bench = Bench::with(Resubmit::Always, Vec::new());
    bench.stack.vmray.edit_options(|options| options.analysis_caching = simulators::AnalysisCaching::Legacy);
    let body = json!({"file": "aGVsbG8=", "name": "a.txt"});
    let first = bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    let second = bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    assert_eq!(second["vmray_job"].as_array().unwrap().len(), 1);
    assert_ne!(second["vmray_submission"], first["vmray_submission"]);
    assert_eq!(bench.submits(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_jobs_created_is_a_reuse() {
    let bench = Bench::with(Resubmit::Never, Vec::new());
    bench.stack.vmray.edit_options(|options| options.analysis_caching = simulators::AnalysisCaching::Legacy);
    // Neither search nor list finds it, VMRay's own caching does.
    for path in ["/submission/search", "submission_created"] {
        let hidden = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(404)).on_path(path);
        bench.stack.faults().add(hidden);
    }
    let answer = bench.ask(Function::UplaodURL, &json!({"url": KNOWN_URL})).await.unwrap();
    assert_eq!(bench.submits(), 1);
    assert_eq!(answer["vmray_job"], json!([]));
    assert_eq!(answer["vmray_submission"][0]["SubmissionID"], 62);
    assert_eq!(answer["vmray_sample"][0]["SampleID"], OTHER_SAMPLE);
}

#[rstest]
#[case(json!({"tags": ["one", "two"], "shareable": true, "max_jobs": 2, "net_scheme_name": "a \"quoted\" name"}))]
#[case(json!({"tags": "one,two", "shareable": "true", "max_jobs": "2", "net_scheme_name": "a \"quoted\" name"}))]
#[tokio::test(start_paused = true)]
async fn a_new_url_is_submitted_with_its_parameters(#[case] mut body: Value) {
    let bench = Bench::new();
    body["url"] = json!("http://new.example/");
    let answer = bench.ask(Function::UplaodURL, &body).await.unwrap();
    let id = answer["vmray_submission"][0]["SubmissionID"].as_u64().unwrap();
    assert_eq!(bench.stack.vmray.world().submission(id).unwrap().tags, ["one", "two"]);
    insta::assert_json_snapshot!("submit_shape", answer);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_runs_is_finished_and_read_as_the_playbook_does() {
    let bench = Bench::new();
    let answer = bench.ask(Function::UplaodURL, &json!({"url": "http://new.example/"})).await.unwrap();
    let id = &answer["vmray_submission"][0]["SubmissionID"];
    let poll = || async { bench.ask(Function::GetVMRaySubmission, &json!({"submission_id": id})).await.unwrap() };
    assert_eq!(poll().await["submission_finished"], false);
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    assert_eq!(poll().await["submission_finished"], true);
    assert!(bench.clock.now() > start());
}

#[rstest]
#[case(Fault::ResetAfter)]
#[case(Fault::StatusAfter(502))]
#[case(Fault::CutBody)]
#[case(Fault::WrongJson)]
#[tokio::test(start_paused = true)]
async fn a_submit_whose_answer_is_lost_is_found_and_not_repeated(#[case] fault: Fault) {
    let rule = FaultRule::new(ServiceName::Vmray, When::Always, fault).on_method(Method::POST);
    let bench = Bench::with(Resubmit::Never, vec![rule]);
    let url = json!({"url": "http://new.example/"});
    let answer = bench.ask(Function::UplaodURL, &url).await.unwrap();
    assert_eq!(answer["vmray_submission"].as_array().unwrap().len(), 1);
    let again = bench.ask(Function::UplaodURL, &url).await.unwrap();
    assert_eq!(again["vmray_submission"], answer["vmray_submission"], "a caller's repeat gets the same");
    assert_eq!(bench.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submit_that_failed_before_vmray_acted_says_so_and_is_not_repeated() {
    let rule = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500)).on_method(Method::POST);
    let bench = Bench::with(Resubmit::Never, vec![rule]);
    let error = bench.ask(Function::UplaodURL, &json!({"url": "http://new.example/"})).await.unwrap_err();
    assert!(matches!(error, Error::Vmray(_)), "{error}");
    assert_eq!(bench.submits(), 1);
}

#[rstest]
#[case(Fault::ResetBefore)]
#[case(Fault::Hang)]
#[case(Fault::HtmlPage)]
#[tokio::test(start_paused = true)]
async fn a_submit_whose_answer_is_lost_and_that_is_not_found_is_called_that(#[case] fault: Fault) {
    let rule = FaultRule::new(ServiceName::Vmray, When::Always, fault).on_method(Method::POST);
    let bench = Bench::with(Resubmit::Never, vec![rule]);
    let error = bench.ask(Function::UplaodURL, &json!({"url": "http://new.example/"})).await.unwrap_err();
    assert!(matches!(error, Error::AnswerLost { .. }), "{error}");
    assert!(error.hint().contains("not submitted twice"), "{}", error.hint());
    assert_eq!(bench.submits(), 1);
}

#[rstest]
#[case::file("file:///etc/passwd", "file")]
#[case::ftp("ftp://files.example/a", "http://")]
#[case::script("javascript:alert(1)", "javascript")]
#[case::loopback("http://127.0.0.1:8080/admin", "loopback")]
#[case::decimal("http://2130706433/", "loopback")]
#[case::private("https://10.1.2.3/", "private")]
#[case::metadata("http://169.254.169.254/latest/meta-data", "link-local")]
#[case::name("http://intranet/", "inside networks")]
#[case::host("http://", "host")]
#[tokio::test(start_paused = true)]
async fn what_the_contract_does_not_send_is_refused_by_name_before_vmray_is_asked(
    #[case] url: &str,
    #[case] words: &str,
) {
    let bench = Bench::new();
    let error = bench.ask(Function::UplaodURL, &json!({"url": url})).await.unwrap_err();
    assert!(matches!(&error, Error::BadRequest { parameter, .. } if parameter == "url"), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(bench.stack.vmray.request_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_password_in_a_url_is_sent_to_nobody_and_internal_hosts_follow_the_setting() {
    let mut bench = Bench::new();
    bench.ask(Function::UplaodURL, &json!({"url": "https://me:hunter2@new.example/a@b"})).await.unwrap();
    bench.functions.gates = Arc::new("none".parse().unwrap());
    bench.ask(Function::UplaodURL, &json!({"url": "http://10.1.2.3/"})).await.unwrap();
    let world = bench.stack.vmray.world();
    let sent: Vec<_> = world.samples().filter_map(|sample| sample.url.clone()).collect();
    assert!(sent.iter().any(|url| url == "https://new.example/a@b"), "{sent:?}");
    assert!(sent.iter().any(|url| url == "http://10.1.2.3/"), "{sent:?}");
    assert!(bench.stack.vmray.requests().iter().all(|seen| !seen.path.contains("hunter2")));
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_no_empty_success() {
    let bench = Bench::new();
    bench.stack.vmray.edit_options(|options| options.quota = (0, 0));
    let error = bench.ask(Function::UplaodURL, &json!({"url": "http://new.example/"})).await.unwrap_err();
    assert!(matches!(&error, Error::Quota { words } if words.contains("Prepaid Report Quota")), "{error}");
}

#[rstest]
#[case(json!("aGVsbG8="), json!("a.txt"))]
#[case(json!("aGVs\nbG8"), json!(null))]
#[case(json!({"$content-type": "text/plain", "$content": "aGVsbG8="}), json!("übung.txt"))]
#[tokio::test(start_paused = true)]
async fn a_file_is_submitted_once_and_then_known(#[case] file: Value, #[case] name: Value) {
    let bench = Bench::new();
    let body = json!({
        "file": file, "name": name, "tags": ["playbook"], "document_password": "d", "archive_password": "a",
        "sample_type": "Generic Text", "max_jobs": 1, "shareable": false,
    });
    let first = bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    assert_eq!(first["vmray_job"].as_array().unwrap().len(), 1);
    assert_eq!(first["vmray_sample"][0]["SHA1"], "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    assert_eq!(first["vmray_sample"][0]["FileName"], name.as_str().unwrap_or("sample"));
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    let second = bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    assert_eq!(second["vmray_job"], json!([]));
    assert_eq!(second["vmray_submission"], first["vmray_submission"]);
    assert_eq!(second["vmray_sample"][0]["SHA1"], first["vmray_sample"][0]["SHA1"]);
    assert_eq!(bench.submits(), 1);
}

#[rstest]
#[case("archive_password")]
#[case("document_password")]
#[tokio::test(start_paused = true)]
async fn a_file_that_is_known_without_a_password_is_submitted_with_one(#[case] parameter: &str) {
    let bench = Bench::new();
    bench.stack.vmray.edit_options(|options| options.analysis_caching = simulators::AnalysisCaching::Enabled);
    let mut body = json!({"file": "aGVsbG8=", "name": "a.7z"});
    bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    body[parameter] = json!("hunter2");
    for _ in 0..2 {
        bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
        assert_eq!(bench.submits(), 2, "once more, and then it is known");
    }
    body[parameter] = json!("other");
    bench.ask(Function::VMRayUploadSample, &body).await.unwrap();
    assert_eq!(bench.submits(), 3);
}

#[rstest]
#[case(400)]
#[case(403)]
#[case(404)]
#[case(405)]
#[tokio::test(start_paused = true)]
async fn a_url_is_known_where_vmray_cannot_be_searched(#[case] status: u16) {
    let bench = Bench::new();
    bench.stack.vmray.edit_options(|options| options.search_status = Some(status));
    let answer = bench.ask(Function::UplaodURL, &json!({"url": KNOWN_URL})).await.unwrap();
    assert_eq!((bench.submits(), &answer["vmray_submission"][0]["SubmissionID"]), (0, &json!(62)));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_told_with_its_wait_and_the_next_caller_is_told_at_once() {
    let wait = std::time::Duration::from_secs(300);
    let rule = FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::Throttled { retry_after: wait });
    let bench = Bench::with(Resubmit::Never, vec![rule]);
    let body = json!({"sample_id": SAMPLE});
    let ask = || bench.ask(Function::GetVMRaySample, &body);
    assert!(matches!(ask().await, Err(Error::Throttled { retry_after }) if retry_after == wait));
    assert!(
        matches!(ask().await, Err(Error::Throttled { retry_after }) if retry_after <= wait && !retry_after.is_zero())
    );
    assert_eq!(bench.stack.vmray.request_count(), 1);
}

#[rstest]
#[case(Fault::Status(500))]
#[case(Fault::ResetBefore)]
#[case(Fault::HtmlPage)]
#[tokio::test(start_paused = true)]
async fn a_failing_vmray_is_told_within_the_time_of_a_call(#[case] fault: Fault) {
    let bench = Bench::with(Resubmit::Never, vec![FaultRule::new(ServiceName::Vmray, When::Always, fault)]);
    let began = tokio::time::Instant::now();
    let error = bench.ask(Function::GetVMRaySample, &json!({"sample_id": SAMPLE})).await.unwrap_err();
    assert!(matches!(error, Error::Vmray(_)), "{error}");
    assert!(began.elapsed() < std::time::Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_vmray_is_a_deadline() {
    let bench = Bench::with(Resubmit::Never, vec![FaultRule::new(ServiceName::Vmray, When::Always, Fault::Hang)]);
    for (function, body) in [
        (Function::GetVMRaySample, json!({"sample_id": SAMPLE})),
        (Function::UplaodURL, json!({"url": "http://new.example/"})),
    ] {
        let began = tokio::time::Instant::now();
        let error = bench.ask(function, &body).await.unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{error}");
        assert!(began.elapsed() < std::time::Duration::from_secs(100), "{function:?}: {:?}", began.elapsed());
    }
}

#[test]
fn functions_are_found_without_regard_to_case() {
    assert_eq!(Function::by_name("uplaodurl"), Some(Function::UplaodURL));
    assert_eq!(Function::by_name("UploadURL"), None);
}
