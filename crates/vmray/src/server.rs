//! What a server says of itself and of the key.

use crate::record::record;

record! {
    /// The server's version and limits.
    pub struct SystemInfo {
        /// Such as `4.2.0` or `2026.2.1`.
        version: Option<String> = "version",
        /// First part of the version.
        version_major: Option<u64> = "version_major",
        /// Second part of the version.
        version_minor: Option<u64> = "version_minor",
        /// Third part of the version.
        version_revision: Option<u64> = "version_revision",
        /// Items in one reply.
        api_items_per_request: Option<u64> = "api_items_per_request",
        /// Items in one reply and its continuations.
        max_api_items: Option<u64> = "max_api_items",
        /// Name of the installation.
        webif_alias: Option<String> = "webif_alias",
        /// Address of the pages.
        webif_base_url: Option<String> = "webif_base_url",
        /// Largest sample in bytes.
        webif_max_sample_size: Option<u64> = "webif_max_sample_size",
        /// Largest upload in bytes.
        webif_max_upload_size: Option<u64> = "webif_max_upload_size",
        /// Whether files may be named by URL.
        file_param_http_scheme_enabled: Option<bool> = "file_param_http_scheme_enabled",
    }
}

record! {
    /// What the key may still use.
    pub struct Quota {
        /// Analyses allowed in the period.
        quota_limit: Option<i64> = "quota_limit",
        /// Analyses used.
        used_quota: Option<i64> = "used_quota",
    }
}
