//! What is inside of something that the simulator cannot open itself.
//!
//! ZIP archives and `.eml` mails are opened as they are. A `.msg` mail, a 7z archive or a protected document is any
//! bytes at all, described by a test.

/// The inside of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// `archive` or `email` when it holds members; `None` for a document.
    pub container: Option<String>,
    /// The password that opens it.
    pub password: Option<String>,
    /// Members: name and content.
    pub members: Vec<(String, Vec<u8>)>,
}

impl Inside {
    /// Returns a document that one password opens.
    pub fn document(password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..Self::default() }
    }

    /// Returns a container.
    pub fn container(kind: &str, members: &[(&str, &[u8])]) -> Self {
        let members = members.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        Self { container: Some(kind.to_owned()), password: None, members }
    }
}
