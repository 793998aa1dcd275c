//! Asking for tokens as rarely as possible.

use std::time::Duration;

use futures::future::join_all;
use outbound::{Retry, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use sentinel::{Cloud, EntraProblem, TokenError, Tokens};

use crate::fake::*;

const SCOPE: &str = "https://management.azure.com/.default";

async fn token(tokens: &Tokens) -> String {
    tokens.token(SCOPE).await.unwrap().expose_secret().to_owned()
}

fn busy() -> Answer {
    says(503, r#"{"error":"temporarily_unavailable"}"#)
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_goes_to_the_v2_endpoint_of_the_tenant() {
    let fake = Fake::new();
    assert_eq!(token(&tokens(&fake)).await, "token-1");
    let seen = &fake.token_requests()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.uri, "https://login.test/contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded");
    let form = seen.form();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], CLIENT);
    assert_eq!(form["client_secret"], SECRET);
    assert_eq!(form["scope"], SCOPE);
    assert_eq!(form.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_authority_on_loopback_or_below_a_path_is_asked_where_it_is() {
    for (authority, uri) in [
        ("http://127.0.0.1:8088", "http://127.0.0.1:8088/contoso.onmicrosoft.com/oauth2/v2.0/token"),
        ("http://localhost", "http://localhost/contoso.onmicrosoft.com/oauth2/v2.0/token"),
        ("https://proxy.test:8443/entra", "https://proxy.test:8443/entra/contoso.onmicrosoft.com/oauth2/v2.0/token"),
    ] {
        let fake = Fake::new();
        let cloud = Cloud { authority: authority.parse().unwrap(), ..cloud() };
        token(&Tokens::new(fake.clone(), clock(), &cloud, client_secret())).await;
        assert_eq!(fake.token_requests()[0].uri, uri);
    }
}

#[tokio::test(start_paused = true)]
async fn one_request_serves_a_lifetime_and_the_next_begins_five_minutes_before_its_end() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    assert_eq!(token(&tokens).await, "token-1");
    tokio::time::advance(Duration::from_secs(3600 - 300 - 1)).await;
    assert_eq!(token(&tokens).await, "token-1");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(token(&tokens).await, "token-2");
    assert_eq!(fake.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_calls_every_minute_costs_one_request_per_lifetime() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    for _ in 0..24 * 60 {
        token(&tokens).await;
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    // Each serves 55 minutes.
    assert_eq!(fake.token_requests().len(), 27);
}

#[tokio::test(start_paused = true)]
async fn a_token_shorter_than_the_margin_still_serves_half_its_life() {
    let fake = Fake::new();
    fake.grant_for(120);
    let tokens = tokens(&fake);
    for _ in 0..12 {
        token(&tokens).await;
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(fake.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_share_one_request() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    let all = join_all((0..50).map(|_| token(&tokens))).await;
    assert!(all.iter().all(|token| token == "token-1"));
    assert_eq!(fake.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_share_one_refusal() {
    let refusal = says(401, r#"{"error":"invalid_client","error_codes":[7000215]}"#);
    let fake = Fake::with_scripts([refusal], []);
    let tokens = tokens(&fake);
    let all = join_all((0..50).map(|_| tokens.token(SCOPE))).await;
    assert!(all.iter().all(|token| matches!(token, Err(TokenError::Entra { .. }))));
    assert_eq!(fake.token_requests().len(), 1);
    assert_eq!(token(&tokens).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_does_not_take_the_request_with_it() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    let leaves = tokio::time::timeout(Duration::from_millis(50), tokens.token(SCOPE));
    let (left, stayed) = tokio::join!(leaves, token(&tokens));
    assert!(left.is_err());
    assert_eq!(stayed, "token-1");
    assert_eq!(fake.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_everybody_left_is_made_anew() {
    let fake = Fake::with_scripts([Answer::Hangs], []);
    let tokens = tokens(&fake);
    assert!(tokio::time::timeout(Duration::from_secs(1), tokens.token(SCOPE)).await.is_err());
    assert_eq!(token(&tokens).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn scopes_have_tokens_of_their_own() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    let other = tokens.token("https://monitor.azure.com/.default").await.unwrap();
    assert_eq!((token(&tokens).await.as_str(), other.expose_secret()), ("token-2", "token-1"));
    assert_eq!(token(&tokens).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_however_many_give_it_back() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    let refused = tokens.token(SCOPE).await.unwrap();
    for _ in 0..3 {
        tokens.invalidate(SCOPE, &refused);
        assert_eq!(token(&tokens).await, "token-2");
    }
    tokens.invalidate(SCOPE, &SecretString::from("another"));
    tokens.invalidate("https://other/.default", &refused);
    assert_eq!(token(&tokens).await, "token-2");
    assert_eq!(fake.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_it_lives_and_no_new_one_is_to_be_had() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    token(&tokens).await;
    tokio::time::advance(Duration::from_secs(3600 - 200)).await;
    fake.next_tokens([busy()]);
    assert_eq!(token(&tokens).await, "token-1");
    // One attempt, and none again for half a minute.
    assert_eq!(token(&tokens).await, "token-1");
    assert_eq!(fake.token_requests().len(), 2);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(token(&tokens).await, "token-3");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_during_an_early_attempt_is_replaced_with_all_repeats() {
    let fake = Fake::new();
    let tokens = tokens(&fake);
    token(&tokens).await;
    tokio::time::advance(Duration::from_secs(3600 - 5)).await;
    // The early attempt hangs past the end; the urgent one meets a failure and repeats.
    fake.next_tokens([Answer::Hangs, busy()]);
    assert_eq!(token(&tokens).await, "token-4");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_is_waited_out() {
    let reset = Answer::Fails(TransportError::Connect { host: "login.test".to_owned(), reason: "reset".to_owned() });
    let transient = says(400, r#"{"error":"invalid_request","error_codes":[90033]}"#);
    let html = says(200, "<html>proxy</html>");
    let fake = Fake::with_scripts([busy(), reset, transient, html], []);
    assert_eq!(token(&tokens(&fake)).await, "token-5");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_waits_as_long_as_it_is_told() {
    let fake = Fake::with_scripts([says_with(429, "retry-after", "17", "")], []);
    token(&tokens(&fake)).await;
    let requests = fake.token_requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(17) && waited < Duration::from_secs(18), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_told_and_not_sat_out() {
    let fake = Fake::with_scripts([says_with(429, "retry-after", "3600", "")], []);
    let tokens = tokens(&fake);
    for _ in 0..2 {
        let started = tokio::time::Instant::now();
        let error = tokens.token(SCOPE).await.unwrap_err();
        let Retry::After(wait) = error.retry() else { panic!("{error:?}") };
        assert!(wait > Duration::from_secs(3590), "{wait:?}");
        assert!(started.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(fake.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_within_a_minute() {
    let fake = Fake::with_scripts((0..1000).map(|_| busy()), []);
    let started = tokio::time::Instant::now();
    let error = tokens(&fake).token(SCOPE).await.unwrap_err();
    assert!(matches!(error, TokenError::Unavailable { status: 503, .. }), "{error:?}");
    assert!(started.elapsed() <= Duration::from_secs(60), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_repeated_and_names_what_to_do() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000222: expired.\r\nTrace ID: x","error_codes":[7000222]}"#;
    let fake = Fake::with_scripts([says(401, body)], []);
    let error = tokens(&fake).token(SCOPE).await.unwrap_err();
    assert!(matches!(error, TokenError::Entra { problem: EntraProblem::SecretExpired, code: Some(7_000_222), .. }));
    insta::assert_snapshot!(format!("{error}\n{}", error.hint()), @"
    Entra gives no token: AADSTS7000222: expired.
    The secret in AzureClientSecret has expired. Make a new one, `az ad app credential reset --id 11111111-1111-1111-1111-111111111111 --append`, and put its password into AzureClientSecret. A managed identity needs no secret.
    ");
    assert_eq!(fake.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_ever_shown() {
    // A service that echoes what it was sent.
    let echo = format!(r#"{{"access_token":"tok3n","expires_in":"x","client_secret":"{SECRET}"}}"#);
    let refusal = format!(r#"{{"error":"invalid_client","error_description":"got {SECRET}","error_codes":[7000215]}}"#);
    for answer in [says(200, &echo), says(400, &echo), says(401, &refusal)] {
        let fake = Fake::with_scripts((0..100).map(|_| answer.clone()), []);
        let tokens = tokens(&fake);
        let error = tokens.token(SCOPE).await.unwrap_err();
        let shown = format!("{error} {error:?} {} {tokens:?}", error.hint());
        assert!(!shown.contains(SECRET) && !shown.contains("tok3n"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_recorded_answer_is_understood() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sentinel/entra");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no shared fixtures");
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        let status = name.split('_').find_map(|part| part.parse().ok()).unwrap_or(200);
        let fake = Fake::with_scripts([says(status, body)], []);
        let result = tokens(&fake).token(SCOPE).await;
        if status == 200 && name.starts_with("token_v2") {
            assert!(result.unwrap().expose_secret().starts_with("eyJ0"), "{name}");
        } else if status != 200 {
            let error = result.unwrap_err();
            let TokenError::Entra { problem, .. } = &error else { panic!("{name}: {error:?}") };
            assert_ne!(*problem, EntraProblem::Other, "{name}");
        }
    }
}
