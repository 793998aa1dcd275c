//! What a server said, short enough for a log line.

use bytes::Bytes;
use serde_json::Value;

/// Longest text of a server that we repeat.
const MAX_CHARS: usize = 500;

/// Returns the message of an error body: the `message` of Microsoft's two JSON shapes, else the beginning of the
/// text, else the title of an HTML page.
pub(crate) fn message(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let inner = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        if let Some(message) = inner.get("message").and_then(Value::as_str) {
            let code = inner.get("code").and_then(Value::as_str);
            return code.map_or_else(|| bounded(message), |code| bounded(&format!("{code}: {message}")));
        }
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        "no message".to_owned()
    } else if text.starts_with('<') {
        title(text).map_or_else(|| "an HTML page".to_owned(), |title| format!("an HTML page titled \"{title}\""))
    } else {
        bounded(text)
    }
}

/// Returns the text on one line, cut after some hundred characters.
pub(crate) fn bounded(text: &str) -> String {
    let mut line = String::new();
    for (n, word) in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).enumerate() {
        if n > 0 {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 4 * MAX_CHARS {
            break;
        }
    }
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => {
            line.truncate(end);
            line.push('…');
            line
        }
        None => line,
    }
}

/// Returns the body without a secret of ours that a server, or a proxy's error page, may have repeated in it.
///
/// Nothing else is touched: a body that was not readable does not become so.
pub(crate) fn without(body: &Bytes, secret: &str) -> Bytes {
    let find = |rest: &[u8]| rest.windows(secret.len()).position(|window| window == secret.as_bytes());
    if secret.is_empty() || find(body).is_none() {
        return body.clone();
    }
    let mut shown = Vec::with_capacity(body.len());
    let mut rest: &[u8] = body;
    while let Some((before, behind)) = find(rest).and_then(|at| rest.split_at_checked(at)) {
        shown.extend_from_slice(before);
        shown.extend_from_slice(b"***");
        rest = behind.get(secret.len()..).unwrap_or_default();
    }
    shown.extend_from_slice(rest);
    shown.into()
}

fn title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower.get(start..)?.find("</title>")?;
    html.get(start..start + length).map(bounded).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::flat(r#"{"statusCode":401,"message":"Unauthorized."}"#, "Unauthorized.")]
    #[case::nested(r#"{"error":{"code":"BadRequest","message":"no"}}"#, "BadRequest: no")]
    #[case::text("busy,\r\n try later", "busy, try later")]
    #[case::html("<!DOCTYPE html><TITLE>Blocked by proxy</TITLE>", "an HTML page titled \"Blocked by proxy\"")]
    #[case::html_without_title("<html>", "an HTML page")]
    #[case::empty("", "no message")]
    #[case::another_json(r#"{"a":1}"#, r#"{"a":1}"#)]
    fn repeats_what_the_server_said(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(message(body.as_bytes()), expected);
    }

    #[test]
    fn a_repeated_secret_is_hidden() {
        assert_eq!(without(&Bytes::from_static(b"a s3cret, s3cret"), "s3cret"), "a ***, ***");
        assert_eq!(without(&Bytes::from_static(b"ab"), ""), "ab");
        assert_eq!(without(&Bytes::from_static(b"a"), "longer"), "a");
    }

    #[test]
    fn is_bounded_in_characters() {
        assert_eq!(bounded(&"ü".repeat(10_000)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn hiding_a_secret_changes_nothing_else() {
        let hidden = |body: &'static [u8]| without(&Bytes::from_static(body), "secret");
        assert_eq!(hidden(b"a secret, \xFF\x91 secretsecret!"), b"a ***, \xFF\x91 ******!".as_slice());
        assert_eq!(hidden(b"secre\xFF"), b"secre\xFF".as_slice());
        assert_eq!(without(&Bytes::from_static(b"secret"), ""), b"secret".as_slice());
    }
}
