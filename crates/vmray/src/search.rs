//! VMRay's search terms.

/// A field that can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchField {
    /// The submitted URL.
    Url,
    /// The file's name.
    Filename,
    /// A malware name.
    ThreatName,
    /// A kind of malware that a VTI told.
    VtiClassification,
}

impl SearchField {
    /// Returns the term `field == "value"`, if the value can stand between quotes.
    pub(crate) fn equals(self, value: &str) -> Option<String> {
        let field = match self {
            Self::Url => "url",
            Self::Filename => "filename",
            Self::ThreatName => "threat_name",
            Self::VtiClassification => "vti_classification",
        };
        let quotable = !value.contains(|c: char| matches!(c, '"' | '\\') || c.is_control());
        quotable.then(|| format!("{field} == \"{value}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_add_terms_of_its_own() {
        assert_eq!(SearchField::Url.equals("http://a/?b=c"), Some("url == \"http://a/?b=c\"".to_owned()));
        assert_eq!(SearchField::Url.equals("x\" or url like \"%"), None);
        assert_eq!(SearchField::Filename.equals("x\\"), None);
    }
}
