//! What a stream declares, and whether a row is of that shape.
//!
//! The service drops what a rule does not declare and turns what does not fit into null, in silence; here both are
//! refused, so that a test sees them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Bytes of a text in a column; the service cuts a longer one.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The column that every row needs.
const TIME: &str = "TimeGenerated";

/// Type of a column, as a data collection rule names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `string`.
    String,
    /// `int`: 32 bits.
    Int,
    /// `long`: 64 bits.
    Long,
    /// `real`.
    Real,
    /// `boolean`.
    Boolean,
    /// `datetime`, ISO 8601.
    Datetime,
    /// `dynamic`: any JSON.
    Dynamic,
}

impl ColumnType {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "int" => Self::Int,
            "long" => Self::Long,
            "real" => Self::Real,
            "boolean" => Self::Boolean,
            "datetime" => Self::Datetime,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Self::Long => value.as_i64().is_some(),
            Self::Real => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Datetime => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            Self::Dynamic => true,
        }
    }
}

/// The columns of a stream by name.
pub type Columns = BTreeMap<String, ColumnType>;

/// Reads columns as a template has them, `[{"name": ..., "type": ...}]`; what is no column is left out.
pub(super) fn declared(json: &str) -> Columns {
    let list: Vec<Map<String, Value>> = serde_json::from_str(json).unwrap_or_default();
    let text = |column: &Map<String, Value>, key: &str| Some(column.get(key)?.as_str()?.to_owned());
    list.iter().filter_map(|column| Some((text(column, "name")?, ColumnType::named(&text(column, "type")?)?))).collect()
}

/// Returns a row as it is stored, or says why it is not of the shape.
pub(super) fn check(columns: &Columns, row: &Value) -> Result<Map<String, Value>, String> {
    let Value::Object(row) = row else {
        return Err("An element of the array is not a JSON object.".to_owned());
    };
    let mut row = row.clone();
    for (name, value) in &mut row {
        let Some(kind) = columns.get(name) else {
            return Err(format!("The stream does not declare the column '{name}'."));
        };
        if !value.is_null() && !kind.takes(value) {
            return Err(format!("The value of the column '{name}' is no {kind:?}: {value}"));
        }
        if let Value::String(text) = value
            && text.len() > MAX_TEXT_BYTES
        {
            let end = (0..=MAX_TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
    }
    if columns.contains_key(TIME) && row.get(TIME).is_none_or(Value::is_null) {
        return Err(format!("The row has no {TIME}."));
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns() -> Columns {
        declared(
            r#"[{"name":"TimeGenerated","type":"datetime"},{"name":"A","type":"string"},{"name":"B","type":"long"},
                {"name":"C","type":"boolean"},{"name":"D","type":"real"},{"name":"E","type":"int"},
                {"name":"F","type":"dynamic"},{"name":"G","type":"colour"}]"#,
        )
    }

    fn with(name: &str, value: &Value) -> Result<Map<String, Value>, String> {
        check(&columns(), &json!({"TimeGenerated": "2026-01-01T00:00:00Z", name: value}))
    }

    #[test]
    fn takes_each_type_and_null() {
        for (name, value) in [
            ("A", json!("x")),
            ("B", json!(-5_000_000_000_i64)),
            ("C", json!(true)),
            ("D", json!(1.5)),
            ("E", json!(7)),
            ("F", json!({"x": [1]})),
            ("A", Value::Null),
        ] {
            assert_eq!(with(name, &value).unwrap()[name], value);
        }
    }

    #[test]
    fn refuses_other_types_other_columns_and_rows_without_a_time() {
        for (name, value) in [
            ("A", json!(1)),
            ("B", json!("1")),
            ("B", json!(1.5)),
            ("C", json!("true")),
            ("E", json!(5_000_000_000_i64)),
            ("G", json!(1)),
            ("a", json!("x")),
            ("TimeGenerated", json!("yesterday")),
            ("TimeGenerated", Value::Null),
        ] {
            assert!(with(name, &value).is_err(), "{name}: {value}");
        }
        assert!(check(&columns(), &json!({"A": "x"})).unwrap_err().contains("TimeGenerated"));
        assert!(check(&columns(), &json!("x")).is_err());
    }

    #[test]
    fn cuts_a_long_text_as_the_service_does() {
        let stored = with("A", &json!("ü".repeat(40_000))).unwrap();
        assert_eq!(stored["A"].as_str().unwrap().len(), 65_536);
    }
}
