//! What came out of a thing counts, whether VMRay knew it or analyses it now; what could not be seen is never clean.

use enrichment::{Answer, EnrichRequest, Item, ItemState, OverallVerdict, Report};
use rstest::rstest;
use simulators::{
    Access, AnalysisCaching, ArchiveAction, ChildrenEnd, Fault, FaultRule, Inside, Ioc, IocKind, RelationKind, Sample,
    ServiceName, StackOptions, Submission, Verdict, When, World,
};

use crate::place::{Place, before, file, hours, to_the_end};

const ARCHIVE: u64 = 7;
const MADE: u64 = 1007;

/// How VMRay shows that a member came out of the archive.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shown {
    /// As a submission that the archive's made.
    BySubmission,
    /// As a sample alone, as after an answer from its cache.
    BySample,
}

/// A world in which VMRay calls an archive clean.
fn clean_archive() -> (World, EnrichRequest) {
    let mut world = World::new();
    let sample = Sample::file(ARCHIVE, before(hours(4)), "archive.zip");
    let hash = sample.hashes.sha256.clone().unwrap();
    world.add_sample(sample);
    world.add_submission(Submission::finished(MADE, ARCHIVE, before(hours(3)), Some(Verdict::Clean)));
    (world, EnrichRequest::new(vec![Item::hash(&hash).unwrap()]))
}

fn add_member(world: &mut World, parent: (u64, u64), id: u64, verdict: Option<Verdict>, shown: Shown) {
    let value = format!("https://evil.example/{id}");
    let iocs = verdict.map(|verdict| Ioc::new(IocKind::Url, &value, verdict)).into_iter().collect();
    world.add_sample(Sample::file(id, before(hours(4)), &format!("member-{id}.exe")).with_iocs(iocs));
    let mut made = Submission::finished(id + 1000, id, before(hours(3)), verdict);
    made.parent = (shown == Shown::BySubmission).then_some(parent.1);
    made.has_errors = verdict.is_none();
    world.add_submission(made);
    world.relate(parent.0, id, RelationKind::EmbeddedFile);
}

async fn ask(place: &Place, request: &EnrichRequest) -> Report {
    let process = place.process();
    to_the_end(&process, process.enrich(request.clone()).await).await
}

#[rstest]
#[case(Shown::BySubmission)]
#[case(Shown::BySample)]
#[tokio::test(start_paused = true)]
async fn a_known_archive_is_as_bad_as_what_is_deep_in_it(#[case] shown: Shown) {
    let (mut world, request) = clean_archive();
    add_member(&mut world, (ARCHIVE, MADE), 8, Some(Verdict::Clean), shown);
    add_member(&mut world, (8, 1008), 9, Some(Verdict::Malicious), shown);
    let place = Place::new(world);
    let report = ask(&place, &request).await;
    let item = &report.items[0];
    assert_eq!((item.state, report.verdict), (ItemState::Known, OverallVerdict::Malicious));
    assert!(item.reason.contains("member-9.exe"), "{}", item.reason);
    let depths: Vec<_> = item.samples.iter().map(|sample| (sample.sample_id, sample.depth)).collect();
    assert_eq!(depths, [(ARCHIVE, 0), (8, 1), (9, 2)]);
    assert_eq!((item.iocs.entries.len(), item.indicators.entries.len()), (1, 1));
    assert_eq!((place.submits(), report.complete), (0, true));
}

#[rstest]
#[case(ChildrenEnd::BeforeParent)]
#[case(ChildrenEnd::AfterParent)]
#[tokio::test(start_paused = true)]
async fn an_answer_from_what_is_known_is_that_of_the_analysis_itself(#[case] children_end: ChildrenEnd) {
    let mut options = StackOptions::default();
    options.vmray.children_end = children_end;
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    let place = Place::with(World::new(), options);
    let item = file("a.7z", b"an archive").await;
    let Item::File(archive) = &item else { panic!("not a file") };
    let hash = archive.file.sha256().clone();
    let inside = Inside::container("archive", &[("a.exe", b"MZ one"), ("b.exe", b"MZ two"), ("c.exe", b"MZ three")]);
    place.stack.vmray.edit(|world| world.describe(hash.as_str(), inside));
    let fresh = ask(&place, &EnrichRequest::new(vec![item])).await;
    assert_eq!((fresh.items[0].state, fresh.items[0].samples.len()), (ItemState::Analysed, 4));
    let reused = ask(&place, &EnrichRequest::new(vec![Item::Hash(hash)])).await;
    assert_eq!((reused.items[0].state, place.submits()), (ItemState::Known, 1));
    assert_eq!(reused.verdict, fresh.verdict);
    let ids = |report: &Report| -> Vec<_> {
        report.items[0].indicators.entries.iter().filter_map(|entry| entry.id.clone()).collect()
    };
    assert_eq!(ids(&reused).len(), 12, "three hashes of each");
    assert_eq!(ids(&reused), ids(&fresh));
}

