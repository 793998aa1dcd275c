//! The items of a JSON body, one by one: what cannot be read is an item that says why, and takes nothing from the
//! others of its incident. No value is repeated: it may be a password.

use enrichment::{FileItem, Item, ItemError, ItemKind, SpooledFile, UnreadableItem};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::body::files::FileProblem;

/// The fields that an item may have.
const FIELDS: [&str; 6] = ["url", "hash", "file", "name", "archive_password", "document_password"];
/// Where the Office 365 connector puts the content of a file.
const CONTENT: &str = "$content";

/// What is wrong, and with what.
type Wrong = (String, String);

/// Reads the item at a place of the list. `files` are those that were taken out of the body, by number.
pub(super) fn read(at: usize, value: &Value, files: &[Result<SpooledFile, FileProblem>]) -> Item {
    let parameter = format!("items[{at}]");
    let Some(fields) = value.as_object() else {
        return unreadable(ItemKind::Unknown, parameter, "is no object with one of url, hash and file");
    };
    let kind = match ["url", "hash", "file"].map(|name| fields.get(name).is_some_and(|value| !value.is_null())) {
        [true, false, false] => ItemKind::Url,
        [false, true, false] => ItemKind::Hash,
        [false, false, true] => ItemKind::File,
        _ => return unreadable(ItemKind::Unknown, parameter, "needs one of url, hash and file"),
    };
    read_fields(&parameter, kind, fields, files)
        .unwrap_or_else(|(parameter, reason)| unreadable(kind, parameter, &reason))
}

/// Returns an item that says that it cannot be read.
pub(super) fn unreadable(kind: ItemKind, parameter: String, reason: &str) -> Item {
    Item::Unreadable(UnreadableItem { kind, parameter, reason: reason.to_owned() })
}

/// Reads a URL or a hash.
pub(super) fn read_text(
    kind: ItemKind,
    parameter: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<Item, ItemError>,
) -> Item {
    parse(text).unwrap_or_else(|error| unreadable(kind, parameter.to_owned(), &format!("is wrong: {error}")))
}

fn read_fields(
    parameter: &str,
    kind: ItemKind,
    fields: &Map<String, Value>,
    files: &[Result<SpooledFile, FileProblem>],
) -> Result<Item, Wrong> {
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return Err((parameter.to_owned(), format!("has a field besides {}", FIELDS.join(", "))));
    }
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err((format!("{parameter}.{name}"), "is not a text".to_owned())),
    };
    let given = |name: &str| text(name).map(Option::unwrap_or_default);
    match kind {
        ItemKind::Url => Ok(read_text(kind, parameter, &given("url")?, Item::url)),
        ItemKind::Hash => Ok(read_text(kind, parameter, &given("hash")?, Item::hash)),
        ItemKind::File | ItemKind::Unknown => {
            let content = fields.get("file").unwrap_or(&Value::Null);
            let content = content.as_object().and_then(|wrapped| wrapped.get(CONTENT)).unwrap_or(content);
            let number = content.as_u64().and_then(|number| usize::try_from(number).ok());
            let file = number.and_then(|number| files.get(number));
            let wrong = |reason: &str| (format!("{parameter}.file"), reason.to_owned());
            let file = file.ok_or_else(|| wrong("is no text in base64"))?;
            let file = file.as_ref().map_err(|problem| wrong(problem.reason()))?;
            Ok(file_item(text("name")?, file.clone(), text("archive_password")?, text("document_password")?))
        }
    }
}

/// Returns an item of a file with its passwords.
pub(super) fn file_item(
    name: Option<String>,
    file: SpooledFile,
    archive: Option<String>,
    document: Option<String>,
) -> Item {
    Item::File(FileItem {
        name: name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        file,
        archive_password: archive.map(SecretString::from),
        document_password: document.map(SecretString::from),
    })
}
