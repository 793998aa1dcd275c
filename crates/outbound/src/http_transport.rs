//! The network: one `reqwest` client per process, TLS by rustls with ring.
//!
//! Trusted roots are Mozilla's, bundled (a container from scratch has none), plus those the operator adds for
//! a proxy that inspects TLS. Redirects are never followed: a key must not travel to a host nobody named.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::StreamExt as _;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use hyper_util::client::proxy::matcher::Matcher;

use crate::answer_bound::{AnswerBound, AnswerBudget, held};
use crate::transport::host_of;
use crate::{Request, Response, StreamedRequest, Transport, TransportError};

/// A body that is streamed may take as long as its caller lets it; this only ends what nobody waits for.
const LONGEST_UPLOAD: Duration = Duration::from_hours(1);

/// This machine, and the managed identity of a virtual machine, which answers no proxy.
const NEVER_BY_PROXY: &str = "localhost,127.0.0.0/8,::1,169.254.169.254";

/// How to reach the network.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// Certificates to trust besides the bundled ones, PEM, one or more.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Proxy for https and http, e.g. `http://proxy.example:3128`.
    pub proxy: Option<String>,
    /// Hosts that bypass the proxy: names (with their subdomains), addresses, CIDR blocks; comma separated.
    pub no_proxy: Option<String>,
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A certificate is unreadable.
    #[error("CaFile or CaPem holds no readable PEM certificate; expected -----BEGIN CERTIFICATE-----")]
    Certificate(#[source] Option<reqwest::Error>),
    /// The proxy address is unreadable.
    #[error("HttpsProxy is not a proxy address; expected something like http://proxy.example:3128")]
    Proxy(#[source] reqwest::Error),
    /// The client could not be built.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Sends over the network.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    proxy: Option<Proxied>,
    budget: AnswerBudget,
}

/// Which requests go by a proxy, and where it is.
#[derive(Debug, Clone)]
struct Proxied {
    /// Host and port, without user and password.
    address: String,
    /// The rules by which the client decides, too.
    matcher: Arc<Matcher>,
}

impl HttpTransport {
    /// Builds the client. Call once per process and share it.
    pub fn try_new(options: &HttpOptions) -> Result<Self, SetupError> {
        install_tls_provider();
        let mut roots: Vec<reqwest::Certificate> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| reqwest::Certificate::from_der(der).ok())
            .collect();
        for pem in &options.extra_roots_pem {
            let added =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|error| SetupError::Certificate(Some(error)))?;
            if added.is_empty() {
                return Err(SetupError::Certificate(None));
            }
            roots.extend(added);
        }
        let mut builder = reqwest::Client::builder()
            .tls_certs_only(roots)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .timeout(Duration::from_secs(300))
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy();
        let mut proxied = None;
        if let Some(proxy) = &options.proxy {
            let listed = options.no_proxy.as_deref().unwrap_or_default();
            let listed = format!("{NEVER_BY_PROXY},{listed}");
            let matcher = Matcher::builder().all(proxy.as_str()).no(listed.as_str()).build();
            proxied = Some(Proxied { address: address_of(proxy), matcher: Arc::new(matcher) });
            let exclusions = reqwest::NoProxy::from_string(&listed);
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(SetupError::Proxy)?.no_proxy(exclusions));
        }
        let client = builder.build().map_err(SetupError::Client)?;
        Ok(Self { client, proxy: proxied, budget: AnswerBudget::new() })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let host = host_of(request.uri());
        let bound = AnswerBound::of(request.extensions());
        let request = reqwest::Request::try_from(request).map_err(|error| unsendable(&host, &error))?;
        self.execute(request, host, bound).await
    }

    async fn send_streamed(&self, request: StreamedRequest) -> Result<Response, TransportError> {
        let host = host_of(request.uri());
        let (mut head, body) = request.into_parts();
        let bound = AnswerBound::of(&head.extensions);
        // With its length told, the server can refuse the body before it has come.
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.size_bytes));
        let request = http::Request::from_parts(head, reqwest::Body::wrap_stream(body.pieces));
        let mut request = reqwest::Request::try_from(request).map_err(|error| unsendable(&host, &error))?;
        *request.timeout_mut() = Some(LONGEST_UPLOAD);
        self.execute(request, host, bound).await
    }
}

impl HttpTransport {
    /// Returns the proxy that a request to `url` goes by.
    fn proxy_of(&self, url: &reqwest::Url) -> Option<&str> {
        let proxied = self.proxy.as_ref()?;
        let uri: http::Uri = url.as_str().parse().ok()?;
        proxied.matcher.intercept(&uri).map(|_| proxied.address.as_str())
    }

