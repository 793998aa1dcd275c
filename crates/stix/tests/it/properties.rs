//! What holds for every text.

use proptest::prelude::*;
use stix::{Observable, Pattern, Property, StixId, ValueError};
use url::Url;

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

/// Texts of which many are values: free text, and the shapes of each kind with odd characters in them.
fn text() -> impl Strategy<Value = String> {
    let odd = r"[a-zA-Z0-9.'\\\-_%@/?#:öÖΣİßẞ💀\u{1680}\u{200d} ]{0,12}";
    prop_oneof![
        any::<String>(),
        odd.prop_map(|s| s),
        odd.prop_map(|s| format!("HTTP://EVIL.example/{s}")),
        odd.prop_map(|s| format!("https://{s}.Example/A'")),
        (odd, odd).prop_map(|(user, host)| format!("Http:\\\\{user}@{host}")),
        odd.prop_map(|s| format!("{s}.Evil.Example")),
        odd.prop_map(|s| format!("{s}@Evil.Example")),
        odd.prop_map(|s| format!("HKEY_LOCAL_MACHINE\\{s}")),
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string()),
        any::<std::net::SocketAddr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("http://[{ip}]:80/").to_uppercase()),
        "[0-9a-fA-F]{32}",
        "[0-9a-fA-F]{40}",
        "[0-9a-fA-F]{64}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_built_is_read_back(text in text()) {
        for read in READERS {
            let Ok(observable) = read(&text) else { continue };
            let pattern = observable.pattern();
            let printed = pattern.to_string();
            prop_assert!(Pattern::means(&printed, Property::of(&observable), &observable.value()));
            prop_assert_eq!(Pattern::parse(&printed), Ok(pattern.clone()));
            prop_assert_eq!(pattern.observable(), Ok(observable));
        }
    }

    #[test]
    fn any_literal_is_read_back(text in any::<String>()) {
        let mut pattern = String::new();
        Pattern::write(&mut pattern, Property::CommandLine, &text);
        let read = Pattern::parse(&pattern).unwrap();
        prop_assert_eq!(read.text(), text);
        prop_assert_eq!(read.to_string(), pattern);
    }

    #[test]
    fn a_value_is_its_own_value_and_keeps_its_id(text in text()) {
        for read in READERS {
            let Ok(observable) = read(&text) else { continue };
            let again = read(&observable.value()).unwrap();
            prop_assert_eq!(&again, &observable);
            prop_assert_eq!(Observable::of_kind(observable.kind(), &observable.value()), Ok(again.clone()));
            prop_assert_eq!(again.id(), observable.id());
            prop_assert_eq!(observable.id(), observable.kind().id_of(&observable.value()));
            prop_assert_eq!(observable.id().to_string().parse::<StixId>(), Ok(observable.id()));
        }
    }

    #[test]
    fn a_url_changes_in_scheme_and_host_only(text in text()) {
        let Ok(Observable::Url(url)) = Observable::url(&text) else { return Ok(()) };
        // The client still goes to the same place ...
        let (before, after) = (Url::parse(&text).unwrap(), Url::parse(url.as_str()).unwrap());
        prop_assert!(before.host_str().unwrap().eq_ignore_ascii_case(after.host_str().unwrap()));
        prop_assert_eq!(before.scheme(), after.scheme());
        prop_assert_eq!(before.username(), after.username());
        prop_assert_eq!(before.password(), after.password());
        prop_assert_eq!(before.port(), after.port());
        prop_assert_eq!(&before[url::Position::BeforePath..], &after[url::Position::BeforePath..]);
        // ... and the bytes behind the host are the same ones.
        let tail = |text: &str| text.find("xample/").map(|at| text[at..].to_owned());
        prop_assert_eq!(tail(&text), tail(url.as_str()));
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        prop_assert_eq!(lower(&text), lower(url.as_str()));
    }

    #[test]
    fn nothing_panics_on_patterns(text in any::<String>(), cut in 0..40_usize) {
        let _ignored = Pattern::parse(&text);
        let mut pattern = "[file:hashes.'SHA-256' = 'a\\'b']".to_owned();
        pattern.insert_str(cut.min(pattern.len()), &text);
        let _ignored = Pattern::parse(&pattern);
    }
}
