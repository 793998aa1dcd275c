//! The id of a Log Analytics workspace.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The GUID that names a Log Analytics workspace to the upload API. It is neither the workspace's name nor its
/// Azure resource id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceId(Uuid);

/// A text that is no workspace id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceIdError {
    /// The ARM path of the workspace.
    #[error(
        "is the Azure resource id of a workspace; expected its Workspace ID, a GUID like \
         01234567-89ab-cdef-0123-456789abcdef ({WHERE})"
    )]
    ResourceId,
    /// Anything else, most often the workspace's name.
    #[error(
        "is not a workspace id; expected a GUID like 01234567-89ab-cdef-0123-456789abcdef, not the workspace's name \
         ({WHERE})"
    )]
    NotAGuid,
}

const WHERE: &str = "Azure portal > Log Analytics workspaces > the workspace > Overview > Workspace ID, or \
    `az monitor log-analytics workspace show --resource-group GROUP --workspace-name NAME --query customerId -o tsv`";

impl FromStr for WorkspaceId {
    type Err = WorkspaceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        match hyphenated(bare) {
            Some(id) => Ok(Self(id)),
            None if text.to_ascii_lowercase().contains("/subscriptions/") => Err(WorkspaceIdError::ResourceId),
            None => Err(WorkspaceIdError::NotAGuid),
        }
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a GUID in its usual form only: the `uuid` crate also takes forms that no Microsoft page shows.
pub(crate) fn hyphenated(text: &str) -> Option<Uuid> {
    const HYPHENATED_CHARS: usize = 36;
    if text.len() == HYPHENATED_CHARS { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("01234567-89AB-cdef-0123-456789abcdef")]
    #[case(" {01234567-89ab-cdef-0123-456789abcdef} ")]
    fn accepts_a_guid_with_or_without_braces(#[case] text: &str) {
        assert_eq!(text.parse::<WorkspaceId>().unwrap().to_string(), "01234567-89ab-cdef-0123-456789abcdef");
    }

    #[rstest]
    #[case::name("my-sentinel-workspace", WorkspaceIdError::NotAGuid)]
    #[case::empty("", WorkspaceIdError::NotAGuid)]
    #[case::no_hyphens("0123456789abcdef0123456789abcdef", WorkspaceIdError::NotAGuid)]
    #[case::half_a_brace("{01234567-89ab-cdef-0123-456789abcdef", WorkspaceIdError::NotAGuid)]
    #[case::two_braces("{{01234567-89ab-cdef-0123-456789abcdef}}", WorkspaceIdError::NotAGuid)]
    #[case::path("/subscriptions/0/resourceGroups/g/providers/x/workspaces/w", WorkspaceIdError::ResourceId)]
    fn refuses_the_rest_and_says_where_to_look(#[case] text: &str, #[case] expected: WorkspaceIdError) {
        let error = text.parse::<WorkspaceId>().unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().contains("Overview > Workspace ID"), "{error}");
    }
}
