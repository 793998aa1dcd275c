//! Text that others chose, shown so that it cannot do anything but be read.
//!
//! Values come from malware and from servers. A control character can steer a terminal, and a character that turns the
//! direction of writing around (Unicode's bidirectional controls) makes a line read as what it is not, in a terminal and
//! in a page. Both are shown as `\u202e`, which is also how JSON writes them: an escaped line of JSON says the same.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Shows every control character, line breaks included, and what turns the direction around.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() || turns_around(c))
}

/// Shows only what turns the direction around, in a text whose line breaks and colours are our own.
pub(crate) fn in_one_direction(text: &str) -> Cow<'_, str> {
    escaped(text, turns_around)
}

/// Cuts a text that somebody sent to what a log and an answer may repeat of it.
pub(crate) fn excerpt(text: &str, chars: usize) -> String {
    let cut = text.char_indices().nth(chars).and_then(|(at, _)| text.get(..at));
    match cut {
        Some(cut) => format!("{}... ({} bytes)", visible(cut), text.len()),
        None => visible(text).into_owned(),
    }
}

/// Names the bidirectional controls (Unicode, `Bidi_Control`), and the line ends that are no control characters.
fn turns_around(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_shown: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_shown(c) {
            // All of them fit four digits. Writing to a string does not fail.
            write!(shown, "\\u{:04x}", u32::from(c)).unwrap_or_default();
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://evil.example/\u{202e}gpj.exe", "http://evil.example/\\u202egpj.exe")]
    #[case("\u{1b}[31m\n", "\\u001b[31m\\u000a")]
    #[case("\u{2066}a\u{2069}\u{200f}\u{61c}", "\\u2066a\\u2069\\u200f\\u061c")]
    #[case("مرحبا, שלום, 你好", "مرحبا, שלום, 你好")]
    fn controls_are_shown_and_letters_stay(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(visible(text), expected);
    }

    #[test]
    fn an_escaped_line_of_json_says_the_same() {
        let value = serde_json::json!({ "value": "a\\\u{202e}b\n\u{2028}" });
        let line = value.to_string();
        let shown = in_one_direction(&line);
        assert!(!shown.contains(turns_around), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn an_excerpt_is_short_and_says_of_how_much() {
        assert_eq!(excerpt("short", 10), "short");
        assert_eq!(excerpt(&"é".repeat(500), 3), "ééé... (1000 bytes)");
    }
}
