//! The parameters of a call, in every form in which they make sense.
//!
//! A parameter stands in the query or in a JSON object in the body; the query wins. Missing, null and empty are the
//! same, as for the original. What is read otherwise: numbers as numbers or digits, flags as booleans or words, lists
//! as lists or as text with commas (the Functions host itself joins a repeated query parameter so).

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::Error;
use super::look_up::missing;
use crate::SpooledFile;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Where the Office 365 connector puts the content of a file.
const CONTENT: &str = "$content";

/// The parameters of one call.
#[derive(Debug, Default)]
pub struct Parameters {
    query: Vec<(String, String)>,
    body: Map<String, Value>,
    files: Vec<SpooledFile>,
}

/// A file that came with a call.
#[derive(Debug)]
pub(super) enum File {
    /// In memory: a small one in the query.
    Whole(Bytes),
    /// On disk.
    Spooled(SpooledFile),
}

impl Parameters {
    /// Reads query and body.
    pub fn read(query: Vec<(String, String)>, body: &[u8]) -> Result<Self, Error> {
        let body = match body.trim_ascii() {
            [] => Map::new(),
            text => match serde_json::from_slice(text) {
                Ok(Value::Object(fields)) => fields,
                Ok(Value::Null) => Map::new(),
                Ok(_) => return Err(Error::bad("body", "is not a JSON object")),
                Err(error) => return Err(Error::bad("body", format!("is not readable as JSON: {error}"))),
            },
        };
        Ok(Self { query, body, files: Vec::new() })
    }

    /// Adds the files that were taken out of the body while it came in. Their numbers stand in their places there.
    #[must_use]
    pub fn with_files(self, files: Vec<SpooledFile>) -> Self {
        Self { files, ..self }
    }

    /// Returns a parameter that is there and not empty.
    fn get(&self, name: &str) -> Option<Value> {
        let asked = self.query.iter().filter(|(other, value)| other == name && !value.is_empty());
        let mut asked: Vec<Value> = asked.map(|(_, value)| Value::String(value.clone())).collect();
        match asked.len() {
            0 => self.body.get(name).filter(|value| !is_empty(value)).cloned(),
            1 => asked.pop(),
            _ => Some(Value::Array(asked)),
        }
    }

