//! Flags over environment over file over default, with the origin of each value kept.

use std::collections::BTreeMap;
use std::fmt;

use crate::environment::Environment;
use crate::file;
use crate::likeness;
use crate::misspelt;
use crate::problem::{Problem, Problems};
use crate::settings::{self, ALL, CONFIG_URL, Fallback, Form, Setting};

/// What a value that Azure should have replaced looks like.
const KEY_VAULT_LITERAL: &str = "@microsoft.keyvault(";

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `--set`, or a flag of its own.
    Flag,
    /// The environment, under this spelling.
    Environment(String),
    /// The configuration file.
    File(String),
    /// The table of settings.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("from a flag"),
            Self::Environment(_) => f.write_str("from the environment"),
            Self::File(path) => write!(f, "from {path}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as text. `Debug` does not show it, since it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// The text, without surrounding blanks.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The merged settings, still as text.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    environment: Environment,
    problems: Problems,
}

impl Settings {
    /// Merges the layers. Problems are kept and surface with those of parsing, all at once.
    pub fn load(flags: &[(String, String)], environment: Environment, config: Option<&str>) -> Self {
        let mut problems = Problems::default();
        let mut values = BTreeMap::new();

        let config = match (config, environment.get(CONFIG_URL)) {
            (Some(flag), _) => Some(flag.to_owned()),
            (None, Ok(found)) => found.map(|(_, value)| value.trim().to_owned()),
            (None, Err(conflict)) => {
                problems.push(conflicting(CONFIG_URL, &conflict.spellings));
                None
            }
        };
        if let Some(config) = config {
            match file::locate(&config) {
                Ok(path) => {
                    let origin = Origin::File(path.display().to_string());
                    for (setting, text) in file::read(&path, &mut problems) {
                        values.insert(setting.name, Value { text: text.trim().to_owned(), origin: origin.clone() });
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        for setting in ALL {
            if let Some(value) = from_environment(setting, &environment, &mut problems) {
                values.insert(setting.name, value);
            }
        }
        for (name, text) in flags {
            match flag(name, text) {
                Ok(setting) => {
                    values.insert(setting.name, Value { text: text.trim().to_owned(), origin: Origin::Flag });
                }
                Err(problem) => problems.push(problem),
            }
        }
        values.retain(|_, value: &mut Value| !value.text.is_empty());
        for setting in ALL {
            if let Some(value) = values.get(setting.name)
                && value.text.to_lowercase().contains(KEY_VAULT_LITERAL)
            {
                problems.push(unresolved(setting));
            }
            if let Fallback::Text(text) = setting.default {
                values.entry(setting.name).or_insert_with(|| Value { text: text.to_owned(), origin: Origin::Default });
            }
        }
        // A literal is reported once; reading it as a value would only add noise.
        values.retain(|_, value| !value.text.to_lowercase().contains(KEY_VAULT_LITERAL));
        Self { values, environment, problems }
    }

    /// Returns the value of a setting, if it has one.
    pub fn get(&self, setting: &'static Setting) -> Option<&Value> {
        self.values.get(setting.name)
    }

    /// Returns the address of VMRay as somebody wrote it.
    pub fn vmray_address(&self) -> Option<&str> {
        self.get(&settings::VMRAY_BASE_URL).map(|value| value.text.as_str())
    }

    /// Returns the state that a flag names.
    pub fn state_url_flag(&self) -> Option<String> {
        let value = self.get(&settings::STATE_URL)?;
        (value.origin == Origin::Flag).then(|| value.text.clone())
    }

    /// Returns how many settings somebody chose.
    pub fn count_chosen(&self) -> usize {
        self.values.values().filter(|value| value.origin != Origin::Default).count()
    }

    /// Returns what is set in the environment under a name that looks like a setting and is none.
    pub fn misspelt(&self) -> Vec<Problem> {
        misspelt::find(&self.environment)
    }

    /// Returns the environment, for the few names that are not ours.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns what went wrong while merging.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }
}

fn from_environment(setting: &'static Setting, environment: &Environment, problems: &mut Problems) -> Option<Value> {
    for name in std::iter::once(&setting.name).chain(setting.aliases) {
        match environment.get(name) {
            Ok(Some((spelling, text))) => {
                let origin = Origin::Environment(spelling.to_owned());
                return Some(Value { text: text.trim().to_owned(), origin });
            }
            Ok(None) => {}
            Err(conflict) => {
                problems.push(conflicting(name, &conflict.spellings));
                return None;
            }
        }
    }
    None
}

fn flag(name: &str, text: &str) -> Result<&'static Setting, Problem> {
    match settings::find(name) {
        Some(setting) if setting.form == Form::Secret => Err(secret_flag(name, "")),
        // What is before the host of a URL is a user name and a password.
        Some(setting) if matches!(setting.form, Form::Url | Form::SecretUrl) && text.contains('@') => {
            Err(secret_flag(name, " with a user name or a password in it"))
        }
        Some(setting) => Ok(setting),
        None => {
            let problem = Problem::general(format!("--set {name}: there is no such setting"));
            Err(match likeness::nearest(name) {
                Some(setting) => problem.with_hint(format!("did you mean {}?", setting.name)),
                None => problem.with_hint("`vmray-sentinel config show` lists every setting"),
            })
        }
    }
}

fn secret_flag(name: &str, what: &str) -> Problem {
    Problem::general(format!("{name}{what} cannot be given as a flag: other users of this machine could read it"))
        .with_hint(format!("set the environment variable {name}, or write it into the file of --config"))
}

fn conflicting(name: &str, spellings: &[String]) -> Problem {
    let message = format!("{name} is set more than once, to different values: {}", spellings.join(" and "));
    let problem = Problem { setting: settings::find(name).map(|setting| setting.name), ..Problem::general(message) };
    problem.with_hint(format!("keep only {name}; names are case-insensitive"))
}

fn unresolved(setting: &'static Setting) -> Problem {
    Problem {
        setting: Some(setting.name),
        message: format!(
            "{} still reads @Microsoft.KeyVault(...): the reference was not replaced by the secret",
            setting.name
        ),
        hints: vec![
            "give the app's managed identity the role Key Vault Secrets User on the vault, and check the secret's name"
                .to_owned(),
            "the Azure portal shows the reason: your Function app > Settings > Environment variables > Source"
                .to_owned(),
            format!("outside Azure App Service nothing replaces references: set {} to the value itself", setting.name),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load<const N: usize>(flags: &[(&str, &str)], environment: [(&str, &str); N], config: Option<&str>) -> Settings {
        let flags: Vec<_> = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::load(&flags, Environment::from(environment), config)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, "Tlp = 'red'\nPolling = '0 * * * *'\nUploadsInFlight = 3\n").unwrap();
        let path = path.to_str().unwrap();
        let settings = load(&[("Tlp", "clear")], [("TLP", "green"), ("POLLING", "5 * * * *")], Some(path));
        assert!(settings.problems().is_empty(), "{}", settings.problems());
        let shown = |setting| settings.get(setting).map(|value| (value.text.as_str(), value.origin.to_string()));
        assert_eq!(shown(&settings::TLP), Some(("clear", "from a flag".to_owned())));
        assert_eq!(shown(&settings::POLLING), Some(("5 * * * *", "from the environment".to_owned())));
        assert_eq!(shown(&settings::UPLOADS_IN_FLIGHT), Some(("3", format!("from {path}"))));
        assert_eq!(shown(&settings::VMRAY_CONCURRENCY), Some(("64", "default".to_owned())));
        assert_eq!(shown(&settings::VMRAY_API_KEY), None);
    }

    #[test]
    fn a_key_vault_literal_names_the_setting_and_the_fix() {
        let literal = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)";
        let settings = load(&[], [("VmrayAPIKey", literal)], None);
        insta::assert_snapshot!(settings.problems(), @r"
        the settings have a problem

          VmrayAPIKey still reads @Microsoft.KeyVault(...): the reference was not replaced by the secret
            give the app's managed identity the role Key Vault Secrets User on the vault, and check the secret's name
            the Azure portal shows the reason: your Function app > Settings > Environment variables > Source
            outside Azure App Service nothing replaces references: set VmrayAPIKey to the value itself
        ");
    }

    #[test]
    fn two_spellings_with_different_values_name_both() {
        let settings = load(&[], [("VmrayAPIKey", "a"), ("vmrayAPIKey", "b")], None);
        assert!(settings.problems().to_string().contains("VmrayAPIKey and vmrayAPIKey"), "{}", settings.problems());
        assert!(settings.get(&settings::VMRAY_API_KEY).is_none());
    }

    #[test]
    fn an_alias_counts_only_when_the_name_itself_is_not_set() {
        let settings = load(&[], [("AZURE_TENANT_ID", "a")], None);
        assert_eq!(settings.get(&settings::AZURE_TENANT_ID).unwrap().text, "a");
        let settings = load(&[], [("AZURE_TENANT_ID", "a"), ("AzureTenantID", "b")], None);
        assert_eq!(settings.get(&settings::AZURE_TENANT_ID).unwrap().text, "b");
        assert!(settings.problems().is_empty());
    }

    #[test]
    fn a_secret_is_not_taken_from_a_flag() {
        let settings = load(&[("VmrayAPIKey", "hunter2")], [], None);
        let shown = settings.problems().to_string();
        assert!(shown.contains("VmrayAPIKey cannot be given as a flag"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn an_unknown_name_in_set_has_a_suggestion() {
        let settings = load(&[("TLPP", "red")], [], None);
        assert!(settings.problems().to_string().contains("did you mean Tlp?"), "{}", settings.problems());
    }

    #[test]
    fn the_file_may_be_named_by_the_environment() {
        let settings = load(&[], [("CONFIGURL", "/nowhere/c.toml")], None);
        assert!(settings.problems().to_string().contains("/nowhere/c.toml cannot be read"), "{}", settings.problems());
    }

    #[test]
    fn debug_shows_no_value() {
        let settings = load(&[], [("VmrayAPIKey", "hunter2")], None);
        assert!(!format!("{:?}", settings.get(&settings::VMRAY_API_KEY)).contains("hunter2"));
    }
}
