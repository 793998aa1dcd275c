//! `/openapi.json`: OpenAPI 3.1, written from the table of operations.

use enrichment::functions::{Form, Parameter};
use serde_json::{Map, Value, json};

use super::operations::{self, Kind, Method, Operation};

/// Returns the document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations::all() {
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.as_str().to_owned(), described(&operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "VMRay for Microsoft Sentinel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Look-ups and submissions in VMRay for playbooks and people. Names of paths are matched \
                without regard to case. Every refusal is application/problem+json with the next step.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "functionsKey": [] }, { "apiKey": [] }, { "bearer": [] }, { "code": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "functionsKey": { "type": "apiKey", "in": "header", "name": "X-Functions-Key" },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
                "bearer": { "type": "http", "scheme": "bearer" },
                "code": { "type": "apiKey", "in": "query", "name": "code" },
            },
            "headers": {
                "RequestId": {
                    "description": "The id of the request, as in the log; the caller's own if it gave one",
                    "required": true,
                    "schema": { "type": "string" },
                },
                "RetryAfter": { "description": "Seconds to wait", "schema": { "type": "integer", "minimum": 1 } },
            },
            "schemas": {
                "Problem": problem(),
                "Submitted": submitted(),
            },
        },
    })
}

fn described(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses(operation),
    });
    let Some(fields) = described.as_object_mut() else { return described };
    if !operation.parameters.is_empty() {
        match operation.method {
            Method::Get => {
                let parameters: Vec<Value> = operation.parameters.iter().map(in_query).collect();
                fields.insert("parameters".to_owned(), json!(parameters));
            }
            Method::Post => {
                fields.insert("description".to_owned(), json!("Parameters are read from the query, too; it wins."));
                fields.insert("requestBody".to_owned(), body(&operation.parameters));
            }
        }
    }
    described
}

fn in_query(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.doc,
        "schema": as_text(parameter.form),
    })
}

fn body(parameters: &[Parameter]) -> Value {
    let properties: Map<String, Value> = parameters
        .iter()
        .map(|parameter| {
            let mut schema = as_json(parameter.form);
            if let Some(fields) = schema.as_object_mut() {
                fields.insert("description".to_owned(), json!(parameter.doc));
            }
            (parameter.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> =
        parameters.iter().filter(|parameter| parameter.required).map(|parameter| parameter.name).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn as_text(form: Form) -> Value {
    match form {
        Form::Number => json!({ "type": "integer", "minimum": 1 }),
        Form::Text => json!({ "type": "string", "minLength": 1 }),
        Form::Hash => json!({ "type": "string", "pattern": HASH }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::List => json!({ "type": "string", "description": "With commas between" }),
        Form::Verdicts => json!({ "type": "string", "examples": ["malicious,suspicious"] }),
        Form::Base64 => json!({ "type": "string", "contentEncoding": "base64" }),
    }
}

fn as_json(form: Form) -> Value {
    match form {
        Form::Number => json!({
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+$" }],
        }),
        Form::Flag => json!({ "anyOf": [{ "type": "boolean" }, { "enum": ["true", "false"] }] }),
        Form::List => json!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "string" }] }),
        Form::Verdicts => json!({
            "anyOf": [{ "type": "array", "items": { "enum": ["malicious", "suspicious"] } }, { "type": "string" }],
        }),
        Form::Text | Form::Hash | Form::Base64 => as_text(form),
    }
}

const HASH: &str = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$";

fn responses(operation: &Operation) -> Value {
    let success = match operation.kind {
        Kind::Submit => json!({ "$ref": "#/components/schemas/Submitted" }),
        Kind::Status => json!({ "type": "object" }),
        Kind::LookUp => json!({}),
    };
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": operation.answer,
            "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
            "content": { "application/json": { "schema": success } },
        }),
    );
    for status in operation.refusals() {
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
        if matches!(status.code, 429 | 502 | 503 | 504)
            && let Some(headers) = headers.as_object_mut()
        {
            headers.insert("Retry-After".to_owned(), json!({ "$ref": "#/components/headers/RetryAfter" }));
        }
        let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        responses.insert(
            status.code.to_string(),
            json!({
                "description": status.when,
                "headers": headers,
                "content": { "application/problem+json": problem },
            }),
        );
    }
    Value::Object(responses)
}

fn problem() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "RFC 9457, with the next step",
        "required": ["type", "title", "status", "detail", "next_step", "request_id"],
        "properties": {
            "type": { "type": "string", "pattern": "^urn:vmray-sentinel:problem:" },
            "title": text(),
            "status": { "type": "integer" },
            "detail": text(),
            "next_step": text(),
            "parameter": text(),
            "retry_after": { "type": "integer", "minimum": 1 },
            "request_id": text(),
        },
    })
}

fn submitted() -> Value {
    let list = |names: &[&str]| {
        let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        json!({ "type": "array", "items": { "type": "object", "properties": properties, "required": names } })
    };
    json!({
        "type": "object",
        "required": ["vmray_job", "vmray_sample", "vmray_submission"],
        "properties": {
            "vmray_job": list(&["JobID", "Created", "SampleID", "VMName", "VMID", "JobRuleSampleType"]),
            "vmray_sample": list(&["SampleID", "SampleURL", "Created", "FileName", "FileSize", "SSDeep", "SHA1"]),
            "vmray_submission": list(&["SubmissionID", "SubmissionURL", "SampleID"]),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_stays_as_it_is_unless_meant() {
        insta::assert_json_snapshot!(document(), { ".info.version" => "[version]" });
    }
}
