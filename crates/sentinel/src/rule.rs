//! The immutable id of a data collection rule.

use std::fmt;
use std::str::FromStr;

/// What names a data collection rule in the Logs Ingestion API: `dcr-` and 32 hexadecimal digits. It is neither the
/// rule's name nor its Azure resource id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleId(String);

/// A text that is no immutable id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the immutable id of a data collection rule; expected `dcr-` and 32 hexadecimal digits, not the rule's name or \
     resource id (Azure portal > Monitor > Data Collection Rules > the rule > Overview > JSON View > immutableId)"
)]
pub struct RuleIdError;

/// Hexadecimal digits after the prefix.
const DIGITS: usize = 32;

impl FromStr for RuleId {
    type Err = RuleIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.strip_prefix("dcr-").ok_or(RuleIdError)?;
        if digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(RuleIdError)
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("dcr-0123456789abcdef0123456789abcdef", Some("dcr-0123456789abcdef0123456789abcdef"))]
    #[case(" DCR-0123456789ABCDEF0123456789abcdef ", Some("dcr-0123456789abcdef0123456789abcdef"))]
    #[case("0123456789abcdef0123456789abcdef", None)]
    #[case("dcr-0123456789abcdef0123456789abcde", None)]
    #[case("dcr-0123456789abcdef0123456789abcdeg", None)]
    #[case("dcr-../..", None)]
    #[case("/subscriptions/0/resourceGroups/g/providers/Microsoft.Insights/dataCollectionRules/r", None)]
    #[case("", None)]
    fn reads_an_immutable_id_and_nothing_else(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(text.parse::<RuleId>().ok().map(|id| id.to_string()).as_deref(), expected);
    }
}
