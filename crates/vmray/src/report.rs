//! Reports from disk: `summary_v2.json`, its predecessor `summary.json`, and replies to a question for IOCs.
//!
//! All three become the same models. A summary tells one analysis where an IOC reply tells a sample, and names
//! things differently; an item of another shape is kept as unreadable, as in a reply.

use jiff::Timestamp;
use serde_json::Value;

use crate::envelope::scrubbed;
use crate::{
    AnalysisId, Entry, Error, IocCommon, Iocs, IocsReply, SampleId, Technique, Verdict, Vti, summary_v1, summary_v2,
};

const WHAT: &str = "the report";

/// Which report a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// `logs/summary_v2.json` of an analysis archive.
    SummaryV2,
    /// `logs/summary.json` of an analysis archive.
    SummaryV1,
    /// The reply of `/rest/sample/{id}/iocs`, with or without its envelope.
    IocsReply,
}

/// What a report from disk says; what it does not say is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which report it is.
    pub kind: ReportKind,
    /// The artifacts, IOCs and others: `ioc` tells them apart.
    pub iocs: Iocs,
    /// The VTIs.
    pub vtis: Vec<Vti>,
    /// The ATT&CK techniques, of the newest matrix that has any.
    pub techniques: Vec<Technique>,
    /// The sample's number.
    pub sample_id: Option<SampleId>,
    /// The analysis' number.
    pub analysis_id: Option<AnalysisId>,
    /// The analysis' verdict.
    pub verdict: Option<Verdict>,
    /// When the report was made; local time without zone in version 2.1 and read as UTC.
    pub created: Option<Timestamp>,
    /// Name of the submitted file.
    pub filename: Option<String>,
    /// Type of the sample.
    pub sample_type: Option<String>,
    /// The sample's SHA-256.
    pub sha256: Option<String>,
}

impl Report {
    /// Reads a report and finds out which it is.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let root: Value = serde_json::from_slice(json).map_err(unreadable)?;
        let data = root.get("data").unwrap_or(&root);
        if data.get("iocs").is_some() {
            let reply: IocsReply = serde_json::from_value(data.clone()).map_err(unreadable)?;
            return Ok(Self { iocs: reply.iocs, ..Self::empty(ReportKind::IocsReply) });
        }
        if !root.get("artifacts").is_some_and(Value::is_object) {
            let reason = "neither a summary (artifacts) nor a reply with iocs".to_owned();
            return Err(Error::Unreadable { what: WHAT, reason });
        }
        if root.get("_type").is_some() {
            Ok(summary_v2::read(&root))
        } else {
            summary_v1::read(&root).map_err(unreadable)
        }
    }

    pub(crate) fn empty(kind: ReportKind) -> Self {
        Self {
            kind,
            iocs: Iocs::default(),
            vtis: Vec::new(),
            techniques: Vec::new(),
            sample_id: None,
            analysis_id: None,
            verdict: None,
            created: None,
            filename: None,
            sample_type: None,
            sha256: None,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn unreadable(error: serde_json::Error) -> Error {
    Error::Unreadable { what: WHAT, reason: scrubbed(&error.to_string(), "") }
}

/// Returns the text of a field.
pub(crate) fn text(item: &Value, field: &str) -> Option<String> {
    item.get(field)?.as_str().map(str::to_owned)
}

/// Returns the texts of a field that holds a list, or its lone text.
pub(crate) fn texts(item: &Value, field: &str) -> Vec<String> {
    match item.get(field) {
        Some(Value::String(lone)) => vec![lone.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// Writes a category of a summary (`memory_dump`, `DROPPED`) as IOC replies do (`Memory Dump`).
pub(crate) fn category(text: &str) -> String {
    let words = text.split(['_', ' ']).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Calls `change` for what every readable entry carries.
pub(crate) fn each_common(iocs: &mut Iocs, mut change: impl FnMut(&mut IocCommon)) {
    macro_rules! lists {
        ($($list:ident)+) => { $(
            for entry in &mut iocs.$list {
                if let Entry::Read(ioc) = entry {
                    change(&mut ioc.common);
                }
            }
        )+ };
    }
    lists!(domains ips urls files filenames email_addresses emails registry mutexes processes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ioc_reply_is_read_with_and_without_its_envelope() {
        for body in [r#"{"data": {"iocs": {"ips": [{}]}}, "result": "ok"}"#, r#"{"iocs": {"ips": [{}]}}"#] {
            let report = Report::parse(body.as_bytes()).unwrap();
            assert_eq!((report.kind, report.iocs.ips.len()), (ReportKind::IocsReply, 1));
        }
    }

    #[test]
    fn what_is_no_report_is_refused_with_a_reason() {
        for body in ["", "[]", "5", "{}", r#"{"data": null}"#, r#"{"artifacts": []}"#, "MZ\u{0}"] {
            let error = Report::parse(body.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("cannot read the report of VMRay: "), "{error}");
        }
    }

    #[test]
    fn categories_read_like_those_of_replies() {
        assert_eq!(category("memory_dump"), "Memory Dump");
        assert_eq!(category("DROPPED"), "Dropped");
    }
}
