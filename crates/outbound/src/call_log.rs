//! What is asked and answered: a line of the log at debug, and a [`Call`] for whoever counts them.
//!
//! Both come from here and from nowhere else, so that they cannot drift apart. A line names the service, the operation
//! (method and path), the attempt, the status and how long it took. It holds no query, no header and no body: those carry
//! keys, signatures and what malware wrote. A [`Call`] names the operation without what is different in each path, so that
//! there are few of them.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tracing::debug;

use crate::transport::host_of;
use crate::{Response, Transport, TransportError};

/// Characters of a path that are logged.
const PATH_CHARS: usize = 200;

/// The longest segment of a path that can be the name of an operation.
const LONGEST_NAME: usize = 48;
/// Digits that a name can have, as `sha256` and `v2.0` do; a hash or GUID has more.
const DIGITS_OF_A_NAME: usize = 3;

/// A request that was sent, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Host and port.
    pub service: &'a str,
    /// Method and path, with `{id}` for each segment that is no name.
    pub operation: &'a str,
    /// Which attempt it was, counted from one.
    pub attempt: u32,
    /// The answer's status, or why there is none.
    pub status: Result<u16, &'static str>,
    /// How long it took.
    pub took: Duration,
}

/// A request that is on its way.
#[derive(Debug)]
pub struct CallLog {
    service: String,
    method: http::Method,
    path: String,
    attempt: u32,
    started: Instant,
}

impl CallLog {
    /// Starts the time of a request. `attempt` counts from one.
    pub fn start<B>(request: &Request<B>, attempt: u32) -> Self {
        Self {
            service: host_of(request.uri()),
            method: request.method().clone(),
            path: request.uri().path().chars().take(PATH_CHARS).collect(),
            attempt,
            started: Instant::now(),
        }
    }

    /// Writes down what became of it, and lets the transport that it went through know.
    pub fn end(self, outcome: &Result<Response, TransportError>, transport: &dyn Transport) {
        let Self { service, method, path, attempt, started } = self;
        let took = started.elapsed();
        let operation = format!("{method} {path}");
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(answer) => {
                let (status, size_bytes) = (answer.status().as_u16(), answer.body().len());
                debug!(service, operation, attempt, status, size_bytes, duration_ms, "answered");
            }
            Err(error) => debug!(service, operation, attempt, %error, duration_ms, "no answer"),
        }
        let status = outcome.as_ref().map(|answer| answer.status().as_u16()).map_err(TransportError::kind);
        let operation = format!("{method} {}", without_ids(&path));
        transport.called(&Call { service: &service, operation: &operation, attempt, status, took });
    }
}

/// Returns a path with `{id}` for everything that is no name: numbers, hashes, GUIDs, files.
fn without_ids(path: &str) -> String {
    let name = |segment: &str| {
        let in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.');
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        segment.len() <= LONGEST_NAME
            && digits <= DIGITS_OF_A_NAME
            && segment.bytes().all(in_names)
            && !segment.starts_with(|first: char| first.is_ascii_digit())
    };
    path.split('/').map(|segment| if name(segment) { segment } else { "{id}" }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/rest/sample/1007/iocs", "/rest/sample/{id}/iocs")]
    #[case(
        "/rest/sample/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/rest/sample/sha256/{id}"
    )]
    #[case(
        "/workspaces/01234567-89ab-cdef-0123-456789abcdef/threat-intelligence-stix-objects:upload",
        "/workspaces/{id}/threat-intelligence-stix-objects:upload"
    )]
    #[case("/01234567-89ab-cdef-0123-456789abcdef/oauth2/v2.0/token", "/{id}/oauth2/v2.0/token")]
    #[case("/state/manifest/00000000000000000001.manifest", "/state/manifest/{id}")]
    #[case("/a%2fb/\u{e4}", "/{id}/{id}")]
    #[case("/", "/")]
    fn an_operation_has_no_part_that_differs_each_time(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(without_ids(path), expected);
    }
}
