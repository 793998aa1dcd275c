//! What an enrichment keeps is damaged: it is told, or it makes no difference, and nothing is paid for twice.

use std::collections::BTreeMap;

use enrichment::{Answer, EnrichRequest, Enrichment, Error, Item, ItemReport, JobId, LinkError};
use rstest::rstest;
use simulators::{StackOptions, Verdict};

use crate::place::{Place, hours, known_url, to_the_end};

const KNOWN: &str = "https://evil.example/a";
const NEW: &str = "https://new.example/x";
const JOB: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// One bit of the byte at this share of the object, in percent.
    Flipped(usize, u8),
    Cut,
    Emptied,
    Zeroed,
    Deleted,
}

const DAMAGES: [Damage; 9] = [
    Damage::Flipped(0, 0),
    Damage::Flipped(0, 5),
    Damage::Flipped(5, 1),
    Damage::Flipped(50, 0),
    Damage::Flipped(99, 3),
    Damage::Cut,
    Damage::Emptied,
    Damage::Zeroed,
    Damage::Deleted,
];

fn damaged(bytes: &[u8], damage: Damage) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    match damage {
        Damage::Flipped(share, bit) => {
            let place = bytes.len() * share / 100;
            bytes[place] ^= 1 << bit;
        }
        Damage::Cut => bytes.truncate(bytes.len() / 2),
        Damage::Emptied => bytes.clear(),
        Damage::Zeroed => bytes.fill(0),
        Damage::Deleted => return None,
    }
    Some(bytes)
}

async fn asked(place: &Place, process: &Enrichment) -> JobId {
    let mut request = EnrichRequest::new(vec![Item::url(KNOWN).unwrap(), Item::url(NEW).unwrap()]);
    request.incident = Some("INC-7".parse().unwrap());
    let Answer::Pending { job, .. } = process.enrich(request).await.unwrap() else { panic!("one is new") };
    process.sign(&job).await.unwrap();
    assert_eq!(place.submits(), 1);
    job
}

/// Asks another process about a job until it has ended, or cannot be read.
async fn outcome(place: &Place, job: &JobId) -> Result<Vec<ItemReport>, Error> {
    let process = place.process();
    for _ in 0..200 {
        match process.job(job).await? {
            Answer::Done(report) => return Ok(report.items),
            Answer::Pending { retry_after, .. } => tokio::time::sleep(retry_after).await,
        }
    }
    panic!("it never ends");
}

/// The verdict and the indicators of each thing, which is what damage must not change.
fn essence(items: &[ItemReport]) -> Vec<String> {
    let of = |item: &ItemReport| {
        let indicators: Vec<&str> = item.indicators.entries.iter().map(|entry| entry.value.as_str()).collect();
        format!("{} {:?} {indicators:?}", item.value, item.verdict)
    };
    items.iter().map(of).collect()
}

#[rstest]
#[case::while_it_runs(false)]
#[case::when_it_has_ended(true)]
#[tokio::test(start_paused = true)]
async fn no_damage_to_what_an_enrichment_keeps_is_read_as_something_else(#[case] has_ended: bool) {
    let mut options = StackOptions::default();
    options.vmray.submit_verdict = Some(Some(Verdict::Malicious));
    let place = Place::with(known_url(KNOWN, Verdict::Malicious, hours(3)), options);
    let process = place.process();
    let job = asked(&place, &process).await;
    if has_ended {
        outcome(&place, &job).await.unwrap();
    }
    let whole = place.store.content().await;
    let expected = essence(&outcome(&place, &job).await.unwrap());
    assert!(expected.iter().all(|item| item.contains("Malicious") && !item.ends_with("[]")), "{expected:?}");
    let (mut told, mut unchanged) = (BTreeMap::<&str, usize>::new(), 0);
    for (name, bytes) in &whole {
        for damage in DAMAGES {
            if bytes.is_empty() {
                continue;
            }
            let mut content = whole.clone();
            match damaged(bytes, damage) {
                Some(bytes) => content.insert(name.clone(), bytes),
                None => content.remove(name),
            };
            place.store.put_back(&content).await;
            let found = enrichment::check_objects(&place.storage).await;
            let is_ours = ["/jobs/", "/findings/", "/keys/"].iter().any(|folder| name.contains(folder));
            assert_eq!(found.is_err(), is_ours && damage != Damage::Deleted, "{damage:?} of {name}: {found:?}");
            match outcome(&place, &job).await {
                Ok(items) => {
                    assert_eq!(essence(&items), expected, "{damage:?} of {name}");
                    unchanged += 1;
                }
                // Nothing says that there was one.
                Err(Error::NotFound) if damage == Damage::Deleted => {}
                Err(Error::State(error)) => {
                    assert!(error.to_string().contains("damaged") && error.to_string().contains(name), "{error}");
                    *told.entry(name.rsplit('/').next().unwrap()).or_default() += 1;
                }
                Err(error) => panic!("{damage:?} of {name}: {error:?}"),
            }
            // The way out: the file is removed, and somebody asks anew.
            place.store.take_away(name).await;
            let process = place.process();
            let request = EnrichRequest::new(vec![Item::url(KNOWN).unwrap(), Item::url(NEW).unwrap()]);
            let report = to_the_end(&process, process.enrich(request).await).await;
            assert_eq!(essence(&report.items), expected, "{damage:?} of {name}, removed");
            assert_eq!(place.submits(), 1, "{damage:?} of {name}: paid for twice");
        }
    }
    println!("told: {told:?}; made no difference: {unchanged}");
    assert!(told.len() >= 2, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_key_is_told_and_not_a_wrong_link() {
    let place = Place::new(known_url(KNOWN, Verdict::Malicious, hours(3)));
    let job = JOB.parse::<JobId>().unwrap();
    let token = place.process().sign(&job).await.unwrap();
    place.process().verify(&job, &token).await.unwrap();
    let whole = place.store.content().await;
    let (name, bytes) = whole.iter().find(|(name, _)| name.contains("/keys/")).unwrap();
    for damage in DAMAGES.into_iter().filter(|damage| *damage != Damage::Deleted) {
        let bytes = damaged(bytes, damage).unwrap();
        place.store.put_back(&BTreeMap::from([(name.clone(), bytes)])).await;
        let LinkError::State(error) = place.process().verify(&job, &token).await.unwrap_err() else {
            panic!("{damage:?}: a wrong link")
        };
        assert!(error.to_string().contains("damaged") && error.to_string().contains(name), "{error}");
        place.process().sign(&job).await.unwrap_err();
        // The way out.
        enrichment::rotate_link_key(&place.storage, place.clock.now()).await.unwrap();
        let token = place.process().sign(&job).await.unwrap();
        place.process().verify(&job, &token).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_an_earlier_version_signs_and_verifies() {
    let place = Place::new(known_url(KNOWN, Verdict::Malicious, hours(3)));
    let plain: Vec<u8> = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes).concat();
    place.store.put_back(&BTreeMap::from([("v1/keys/link-000001".to_owned(), plain)])).await;
    let job = JOB.parse::<JobId>().unwrap();
    let token = place.process().sign(&job).await.unwrap();
    place.process().verify(&job, &token).await.unwrap();
}
