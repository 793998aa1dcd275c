//! What was submitted and asked, for tests that count.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::front::Seen;

/// One thing of a submit, taken or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// The URL, or the SHA-256 of the file.
    pub value: String,
    /// Its name: that of the file, its path in the archive, or the URL.
    pub filename: String,
    /// The sample, new or known.
    pub sample_id: Option<u64>,
    /// The submission made.
    pub submission_id: Option<u64>,
    /// Why none was made.
    pub refused: Option<String>,
    /// The parameters of the submit.
    pub parameters: Vec<(String, String)>,
}

/// Counts requests by method and form of path.
pub(super) fn calls(seen: &[Seen]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in seen {
        let path = one.path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/rest").unwrap_or(path);
        let form: Vec<&str> = path.split('/').map(form_of).collect();
        *counts.entry(format!("{} {}", one.method, form.join("/"))).or_default() += 1;
    }
    counts
}

fn form_of(segment: &str) -> &str {
    if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
        "{id}"
    } else if segment.len() >= 32 && segment.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "{hash}"
    } else {
        segment
    }
}
