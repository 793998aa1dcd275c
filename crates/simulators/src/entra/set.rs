//! The options of the tenant by name.

use super::EntraOptions;
use crate::switch::{Switches, latency, list, milliseconds};

impl Switches for EntraOptions {
    const NAMES: &'static [&'static str] = &[
        "tenant",
        "apps",
        "apps_secret",
        "apps_secret_expires",
        "resources",
        "managed_identity",
        "token_lifetime_ms",
        "latency_ms",
    ];

    fn try_set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "tenant" => value.clone_into(&mut self.tenant),
            "apps" => {
                self.apps = match value {
                    "default" => Self::default().apps,
                    "none" => Vec::new(),
                    _ => return None,
                }
            }
            // Of every application: there is one unless a test made others.
            "apps_secret" => self.secrets().for_each(|secret| value.clone_into(&mut secret.value)),
            "apps_secret_expires" => {
                let expires = if value == "never" { None } else { Some(value.parse().ok()?) };
                self.secrets().for_each(|secret| secret.expires = expires);
            }
            "resources" => self.resources = list(value),
            "managed_identity" => {
                self.managed_identity = match value {
                    "default" => Self::default().managed_identity,
                    "none" => None,
                    _ => return None,
                }
            }
            "token_lifetime_ms" => self.token_lifetime = milliseconds(value)?,
            "latency_ms" => self.latency = latency(value)?,
            _ => return None,
        }
        Some(())
    }
}

impl EntraOptions {
    fn secrets(&mut self) -> impl Iterator<Item = &mut super::Secret> {
        self.apps.iter_mut().flat_map(|app| &mut app.secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::tests::{fields_without_a_name, names_that_take_nothing};

    #[test]
    fn every_option_can_be_set_by_name() {
        assert_eq!(fields_without_a_name(&EntraOptions::default()), Vec::<String>::new());
        assert_eq!(names_that_take_nothing::<EntraOptions>(), Vec::<&str>::new());
    }
}
