//! The process environment, read once.
//!
//! This is the only module that asks the operating system; everything else is handed an [`Environment`], so a
//! test makes one from pairs. Names are matched without regard to case, because hosting platforms differ in
//! what they preserve.

use std::collections::BTreeMap;
use std::fmt;

/// The environment as it was when the process started.
#[derive(Clone, Default)]
pub struct Environment {
    /// Lower-case name to every spelling of it with its value.
    variables: BTreeMap<String, Vec<(String, String)>>,
}

/// Two spellings of one name with different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The spellings, in order.
    pub spellings: Vec<String>,
}

impl Environment {
    /// Reads the environment of this process. Variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Returns the spelling and the value of a variable. An empty value counts as not set.
    pub fn get(&self, name: &str) -> Result<Option<(&str, &str)>, Conflict> {
        let Some(found) = self.variables.get(&name.to_lowercase()) else { return Ok(None) };
        let mut set = found.iter().filter(|(_, value)| !value.trim().is_empty());
        let Some((spelling, value)) = set.next() else { return Ok(None) };
        if set.any(|(_, other)| other.trim() != value.trim()) {
            return Err(Conflict { spellings: found.iter().map(|(spelling, _)| spelling.clone()).collect() });
        }
        Ok(Some((spelling, value)))
    }

    /// Returns the names that have a value, as they are spelt.
    pub fn set_names(&self) -> impl Iterator<Item = &str> {
        let spelt = self.variables.values().flatten();
        spelt.filter(|(_, value)| !value.trim().is_empty()).map(|(spelling, _)| spelling.as_str())
    }
}

/// Names and values may be secrets; neither is shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut variables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (name, value) in pairs {
            variables.entry(name.to_lowercase()).or_default().push((name, value));
        }
        for spellings in variables.values_mut() {
            spellings.sort();
        }
        Self { variables }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        let environment = Environment::from([("vmrayBaseURL", "https://h.example")]);
        assert_eq!(environment.get("VmrayBaseURL").unwrap(), Some(("vmrayBaseURL", "https://h.example")));
    }

    #[test]
    fn two_spellings_with_one_value_are_fine() {
        let environment = Environment::from([("VMRAYAPIKEY", "k"), ("VmrayAPIKey", "k ")]);
        assert!(environment.get("VmrayAPIKey").unwrap().is_some());
    }

    #[test]
    fn two_spellings_with_two_values_are_a_conflict_that_names_both() {
        let environment = Environment::from([("VmrayAPIKey", "a"), ("vmrayAPIKey", "b")]);
        assert_eq!(environment.get("VmrayAPIKey").unwrap_err().spellings, ["VmrayAPIKey", "vmrayAPIKey"]);
    }

    #[test]
    fn an_empty_value_is_not_set() {
        let environment = Environment::from([("VmrayAPIKey", " "), ("vmrayAPIKey", "b")]);
        assert_eq!(environment.get("VmrayAPIKey").unwrap().unwrap().1, "b");
        assert_eq!(Environment::from([("Tlp", "")]).get("Tlp").unwrap(), None);
    }
}
