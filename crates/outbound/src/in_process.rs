//! Answers without a network: a host name leads to another transport in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::transport::host_of;
use crate::{Request, Response, Transport, TransportError};

/// Routes by host and port to the services behind it, which are transports themselves.
#[derive(Debug, Clone, Default)]
pub struct InProcess {
    services: BTreeMap<String, Arc<dyn Transport>>,
}

impl InProcess {
    /// Returns a network with no host on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host (`vmray.test`, `127.0.0.1:8088`).
    #[must_use]
    pub fn with_host(mut self, host: &str, service: Arc<dyn Transport>) -> Self {
        self.services.insert(host.to_ascii_lowercase(), service);
        self
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let host = host_of(request.uri()).to_ascii_lowercase();
        match self.services.get(&host) {
            Some(service) => service.send(request).await,
            None => Err(TransportError::Connect { host, reason: "no such host in this process".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[derive(Debug)]
    struct Teapot;

    #[async_trait]
    impl Transport for Teapot {
        async fn send(&self, _request: Request) -> Result<Response, TransportError> {
            Ok(http::Response::builder().status(418).body(Bytes::new()).unwrap())
        }
    }

    #[tokio::test]
    async fn routes_by_host_and_refuses_the_rest() {
        let network = InProcess::new().with_host("Tea.test", Arc::new(Teapot));
        let ask = |uri: &str| http::Request::get(uri).body(Bytes::new()).unwrap();
        assert_eq!(network.send(ask("https://tea.test/pot")).await.unwrap().status(), 418);
        let error = network.send(ask("https://coffee.test/")).await.unwrap_err();
        assert!(!error.may_have_arrived(), "{error}");
    }
}
