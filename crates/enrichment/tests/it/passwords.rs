//! A password is part of what is looked up: what was analysed without it does not answer.

use enrichment::{EnrichRequest, Item, ItemState, OverallVerdict};
use rstest::rstest;
use simulators::{AnalysisCaching, Inside, Sample, StackOptions, Submission, Verdict, World};

use crate::place::{Place, before, file, hours, to_the_end};

/// VMRay, which calls an archive clean that it could not open, and the archive with each of these passwords.
async fn place(caching: AnalysisCaching, passwords: &[&str]) -> (Place, Vec<EnrichRequest>) {
    let mut options = StackOptions::default();
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    options.vmray.analysis_caching = caching;
    let place = Place::with(World::new(), options);
    let item = file("a.7z", b"a protected archive").await;
    let Item::File(archive) = &item else { panic!("not a file") };
    let requests = passwords.iter().map(|password| {
        let mut archive = archive.clone();
        archive.archive_password = Some((*password).into()).filter(|_| !password.is_empty());
        EnrichRequest::new(vec![Item::File(archive)])
    });
    let requests = requests.collect();
    place.stack.vmray.edit(|world| {
        let mut sample = Sample::file(7, before(hours(4)), "a.7z");
        sample.hashes.sha256 = Some(archive.file.sha256().to_string());
        world.add_sample(sample);
        world.add_submission(Submission::finished(8, 7, before(hours(3)), Some(Verdict::Clean)));
        let inside = Inside::container("archive", &[("a.exe", b"MZ one")]);
        world.describe(archive.file.sha256().as_str(), Inside { password: Some("hunter2".to_owned()), ..inside });
    });
    (place, requests)
}

#[rstest]
#[case(AnalysisCaching::Disabled)]
#[case(AnalysisCaching::Enabled)]
#[case(AnalysisCaching::Legacy)]
#[tokio::test(start_paused = true)]
async fn an_archive_analysed_without_a_password_does_not_answer_for_one_with_it(#[case] caching: AnalysisCaching) {
    let (place, requests) = place(caching, &["", "hunter2"]).await;
    let process = place.process();
    let without = to_the_end(&process, process.enrich(requests[0].clone()).await).await;
    assert_eq!(
        (without.items[0].state, without.verdict, place.submits()),
        (ItemState::Known, OverallVerdict::Clean, 0)
    );
    let with = to_the_end(&process, process.enrich(requests[1].clone()).await).await;
    assert_eq!(
        (with.items[0].state, with.verdict, place.submits()),
        (ItemState::Analysed, OverallVerdict::Malicious, 1)
    );
    assert_eq!(with.items[0].samples.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_password_is_paid_for_once_and_another_one_is_another_analysis() {
    let (place, requests) = place(AnalysisCaching::Disabled, &["hunter2", "other"]).await;
    for (request, submits) in [(&requests[0], 1), (&requests[0], 1), (&requests[1], 2), (&requests[1], 2)] {
        // Each is asked by a process of its own, and the first two of a pair while VMRay is at it.
        let process = place.process();
        process.enrich(request.clone()).await.unwrap();
        assert_eq!(place.submits(), submits);
    }
    let process = place.process();
    let report = to_the_end(&process, process.enrich(requests[0].clone()).await).await;
    assert_eq!((report.verdict, place.submits()), (OverallVerdict::Malicious, 2));
}

#[tokio::test(start_paused = true)]
async fn what_another_state_analysed_with_the_same_password_answers() {
    let (mut place, requests) = place(AnalysisCaching::Disabled, &["hunter2"]).await;
    let process = place.process();
    to_the_end(&process, process.enrich(requests[0].clone()).await).await;
    place.settings.account = "another".to_owned();
    let other = place.process();
    let report = to_the_end(&other, other.enrich(requests[0].clone()).await).await;
    assert_eq!((report.items[0].state, report.verdict), (ItemState::Known, OverallVerdict::Malicious));
    assert_eq!(place.submits(), 1);
}
