//! What is submitted is followed to its end, with everything that comes out of it, whatever VMRay does with it.

use std::time::Duration;

use enrichment::{EnrichRequest, Error, Item, ItemState, OverallVerdict, SectionState};
use rstest::rstest;
use simulators::{
    AnalysisCaching, ArchiveAction, ChildrenEnd, Fault, FaultRule, Inside, MetadataText, QuotaRefusal, RelationKind,
    Sample, ServiceName, StackOptions, Submission, SubmitOutcome, Verdict, VmrayOptions, When, World,
};

use crate::place::{Place, before, file, hours, known_url, to_the_end, urls};

const MAIL: &str = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"y\"\r\n\r\n--y\r\n\r\n\
    hello\r\n--y\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nTVogb25l\r\n--y--\r\n";

fn options(change: impl FnOnce(&mut VmrayOptions)) -> StackOptions {
    let mut options = StackOptions::default();
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    change(&mut options.vmray);
    options
}

async fn mail() -> EnrichRequest {
    EnrichRequest::new(vec![file("m.eml", MAIL.as_bytes()).await])
}

#[rstest]
#[case::before_it(ChildrenEnd::BeforeParent)]
#[case::after_it(ChildrenEnd::AfterParent)]
#[tokio::test(start_paused = true)]
async fn what_is_attached_to_a_mail_is_followed_to_its_own_end(#[case] children_end: ChildrenEnd) {
    let place = Place::with(World::new(), options(|vmray| vmray.children_end = children_end));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(mail().await).await).await;
    let [own, attached] = report.items[0].samples.as_slice() else { panic!("{:?}", report.items[0].samples) };
    assert_eq!((own.depth, attached.depth), (0, 1));
    assert_eq!(attached.parent_sample_id, Some(own.sample_id));
    assert_eq!(attached.verdict, Some(vmray::Verdict::Malicious));
    assert!(!attached.running && attached.submission_id.is_some());
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_becomes_several_submissions_is_followed_in_all_of_them() {
    let place = Place::with(World::new(), options(|vmray| vmray.archive_action = ArchiveAction::SeparateSamples));
    let item = file("a.7z", b"an archive").await;
    let Item::File(archive) = &item else { panic!("not a file") };
    let inside = Inside::container("archive", &[("a.exe", b"MZ one"), ("b.exe", b"MZ two")]);
    place.stack.vmray.edit(|world| world.describe(archive.file.sha256().as_str(), inside));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(EnrichRequest::new(vec![item])).await).await;
    let names: Vec<_> = report.items[0].samples.iter().filter_map(|sample| sample.name.clone()).collect();
    assert_eq!(names, ["a.exe", "b.exe"]);
    assert_eq!(report.items[0].indicators.state, SectionState::Ok);
    assert_eq!(report.items[0].iocs.entries.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn samples_that_hold_each_other_are_each_looked_at_once() {
    let mut world = World::new();
    let url = "https://a.example/x";
    world.add_sample(Sample::url(7, before(hours(1)), url));
    let mut running = Submission::unfinished(8, 7, before(jiff::SignedDuration::from_secs(30)));
    running.finished_at = Some(before(jiff::SignedDuration::from_secs(-60)));
    running.verdict = Some(Verdict::Clean);
    world.add_submission(running);
    for id in 100..300 {
        world.add_sample(Sample::file(id, before(hours(1)), "dropped.bin"));
        world.relate(7, id, RelationKind::DroppedFile);
        world.relate(id, 7, RelationKind::DroppedFile);
        world.relate(id, if id == 299 { 100 } else { id + 1 }, RelationKind::DroppedFile);
    }
    let place = Place::new(world);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&[url])).await).await;
    let mut ids: Vec<u64> = report.items[0].samples.iter().map(|sample| sample.sample_id).collect();
    assert_eq!(ids.len(), 50);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    assert!(report.items[0].not_done.iter().any(|text| text.contains("only 50")), "{:?}", report.items[0].not_done);
    assert!(place.stack.vmray.request_count() < 300, "{}", place.stack.vmray.request_count());
}

