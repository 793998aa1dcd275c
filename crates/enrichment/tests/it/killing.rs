//! A process may die at any point between the intent and the record of a submission.

use std::time::Duration;

use enrichment::{Answer, EnrichRequest, Enrichment, ItemState, JobId, Report};
use rstest::rstest;
use simulators::World;
use tokio_util::sync::CancellationToken;

use crate::place::{Place, file, killed, to_the_end, urls};
use crate::store::Stop;

async fn taken_over(place: &Place, process: &Enrichment) -> Report {
    let open = place.store.names("/open/");
    let id: JobId = open[0].rsplit('/').next().unwrap().parse().unwrap();
    to_the_end(process, process.job(&id).await).await
}

#[rstest]
#[case::before_the_intent(Stop::Before("/intent"))]
#[case::before_the_claim(Stop::Before("/claim-0001"))]
#[case::before_the_submission(Stop::After("/claim-0001"))]
#[case::before_the_record(Stop::Before("/submitted"))]
#[case::after_the_record(Stop::After("/submitted"))]
#[tokio::test(start_paused = true)]
async fn a_url_is_submitted_once_wherever_the_process_died(#[case] stop: Stop) {
    let place = Place::new(World::new());
    place.store.stop(stop);
    killed(place.process().enrich(urls(&["https://a.example/x"]))).await;
    let report = taken_over(&place, &place.process()).await;
    assert_eq!(report.items[0].state, ItemState::Analysed, "{report:?}");
    assert_eq!(place.submits(), 1);
}

#[rstest]
#[case::before_the_claim(Stop::Before("/claim-0001"), 0)]
#[case::before_the_submission(Stop::After("/claim-0001"), 0)]
#[case::before_the_record(Stop::Before("/submitted"), 1)]
#[tokio::test(start_paused = true)]
async fn a_file_that_was_not_sent_is_to_be_sent_again_and_one_that_was_is_found(
    #[case] stop: Stop,
    #[case] submits: usize,
) {
    let place = Place::new(World::new());
    place.store.stop(stop);
    let item = file("a.bin", b"some bytes").await;
    killed(place.process().enrich(EnrichRequest::new(vec![item.clone()]))).await;
    let process = place.process();
    let report = taken_over(&place, &process).await;
    assert_eq!(place.submits(), submits);
    if submits == 1 {
        assert_eq!(report.items[0].state, ItemState::Analysed);
        return;
    }
    assert_eq!(report.items[0].state, ItemState::Failed);
    assert!(report.items[0].reason.contains("send the file again"), "{}", report.items[0].reason);
    let report = to_the_end(&process, process.enrich(EnrichRequest::new(vec![item])).await).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_submits_while_a_claim_is_young() {
    let place = Place::new(World::new());
    place.store.stop(Stop::After("/claim-0001"));
    killed(place.process().enrich(urls(&["https://a.example/x"]))).await;
    let process = place.process();
    let Answer::Pending { job, .. } = process.enrich(urls(&["https://a.example/x"])).await.unwrap() else {
        panic!("it is being submitted")
    };
    assert_eq!(place.submits(), 0);
    tokio::time::sleep(Duration::from_secs(120)).await;
    process.job(&job).await.unwrap();
    assert_eq!(place.submits(), 1);
}

#[rstest]
#[case::before_the_claim(Stop::Before("/claim-0001"))]
#[case::before_the_submission(Stop::After("/claim-0001"))]
#[tokio::test(start_paused = true)]
async fn a_file_that_is_sent_again_is_used_although_another_process_has_claimed(#[case] stop: Stop) {
    let place = Place::new(World::new());
    place.store.stop(stop);
    let item = file("a.bin", b"some bytes").await;
    killed(place.process().enrich(EnrichRequest::new(vec![item.clone()]))).await;
    let process = place.process();
    // Nobody sends it a third time, and a process without the file asks too.
    let answer = process.enrich(EnrichRequest::new(vec![item])).await;
    let Ok(Answer::Pending { job, .. }) = &answer else { panic!("{answer:?}") };
    let without = place.process();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        without.job(job).await.unwrap();
        process.sweep(&CancellationToken::new()).await.unwrap();
    }
    let report = to_the_end(&process, answer).await;
    assert_eq!((report.items[0].state, place.submits()), (ItemState::Analysed, 1), "{report:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_claim_of_a_process_that_was_killed_here_is_free_at_once() {
    let place = Place::new(World::new());
    place.store.stop(Stop::After("/claim-0001"));
    let item = file("a.bin", b"some bytes").await;
    killed(place.process().enrich(EnrichRequest::new(vec![item.clone()]))).await;
    // What a process that is gone has left: the same words with another time of its start, and, as earlier versions wrote
    // it, without a checksum.
    place.store.rewrite("/claim-0001", |claim| {
        // Behind the version's byte and a SHA-256.
        let mut claim: serde_json::Value = serde_json::from_slice(&claim[33..]).unwrap();
        let mut words: Vec<String> = claim["owner"].as_str().unwrap().split(' ').map(str::to_owned).collect();
        words[2] = "1".to_owned();
        claim["owner"] = words.join(" ").into();
        claim.to_string().into_bytes()
    });
    let process = place.process();
    process.enrich(EnrichRequest::new(vec![item])).await.unwrap();
    assert_eq!(place.submits(), 1, "it waited for two minutes");
}
