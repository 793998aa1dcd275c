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

/// Terms of a query that a server takes.
const MAX_TERMS: usize = 10;

impl SearchField {
    /// Returns `field == "value" or ...` of the values that can stand between quotes, if there is one.
    pub(crate) fn equals_any(self, values: &[&str]) -> Option<String> {
        let field = match self {
            Self::Url => "url",
            Self::Filename => "filename",
            Self::ThreatName => "threat_name",
            Self::VtiClassification => "vti_classification",
        };
        let quotable = |value: &&&str| !value.contains(|c: char| matches!(c, '"' | '\\') || c.is_control());
        let terms: Vec<String> =
            values.iter().filter(quotable).take(MAX_TERMS).map(|value| format!("{field} == \"{value}\"")).collect();
        (!terms.is_empty()).then(|| terms.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_add_terms_of_its_own() {
        assert_eq!(SearchField::Url.equals_any(&["http://a/?b=c"]), Some("url == \"http://a/?b=c\"".to_owned()));
        assert_eq!(SearchField::Url.equals_any(&["x\" or url like \"%"]), None);
        assert_eq!(SearchField::Filename.equals_any(&["x\\"]), None);
    }

    #[test]
    fn several_values_are_one_question() {
        let asked = SearchField::Url.equals_any(&["http://a", "x\"", "http://a/"]).unwrap();
        assert_eq!(asked, "url == \"http://a\" or url == \"http://a/\"");
    }
}
