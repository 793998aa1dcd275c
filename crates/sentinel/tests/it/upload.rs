//! Uploading, answer by answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use outbound::{Retry, TransportError};
use sentinel::{MAX_OBJECTS, Refusal, UploadError, Uploaded};

use crate::fake::*;

fn objects(count: usize) -> Vec<Bytes> {
    (0..count).map(|n| Bytes::from(format!(r#"{{"id":"indicator--{n}"}}"#))).collect()
}

async fn upload(uploads: impl IntoIterator<Item = Answer>) -> (Arc<Fake>, Result<Uploaded, UploadError>) {
    let fake = Fake::with_scripts([], uploads);
    let result = upload_client(&fake).upload(&objects(4)).await;
    (fake, result)
}

#[tokio::test(start_paused = true)]
async fn the_request_is_what_the_service_documents() {
    let fake = Fake::new();
    let client = upload_client(&fake).with_user_agent("vmray-sentinel/9 (test)");
    // Bytes go out as they came in, spaces included.
    let objects = [Bytes::from_static(b"{ \"a\":1 }"), Bytes::from_static("{\"b\":\"ü\"}".as_bytes())];
    assert_eq!(client.upload(&objects).await.unwrap(), Uploaded::default());
    let seen = &fake.upload_requests()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(
        seen.uri,
        format!(
            "https://ti.test/workspaces/{WORKSPACE}/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
        )
    );
    assert_eq!(seen.header("authorization"), "Bearer token-1");
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("user-agent"), "vmray-sentinel/9 (test)");
    let body = r#"{"sourcesystem":"Test \"source\"","stixobjects":[{ "a":1 },{"b":"ü"}]}"#;
    assert_eq!(seen.body, body);
    assert_eq!(fake.token_requests()[0].form()["scope"], "https://management.azure.com/.default");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_objects_go_and_one_more_is_refused_here() {
    let fake = Fake::new();
    let client = upload_client(&fake);
    client.upload(&objects(MAX_OBJECTS)).await.unwrap();
    let error = client.upload(&objects(MAX_OBJECTS + 1)).await.unwrap_err();
    assert!(matches!(error, UploadError::TooMany { count: 101 }), "{error:?}");
    assert_eq!(client.upload(&[]).await.unwrap(), Uploaded::default());
    assert_eq!(fake.upload_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn both_spellings_of_a_partial_refusal_are_read() {
    for key in ["errorMessages", "validationErrorMessages"] {
        let body = format!(r#"{{"errors":[{{"recordIndex":3,"{key}":["id is missing"]}}]}}"#);
        let (fake, result) = upload([says(200, body)]).await;
        assert_eq!(result.unwrap().refused, [Refusal { index: 3, messages: vec!["id is missing".to_owned()] }]);
        assert_eq!(fake.upload_requests().len(), 1, "what was accepted is not sent again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_say_what_was_taken_is_asked_for_again() {
    for body in ["<html>log in</html>", "{}", r#"{"errors":[{"recordIndex":9}]}"#, r#"{"errors":[{"#] {
        let (fake, result) = upload([says(200, body)]).await;
        assert_eq!(result.unwrap(), Uploaded::default());
        let requests = fake.upload_requests();
        assert_eq!(requests.len(), 2, "{body}");
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test(start_paused = true)]
async fn html_for_ever_ends_within_a_minute_as_unreadable() {
    let started = tokio::time::Instant::now();
    let (fake, result) = upload((0..1000).map(|_| says(200, "<html><title>Sign in</title></html>"))).await;
    let error = result.unwrap_err();
    assert!(matches!(error, UploadError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("Sign in") && error.hint().contains("HttpsProxy"));
    assert!(error.is_transient());
    assert!(started.elapsed() <= Duration::from_secs(61), "{:?}", started.elapsed());
    assert!(fake.upload_requests().len() > 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_or_cut_answer_and_a_server_error_are_repeated() {
    let cut = TransportError::Truncated {
        host: "ti.test".to_owned(),
        status: http::StatusCode::OK,
        received: Bytes::from_static(b"{\"err"),
    };
    let (fake, result) = upload([lost(), Answer::Fails(cut), says(500, ""), says(503, "<html>"), Answer::Hangs]).await;
    assert_eq!(result.unwrap(), Uploaded::default());
    assert_eq!(fake.upload_requests().len(), 6);
    assert_eq!(fake.token_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_the_callers_to_halve() {
    let (fake, result) = upload([says(400, r#"{"error":{"code":"BadRequest","message":"object 2"}}"#)]).await;
    let error = result.unwrap_err();
    assert!(matches!(&error, UploadError::BadRequest { message } if message == "BadRequest: object 2"), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(fake.upload_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once() {
    let (fake, result) = upload([says(401, "")]).await;
    assert_eq!(result.unwrap(), Uploaded::default());
    let requests = fake.upload_requests();
    assert_eq!(requests[0].header("authorization"), "Bearer token-1");
    assert_eq!(requests[1].header("authorization"), "Bearer token-2");
    assert_eq!((requests.len(), fake.token_requests().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_second_refusal_is_reported_with_what_to_check() {
    let refusal = says(401, r#"{"statusCode":401,"message":"Unauthorized. Access token is missing or invalid."}"#);
    let (fake, result) = upload([refusal.clone(), refusal]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, UploadError::Unauthorized { .. }), "{error:?}");
    assert!(error.hint().contains("AzureCloud"), "{}", error.hint());
    assert_eq!((fake.upload_requests().len(), fake.token_requests().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn many_uploads_whose_token_is_refused_share_one_new_one() {
    let fake = Fake::with_scripts([], (0..12).map(|_| says(401, "")));
    let client = upload_client(&fake);
    let batch = objects(2);
    for result in join_all((0..12).map(|_| client.upload(&batch))).await {
        assert_eq!(result.unwrap(), Uploaded::default());
    }
    assert_eq!((fake.upload_requests().len(), fake.token_requests().len()), (24, 2));
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_and_an_unknown_workspace_are_not_repeated() {
    let (fake, result) = upload([says(403, r#"{"error":{"code":"Forbidden","message":"no role"}}"#)]).await;
    let error = result.unwrap_err();
    assert!(matches!(&error, UploadError::Forbidden { message, .. } if message == "Forbidden: no role"), "{error:?}");
    assert!(error.hint().contains("az role assignment create --role \"Microsoft Sentinel Contributor\""));
    assert!(error.hint().contains(CLIENT) && error.hint().contains(WORKSPACE));
    assert_eq!(fake.upload_requests().len(), 1);

    let (fake, result) = upload([says(404, "")]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, UploadError::WorkspaceNotFound { .. }), "{error:?}");
    assert!(error.hint().contains("not its name"), "{}", error.hint());
    assert_eq!(fake.upload_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_upload_waits_as_told_and_holds_back_the_others() {
    let body = r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 37 seconds."}"#;
    for (answer, seconds) in [(says(429, body), 37), (says_with(429, "retry-after", "5", body), 5)] {
        let fake = Fake::with_scripts([], [answer]);
        let client = upload_client(&fake);
        let batch = objects(2);
        client.upload(&batch).await.unwrap();
        let requests = fake.upload_requests();
        let waited = (requests[1].at - requests[0].at).as_secs();
        assert_eq!((requests.len(), waited), (2, seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_without_a_number_is_the_callers_to_sit_out() {
    let (fake, result) = upload([says(429, "busy")]).await;
    let error = result.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(60)), "{error:?}");
    assert_eq!(fake.upload_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_proxy_repeats_is_not_shown() {
    for status in [200, 400, 403, 418] {
        let echo = says(status, "you sent: Bearer token-1");
        let (_, result) = upload((0..100).map(|_| echo.clone())).await;
        let error = result.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("Bearer ***") && !shown.contains("token-1"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_no_upload() {
    let refusal = says(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#);
    let fake = Fake::with_scripts([refusal], []);
    let error = upload_client(&fake).upload(&objects(1)).await.unwrap_err();
    assert!(matches!(error, UploadError::Token(_)), "{error:?}");
    assert!(error.hint().contains("az ad sp show"), "{}", error.hint());
    assert!(!error.is_transient());
    assert!(fake.upload_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_during_a_long_run_is_replaced_without_a_refusal() {
    let fake = Fake::new();
    let client = upload_client(&fake);
    for _ in 0..180 {
        client.upload(&objects(1)).await.unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    assert_eq!(fake.token_requests().len(), 4);
    assert_eq!(fake.upload_requests().len(), 180);
}

#[tokio::test(start_paused = true)]
async fn every_recorded_answer_is_understood() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sentinel/ti");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no shared fixtures");
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(what) = name.strip_prefix("upload_response__") else { continue };
        let body = std::fs::read_to_string(&path).unwrap();
        let status = what.split(['_', '.']).next().unwrap().parse().unwrap_or(400);
        let (_, result) = upload((0..2).map(|_| says(status, body.clone()))).await;
        match (what, result) {
            ("200_all_ok.empty", Ok(uploaded)) => assert!(uploaded.refused.is_empty()),
            ("200_partial_doc_key.json", Ok(uploaded)) => assert_eq!(uploaded.refused[0].index, 3),
            ("200_partial_spec_key.json", Ok(uploaded)) => assert_eq!(uploaded.refused[0].index, 1),
            ("401.json", Err(UploadError::Unauthorized { .. }))
            | ("default_error.json", Err(UploadError::BadRequest { .. })) => {}
            ("429.json", Err(UploadError::Throttled { retry_after })) => assert_eq!(retry_after.as_secs(), 37),
            (_, result) => panic!("{name}: {result:?}"),
        }
    }
}
