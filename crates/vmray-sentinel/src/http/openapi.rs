//! `/openapi.json`: OpenAPI 3.1, written from the table of operations; `/openapi-3.0.json`, the same for tools that read
//! no more than 3.0.

mod version_3_0;

use enrichment::MAX_ITEMS;
use enrichment::functions::{Form, Parameter};
use serde_json::{Map, Value, json};

use super::enrich_body::MAX_JOBS;
use super::enrich_fields;
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
                "Report": report(),
            },
        },
    })
}

/// Returns the document in the form of 3.0.3.
pub(super) fn document_3_0() -> Value {
    version_3_0::of(document())
}

fn described(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses(operation),
    });
    let Some(fields) = described.as_object_mut() else { return described };
    match operation.kind {
        Kind::Enrich => {
            fields.insert("requestBody".to_owned(), enrich_body());
        }
        Kind::Job => {
            fields.insert("parameters".to_owned(), job_parameters());
            fields.insert("security".to_owned(), json!([]));
        }
        Kind::Status => {}
        Kind::LookUp | Kind::Submit => match operation.method {
            Method::Get => {
                let parameters: Vec<Value> = operation.parameters.iter().map(in_query).collect();
                fields.insert("parameters".to_owned(), json!(parameters));
            }
            Method::Post => {
                fields.insert("description".to_owned(), json!("Parameters are read from the query, too; it wins."));
                fields.insert("requestBody".to_owned(), body(&operation.parameters));
            }
        },
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

fn enrich_body() -> Value {
    let text = || json!({ "type": "string", "minLength": 1 });
    let of_item = json!({
        "url": text(),
        "hash": { "type": "string", "pattern": HASH },
        "file": { "type": "string", "contentEncoding": "base64", "minLength": 4 },
        "name": text(),
        "archive_password": text(),
        "document_password": text(),
    });
    let of_item = enrich_fields::described(&enrich_fields::OF_ITEM, of_item);
    let item = |name: &str, others: &[&str]| {
        let names = std::iter::once(name).chain(others.iter().copied());
        let properties: Map<String, Value> =
            names.filter_map(|name| Some((name.to_owned(), of_item.get(name)?.clone()))).collect();
        json!({ "type": "object", "required": [name], "properties": properties, "additionalProperties": false })
    };
    let items = [item("url", &[]), item("hash", &[]), item("file", &["name", "archive_password", "document_password"])];
    let options = json!({
        "incident": { "type": ["string", "integer"] },
        "upload": { "type": "boolean" },
        "resubmit": { "type": "boolean" },
        "deadline": { "type": "string", "examples": ["10m"] },
        "send_one_time_links": { "type": "boolean" },
        "shareable": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^\\S+$" } },
        "max_jobs": { "type": "integer", "minimum": 1, "maximum": MAX_JOBS },
    });
    let mut properties = enrich_fields::described(&enrich_fields::OPTIONS, options);
    let list = json!({
        "type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": { "anyOf": items },
        "description": enrich_fields::ITEMS.doc,
    });
    properties.insert("items".to_owned(), list);
    let fields = json!({
        "type": "object",
        "properties": {
            "url": { "type": "string" },
            "hash": { "type": "string" },
            "incident": { "type": "string" },
        },
    });
    let form = json!({
        "type": "object",
        "properties": {
            "file": { "type": "string", "contentMediaType": "application/octet-stream" },
            "url": { "type": "string" },
            "hash": { "type": "string" },
            "incident": { "type": "string" },
        },
    });
    json!({
        "required": true,
        "description": "JSON; or a form, whose fields have the names of the options and of an item; or, as any other type, a \
            file, its name in the query as `name` and the options beside it",
        "content": {
            "application/json": {
                "schema": { "type": "object", "required": ["items"], "properties": properties, "additionalProperties": false },
            },
            "multipart/form-data": { "schema": form },
            "application/x-www-form-urlencoded": { "schema": fields },
            "application/octet-stream": { "schema": {} },
        },
    })
}

fn job_parameters() -> Value {
    let places = ["path", "query"];
    let parameters = enrich_fields::OF_LINK.into_iter().zip(places).map(|(field, place)| {
        let schema = json!({ "type": "string" });
        json!({ "name": field.name, "in": place, "required": true, "description": field.doc, "schema": schema })
    });
    parameters.collect()
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
        Kind::Enrich | Kind::Job => json!({ "$ref": "#/components/schemas/Report" }),
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
    if operation.may_take_time() {
        responses.insert(
            "202".to_owned(),
            json!({
                "description": "Something is running; ask the address in Location after Retry-After",
                "headers": {
                    "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
                    "Retry-After": { "$ref": "#/components/headers/RetryAfter" },
                    "Location": { "description": "Where to ask again", "required": true, "schema": { "type": "string" } },
                },
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Report" } } },
            }),
        );
    }
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

/// What stays in a report; later versions add fields.
fn report() -> Value {
    json!({
        "type": "object",
        "required": ["job", "complete", "verdict", "summary", "items", "upload"],
        "properties": {
            "job": { "type": "string" },
            "complete": { "type": "boolean", "description": "Whether nothing is running any more" },
            "verdict": { "enum": ["unknown", "clean", "suspicious", "malicious"] },
            "summary": { "type": "string", "description": "One line that stands alone" },
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kind", "value", "state", "verdict", "reason"],
                    "properties": {
                        "kind": { "enum": ["url", "hash", "file"] },
                        "value": { "type": "string" },
                        "state": {
                            "enum": ["known", "analysed", "running", "unknown", "held_back", "refused", "failed"],
                        },
                        "verdict": { "type": ["string", "null"] },
                        "reason": { "type": "string" },
                    },
                },
            },
            "upload": { "type": "object" },
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

    #[test]
    fn every_field_of_a_request_is_in_the_table_that_the_page_shows() {
        let document = document();
        let schema = &document["paths"]["/api/enrich"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let of_item = schema["properties"]["items"]["items"]["anyOf"].as_array().unwrap();
        let of_item = of_item.iter().flat_map(|item| item["properties"].as_object().unwrap());
        let described = of_item.chain(schema["properties"].as_object().unwrap()).inspect(|(name, schema)| {
            assert!(schema["description"].is_string(), "{name}");
        });
        let mut described: Vec<&str> = described.map(|(name, _)| name.as_str()).collect();
        let shown = [enrich_fields::ITEMS].into_iter().chain(enrich_fields::OF_ITEM).chain(enrich_fields::OPTIONS);
        let mut shown: Vec<&str> = shown.map(|field| field.name).collect();
        described.sort_unstable();
        shown.sort_unstable();
        assert_eq!(described, shown);
    }
}
