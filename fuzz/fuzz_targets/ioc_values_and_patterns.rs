//! Any text as the value of any IOC: it ends as a finding or as a receipt, its pattern is read back as it went in, and
//! the stand-in for Sentinel's upload, which is strict, takes the indicator.
#![no_main]

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use indicators::{Rules, Style};
use libfuzzer_sys::fuzz_target;
use outbound::{Clock, Exchange, RetryPolicy, SystemClock};
use sentinel::{Cloud, Identity, Tokens, UploadClient};
use serde_json::{Map, Value, json};
use simulators::{EntraOptions, Stack, StackOptions, UploadOptions, World};
use stix::{Observable, Pattern, Property, ValueError};
use vmray::Iocs;
use vmray_sentinel_fuzz::{all_rules, composed, mapped, run, style};

type Reader = fn(&str) -> Result<Observable, ValueError>;

const READERS: [Reader; 10] = [
    Observable::domain,
    |text| Observable::ip(text).map(|(observable, _)| observable),
    Observable::url,
    Observable::md5,
    Observable::sha1,
    Observable::sha256,
    Observable::email_address,
    Observable::registry_key,
    Observable::mutex,
    Observable::command_line,
];

/// Lists of a reply and the field that holds the value.
const LISTS: [(&str, &str); 9] = [
    ("domains", "domain"),
    ("ips", "ip_address"),
    ("urls", "url"),
    ("files", "filename"),
    ("email_addresses", "email_address"),
    ("emails", "sender"),
    ("registry", "reg_key_name"),
    ("mutexes", "mutex_name"),
    ("processes", "cmd_line"),
];

/// Inputs after which the stand-in is made anew, as it remembers everything.
const INPUTS_PER_STAND_IN: u32 = 2_000;

static RULES: LazyLock<Rules> = LazyLock::new(all_rules);
static STYLE: LazyLock<Style> = LazyLock::new(style);

thread_local! {
    static STAND_IN: RefCell<Option<(u32, UploadClient)>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    patterns(text);
    values(text);
    replies(text);
});

/// Any text as a pattern, and as what a pattern compares with.
fn patterns(text: &str) {
    if let Ok(pattern) = Pattern::parse(text) {
        assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
    }
    let mut written = String::new();
    Pattern::write(&mut written, Property::CommandLine, text);
    match Pattern::parse(&written) {
        Ok(pattern) => assert_eq!((pattern.text(), pattern.to_string()), (text, written)),
        Err(error) => assert!(text.len() > stix::MAX_VALUE_BYTES, "{error}: {written}"),
    }
}

/// What is a value is its own value and keeps its id.
fn values(text: &str) {
    for read in READERS {
        let Ok(observable) = read(text) else { continue };
        let value = observable.value();
        assert_eq!(read(&value).as_ref(), Ok(&observable));
        assert_eq!(Observable::of_kind(observable.kind(), &value).as_ref(), Ok(&observable));
        assert!(value.len() <= stix::MAX_VALUE_BYTES + 64, "{} bytes of {}", value.len(), text.len());
        assert_eq!(observable.pattern().observable(), Ok(observable.clone()));
    }
}

/// A reply in which the text is every value and every word beside the values.
fn replies(text: &str) {
    let hashes = json!([{"md5_hash": text, "sha1_hash": text, "sha256_hash": text}]);
    let words = json!([text, "known"]);
    let mut whole = Map::new();
    for (list, field) in LISTS {
        let mut entry = json!({
            "verdict": "malicious", "ioc": true, "analysis_ids": [1], "threat_names": words, "classifications": words,
            "categories": words, "filenames": words, "hashes": hashes, "sender": true,
        });
        entry[field] = text.into();
        let lone: Iocs = serde_json::from_value(json!({ list: [entry] })).unwrap();
        let lone = mapped(&lone, &RULES, &[]);
        assert!(!lone.findings.is_empty() || !lone.receipts.is_empty(), "{list}: neither found nor accounted for");
        whole.insert(list.to_owned(), json!([entry, {"verdict": "malicious", field: "evil.example"}]));
    }
    let whole: Iocs = serde_json::from_value(Value::Object(whole)).unwrap();
    let found = mapped(&whole, &RULES, &[text.to_owned()]);
    let neighbour = Observable::domain("evil.example").unwrap().id();
    assert!(found.findings.iter().any(|finding| finding.id == neighbour), "the neighbour is lost");
    let objects: Vec<Bytes> =
        found.findings.iter().map(|finding| serde_json::to_vec(&composed(finding, &STYLE)).unwrap().into()).collect();
    upload(&objects);
}

fn upload(objects: &[Bytes]) {
    STAND_IN.with_borrow_mut(|slot| {
        let (uses, client) = slot.take().filter(|(uses, _)| *uses > 0).unwrap_or_else(|| (INPUTS_PER_STAND_IN, stand_in()));
        let uploaded = run(client.upload(objects)).unwrap();
        for refusal in &uploaded.refused {
            panic!("refused: {:?}\n{}", refusal.messages, String::from_utf8_lossy(&objects[refusal.index]));
        }
        *slot = Some((uses - 1, client));
    });
}

fn stand_in() -> UploadClient {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = StackOptions {
        upload: UploadOptions { throttle: None, ..UploadOptions::default() },
        ..StackOptions::default()
    };
    let stack = Stack::new(World::default(), options, clock.clone());
    let setting = |name: &str| stack.settings().into_iter().find(|(known, _)| *known == name).unwrap().1;
    let cloud = Cloud {
        authority: setting("AZURE_AUTHORITY_HOST").parse().unwrap(),
        ti_endpoint: setting("SentinelTiEndpoint").parse().unwrap(),
        ..Cloud::public()
    };
    let identity = Identity::ClientSecret {
        tenant: setting("AzureTenantID").parse().unwrap(),
        client_id: EntraOptions::CLIENT_ID.parse().unwrap(),
        secret: setting("AzureClientSecret").into(),
    };
    let network = Arc::new(stack.in_process());
    let tokens = Arc::new(Tokens::new(network.clone(), clock.clone(), &cloud, identity));
    let exchange = Exchange::new(network, RetryPolicy::once(Duration::from_secs(30)));
    UploadClient::new(exchange, &cloud, UploadOptions::WORKSPACE.parse().unwrap(), tokens, clock, "fuzzer")
}
