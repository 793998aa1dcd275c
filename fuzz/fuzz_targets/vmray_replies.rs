//! Any answer of VMRay to any question: no panic, no key in a message, lists in order, and nothing that one element
//! contains costs its neighbours.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indicators::Rules;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use outbound::{Exchange, RetryPolicy, TokioClock};
use serde::{Serialize, de::DeserializeOwned};
use vmray::{Client, Entry, Error, IocsReply, Listing, SampleId, SubmissionFilter, SubmissionId, SubmitRequest};
use vmray_sentinel_fuzz::{Played, Server, all_rules, json_text, mapped, now, run};

const KEY: &str = "k3y-of-the-fuzzer";
/// Two of three answers say that all is well, as behind those is most of the code.
const STATUSES: [u16; 16] = [200, 200, 200, 200, 200, 200, 200, 200, 201, 302, 400, 401, 403, 404, 429, 503];
/// Longest message: the server's words are cut at 300 characters.
const MESSAGE_CHARS: usize = 400;
const LISTS: [&str; 10] =
    ["domains", "ips", "urls", "files", "filenames", "email_addresses", "emails", "registry", "mutexes", "processes"];
const QUESTIONS: usize = 17;

static RULES: LazyLock<Rules> = LazyLock::new(all_rules);

fuzz_target!(|data: &[u8]| {
    let played = Played::of(data);
    run(ask(&played));
    if let Some(text) = json_text(played.body) {
        neighbours(text);
    }
});

fn client(played: &Played<'_>) -> Client {
    let server = Server::new(played.response(&STATUSES), 3);
    let exchange = Exchange::new(Arc::new(server), RetryPolicy::once(Duration::from_secs(30))).with_seed(1);
    let clock = Arc::new(TokioClock::new(now()));
    Client::new(exchange, "https://vmray.test".parse().unwrap(), KEY.into(), "fuzzer", clock)
}

async fn ask(played: &Played<'_>) {
    let client = client(played);
    match played.choice(0, QUESTIONS) {
        0 => drop(said(client.probe().await)),
        1 => stable(said(client.quota().await)),
        2 => submissions(said(client.submissions(&SubmissionFilter::default()).await), None),
        3 => {
            let min_id = Some(SubmissionId(4));
            submissions(said(client.submissions(&SubmissionFilter { min_id, ..Default::default() }).await), min_id);
        }
        4 => stable(said(client.submission(SubmissionId(1)).await)),
        5 => listed(said(client.submissions_of_sample(SampleId(1)).await)),
        6 => listed(said(client.samples(None).await)),
        7 => stable(said(client.sample(SampleId(1)).await)),
        8 => iocs(said(client.iocs(SampleId(1)).await)),
        9 => stable(said(client.vtis(SampleId(1)).await)),
        10 => {
            let Some(attack) = said(client.mitre_attack(SampleId(1)).await) else { return };
            drop(indicators::tactics(&attack));
            stable(Some(attack));
        }
        11 => listed(said(client.analyses_of_sample(SampleId(1)).await)),
        12 => listed(said(client.jobs_of_submission(SubmissionId(1)).await)),
        13 => stable(said(client.submit(&SubmitRequest::url("https://evil.example/")).await)),
        14 => drop(said(client.submit_value(&SubmitRequest::url("https://evil.example/")).await)),
        15 => drop(said(client.get_raw(&["sample", "1"], &[]).await)),
        _ => listed(said(client.samples_by_hash(&"d41d8cd98f00b204e9800998ecf8427e".parse().unwrap()).await)),
    }
}

/// What was answered; of an error, that its words can be shown to anybody.
fn said<T>(outcome: Result<T, Error>) -> Option<T> {
    let error = match outcome {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let words = format!("{error} {error:?}");
    assert!(!words.contains(KEY), "the key is in {words}");
    let message = error.to_string();
    assert!(message.chars().count() <= MESSAGE_CHARS, "too long: {message}");
    assert!(!message.chars().any(char::is_control), "control character in {message:?}");
    None
}

/// What is written is read again, and from then on as the same. The first reading may differ: what stands in a list's
/// place and is none is one element that cannot be read, and alone in a list it may be one that can.
fn stable<T: Serialize + DeserializeOwned>(read: Option<T>) {
    let Some(mut read) = read else { return };
    let mut written = Vec::new();
    for _ in 0..3 {
        let text = serde_json::to_string(&read).unwrap();
        read = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        written.push(text);
    }
    assert_eq!(written[1], written[2], "from {}", written[0]);
}

fn listed<T: Serialize + DeserializeOwned>(list: Option<Listing<T>>) {
    for entry in list.into_iter().flat_map(|list| list.items) {
        stable(entry.into_read());
    }
}

/// A page is in ascending order, begins where it was asked to, and can be followed by the next.
fn submissions(list: Option<Listing<vmray::Submission>>, min_id: Option<SubmissionId>) {
    let Some(list) = list else { return };
    let ids: Vec<SubmissionId> = vmray::readable(&list.items).map(|submission| submission.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert!(min_id.is_none_or(|min| ids.iter().all(|id| *id >= min)), "{ids:?}");
    assert!(!list.more || !ids.is_empty(), "there is more, but from where?");
    listed(Some(list));
}

fn iocs(reply: Option<IocsReply>) {
    let Some(reply) = reply else { return };
    mapped(&reply.iocs, &RULES, &[]);
    stable(Some(reply.iocs));
}

/// Whatever JSON stands between two elements, both are read.
fn neighbours(text: &str) {
    let lists: Vec<String> = LISTS.iter().map(|list| format!("\"{list}\":[{{}},{text},{{}}]")).collect();
    let body = format!(r#"{{"data":{{"status":"finished","iocs":{{{}}}}},"result":"ok"}}"#, lists.join(","));
    let reply = run(client(&Played::of(format!("\0\0\n{body}").as_bytes())).iocs(SampleId(1))).unwrap();
    let vmray::Iocs {
        domains, ips, urls, files, filenames, email_addresses, emails, registry, mutexes, processes, ..
    } = &reply.iocs;
    between(domains);
    between(ips);
    between(urls);
    between(files);
    between(filenames);
    between(email_addresses);
    between(emails);
    between(registry);
    between(mutexes);
    between(processes);
    mapped(&reply.iocs, &RULES, &[]);

    let one = |id: u64| format!(r#"{{"submission_id":{id},"submission_sample_id":{id}}}"#);
    let body = format!(r#"{{"data":[{},{text},{}],"result":"ok"}}"#, one(1), one(3));
    let filter = SubmissionFilter { finish_time: Some((Some(Timestamp::UNIX_EPOCH), None)), ..Default::default() };
    let page = run(client(&Played::of(format!("\0\0\n{body}").as_bytes())).submissions(&filter)).unwrap();
    let ids: Vec<u64> = vmray::readable(&page.items).map(|submission| submission.id.0).collect();
    assert!(ids.contains(&1) && ids.contains(&3), "{ids:?}");
}

fn between<T>(list: &[Entry<T>]) {
    assert!(matches!(list, [Entry::Read(_), _, Entry::Read(_)]), "{} entries", list.len());
}
