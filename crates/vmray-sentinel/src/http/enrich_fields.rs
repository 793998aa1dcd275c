//! What `/api/enrich` takes and gives, field by field: `/docs` and `/openapi.json` both read it here.

use serde_json::{Map, Value, json};

/// A field of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Its path, as a refusal names it.
    pub(super) name: &'static str,
    /// What it looks like, in words.
    pub(super) form: &'static str,
    /// What it means.
    pub(super) doc: &'static str,
}

const fn field(name: &'static str, form: &'static str, doc: &'static str) -> Field {
    Field { name, form, doc }
}

/// The one that must be there.
pub(super) const ITEMS: Field =
    field("items", "list of 1 to 100 objects", "What to ask about; each has one of url, hash and file");

/// What stands in an item.
pub(super) const OF_ITEM: [Field; 6] = [
    field("url", "text", "A URL, as people write it"),
    field("hash", "32, 40 or 64 hexadecimal digits", "The MD5, SHA-1 or SHA-256 of a file"),
    field("file", "base64", "A file's content; as the object with `$content` of the Office 365 connector, too"),
    field("name", "text", "The file's name"),
    field("archive_password", "text", "Password of an archive"),
    field("document_password", "text", "Password of a document"),
];

/// What stands beside the items.
pub(super) const OPTIONS: [Field; 8] = [
    field("incident", "text or number", "Number or id of the incident"),
    field("upload", "true or false", "Send the indicators to the workspace"),
    field("resubmit", "true or false", "Analyse again although a verdict is known"),
    field("deadline", "time such as `10m`, at most `24h`", "When to report what is there"),
    field("send_one_time_links", "true or false", "Send links that work once, too"),
    field("shareable", "true or false", "Let VirusTotal learn the hash"),
    field("tags", "list of texts", "Tags of the submissions, each one word"),
    field("max_jobs", "whole number from 1 to 1000", "Upper bound on the analyses of a submission"),
];

/// What stands in the link of a job.
pub(super) const OF_LINK: [Field; 2] = [
    field("job", "26 characters, in the path", "The name of the answer"),
    field("token", "text, in the query", "The right to it; both come in the link that `POST /api/enrich` gave"),
];

/// Adds the meaning of each to schemas by name.
pub(super) fn described(fields: &[Field], schemas: Value) -> Map<String, Value> {
    let Value::Object(mut schemas) = schemas else { return Map::new() };
    for field in fields {
        if let Some(schema) = schemas.get_mut(field.name).and_then(Value::as_object_mut) {
            schema.insert("description".to_owned(), json!(field.doc));
        }
    }
    schemas
}
