//! A document of OpenAPI 3.1 in the form of 3.0.3, for tools that read no more (custom connectors of Power Platform, API
//! gateways, generators of code).
//!
//! 3.1 takes JSON Schema as it is, 3.0 a dialect of its own: one type for a schema, `nullable` instead of the type null,
//! one `example`, and `format` instead of the encoding of a text (OpenAPI 3.0.3, "Schema Object").

use serde_json::{Map, Value, json};

/// Returns the document.
pub(super) fn of(document: Value) -> Value {
    let mut document = in_dialect(document);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("openapi".to_owned(), json!("3.0.3"));
    }
    if let Some(license) = document.pointer_mut("/info/license").and_then(Value::as_object_mut) {
        license.remove("identifier");
    }
    document
}

fn in_dialect(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(in_dialect).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| match name.as_str() {
                // A body that is bytes has no schema in 3.1 and is a text of them in 3.0.
                "application/octet-stream" => (name, json!({ "schema": { "type": "string", "format": "binary" } })),
                _ => (name, in_dialect(value)),
            });
            Value::Object(one_type(fields.collect()))
        }
        other => other,
    }
}

/// Writes what 3.0 says in another way.
fn one_type(mut fields: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(types)) = fields.get("type").cloned() {
        let (nulls, types): (Vec<Value>, Vec<Value>) = types.into_iter().partition(|kind| kind == "null");
        fields.remove("type");
        if !nulls.is_empty() {
            fields.insert("nullable".to_owned(), json!(true));
        }
        match <[Value; 1]>::try_from(types) {
            Ok([only]) => drop(fields.insert("type".to_owned(), only)),
            Err(types) => {
                let any: Value = types.into_iter().map(|kind| json!({ "type": kind })).collect();
                fields.insert("anyOf".to_owned(), any);
            }
        }
    }
    if let Some(Value::Array(examples)) = fields.get("examples").cloned() {
        fields.remove("examples");
        fields.extend(examples.into_iter().next().map(|example| ("example".to_owned(), example)));
    }
    if fields.get("contentEncoding").is_some_and(|encoding| encoding == "base64") {
        fields.remove("contentEncoding");
        fields.insert("format".to_owned(), json!("byte"));
    }
    if fields.remove("contentMediaType").is_some() {
        fields.insert("format".to_owned(), json!("binary"));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keywords of a schema (OpenAPI 3.0.3, "Schema Object"), as far as we use them; every other is of 3.1.
    const KEYWORDS: [&str; 19] = [
        "$ref",
        "type",
        "format",
        "description",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "nullable",
        "example",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
    ];

    /// Calls `look` with every schema below a value.
    fn schemas<'a>(value: &'a Value, look: &mut impl FnMut(&'a Map<String, Value>)) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| schemas(item, look)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("schema" | "items" | "additionalProperties", Value::Object(schema)) => look(schema),
                        ("schemas" | "properties", Value::Object(named)) => {
                            named.values().filter_map(Value::as_object).for_each(&mut *look);
                        }
                        ("anyOf", Value::Array(any)) => any.iter().filter_map(Value::as_object).for_each(&mut *look),
                        _ => {}
                    }
                    schemas(value, look);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_document_is_one_of_openapi_3_0() {
        let document = super::super::document_3_0();
        let read: openapiv3::OpenAPI = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(read.openapi, "3.0.3");
        assert_eq!(read.operations().count(), crate::http::operations::all().len());
        let mut looked_at = 0;
        schemas(&document, &mut |schema| {
            looked_at += 1;
            for (keyword, value) in schema {
                assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} in {schema:?}");
                assert!(keyword != "type" || value.is_string(), "{schema:?}");
            }
        });
        assert!(looked_at > 100, "{looked_at}");
        // What the reader does not know it keeps as it is; then it was not read.
        let read = serde_json::to_value(&read).unwrap();
        let of_enrich = "/paths/~1api~1enrich/post/requestBody";
        assert_eq!(read["components"]["schemas"], document["components"]["schemas"]);
        assert_eq!(read.pointer(of_enrich).unwrap(), document.pointer(of_enrich).unwrap());
    }

    #[test]
    fn what_is_said_in_another_way_means_the_same() {
        let schema = |value: Value| in_dialect(value);
        assert_eq!(schema(json!({"type": ["string", "null"]})), json!({"type": "string", "nullable": true}));
        let both = json!({"anyOf": [{"type": "string"}, {"type": "integer"}]});
        assert_eq!(schema(json!({"type": ["string", "integer"]})), both);
        assert_eq!(schema(json!({"type": "string", "examples": ["10m"]})), json!({"type": "string", "example": "10m"}));
        let encoded = json!({"type": "string", "contentEncoding": "base64"});
        assert_eq!(schema(encoded), json!({"type": "string", "format": "byte"}));
    }
}