    /// Reads a text; a number is one too.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => scalar(&value).map(Some).ok_or_else(|| Error::bad(name, "is not a text")),
        }
    }

    /// Reads an id that must be there.
    pub(super) fn id(&self, name: &str) -> Result<u64, Error> {
        self.number(name)?.ok_or_else(|| missing(name))
    }

    /// Reads a whole number from 1.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let digits = scalar(&value).filter(|text| text.trim().bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|text| text.trim().parse().ok()).filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| Error::bad(name, format!("is {value}; expected a whole number from 1")))
    }

    /// Reads a flag.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = scalar(&value).unwrap_or_default().trim().to_ascii_lowercase();
        match text.as_str() {
            "true" | "1" | "yes" => Ok(Some(true)),
            "false" | "0" | "no" => Ok(Some(false)),
            _ => Err(Error::bad(name, format!("is {value}; expected true or false"))),
        }
    }

    /// Reads a list: one, a JSON list as text, or text between `separators`.
    pub(super) fn list(&self, name: &str, separators: &[char]) -> Result<Vec<String>, Error> {
        let items = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(Value::String(text)) if text.trim_start().starts_with('[') => {
                serde_json::from_str(&text).map_err(|_| Error::bad(name, "starts like a list but is not one"))?
            }
            Some(value) => vec![value],
        };
        let mut list = Vec::new();
        for item in items.iter().filter(|item| !is_empty(item)) {
            let text = scalar(item).ok_or_else(|| Error::bad(name, "holds something that is no text"))?;
            if text.trim().is_empty() {
                return Err(Error::bad(name, "holds a text of blanks only"));
            }
            list.extend(text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
        }
        Ok(list)
    }

    /// Reads a file in base64, as text or as the object that the Office 365 connector makes.
    pub(super) fn file(&self, name: &str) -> Result<Option<File>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let content = match &value {
            Value::Object(object) => object.get(CONTENT).unwrap_or(&Value::Null),
            value => value,
        };
        if let Some(file) = content.as_u64().and_then(|number| self.files.get(usize::try_from(number).ok()?)) {
            return Ok(Some(File::Spooled(file.clone())));
        }
        let text = content.as_str();
        let text = text.ok_or_else(|| Error::bad(name, "is not a text in base64"))?;
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let content = BASE64.decode(digits).map_err(|error| Error::bad(name, format!("is not base64: {error}")))?;
        if content.is_empty() {
            return Err(Error::bad(name, "is empty"));
        }
        Ok(Some(File::Whole(content.into())))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn in_body(value: &Value) -> Parameters {
        Parameters::read(Vec::new(), json!({ "it": value }).to_string().as_bytes()).unwrap()
    }

    fn in_query(values: &[&str]) -> Parameters {
        let query = values.iter().map(|value| ("it".to_owned(), (*value).to_owned())).collect();
        Parameters::read(query, b"").unwrap()
    }

    #[rstest]
    #[case(json!(12), Some(12))]
    #[case(json!("12"), Some(12))]
    #[case(json!(" 12 "), Some(12))]
    #[case(json!(null), None)]
    #[case(json!(""), None)]
    fn numbers_are_numbers_or_digits(#[case] value: Value, #[case] expected: Option<u64>) {
        assert_eq!(in_body(&value).number("it").unwrap(), expected);
    }

    #[rstest]
    #[case(json!(0))]
    #[case(json!(-1))]
    #[case(json!(1.5))]
    #[case(json!("abc"))]
    #[case(json!("+1"))]
    #[case(json!("99999999999999999999"))]
    #[case(json!([1]))]
    #[case(json!({"a": 1}))]
    #[case(json!(true))]
    fn what_is_no_number_is_refused_by_name(#[case] value: Value) {
        assert!(in_body(&value).number("it").unwrap_err().to_string().starts_with("it: is "));
    }

    #[rstest]
    #[case(json!(true), true)]
    #[case(json!("true"), true)]
    #[case(json!("True"), true)]
    #[case(json!(false), false)]
    #[case(json!("false"), false)]
    fn flags_are_booleans_or_words(#[case] value: Value, #[case] expected: bool) {
        assert_eq!(in_body(&value).flag("it").unwrap(), Some(expected));
    }

    #[rstest]
    #[case(json!(["a", "b"]))]
    #[case(json!("a,b"))]
    #[case(json!(" a , b "))]
    #[case(json!("[\"a\", \"b\"]"))]
    #[case(json!(["a", null, "", "b"]))]
    fn lists_are_lists_or_text(#[case] value: Value) {
        assert_eq!(in_body(&value).list("it", &[',']).unwrap(), ["a", "b"]);
    }

    #[rstest]
    #[case(json!(["a", " "]))]
    #[case(json!("  "))]
    #[case(json!("[\"\\t\"]"))]
    fn a_blank_entry_of_a_list_is_refused(#[case] value: Value) {
        assert!(in_body(&value).list("it", &[',']).unwrap_err().to_string().contains("blanks only"));
    }

    #[test]
    fn a_repeated_query_parameter_is_a_list() {
        assert_eq!(in_query(&["a", "b"]).list("it", &[',']).unwrap(), ["a", "b"]);
        assert_eq!(in_query(&["a,b"]).list("it", &[',']).unwrap(), ["a", "b"]);
    }

    #[test]
    fn the_query_wins_unless_it_is_empty() {
        let read = |value: &str| Parameters::read(vec![("it".to_owned(), value.to_owned())], br#"{"it": 2}"#).unwrap();
        assert_eq!(read("1").number("it").unwrap(), Some(1));
        assert_eq!(read("").number("it").unwrap(), Some(2));
    }

    #[rstest]
    #[case("aGVsbG8=")]
    #[case("aGVsbG8")]
    #[case("aGVs\r\nbG8=\r\n")]
    fn files_are_base64_however_it_is_broken(#[case] text: &str) {
        let wrapped = json!({"$content-type": "text/plain", "$content": text});
        for value in [json!(text), wrapped] {
            match in_body(&value).file("it").unwrap() {
                Some(File::Whole(content)) => assert_eq!(content, "hello"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[rstest]
    #[case(json!("no base64!"))]
    #[case(json!("===="))]
    #[case(json!(5))]
    #[case(json!({"content": "aGVsbG8="}))]
    fn what_is_no_file_is_refused(#[case] value: Value) {
        assert!(matches!(in_body(&value).file("it"), Err(Error::BadRequest { .. })));
    }

    #[rstest]
    #[case("[1]")]
    #[case("5")]
    #[case("{")]
    #[case("sample_id=5")]
    fn a_body_that_is_no_object_is_refused(#[case] body: &str) {
        assert!(
            matches!(Parameters::read(Vec::new(), body.as_bytes()), Err(Error::BadRequest { parameter, .. }) if parameter == "body")
        );
    }

    #[test]
    fn a_deep_body_is_refused() {
        let deep = format!("{{\"it\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Parameters::read(Vec::new(), deep.as_bytes()).is_err());
    }
}