    async fn execute(
        &self,
        request: reqwest::Request,
        host: String,
        AnswerBound(limit_bytes): AnswerBound,
    ) -> Result<Response, TransportError> {
        let by_proxy = self.proxy_of(request.url());
        let answer = self.client.execute(request).await.map_err(|error| classify(&host, by_proxy, &error))?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let told = answer.content_length().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if let Some(size) = told.filter(|size| *size > limit_bytes) {
            return Err(TransportError::TooLarge { host, limit_bytes, size_bytes: Some(size) });
        }
        // A packed answer does not tell its size: it takes its room once it proves to be large.
        let mut room = self.budget.take(told.unwrap_or_default()).await;
        let mut body = BytesMut::with_capacity(told.unwrap_or_default());
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                return Err(TransportError::Truncated { host, status, received: body.freeze() });
            };
            if body.len() + chunk.len() > limit_bytes {
                return Err(TransportError::TooLarge { host, limit_bytes, size_bytes: None });
            }
            if told.is_none() && room.is_none() && AnswerBudget::counts(body.len() + chunk.len()) {
                room = self.budget.take(limit_bytes).await;
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(held(body, room));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Host and port of a proxy, for messages: no user, no password.
fn address_of(proxy: &str) -> String {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    rest.split(['/', '?']).next().unwrap_or(rest).to_owned()
}

/// Makes ring the TLS provider of the process. Harmless when called again.
pub fn install_tls_provider() {
    // An error only says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn unsendable(host: &str, error: &reqwest::Error) -> TransportError {
    TransportError::Connect { host: host.to_owned(), reason: chain(error) }
}

/// How the causes begin of what went wrong between us and the proxy (hyper-util's tunnel).
const TUNNEL: &str = "tunnel error: ";

fn classify(host: &str, by_proxy: Option<&str>, error: &reqwest::Error) -> TransportError {
    let host = host.to_owned();
    let reason = chain(error);
    if let Some(proxy) = by_proxy.filter(|_| error.is_connect()) {
        // What comes after the tunnel is open, such as a certificate that is not trusted, is not the proxy's fault.
        let of_the_tunnel = reason.split_once(TUNNEL).map(|(_, reason)| reason.to_owned());
        let reason = of_the_tunnel.or_else(|| error.is_timeout().then(|| "no answer in time".to_owned()));
        if let Some(reason) = reason {
            return TransportError::Proxy { proxy: proxy.to_owned(), host, reason };
        }
    }
    if error.is_connect() {
        TransportError::Connect { host, reason }
    } else if error.is_timeout() {
        TransportError::Timeout { host, after: Duration::from_secs(60) }
    } else {
        TransportError::Interrupted { host, reason }
    }
}

/// The causes of an error in one line, without the URL, which may carry a secret.
fn chain(error: &dyn std::error::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { "request could not be sent".to_owned() } else { causes.join(": ") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::StreamedBody;

    /// A server that reads one request, writes `answer` and closes.
    async fn serve_once(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let read = socket.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            socket.write_all(answer).await.unwrap();
        });
        format!("http://{address}/x?key=s3cret")
    }

    async fn get(uri: &str) -> Result<Response, TransportError> {
        let transport = HttpTransport::try_new(&HttpOptions::default()).unwrap();
        transport.send(http::Request::get(uri).body(Bytes::new()).unwrap()).await
    }

    #[tokio::test]
    async fn returns_any_status_with_its_body() {
        let uri =
            serve_once(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy").await;
        let answer = get(&uri).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "7");
        assert_eq!(answer.body(), "busy");
    }

    #[tokio::test]
    async fn an_answer_beyond_its_bound_is_refused_with_its_size_where_that_is_told() {
        let ask = async |answer: &'static [u8]| {
            let uri = serve_once(answer).await;
            let request = http::Request::get(uri).extension(AnswerBound(8)).body(Bytes::new()).unwrap();
            HttpTransport::try_new(&HttpOptions::default()).unwrap().send(request).await
        };
        let fits = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678").await.unwrap();
        assert_eq!(fits.body(), "12345678");
        // Not even begun to be read: of this one only the head ever comes.
        let error = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n").await.unwrap_err();
        let words = error.to_string();
        assert!(words.ends_with("has 60000000 bytes, more than the 8 that are read"), "{words}");
        let error = ask(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n123456789").await.unwrap_err();
        assert!(matches!(error, TransportError::TooLarge { size_bytes: None, .. }), "{error}");
    }

    #[tokio::test]
    async fn small_answers_that_do_not_tell_their_size_do_not_wait_for_each_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = format!("http://{}/x", listener.local_addr().unwrap());
        let quick = serve_once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nquick\r\n0\r\n\r\n").await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (answered, is_answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let read = socket.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
            socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n").await.unwrap();
            begun.send(()).unwrap();
            // The rest comes only once the other answer is there.
            is_answered.await.unwrap();
            socket.write_all(b"0\r\n\r\n").await.unwrap();
        });
        let transport = HttpTransport::try_new(&HttpOptions::default()).unwrap();
        // Each could be as large as all answers together may be.
        let ask = |uri: &str| {
            let request = http::Request::get(uri).extension(AnswerBound(64 * 1024 * 1024)).body(Bytes::new()).unwrap();
            transport.send(request)
        };
        let second = async {
            has_begun.await.unwrap();
            let answer = ask(&quick).await.unwrap();
            answered.send(()).unwrap();
            answer
        };
        let (first, second) = tokio::join!(ask(&slow), second);
        assert_eq!(first.unwrap().body(), "slow");
        assert_eq!(second.body(), "quick");
    }

    #[tokio::test]
    async fn a_streamed_body_arrives_in_one_piece_with_its_length_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/x", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"three") {
                let mut buffer = [0; 4096];
                let read = socket.read(&mut buffer).await.unwrap();
                assert!(read > 0);
                request.extend_from_slice(&buffer[..read]);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let pieces = ["one", "two", "three"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let body = StreamedBody { size_bytes: 11, pieces: futures::stream::iter(pieces).boxed() };
        let transport = HttpTransport::try_new(&HttpOptions::default()).unwrap();
        let answer = transport.send_streamed(http::Request::post(uri).body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let request = server.await.unwrap().to_ascii_lowercase();
        assert!(request.contains("content-length: 11\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nonetwothree"), "{request}");
    }

    #[tokio::test]
    async fn does_not_follow_redirects() {
        let uri =
            serve_once(b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(get(&uri).await.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn tells_a_cut_body_from_a_lost_answer() {
        let uri = serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
        let error = get(&uri).await.unwrap_err();
        assert!(matches!(&error, TransportError::Truncated { received, .. } if received == "half"), "{error:?}");

        let uri = serve_once(b"").await;
        let error = get(&uri).await.unwrap_err();
        assert!(matches!(error, TransportError::Interrupted { .. }), "{error:?}");
        assert!(error.may_have_arrived());
    }

    #[tokio::test]
    async fn a_closed_port_never_saw_the_request_and_no_message_shows_the_query() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = get(&format!("http://{address}/x?key=s3cret")).await.unwrap_err();
        assert!(!error.may_have_arrived(), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }

    #[tokio::test]
    async fn a_proxy_is_used_except_for_this_machine_and_what_is_listed() {
        let proxy = serve_once(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nproxy").await;
        let options = HttpOptions {
            proxy: proxy.strip_suffix("/x?key=s3cret").map(ToOwned::to_owned),
            no_proxy: Some("direct.invalid".to_owned()),
            ..HttpOptions::default()
        };
        let transport = HttpTransport::try_new(&options).unwrap();
        let ask = |uri: &str| http::Request::get(uri).body(Bytes::new()).unwrap();

        let here = serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").await;
        assert_eq!(transport.send(ask(&here)).await.unwrap().body(), "here");
        let direct = transport.send(ask("http://direct.invalid/")).await;
        assert!(matches!(direct, Err(TransportError::Connect { .. })), "{direct:?}");
        assert_eq!(transport.send(ask("http://elsewhere.invalid/")).await.unwrap().body(), "proxy");
    }

    #[tokio::test]
    async fn a_proxy_that_cannot_be_used_is_named_and_not_the_server() {
        // Nothing listens on the discard port.
        let refuses = serve_once(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
        let asks_for_a_password = refuses.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/x?key=s3cret"));
        let asks_for_a_password = asks_for_a_password.unwrap().to_owned();
        for (proxy, said) in
            [("127.0.0.1:9".to_owned(), "refused"), (asks_for_a_password, "proxy authorization required")]
        {
            let options = HttpOptions { proxy: Some(format!("http://me:hunter2@{proxy}")), ..HttpOptions::default() };
            let transport = HttpTransport::try_new(&options).unwrap();
            let request = http::Request::get("https://vmray.invalid/x").body(Bytes::new()).unwrap();
            let error = transport.send(request).await.unwrap_err();
            assert!(matches!(&error, TransportError::Proxy { proxy: named, .. } if *named == proxy), "{error:?}");
            assert!(!error.may_have_arrived());
            let text = error.to_string();
            assert!(text.contains(said) && text.contains("vmray.invalid") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn refuses_a_certificate_file_without_certificates() {
        let options = HttpOptions { extra_roots_pem: vec![b"hello".to_vec()], ..HttpOptions::default() };
        let error = HttpTransport::try_new(&options).unwrap_err();
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }

    #[test]
    fn refuses_an_unreadable_proxy() {
        let options = HttpOptions { proxy: Some("::not a proxy::".to_owned()), ..HttpOptions::default() };
        assert!(matches!(HttpTransport::try_new(&options), Err(SetupError::Proxy(_))));
    }
}
