//! Tags of submissions, as VMRay takes them.

/// Characters of a tag.
const MAX_CHARS: usize = 255;

/// A text that is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing, or nothing but blanks.
    #[error("is blank; leave it out, or send a word")]
    Blank,
    /// With a blank or a control character in it.
    #[error("holds a blank or a control character; VMRay takes tags of one word")]
    Blanks,
    /// Too long.
    #[error("is longer than the {MAX_CHARS} characters that VMRay takes")]
    Long,
}

/// Reads a tag; blanks around it are no part of it.
pub fn read_tag(text: &str) -> Result<String, TagError> {
    let tag = text.trim();
    if tag.is_empty() {
        return Err(TagError::Blank);
    }
    if tag.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(TagError::Blanks);
    }
    if tag.chars().count() > MAX_CHARS {
        return Err(TagError::Long);
    }
    Ok(tag.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("case:12", Ok("case:12"))]
    #[case(" soc ", Ok("soc"))]
    #[case("", Err(TagError::Blank))]
    #[case(" \t", Err(TagError::Blank))]
    #[case("a b", Err(TagError::Blanks))]
    #[case(&"x".repeat(256), Err(TagError::Long))]
    fn reads_one_word(#[case] text: &str, #[case] expected: Result<&str, TagError>) {
        assert_eq!(read_tag(text), expected.map(str::to_owned));
    }
}
