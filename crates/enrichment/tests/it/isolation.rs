//! A report holds nothing of another request.

use std::collections::BTreeSet;

use enrichment::{EnrichRequest, Item};
use simulators::{Verdict, World};

use crate::place::{Place, add_known_url, hours, to_the_end};

#[tokio::test(start_paused = true)]
async fn of_a_thousand_interleaved_requests_none_sees_anothers_data() {
    const REQUESTS: usize = 1000;
    let mut world = World::new();
    for (id, n) in (1000..).zip(0..REQUESTS) {
        if n % 2 == 0 {
            let url = format!("https://secret-{n}.example/a");
            add_known_url(&mut world, id, &url, Verdict::Malicious, hours(1));
        }
    }
    let mut place = Place::new(world);
    place.settings.quota_reserve_percent = 0;
    let processes = [place.process(), place.process(), place.process()];
    let asks = (0..REQUESTS).map(|n| {
        let process = processes[n % 3].clone();
        async move {
            let url = Item::url(&format!("https://secret-{n}.example/a")).unwrap();
            let mut request = EnrichRequest::new(vec![url]);
            request.incident = Some(format!("incident-{n}").parse().unwrap());
            request.upload = n % 10 == 0;
            let answer = process.enrich(request).await;
            to_the_end(&process, answer).await
        }
    });
    let reports = futures::future::join_all(asks).await;
    for (n, report) in reports.iter().enumerate() {
        let text = serde_json::to_string(report).unwrap();
        let seen: BTreeSet<&str> = text
            .split("secret-")
            .skip(1)
            .chain(text.split("incident-").skip(1))
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap())
            .collect();
        assert_eq!(seen, BTreeSet::from([n.to_string().as_str()]), "{text}");
        assert!(report.complete);
    }
    assert_eq!(place.submits(), 500);
}
