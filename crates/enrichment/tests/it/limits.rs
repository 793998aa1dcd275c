//! The quota's reserve and the cap of an incident.

use enrichment::{Error, ItemState};
use simulators::{StackOptions, Verdict, World};

use crate::place::{Place, hours, known_url, to_the_end, urls};

#[tokio::test(start_paused = true)]
async fn the_reserve_of_the_quota_is_left_alone() {
    let mut options = StackOptions::default();
    options.vmray.quota = (100, 89);
    let place = Place::with(World::new(), options);
    let process = place.process();
    let report =
        to_the_end(&process, process.enrich(urls(&["https://a.example/1", "https://a.example/2"])).await).await;
    let states: Vec<ItemState> = report.items.iter().map(|item| item.state).collect();
    assert_eq!(states, [ItemState::Analysed, ItemState::Refused]);
    assert!(report.items[1].reason.contains("QuotaReserve"), "{}", report.items[1].reason);
    let error = process.enrich(urls(&["https://a.example/3"])).await.unwrap_err();
    assert!(matches!(error, Error::Quota { .. }), "{error:?}");
    assert_eq!(place.submits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_too_old_is_better_than_none_where_nothing_may_be_submitted() {
    let mut options = StackOptions::default();
    options.vmray.quota = (100, 100);
    let place = Place::with(known_url("https://a.example/x", Verdict::Clean, hours(100)), options);
    let process = place.process();
    let report = to_the_end(&process, process.enrich(urls(&["https://a.example/x"])).await).await;
    assert_eq!(report.items[0].state, ItemState::Known);
    assert!(report.items[0].not_done[0].contains("not analysed again"), "{:?}", report.items[0].not_done);
}

#[tokio::test(start_paused = true)]
async fn an_incident_makes_no_more_submissions_than_it_may_over_all_requests_and_processes() {
    let mut place = Place::new(World::new());
    place.settings.max_submissions_per_incident = 3;
    let processes = [place.process(), place.process()];
    let mut refused = 0;
    for round in 0..2 {
        let asks = (0..4).map(|n| {
            let mut request = urls(&[&format!("https://a.example/{round}/{n}")]);
            request.incident = Some("incident 1".parse().unwrap());
            processes[n % 2].enrich(request)
        });
        for answer in futures::future::join_all(asks).await {
            refused += usize::from(matches!(answer, Err(Error::Quota { .. })));
        }
    }
    assert_eq!((place.submits(), refused), (3, 5));
    let mut request = urls(&["https://a.example/other"]);
    request.incident = Some("incident 2".parse().unwrap());
    assert!(processes[0].enrich(request).await.is_ok(), "another incident has its own");
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_another_incident_made_does_not_count() {
    let mut place = Place::new(World::new());
    place.settings.max_submissions_per_incident = 1;
    let processes = [place.process(), place.process()];
    let asks = (0..2).map(|n| {
        let mut request = urls(&["https://a.example/shared"]);
        request.incident = Some(format!("incident {n}").parse().unwrap());
        processes[n].enrich(request)
    });
    for answer in futures::future::join_all(asks).await {
        answer.unwrap();
    }
    let mut taken = 0;
    for (n, process) in processes.iter().enumerate() {
        let mut request = urls(&[&format!("https://a.example/own/{n}")]);
        request.incident = Some(format!("incident {n}").parse().unwrap());
        taken += usize::from(process.enrich(request).await.is_ok());
    }
    assert_eq!((place.submits(), taken), (2, 1), "one incident paid for what both share");
}
