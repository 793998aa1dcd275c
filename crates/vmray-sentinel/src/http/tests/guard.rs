//! Who may do what: keys and their scopes however a path is written, and pages of other sites.

use axum::http::StatusCode;
use config::{Scope, make_api_key};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::{Bench, ask};
use crate::http::operations::{self, Method};

const URL: &str = "http://a.example/";

impl Bench {
    /// One with a key of each scope.
    fn with_keys() -> (Self, [String; 2]) {
        let (read, submit) = (make_api_key("soc", Scope::Read).unwrap(), make_api_key("book", Scope::Submit).unwrap());
        let bench = Self::new(format!("{},{}", read.entry, submit.entry).parse().unwrap());
        (bench, [read.key, submit.key])
    }

    fn submissions(&self) -> usize {
        self.stack.vmray.requests().iter().filter(|seen| seen.method == "POST").count()
    }
}

/// Writes some letters of a path as their percent encoding, of some of these the encoding of it, and changes their case.
fn spelled(path: &str, choices: &[u8]) -> String {
    let mut spelled = String::new();
    for (at, c) in path.chars().enumerate() {
        let choice = choices[at % choices.len()];
        let c = if choice & 8 != 0 && at > 0 { c.to_ascii_uppercase() } else { c };
        let code = u32::from(c);
        let written = match choice & 7 {
            0 if at > 0 => format!("%{code:02X}"),
            1 if at > 0 => format!("%{code:02x}"),
            2 if at > 0 && choice > 127 => format!("%25{code:02X}"),
            _ => c.to_string(),
        };
        spelled.push_str(&written);
    }
    spelled
}

#[tokio::test]
async fn a_read_key_submits_through_no_encoded_name() {
    let (bench, [read, submit]) = Bench::with_keys();
    let body = json!({"url": URL, "items": [{"url": URL}]}).to_string();
    for path in ["/api/%55plaodURL", "/api/%75plaodurl", "/%61pi/Uplaod%55RL", "/api/%65nrich", "/api/%45NRICH"] {
        let headers = [("host", "vmray.soc.example"), ("x-functions-key", &*read)];
        let answer = ask(&bench.router, "POST", path, &headers, &body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.body);
        assert_eq!(answer.json()["type"], "urn:vmray-sentinel:problem:scope");
    }
    assert_eq!(bench.submissions(), 0);
    let headers = [("host", "vmray.soc.example"), ("x-functions-key", &*submit)];
    let answer = ask(&bench.router, "POST", "/api/%55plaodURL", &headers, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Every route, every scope, every spelling: what a key may not do it may not do under another name.
    #[test]
    fn no_spelling_of_any_route_gives_a_key_more_than_its_scope(choices in prop::collection::vec(any::<u8>(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (bench, [read, _]) = Bench::with_keys();
            let known: Vec<String> = ["/", "/metrics", "/api/status"].map(str::to_owned).into();
            let operations = operations::all().into_iter().filter(|operation| operation.scope.is_some());
            let operations = operations.map(|operation| (operation.method, operation.path, operation.scope.unwrap()));
            let all = known.into_iter().map(|path| (Method::Get, path, Scope::Read)).chain(operations);
            for (method, path, scope) in all {
                let path = spelled(&path, &choices);
                let method = if method == Method::Get { "GET" } else { "POST" };
                let body = json!({"url": URL, "items": [{"url": URL}], "file": "aGVsbG8="}).to_string();
                let with = |key: &str| {
                    let headers = [("host", "vmray.soc.example".to_owned()), ("x-functions-key", key.to_owned())];
                    let (router, path, body) = (bench.router.clone(), path.clone(), body.clone());
                    async move {
                        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                        ask(&router, method, &path, &headers, &body).await.status
                    }
                };
                assert_eq!(with("vms_wrong").await, StatusCode::UNAUTHORIZED, "{method} {path}");
                let status = with(&read).await;
                if scope == Scope::Submit {
                    assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status), "{method} {path}: {status}");
                }
            }
            assert_eq!(bench.submissions(), 0, "a read key has submitted");
        });
    }
}

const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

