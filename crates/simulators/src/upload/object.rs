//! Each object by itself: STIX 2.0 or 2.1 as the service's document demands it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::pattern;

/// An object without fault, with what the tables need of it.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) id: String,
    pub(super) stix_type: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) revoked: bool,
    pub(super) observable: Option<(String, String)>,
    pub(super) text: Arc<str>,
}

const TYPES: [&str; 5] = ["indicator", "attack-pattern", "threat-actor", "identity", "relationship"];
const PATTERN_TYPES: [&str; 6] = ["stix", "pcre", "sigma", "snort", "suricata", "yara"];
const MISSING: &str = "Required property is missing.";

/// Checks an object; the messages are the service's.
pub(super) fn check(given: &Value) -> Result<Checked, Vec<String>> {
    let Value::Object(fields) = given else {
        return Err(vec![message("stixobject", "A STIX object is expected.", given)]);
    };
    let mut reader = Reader { fields, messages: Vec::new() };
    let stix_type = reader.required_text("type").unwrap_or_default();
    if !stix_type.is_empty() && !TYPES.contains(&stix_type) {
        reader.fault("type", "The STIX type is not supported.");
    }
    let id = reader.required_text("id").unwrap_or_default();
    if !id.is_empty() && type_of_id(id) != Some(stix_type) {
        reader.fault("id", "The id must be <type>--<UUID> with the object's own type.");
    }
    let created = reader.required_time("created");
    let modified = reader.required_time("modified");
    if created.zip(modified).is_some_and(|(created, modified)| modified < created) {
        reader.fault("modified", "The value must not be earlier than created.");
    }
    reader.common();
    let mut valid_until = None;
    let mut observable = None;
    match stix_type {
        "indicator" => (valid_until, observable) = reader.indicator(),
        "attack-pattern" | "identity" | "threat-actor" => {
            reader.required_text("name");
        }
        "relationship" => reader.relationship(),
        _ => {}
    }
    let revoked = fields.get("revoked") == Some(&Value::Bool(true));
    match (reader.messages.is_empty(), created, modified) {
        (true, Some(created), Some(modified)) => Ok(Checked {
            id: id.to_owned(),
            stix_type: stix_type.to_owned(),
            created,
            modified,
            valid_until,
            revoked,
            observable,
            text: Arc::from(given.to_string()),
        }),
        _ => Err(reader.messages),
    }
}

/// Words a fault as the service does.
pub(super) fn message(property: &str, text: &str, actual: &Value) -> String {
    let shown = if actual.is_null() { "NULL".to_owned() } else { actual.to_string() };
    let shown: String = shown.chars().take(200).collect();
    format!("Error for Property={property}: {text} Actual value: {shown}.")
}

/// Returns the type in an id, when it is an id at all.
fn type_of_id(id: &str) -> Option<&str> {
    let (kind, uuid) = id.split_once("--")?;
    let plain = uuid.len() == 36 && Uuid::try_parse(uuid).is_ok();
    let named = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (plain && named).then_some(kind)
}

/// RFC 3339 in UTC, ending in `Z`, as STIX 2.1 section 2.10 wants it: a fraction after a point, no second 60. The parser of
/// the date library is more generous: it takes a comma and a leap second.
fn time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text.strip_suffix('Z')?, "0"),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut form = whole.bytes().zip("0000-00-00T00:00:00".bytes());
    let shape = whole.len() == 19 && form.all(|(given, form)| given == form || form == b'0' && given.is_ascii_digit());
    if shape && digits(fraction) && !whole.ends_with(":60") { text.parse().ok() } else { None }
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    messages: Vec<String>,
}

impl<'a> Reader<'a> {
    fn fault(&mut self, property: &str, text: &str) {
        let actual = self.fields.get(property).unwrap_or(&Value::Null);
        self.messages.push(message(property, text, actual));
    }

    /// Returns an optional property that must satisfy `accept`; `null` does not.
    fn optional<T>(&mut self, property: &str, text: &str, accept: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.fields.get(property)?;
        let read = accept(value);
        if read.is_none() {
            self.fault(property, text);
        }
        read
    }

