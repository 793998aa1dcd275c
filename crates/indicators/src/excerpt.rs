//! Text of foreign length, cut.

/// Returns at most `limit` characters of a text; an ellipsis shows the cut, a blank stands for a control character.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    if text.len() <= limit && !text.bytes().any(|byte| byte.is_ascii_control() || byte == 0xC2) {
        return text.to_owned();
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(limit) {
        None => text.chars().map(plain).collect(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).map(plain).chain(['…']).collect(),
    }
}

/// Returns a list sorted, without doubles and blanks, each text cut to `length`, at most `limit` of them.
pub(crate) fn excerpts<'a>(texts: impl Iterator<Item = &'a str>, length: usize, limit: usize) -> Vec<String> {
    let mut list: Vec<String> =
        texts.filter(|text| !text.trim().is_empty()).map(|text| excerpt(text, length)).collect();
    list.sort_unstable();
    list.dedup();
    list.truncate(limit);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_characters_and_shows_it() {
        assert_eq!(excerpt("abc", 3), "abc");
        assert_eq!(excerpt("abcd", 3), "ab…");
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("a\nb\0\u{85}", 9), "a b  ");
    }

    #[test]
    fn lists_are_sorted_and_bounded() {
        assert_eq!(excerpts(["b", "a", "", " ", "b", "c"].into_iter(), 9, 2), ["a", "b"]);
    }
}
