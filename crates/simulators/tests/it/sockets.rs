use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outbound::{HttpOptions, HttpTransport, Request, SystemClock, Transport, TransportError};
use simulators::{
    Fault, FaultRule, ServiceName, Stack, StackListening, StackOptions, VmrayOptions, When, World, WorldOptions,
};

use crate::bench::read;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn served() -> (Stack, StackListening, HttpTransport) {
    let world = World::generate(&WorldOptions::plain(1, 30));
    let stack = Stack::new(world, StackOptions::default(), Arc::new(SystemClock));
    let listening = stack.listen(LOOPBACK).await.unwrap();
    (stack, listening, HttpTransport::try_new(&HttpOptions::default()).unwrap())
}

fn ask(listening: &StackListening, path: &str) -> Request {
    http::Request::get(format!("{}/rest{path}", listening.vmray.base_url()))
        .header("authorization", format!("api_key {}", VmrayOptions::API_KEY))
        .body(Bytes::new())
        .unwrap()
}

#[tokio::test]
async fn the_same_answers_come_over_a_socket() {
    let (stack, listening, http) = served().await;
    let over_socket = http.send(ask(&listening, "/submission?_limit=3")).await.unwrap();
    let mut request = ask(&listening, "/submission?_limit=3");
    *request.uri_mut() = "https://vmray.test/rest/submission?_limit=3".parse().unwrap();
    let in_process = stack.in_process().send(request).await.unwrap();
    assert_eq!(over_socket.status(), 200);
    assert_eq!(over_socket.body(), in_process.body());
    assert!(over_socket.headers().contains_key("date"));
    listening.stop().await;
}

#[tokio::test]
async fn the_settings_name_the_ports() {
    let (_, listening, http) = served().await;
    let settings = listening.settings();
    let value = |name: &str| settings.iter().find(|(key, _)| *key == name).unwrap().1.clone();
    assert_eq!(value("VmrayBaseURL"), listening.vmray.base_url());
    let discovery =
        format!("{}/{}/v2.0/.well-known/openid-configuration", value("AZURE_AUTHORITY_HOST"), value("AzureTenantID"));
    let (status, body) = read(&http.send(http::Request::get(discovery).body(Bytes::new()).unwrap()).await.unwrap());
    assert_eq!(status, 200);
    assert!(body["token_endpoint"].as_str().unwrap().starts_with(&value("AZURE_AUTHORITY_HOST")));
    listening.stop().await;
}

#[tokio::test]
async fn a_reset_and_a_cut_body_reach_the_caller_as_what_they_are() {
    let (stack, listening, http) = served().await;
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Nth(1), fault));
        let error = http.send(ask(&listening, "/system_info")).await.unwrap_err();
        assert!(matches!(error, TransportError::Interrupted { .. }), "{error:?}");
        stack.faults().clear();
    }
    stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Nth(1), Fault::CutBody));
    let error = http.send(ask(&listening, "/system_info")).await.unwrap_err();
    let TransportError::Truncated { status, received, .. } = error else { panic!("{error:?}") };
    assert_eq!(status, 200);
    assert!(received.starts_with(b"{\"data\""));
    assert_eq!(http.send(ask(&listening, "/system_info")).await.unwrap().status(), 200);
    listening.stop().await;
}

#[tokio::test]
async fn a_hang_keeps_silent_and_ends_with_the_server() {
    let (stack, listening, http) = served().await;
    stack.faults().add(FaultRule::new(ServiceName::Vmray, When::Always, Fault::Hang));
    let request = http.send(ask(&listening, "/system_info"));
    let gone = tokio::time::timeout(Duration::from_millis(300), request).await;
    assert!(gone.is_err(), "an answer came");
    let request = tokio::spawn({
        let (http, request) = (http.clone(), ask(&listening, "/system_info"));
        async move { http.send(request).await }
    });
    while stack.vmray.request_count() < 2 {
        tokio::task::yield_now().await;
    }
    listening.stop().await;
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn nothing_listens_after_the_stop() {
    let (_, listening, http) = served().await;
    let request = ask(&listening, "/system_info");
    listening.stop().await;
    let error = http.send(request).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (stack, listening, _) = served().await;
    let error = stack.listen(listening.vmray.address()).await.unwrap_err();
    assert!(error.to_string().contains(&listening.vmray.address().to_string()), "{error}");
    listening.stop().await;
}
