//! Where the state lies.

use std::path::{Path, PathBuf};

use ledger::StateUrl;

use super::environment::Environment;
use super::problem::{Problem, Problems};
use super::reader::Reader;
use super::settings::STATE_URL;
use super::source::Settings;

/// The only route of this version.
pub(crate) const ROUTE: &str = "default";

/// Reads `StateUrl`, or works out the user's state folder.
pub(crate) fn state_url(reader: &mut Reader<'_>) -> Option<StateUrl> {
    if let Some(value) = reader.text(&STATE_URL) {
        return reader.parse_with(&STATE_URL, value, parse);
    }
    if reader.is_noted(STATE_URL.name) {
        return None;
    }
    let folder = user_folder(reader.settings.environment());
    if folder.is_none() {
        reader.note(
            Problem::missing(&STATE_URL).with_hint("there is no HOME here, so there is no default state folder either"),
        );
    }
    folder.map(StateUrl::Folder)
}

/// Reads where the state lies and nothing else.
pub(crate) fn load_state_url(settings: &Settings) -> Result<StateUrl, Problems> {
    let mut reader = Reader::new(settings);
    let url = state_url(&mut reader);
    reader.finish(url)
}

/// Takes a URL, or a plain path.
fn parse(text: &str) -> Result<StateUrl, String> {
    if let Some((scheme, _)) = text.split_once("://")
        && scheme == "az"
    {
        return Err("lies in Azure Blob storage, which comes in a later version; use a folder".to_owned());
    }
    if text.contains("://") || text.starts_with("memory:") {
        return text.parse().map_err(|error: ledger::StateUrlError| format!("cannot be used: {error}"));
    }
    let path = std::path::absolute(text).map_err(|error| format!("names no folder: {error}"))?;
    if path.parent().is_none() {
        return Err("names the root of the disk; use a folder below it".to_owned());
    }
    Ok(StateUrl::Folder(path))
}

/// The folder that the service manager gave us, else the one for state in the user's home.
fn user_folder(environment: &Environment) -> Option<PathBuf> {
    let get = |name| {
        environment.get(name).ok().flatten().map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    get("STATE_DIRECTORY").or_else(|| {
        let base = get("XDG_STATE_HOME")
            .or_else(|| get("LOCALAPPDATA"))
            .or_else(|| get("HOME").map(|home| home.join(Path::new(".local/state"))))?;
        Some(base.join("vmray-sentinel"))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn load<const N: usize>(environment: [(&str, &str); N]) -> Result<StateUrl, String> {
        let settings = Settings::load(&[], Environment::from(environment), None);
        load_state_url(&settings).map_err(|problems| problems.to_string())
    }

    #[rstest]
    #[case([("StateUrl", "file:///var/lib/v"), ("HOME", "/h")], "file:///var/lib/v")]
    #[case([("StateUrl", "/var/lib/v"), ("HOME", "/h")], "file:///var/lib/v")]
    #[case([("StateUrl", "memory:"), ("HOME", "/h")], "memory:")]
    #[case([("XDG_STATE_HOME", "/s"), ("HOME", "/h")], "file:///s/vmray-sentinel")]
    #[case([("XDG_STATE_HOME", "relative"), ("HOME", "/h")], "file:///h/.local/state/vmray-sentinel")]
    #[case([("STATE_DIRECTORY", "/var/lib/svc"), ("HOME", "/h")], "file:///var/lib/svc")]
    fn finds_the_state(#[case] environment: [(&str, &str); 2], #[case] shown: &str) {
        assert_eq!(load(environment).unwrap().to_string(), shown);
    }

    #[rstest]
    #[case("az://account/container", "later version")]
    #[case("s3://bucket", "does not support")]
    #[case("file://relative", "absolute path")]
    #[case("/", "root of the disk")]
    fn refuses(#[case] text: &str, #[case] reason: &str) {
        let problems = load([("StateUrl", text)]).unwrap_err();
        assert!(problems.contains(reason), "{problems}");
        assert!(problems.contains("StateUrl"), "{problems}");
    }

    #[test]
    fn without_a_home_the_setting_is_needed() {
        assert!(load([("PATH", "/bin")]).unwrap_err().contains("StateUrl is missing"));
    }
}
