//! What the targets share: a server that answers as the fuzzer says, and the mapping of what was read.
//!
//! Input of the two targets that play a server: one line of head (which question, which status, then the text of
//! `Retry-After`), then the body, so that a seed can be read and written by hand.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use indicators::{Finding, Mapped, Parts, Reading, Rules, Severity, Style, SubmissionFacts, VerdictFilter};
use jiff::Timestamp;
use outbound::{Request, Response, Transport, TransportError};
use serde_json::value::RawValue;
use stix::{Indicator, Kind, Pattern, Property, Tlp};
use vmray::Iocs;

/// When everything here happens.
pub fn now() -> Timestamp {
    Timestamp::constant(1_780_000_000, 0)
}

/// Runs one input on paused time.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// The head line of an input, and the rest.
pub struct Played<'a> {
    head: &'a [u8],
    /// The body of the answer.
    pub body: &'a [u8],
}

impl<'a> Played<'a> {
    /// Cuts an input at its first line end.
    pub fn of(data: &'a [u8]) -> Self {
        match data.iter().position(|byte| *byte == b'\n') {
            Some(at) => Self { head: &data[..at], body: &data[at + 1..] },
            None => Self { head: b"", body: data },
        }
    }

    /// A number that the head chooses.
    pub fn choice(&self, which: usize, of: usize) -> usize {
        usize::from(self.head.get(which).copied().unwrap_or_default()) % of
    }

    /// The answer: a status that the head chooses, its `Retry-After`, the body.
    pub fn response(&self, statuses: &[u16]) -> Response {
        let mut response = http::Response::builder()
            .status(statuses[self.choice(1, statuses.len())])
            .header("date", "Thu, 28 May 2026 20:26:40 GMT");
        let retry_after = self.head.get(3..).unwrap_or_default();
        if !retry_after.is_empty()
            && let Ok(value) = http::HeaderValue::from_bytes(retry_after)
        {
            response = response.header("retry-after", value);
        }
        response.body(Bytes::copy_from_slice(self.body)).unwrap()
    }
}

/// A server that gives one answer to the first few questions, and then knows nothing.
#[derive(Debug)]
pub struct Server {
    answer: Response,
    left: AtomicUsize,
}

impl Server {
    /// Returns a server that gives `answer` so often.
    pub fn new(answer: Response, times: usize) -> Self {
        Self { answer, left: AtomicUsize::new(times) }
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        Ok(match left {
            Ok(_) => self.answer.clone(),
            Err(_) => http::Response::builder().status(404).body(Bytes::new()).unwrap(),
        })
    }
}

/// The input as one JSON value, if it is that: its text, as a server would send it.
pub fn json_text(data: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&RawValue>(data).ok().map(RawValue::get)
}

/// Every kind, both verdicts, no allow-list: as many findings as there can be.
pub fn all_rules() -> Rules {
    Rules {
        verdicts: VerdictFilter { malicious: true, suspicious: true },
        ioc_types: BTreeSet::from(Kind::ALL),
        ..Rules::default()
    }
}

/// Maps IOCs as those of a malicious sample, and checks what holds for every mapping.
pub fn mapped(iocs: &Iocs, rules: &Rules, tactics: &[String]) -> Mapped {
    let submissions = [SubmissionFacts { id: 7, finish_time: now(), severity: Severity::Malicious }];
    let mapped = indicators::map(&Reading { sample_id: 5, submissions: &submissions, iocs, tactics }, rules);
    for finding in &mapped.findings {
        let observable = &finding.observable;
        let (value, pattern) = (observable.value(), observable.pattern());
        let printed = pattern.to_string();
        assert!(Pattern::means(&printed, Property::of(observable), &value), "{printed}");
        assert_eq!(Pattern::parse(&printed), Ok(pattern.clone()));
        assert_eq!(pattern.observable().as_ref(), Ok(observable), "{printed}");
        assert_eq!(finding.id, observable.kind().id_of(&value));
    }
    for pair in mapped.findings.windows(2) {
        assert!(pair[0].id < pair[1].id, "a value is found twice, or out of order");
    }
    assert!(mapped.receipts.iter().all(|receipt| receipt.value.chars().count() <= 512));
    mapped
}

/// Writes the indicator of a finding and checks that it is read as it is written.
pub fn composed(finding: &Finding, style: &Style) -> Indicator {
    let support = &finding.support;
    let indicator = indicators::compose(
        &Parts {
            observable: &finding.observable,
            name: &indicators::name_of(finding),
            created: support.first_seen,
            modified: support.last_seen,
            valid_until: style.expiry.valid_until(finding.observable.kind(), support.last_seen),
            supports: std::slice::from_ref(support),
            incidents: &[],
        },
        style,
    );
    let text = serde_json::to_string(&indicator).unwrap();
    assert_eq!(serde_json::from_str::<Indicator>(&text).unwrap(), indicator, "{text}");
    indicator
}

/// How indicators are written here.
pub fn style() -> Style {
    Style {
        vmray_base: Some("https://vmray.test".to_owned()),
        tlp: Tlp::Amber,
        expiry: indicators::Expiry::default(),
        created_by: indicators::identity().id,
    }
}