    fn required<T>(&mut self, property: &str, text: &str, accept: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        if self.fields.get(property).is_none_or(Value::is_null) {
            self.fault(property, MISSING);
            return None;
        }
        self.optional(property, text, accept)
    }

    fn required_text(&mut self, property: &str) -> Option<&'a str> {
        self.required(property, "A string that is not empty is expected.", |value| {
            value.as_str().filter(|text| !text.is_empty())
        })
    }

    fn required_time(&mut self, property: &str) -> Option<Timestamp> {
        self.required(property, "An RFC 3339 timestamp in UTC is expected.", |value| time(value.as_str()?))
    }

    fn common(&mut self) {
        self.optional("spec_version", "Expected 2.0 or 2.1.", |value| {
            value.as_str().filter(|version| ["2.0", "2.1"].contains(version))
        });
        self.optional("confidence", "An integer from 0 to 100 is expected.", |value| {
            value.as_u64().filter(|confidence| *confidence <= 100)
        });
        self.optional("revoked", "A boolean is expected.", Value::as_bool);
        self.optional("created_by_ref", "An identity id is expected.", |value| {
            type_of_id(value.as_str()?).filter(|kind| *kind == "identity")
        });
        for property in ["name", "description", "lang"] {
            self.optional(property, "A string is expected.", Value::as_str);
        }
        for property in ["labels", "indicator_types", "sectors", "aliases"] {
            self.optional(property, "A list of strings is expected.", |value| each(value, Value::is_string));
        }
        self.optional("object_marking_refs", "A list of marking-definition ids is expected.", |value| {
            each(value, |item| item.as_str().and_then(type_of_id) == Some("marking-definition"))
        });
        self.optional("external_references", "A list of objects with source_name is expected.", |value| {
            each(value, |item| item.get("source_name").is_some_and(Value::is_string))
        });
        self.optional("granular_markings", "A list of objects is expected.", |value| each(value, Value::is_object));
        self.optional("kill_chain_phases", "A list of kill chain and phase names is expected.", |value| {
            each(value, |item| {
                ["kill_chain_name", "phase_name"].iter().all(|key| item.get(key).is_some_and(Value::is_string))
            })
        });
    }

    fn indicator(&mut self) -> (Option<Timestamp>, Option<(String, String)>) {
        let pattern = self.required_text("pattern");
        // STIX 2.0 has no pattern_type, and the specification's own 2.0 example leaves it out.
        let is_old = self.fields.get("spec_version").and_then(Value::as_str) == Some("2.0");
        let pattern_type = if is_old && !self.fields.contains_key("pattern_type") {
            Some("stix")
        } else {
            self.required("pattern_type", "Expected stix, pcre, sigma, snort, suricata or yara.", |value| {
                value.as_str().filter(|kind| PATTERN_TYPES.contains(kind))
            })
        };
        let valid_from = self.required_time("valid_from");
        let valid_until =
            self.optional("valid_until", "An RFC 3339 timestamp in UTC is expected.", |value| time(value.as_str()?));
        if valid_from.zip(valid_until).is_some_and(|(from, until)| until <= from) {
            self.fault("valid_until", "The value must be later than valid_from.");
        }
        let observable = match (pattern, pattern_type) {
            (Some(pattern), Some("stix")) => pattern::observable(pattern).unwrap_or_else(|why| {
                self.fault("pattern", &format!("The pattern is not a valid STIX pattern ({why})."));
                None
            }),
            _ => None,
        };
        (valid_until, observable)
    }

    fn relationship(&mut self) {
        self.required_text("relationship_type");
        for property in ["source_ref", "target_ref"] {
            self.required(property, "A STIX id is expected.", |value| type_of_id(value.as_str()?));
        }
    }
}

fn each(value: &Value, accept: impl Fn(&Value) -> bool) -> Option<()> {
    value.as_array()?.iter().all(accept).then_some(())
}
