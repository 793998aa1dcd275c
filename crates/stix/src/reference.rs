//! What objects point at outside STIX.

use serde::{Deserialize, Serialize};

/// Where something can be read about the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalReference {
    /// Name of the source.
    pub source_name: String,
    /// What is found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The object's id there, such as `T1060`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// A step of an attack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KillChainPhase {
    /// Name of the chain.
    pub kill_chain_name: String,
    /// Name of the step.
    pub phase_name: String,
}

impl KillChainPhase {
    /// Makes the phase of an ATT&CK tactic: `Defense Evasion` is `defense-evasion` of `mitre-attack`.
    ///
    /// `None` if the text has no letter or digit.
    pub fn tactic(name: &str) -> Option<Self> {
        let mut phase_name = String::with_capacity(name.len());
        for word in name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !phase_name.is_empty() {
                phase_name.push('-');
            }
            phase_name.push_str(&word.to_lowercase());
        }
        if phase_name.is_empty() {
            return None;
        }
        Some(Self { kill_chain_name: "mitre-attack".to_owned(), phase_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tactics_are_lower_case_with_hyphens() {
        let name = |text| KillChainPhase::tactic(text).map(|phase| phase.phase_name);
        assert_eq!(name("Defense Evasion").as_deref(), Some("defense-evasion"));
        assert_eq!(name(" Command and  Control ").as_deref(), Some("command-and-control"));
        assert_eq!(name("command-and-control").as_deref(), Some("command-and-control"));
        assert_eq!(name(" - "), None);
    }
}
