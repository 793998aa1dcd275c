//! A sample: one file or URL.

use jiff::Timestamp;
use serde_json::Value;

use crate::record::{Map, record};
use crate::{SampleId, Verdict};

record! {
    /// A sample. Without its id it is unreadable.
    pub struct Sample {
        /// Its number.
        id: SampleId = "sample_id",
        /// When VMRay first saw it.
        created: Option<Timestamp> = "sample_created",
        /// Its name.
        filename: Option<String> = "sample_filename",
        /// The name it was submitted under; in replies to a submit only.
        submission_filename: Option<String> = "submission_filename",
        /// Its size in bytes.
        filesize: Option<u64> = "sample_filesize",
        /// `URL`, `Windows Exe (x86-32)`, ...
        sample_type: Option<String> = "sample_type",
        /// Its page in VMRay.
        webif_url: Option<String> = "sample_webif_url",
        /// MD5.
        md5hash: Option<String> = "sample_md5hash",
        /// SHA-1.
        sha1hash: Option<String> = "sample_sha1hash",
        /// SHA-256.
        sha256hash: Option<String> = "sample_sha256hash",
        /// Fuzzy hash.
        ssdeephash: Option<String> = "sample_ssdeephash",
        /// Hash of a program's imports.
        imphash: Option<String> = "sample_imphash",
        /// Hash of a mail.
        emailhash: Option<String> = "sample_emailhash",
        /// Its verdict; null until known.
        verdict: Option<Verdict> = "sample_verdict",
        /// Why there is no verdict.
        verdict_reason_code: Option<String> = "sample_verdict_reason_code",
        /// Why there is no verdict, in words.
        verdict_reason_description: Option<String> = "sample_verdict_reason_description",
        /// Older form of the verdict, 0 to 100.
        score: Option<i64> = "sample_score",
        /// Older form of the verdict.
        severity: Option<String> = "sample_severity",
        /// A number, or a word on some servers.
        vti_score: Option<String> = "sample_vti_score",
        /// Highest score of an analysis, 0 to 100.
        highest_vti_score: Option<i64> = "sample_highest_vti_score",
        /// Highest severity of an analysis.
        highest_vti_severity: Option<String> = "sample_highest_vti_severity",
        /// What reputation services said last.
        last_reputation_severity: Option<String> = "sample_last_reputation_severity",
        /// Kinds of malware; null since 2026.2.
        classifications: Vec<String> = "sample_classifications",
        /// Names of malware; null since 2026.2.
        threat_names: Vec<String> = "sample_threat_names",
        /// Samples found in it.
        child_sample_ids: Vec<SampleId> = "sample_child_sample_ids",
        /// Samples it was found in.
        parent_sample_ids: Vec<SampleId> = "sample_parent_sample_ids",
        /// How the samples in it relate to it.
        child_relations: Vec<Value> = "sample_child_relations",
        /// Whether that list is cut.
        child_relations_truncated: Option<bool> = "sample_child_relations_truncated",
        /// How the samples around it relate to it.
        parent_relations: Vec<Value> = "sample_parent_relations",
        /// Whether that list is cut.
        parent_relations_truncated: Option<bool> = "sample_parent_relations_truncated",
        /// The URL, for a URL.
        url: Option<String> = "sample_url",
        /// The URL to show.
        display_url: Option<String> = "sample_display_url",
        /// Kind of container, for an archive or mail.
        container_type: Option<String> = "sample_container_type",
        /// Whether it is made of several files.
        is_multipart: Option<bool> = "sample_is_multipart",
        /// Whether it needs a password.
        password_protected: Option<bool> = "sample_password_protected",
        /// Its priority.
        priority: Option<i64> = "sample_priority",
        ..extra: Map, "Its other fields, as sent."
    }
    essential id
}
