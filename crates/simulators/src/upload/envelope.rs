//! The body around the objects.

use serde_json::Value;

/// Objects per request.
const MAX_OBJECTS: usize = 100;
/// Characters of `sourcesystem`.
const MAX_SOURCE_SYSTEM: usize = 256;

/// A well-formed body.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) source_system: String,
    pub(super) objects: Vec<Value>,
}

/// Reads a body, or says why the whole request is refused.
pub(super) fn read(body: &[u8]) -> Result<Envelope, String> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return Err("The request body is not a JSON object.".to_owned());
    };
    if let Some(legacy) = ["indicators", "value"].into_iter().find(|key| fields.contains_key(*key)) {
        return Err(format!("The property '{legacy}' belongs to another API; expected 'stixobjects'."));
    }
    let Some(Value::String(source_system)) = fields.remove("sourcesystem") else {
        return Err("The property 'sourcesystem' is required and must be a string.".to_owned());
    };
    if source_system.trim().is_empty() || source_system.chars().count() > MAX_SOURCE_SYSTEM {
        return Err(format!("The property 'sourcesystem' must have 1 to {MAX_SOURCE_SYSTEM} characters."));
    }
    if source_system.eq_ignore_ascii_case("Microsoft Sentinel") {
        return Err("The source system 'Microsoft Sentinel' is reserved.".to_owned());
    }
    let Some(Value::Array(objects)) = fields.remove("stixobjects") else {
        return Err("The property 'stixobjects' is required and must be an array.".to_owned());
    };
    if objects.is_empty() || objects.len() > MAX_OBJECTS {
        return Err(format!(
            "The property 'stixobjects' must have 1 to {MAX_OBJECTS} elements, not {}.",
            objects.len()
        ));
    }
    Ok(Envelope { source_system, objects })
}

/// Returns how many objects a body has that [`read`] refuses.
pub(super) fn count(body: &[u8]) -> usize {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("stixobjects").and_then(Value::as_array).map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &Value) -> String {
        read(body.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn takes_one_to_a_hundred_objects() {
        let body = |n: usize| json!({"sourcesystem": "x", "stixobjects": vec![json!({}); n]});
        assert!(refused(&body(0)).contains("1 to 100"));
        assert_eq!(read(body(100).to_string().as_bytes()).unwrap().objects.len(), 100);
        assert!(refused(&body(101)).contains("not 101"));
    }

    #[test]
    fn wants_a_json_object() {
        assert!(read(b"[]").is_err());
        assert!(read(b"{").is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn wants_both_keys_with_their_types() {
        assert!(refused(&json!({"stixobjects": [{}]})).contains("'sourcesystem'"));
        assert!(refused(&json!({"sourcesystem": 1, "stixobjects": [{}]})).contains("'sourcesystem'"));
        assert!(refused(&json!({"sourcesystem": "x"})).contains("'stixobjects'"));
        assert!(refused(&json!({"sourcesystem": "x", "stixobjects": {}})).contains("'stixobjects'"));
    }

    #[test]
    fn refuses_the_reserved_the_empty_and_the_long_source_system() {
        let body = |name: &str| json!({"sourcesystem": name, "stixobjects": [{}]});
        assert!(refused(&body("Microsoft Sentinel")).contains("reserved"));
        assert!(refused(&body("")).contains("characters"));
        assert!(refused(&body(&"x".repeat(257))).contains("characters"));
        assert!(read(body(&"ö".repeat(256)).to_string().as_bytes()).is_ok());
    }

    #[test]
    fn refuses_the_keys_of_the_legacy_apis() {
        for key in ["indicators", "value"] {
            assert!(refused(&json!({"sourcesystem": "x", "stixobjects": [{}], key: []})).contains("another API"));
        }
    }
}