#[tokio::test(start_paused = true)]
async fn a_known_archive_whose_members_still_run_is_not_clean_and_is_waited_for() {
    let (mut world, request) = clean_archive();
    add_member(&mut world, (ARCHIVE, MADE), 8, Some(Verdict::Clean), Shown::BySubmission);
    world.add_sample(Sample::file(9, before(hours(3)), "late.exe"));
    world.relate(ARCHIVE, 9, RelationKind::EmbeddedFile);
    let mut late = Submission::unfinished(1009, 9, before(jiff::SignedDuration::from_secs(60)));
    late.parent = Some(MADE);
    late.finished_at = Some(before(jiff::SignedDuration::from_secs(-300)));
    late.verdict = Some(Verdict::Malicious);
    world.add_submission(late);
    let place = Place::new(world);
    let process = place.process();
    let answer = process.enrich(request).await.unwrap();
    let Answer::Pending { report_so_far, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!((report_so_far.verdict, report_so_far.items[0].verdict.clone()), (OverallVerdict::Unknown, None));
    let report = to_the_end(&process, Ok(answer)).await;
    assert_eq!((report.verdict, place.submits()), (OverallVerdict::Malicious, 0));
    assert_eq!(report.items[0].samples.len(), 3);
    assert!(report.items[0].not_done[0].contains("nothing was submitted"), "{:?}", report.items[0].not_done);
}

#[rstest]
#[case::forbidden(Access::Forbidden, "could not be seen")]
#[case::deleted(Access::Missing, "could not be seen")]
#[tokio::test(start_paused = true)]
async fn a_member_that_is_not_shown_keeps_the_archive_from_being_clean(#[case] access: Access, #[case] words: &str) {
    let (mut world, request) = clean_archive();
    add_member(&mut world, (ARCHIVE, MADE), 8, Some(Verdict::Clean), Shown::BySubmission);
    world.sample_mut(8).unwrap().access = access;
    let place = Place::new(world);
    let report = ask(&place, &request).await;
    let item = &report.items[0];
    assert_eq!((item.state, item.verdict.clone(), report.verdict), (ItemState::Known, None, OverallVerdict::Unknown));
    assert!(item.reason.contains(words) && item.not_done.iter().any(|text| text.contains(words)), "{item:?}");
    assert!(report.complete);
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_verdict_keeps_the_archive_from_being_clean_but_not_from_being_malicious() {
    for (other, expected) in
        [(Verdict::Clean, OverallVerdict::Unknown), (Verdict::Malicious, OverallVerdict::Malicious)]
    {
        let (mut world, request) = clean_archive();
        add_member(&mut world, (ARCHIVE, MADE), 8, None, Shown::BySubmission);
        add_member(&mut world, (ARCHIVE, MADE), 9, Some(other), Shown::BySubmission);
        let report = ask(&Place::new(world), &request).await;
        assert_eq!(report.verdict, expected);
        let told = &report.items[0].not_done;
        assert!(told.iter().any(|text| text.contains("no verdict on member-8.exe")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_vmray_has_looked_at_without_forming_a_verdict_leaves_the_archive_clean() {
    let (mut world, request) = clean_archive();
    add_member(&mut world, (ARCHIVE, MADE), 8, Some(Verdict::NotAvailable), Shown::BySubmission);
    assert_eq!(ask(&Place::new(world), &request).await.verdict, OverallVerdict::Clean);
}

#[tokio::test(start_paused = true)]
async fn members_that_hold_each_other_and_are_many_are_followed_within_bounds_and_not_called_clean() {
    let (mut world, request) = clean_archive();
    for id in 100..300 {
        add_member(&mut world, (ARCHIVE, MADE), id, Some(Verdict::Clean), Shown::BySample);
        world.relate(id, ARCHIVE, RelationKind::DroppedFile);
        world.relate(id, if id == 299 { 100 } else { id + 1 }, RelationKind::DroppedFile);
    }
    let place = Place::new(world);
    let report = ask(&place, &request).await;
    let mut ids: Vec<u64> = report.items[0].samples.iter().map(|sample| sample.sample_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), report.items[0].samples.len()), (50, 50));
    assert_eq!(report.verdict, OverallVerdict::Unknown);
    assert!(report.items[0].reason.contains("only 50"), "{}", report.items[0].reason);
    assert!(place.stack.vmray.request_count() < 300, "{}", place.stack.vmray.request_count());
}

#[tokio::test(start_paused = true)]
async fn members_that_cannot_be_asked_for_now_are_told_and_the_own_verdict_stays() {
    for (own, expected) in [(Verdict::Clean, OverallVerdict::Unknown), (Verdict::Malicious, OverallVerdict::Malicious)]
    {
        let (mut world, request) = clean_archive();
        world.submission_mut(MADE).unwrap().verdict = Some(own);
        let place = Place::new(world);
        let faults = FaultRule::new(ServiceName::Vmray, When::Always, Fault::Status(500));
        place.stack.faults().add(faults.on_path("parent_submission_id"));
        let report = ask(&place, &request).await;
        assert_eq!((report.items[0].state, report.verdict), (ItemState::Known, expected));
        let told = &report.items[0].not_done;
        assert!(told.iter().any(|text| text.contains("could not be asked for")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_clean_item_beside_one_that_is_not_looked_at_as_a_whole_makes_no_clean_request() {
    let (mut world, mut request) = clean_archive();
    add_member(&mut world, (ARCHIVE, MADE), 8, Some(Verdict::Clean), Shown::BySubmission);
    world.sample_mut(8).unwrap().access = Access::Forbidden;
    let other = Sample::file(20, before(hours(4)), "b.exe");
    request.items.push(Item::hash(other.hashes.sha256.as_ref().unwrap()).unwrap());
    world.add_sample(other);
    world.add_submission(Submission::finished(1020, 20, before(hours(3)), Some(Verdict::Clean)));
    let report = ask(&Place::new(world), &request).await;
    assert_eq!(report.items[1].verdict, Some(vmray::Verdict::Clean));
    assert_eq!(report.verdict, OverallVerdict::Unknown);
}

#[rstest]
#[case::all_new(None)]
#[case::one_known(Some(Verdict::Malicious))]
#[tokio::test(start_paused = true)]
async fn of_an_archive_that_becomes_several_submissions_the_known_members_count_and_it_is_paid_for_once(
    #[case] known: Option<Verdict>,
) {
    let mut options = StackOptions::default();
    options.vmray.archive_action = ArchiveAction::SeparateSamples;
    options.vmray.analysis_caching = AnalysisCaching::Legacy;
    options.vmray.submit_verdict = Some(Some(Verdict::Clean));
    let place = Place::with(World::new(), options);
    let member = file("b.exe", b"MZ two").await;
    if let Some(verdict) = known {
        place.stack.vmray.edit_options(|options| options.submit_verdict = Some(Some(verdict)));
        ask(&place, &EnrichRequest::new(vec![member])).await;
        place.stack.vmray.edit_options(|options| options.submit_verdict = Some(Some(Verdict::Clean)));
    }
    let item = file("a.7z", b"an archive").await;
    let Item::File(archive) = &item else { panic!("not a file") };
    let inside = Inside::container("archive", &[("a.exe", b"MZ one"), ("b.exe", b"MZ two")]);
    place.stack.vmray.edit(|world| world.describe(archive.file.sha256().as_str(), inside));
    let before = place.submits();
    let request = EnrichRequest::new(vec![item]);
    let report = ask(&place, &request).await;
    assert_eq!(report.items[0].samples.len(), 2, "{:?}", report.items[0].samples);
    let expected = if known.is_some() { OverallVerdict::Malicious } else { OverallVerdict::Clean };
    assert_eq!(report.verdict, expected, "{:?}", report.items[0]);
    let again = ask(&place, &request).await;
    assert_eq!((again.verdict, place.submits()), (expected, before + 1));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vmray_refuses_keeps_the_others_from_being_clean() {
    let mut options = StackOptions::default();
    options.vmray.archive_action = ArchiveAction::SeparateSamples;
    options.vmray.submit_verdict = Some(Some(Verdict::Clean));
    options.vmray.quota = (10, 9);
    let mut place = Place::with(World::new(), options);
    place.settings.quota_reserve_percent = 0;
    let item = file("a.7z", b"an archive").await;
    let Item::File(archive) = &item else { panic!("not a file") };
    let inside = Inside::container("archive", &[("a.exe", b"MZ one"), ("b.exe", b"MZ two")]);
    place.stack.vmray.edit(|world| world.describe(archive.file.sha256().as_str(), inside));
    let report = ask(&place, &EnrichRequest::new(vec![item])).await;
    assert_eq!((report.items[0].samples.len(), report.verdict), (1, OverallVerdict::Unknown));
    assert!(report.items[0].reason.contains("refused a part"), "{}", report.items[0].reason);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vmray_is_late_with_counts_in_the_next_answer() {
    let (mut world, request) = clean_archive();
    world.submission_mut(MADE).unwrap().finished_at = Some(before(jiff::SignedDuration::from_mins(10)));
    let place = Place::new(world);
    assert_eq!(ask(&place, &request).await.verdict, OverallVerdict::Clean);
    place.stack.vmray.edit(|world| {
        add_member(world, (ARCHIVE, MADE), 8, Some(Verdict::Malicious), Shown::BySubmission);
    });
    assert_eq!(ask(&place, &request).await.verdict, OverallVerdict::Malicious);
}