#[rstest]
#[case::text("POST", &[("origin", "https://evil.example"), ("content-type", "text/plain"), ("sec-fetch-site", "cross-site")])]
#[case::form("POST", &[("origin", "null"), ("content-type", "application/x-www-form-urlencoded")])]
#[case::multipart("POST", &[("origin", "https://evil.example"), ("content-type", "multipart/form-data; boundary=x")])]
#[case::other_port("POST", &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")])]
#[case::without_origin("POST", &[("sec-fetch-site", "cross-site")])]
#[case::image("GET", &[BROWSER, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image")])]
#[case::image_of_an_old_browser("GET", &[BROWSER])]
#[case::link("GET", &[BROWSER, ("referer", "https://evil.example/")])]
#[case::address_bar("GET", &[BROWSER, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")])]
#[case::head("HEAD", &[BROWSER])]
#[tokio::test(start_paused = true)]
async fn no_page_of_another_site_submits(#[case] method: &str, #[case] sent: &[(&str, &str)]) {
    let (keyless, (keyed, [_, submit])) = (Bench::open(), Bench::with_keys());
    let remembered =
        format!("Basic {}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("me:{submit}")));
    for (bench, authorization) in [(&keyless, None), (&keyed, Some(&*remembered))] {
        for path in ["/api/UplaodURL?url=http://a.example/", "/api/VMRayUploadSample?file=aGVsbG8=", "/api/enrich"] {
            if path == "/api/enrich" && method != "POST" {
                continue;
            }
            let mut headers = vec![("host", "localhost:8080")];
            headers.extend(sent);
            headers.extend(authorization.map(|value| ("authorization", value)));
            let answer = ask(&bench.router, method, path, &headers, r#"{"items":[{"url":"http://a.example/"}]}"#).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.body);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
        assert_eq!(bench.submissions(), 0);
    }
}

#[rstest]
#[case::tool("GET", &[("user-agent", "curl/8.9.1")])]
#[case::workflow("POST", &[("user-agent", "azure-logic-apps/1.0"), ("content-type", "application/json")])]
#[case::shell("POST", &[("user-agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1")])]
#[case::own_page("POST", &[BROWSER, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")])]
#[tokio::test(start_paused = true)]
async fn tools_and_our_own_pages_submit(#[case] method: &str, #[case] sent: &[(&str, &str)]) {
    let bench = Bench::open();
    let mut headers = vec![("host", "localhost:8080")];
    headers.extend(sent);
    let answer = ask(&bench.router, method, "/api/UplaodURL?url=http://a.example/", &headers, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(bench.submissions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_given_makes_a_get_submit_from_a_browser_too() {
    let (bench, [_, submit]) = Bench::with_keys();
    let path = format!("/api/UplaodURL?url=http://a.example/&code={submit}");
    let headers = [("host", "vmray.soc.example"), BROWSER, ("sec-fetch-site", "none")];
    let answer = ask(&bench.router, "GET", &path, &headers, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let headers = [("host", "vmray.soc.example"), BROWSER, ("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&bench.router, "GET", &path, &headers, "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_only_a_proxy_knows_is_our_own_where_it_is_set() {
    let bench = Bench::at("https://vmray.soc.example/");
    let headers = [("host", "127.0.0.1:8080"), ("origin", "https://vmray.soc.example")];
    let path = "/api/UplaodURL?url=http://a.example/";
    assert_eq!(ask(&bench.router, "POST", path, &headers, "").await.status, StatusCode::OK);
    let headers = [("host", "127.0.0.1:8080"), ("origin", "https://vmray.soc.example.evil.example")];
    assert_eq!(ask(&bench.router, "POST", path, &headers, "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_host_is_named_and_all_of_it_is_ours() {
    let (bench, (keyed, _)) = (Bench::open(), Bench::with_keys());
    for host in ["[::1].evil.example", "localhost.evil.example", "localhost:8080.evil.example", "", "evil.example"] {
        let answer = ask(&bench.router, "GET", "/api/status", &[("host", host)], "").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    assert_eq!(ask(&bench.router, "GET", "/api/status", &[], "").await.status, StatusCode::MISDIRECTED_REQUEST);
    let whole = ask(&bench.router, "GET", "http://evil.example/api/status", &[("host", "localhost")], "").await;
    assert_eq!(whole.status, StatusCode::MISDIRECTED_REQUEST, "the target of the request names another host");
    for router in [&bench.router, &keyed.router] {
        for twice in [[("host", "localhost"), ("host", "evil.example")], [("host", "localhost"), ("host", "localhost")]]
        {
            let answer = ask(router, "GET", "/healthz", &twice, "").await;
            assert_eq!((answer.status, answer.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some("Host")));
        }
    }
}
