//! How the server keeps a URL that is submitted. The references do not say, so each way is a switch.

/// The form in which a URL becomes a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UrlForm {
    /// As it was sent: two spellings of one page are two samples.
    #[default]
    Verbatim,
    /// An empty path becomes a slash.
    SlashAppended,
    /// The host in lower case.
    HostLowerCased,
}

impl UrlForm {
    /// Returns a URL in this form.
    pub(super) fn of(self, url: &str) -> String {
        let Some((scheme, behind)) = url.split_once("://") else { return url.to_owned() };
        let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
        let (authority, rest) = behind.split_at_checked(end).unwrap_or((behind, ""));
        match self {
            Self::Verbatim => url.to_owned(),
            Self::SlashAppended if rest.starts_with('/') => url.to_owned(),
            Self::SlashAppended => format!("{scheme}://{authority}/{rest}"),
            Self::HostLowerCased => format!("{scheme}://{}{rest}", authority.to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_what_it_says_and_nothing_else() {
        let given = "https://A.Example:443?Q=Á";
        assert_eq!(UrlForm::Verbatim.of(given), given);
        assert_eq!(UrlForm::SlashAppended.of(given), "https://A.Example:443/?Q=Á");
        assert_eq!(UrlForm::SlashAppended.of("https://a.example/x"), "https://a.example/x");
        assert_eq!(UrlForm::HostLowerCased.of(given), "https://a.example:443?Q=Á");
    }
}