#[tokio::test(start_paused = true)]
async fn findings_that_vmray_still_gathers_are_waited_for() {
    let place = Place::with(World::new(), options(|vmray| vmray.settling_time = Duration::from_secs(240)));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(report.items[0].iocs.state, SectionState::Ok);
    assert_eq!(report.items[0].iocs.entries.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn findings_that_never_come_do_not_keep_the_verdict() {
    let place = Place::with(World::new(), options(|vmray| vmray.settling_time = Duration::from_secs(36_000)));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert!(report.complete);
    assert_eq!(report.verdict, OverallVerdict::Malicious);
    assert_eq!(report.items[0].iocs.state, SectionState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_locked_report_keeps_its_verdict_and_says_so() {
    let place = Place::with(World::new(), options(|vmray| "verdict".clone_into(&mut vmray.quota_type)));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(report.verdict, OverallVerdict::Malicious);
    assert_eq!(report.items[0].indicators.state, SectionState::Failed);
    assert!(report.items[0].indicators.reason.as_ref().unwrap().contains("locked"), "{:?}", report.items[0].indicators);
}

#[tokio::test(start_paused = true)]
async fn a_section_that_fails_leaves_the_others_alone() {
    let faults = vec![FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500)).on_path("/iocs")];
    let world = known_url("https://evil.example/a", Verdict::Malicious, hours(1));
    let place = Place::with(world, StackOptions { faults, ..StackOptions::default() });
    let report = to_the_end(&place.process(), place.process().enrich(urls(&["https://evil.example/a"])).await).await;
    let item = &report.items[0];
    assert_eq!((item.state, report.verdict), (ItemState::Known, OverallVerdict::Malicious));
    assert_eq!((item.iocs.state, item.indicators.state), (SectionState::Failed, SectionState::Failed));
    assert!(item.iocs.reason.as_ref().unwrap().contains("500"), "{:?}", item.iocs.reason);
    assert_eq!(item.samples.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_analysis_that_fails_is_no_verdict_and_says_why() {
    let place = Place::with(World::new(), options(|vmray| vmray.submit_outcome = SubmitOutcome::Error));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!((report.items[0].state, report.verdict), (ItemState::Analysed, OverallVerdict::Unknown));
    assert!(report.items[0].reason.contains("no verdict"), "{}", report.items[0].reason);
}

#[tokio::test(start_paused = true)]
async fn no_jobs_were_created_is_a_reuse_and_not_a_failure() {
    // A URL that cannot be searched for, and so is not known to be known.
    let url = "https://a.example/?q=\"x\"";
    let world = known_url(url, Verdict::Suspicious, hours(500));
    let place = Place::with(world, options(|vmray| vmray.analysis_caching = AnalysisCaching::Legacy));
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&[url])).await).await;
    assert_eq!((report.items[0].state, report.verdict), (ItemState::Analysed, OverallVerdict::Suspicious));
    assert_eq!(report.items[0].age_seconds, Some(500 * 3600));
    assert!(report.items[0].not_done[0].contains("no jobs"), "{:?}", report.items[0].not_done);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_too_old_is_formed_anew_although_the_key_caches() {
    for caching in [AnalysisCaching::Legacy, AnalysisCaching::Enabled] {
        let world = known_url("https://a.example/x", Verdict::Clean, hours(500));
        let place = Place::with(world, options(|vmray| vmray.analysis_caching = caching));
        let process = place.process();
        let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
        assert_eq!(report.verdict, OverallVerdict::Malicious, "{caching:?}");
        assert!(report.items[0].age_seconds.unwrap() < 600);
    }
}

#[rstest]
#[case(QuotaRefusal::InErrors)]
#[case(QuotaRefusal::WholeRequest)]
#[tokio::test(start_paused = true)]
async fn a_quota_that_vmray_finds_used_up_is_told_as_one(#[case] refusal: QuotaRefusal) {
    let stack = options(|vmray| {
        vmray.quota = (10, 10);
        vmray.quota_refusal = refusal;
        vmray.absent_endpoints.push("quota".to_owned());
    });
    let mut place = Place::with(World::new(), stack);
    // Another program may have used it up between our question and our submission.
    place.settings.quota_reserve_percent = 0;
    let faults = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(404)).on_path("/api_key/quota");
    place.stack.faults().add(faults);
    let error = place.process().enrich(urls(&["https://a.example/x"])).await.unwrap_err();
    assert!(matches!(&error, Error::Quota { message } if message.contains("Quota")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_vmray_writes_anew_is_still_found() {
    let mut stack = options(|vmray| vmray.metadata_text = MetadataText::Respaced);
    let lost = FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::ResetAfter);
    stack.faults.push(lost.on_path("/sample/submit"));
    let place = Place::with(World::new(), stack);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
}
