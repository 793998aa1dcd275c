//! How this program was started, for the commands that it prints.
//!
//! A command that is printed works as printed: it calls the program as its user did, by name, by path or through
//! `cargo run`, and looks at the same state with the same settings, so flags that say where those are go along. This is
//! a fact of the process, like its id: `main` notes it once, before anything is printed.
//!
//! Texts of the libraries and of the table of settings name the program `vmray-sentinel`; [`in_text`] rewrites such
//! commands where the text is shown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use config::{self, Environment};

use crate::cli::Global;

/// What the program is called where nobody knows better.
const NAME: &str = "vmray-sentinel";
/// How a command begins in a text.
const IN_TEXT: &str = "`vmray-sentinel ";

static OF_THIS_PROCESS: OnceLock<Invocation> = OnceLock::new();

/// How the program was started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Invocation {
    program: Program,
    flags: Vec<Flag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    /// By its name or a path.
    Called(String),
    /// By `cargo run`, in this workspace, with these flags for cargo.
    CargoRun { workspace: PathBuf, flags: String },
}

/// A flag that says which settings or state a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flag {
    name: &'static str,
    value: String,
}

/// Notes how this process was started. Later calls change nothing.
pub(crate) fn note(program: Option<&str>, global: &Global, environment: &Environment) {
    OF_THIS_PROCESS.get_or_init(|| Invocation::of(program.unwrap_or(NAME), global, environment));
}

/// Returns a command for the terminal that this one was typed into. `arguments` come after the program's name.
pub(crate) fn command(arguments: &str) -> String {
    of_this_process().command(arguments)
}

/// The same for another state, for one that this process made itself.
pub(crate) fn command_on(state_url: &str, arguments: &str) -> String {
    of_this_process().on(state_url).command(arguments)
}

/// Returns a command for another terminal of this machine, which may be in another folder and has other variables.
pub(crate) fn command_elsewhere(state_url: &str, arguments: &str) -> String {
    of_this_process().on(state_url).usable_anywhere().command(arguments)
}

/// Rewrites the commands in a text, each of which stands between backticks.
pub(crate) fn in_text(text: &str) -> String {
    of_this_process().in_text(text)
}

/// Rewrites the commands in a text that is shown before the command line is read.
pub(crate) fn in_text_of(program: Option<&str>, environment: &Environment, text: &str) -> String {
    Invocation::of(program.unwrap_or(NAME), &Global::default(), environment).in_text(text)
}

fn of_this_process() -> &'static Invocation {
    OF_THIS_PROCESS.get_or_init(|| Invocation { program: Program::Called(NAME.to_owned()), flags: Vec::new() })
}

impl Invocation {
    fn of(program: &str, global: &Global, environment: &Environment) -> Self {
        let mut flags = Vec::new();
        let mut add = |name, value: &str| flags.push(Flag { name, value: value.to_owned() });
        if let Some(config) = &global.config {
            add("--config", config);
        }
        for (name, value) in global.set.iter().filter(|(name, value)| config::may_be_repeated(name, value)) {
            add("--set", &format!("{name}={value}"));
        }
        if let Some(state_url) = &global.state_url {
            add("--state-url", state_url);
        }
        let program = cargo_run(program, environment).unwrap_or_else(|| Program::Called(program.to_owned()));
        Self { program, flags }
    }

    fn command(&self, arguments: &str) -> String {
        let mut command = match &self.program {
            Program::Called(program) => quoted(program),
            Program::CargoRun { flags, .. } => format!("cargo run {flags}--bin {NAME} --"),
        };
        write!(command, " {arguments}").unwrap_or_default();
        for Flag { name, value } in &self.flags {
            write!(command, " {name} {}", quoted(value)).unwrap_or_default();
        }
        command
    }

    fn on(&self, state_url: &str) -> Self {
        let names_state = |flag: &Flag| flag.name == "--state-url" || flag.value.starts_with("StateUrl=");
        let mut flags: Vec<_> = self.flags.iter().filter(|flag| !names_state(flag)).cloned().collect();
        flags.push(Flag { name: "--state-url", value: state_url.to_owned() });
        Self { flags, ..self.clone() }
    }

    fn usable_anywhere(mut self) -> Self {
        for flag in self.flags.iter_mut().filter(|flag| flag.name == "--config" && !flag.value.contains("://")) {
            flag.value = absolute(&flag.value);
        }
        match &mut self.program {
            Program::Called(program) if program.contains('/') => *program = absolute(program),
            Program::Called(_) => {}
            Program::CargoRun { workspace, flags } => {
                *flags = format!("{}--manifest-path {} ", without_manifest(flags), quoted(&manifest_of(workspace)));
            }
        }
        self
    }

    fn in_text(&self, text: &str) -> String {
        let mut parts = text.split(IN_TEXT);
        let mut rewritten = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('`') {
                Some((arguments, rest)) => write!(rewritten, "`{}`{rest}", self.command(arguments)),
                // Not the end of a command: the text is left as it is.
                None => write!(rewritten, "{IN_TEXT}{part}"),
            }
            .unwrap_or_default();
        }
        rewritten
    }
}

/// Recognises `cargo run`, which becomes the program itself and leaves its variables and the path in `target`.
fn cargo_run(program: &str, environment: &Environment) -> Option<Program> {
    let get = |name| environment.get(name).ok().flatten().map(|(_, value)| value.to_owned());
    if get("CARGO_PKG_NAME")? != env!("CARGO_PKG_NAME") {
        return None;
    }
    let workspace = PathBuf::from(get("CARGO_MANIFEST_DIR")?).parent()?.parent()?.to_owned();
    let mut flags = match Path::new(program).parent()?.file_name()?.to_str()? {
        "debug" => String::new(),
        "release" => "--release ".to_owned(),
        profile => format!("--profile {} ", quoted(profile)),
    };
    if !std::env::current_dir().ok()?.starts_with(&workspace) {
        write!(flags, "--manifest-path {} ", quoted(&manifest_of(&workspace))).ok()?;
    }
    Some(Program::CargoRun { workspace, flags })
}

fn manifest_of(workspace: &Path) -> String {
    workspace.join("Cargo.toml").display().to_string()
}

fn without_manifest(flags: &str) -> &str {
    flags.split("--manifest-path ").next().unwrap_or_default()
}

fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// Returns a value as a shell takes it literally.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@~+=,".contains(c);
    // A shell expands a tilde only where a word begins with it.
    if !value.is_empty() && value.chars().all(plain) && !value.starts_with('~') {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(config: Option<&str>, set: &[(&str, &str)], state_url: Option<&str>) -> Global {
        Global {
            config: config.map(str::to_owned),
            set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            state_url: state_url.map(str::to_owned),
            json: false,
            log: None,
            log_format: None,
        }
    }

    fn called(program: &str, global: &Global) -> Invocation {
        Invocation::of(program, global, &Environment::default())
    }

    #[test]
    fn a_command_keeps_program_settings_and_state_and_no_secret() {
        let set = [("Tlp", "green"), ("VmraySampleVerdict", "Malicious & Suspicious"), ("VmrayAPIKey", "hunter2")];
        let global = global(Some("my conf.toml"), &set, Some("./state"));
        assert_eq!(
            called("./bin/vmray-sentinel", &global).command("quarantine replay --all"),
            "./bin/vmray-sentinel quarantine replay --all --config 'my conf.toml' --set Tlp=green \
             --set 'VmraySampleVerdict=Malicious & Suspicious' --state-url ./state"
        );
    }

    #[test]
    fn commands_in_a_text_are_rewritten_and_nothing_else() {
        let invocation = called("/opt/v", &global(None, &[], Some("s")));
        let text = "run `vmray-sentinel doctor` or `az login`; `vmray-sentinel status`. `vmray-sentinel is open";
        let expected =
            "run `/opt/v doctor --state-url s` or `az login`; `/opt/v status --state-url s`. `vmray-sentinel is open";
        assert_eq!(invocation.in_text(text), expected);
    }

    #[test]
    fn cargo_run_is_called_as_cargo_run() {
        let here = std::env::current_dir().unwrap();
        let manifest = here.ancestors().nth(2).unwrap().join("crates/vmray-sentinel");
        let environment = |manifest: &Path| {
            let pairs = [("CARGO_PKG_NAME", "vmray-sentinel"), ("CARGO_MANIFEST_DIR", manifest.to_str().unwrap())];
            Environment::from(pairs)
        };
        let of = |program, manifest: &Path| Invocation::of(program, &global(None, &[], None), &environment(manifest));
        assert_eq!(
            of("target/release/vmray-sentinel", &manifest).command("status"),
            "cargo run --release --bin vmray-sentinel -- status"
        );
        assert_eq!(
            of("/t/debug/vmray-sentinel", &manifest).command("status"),
            "cargo run --bin vmray-sentinel -- status"
        );
        let elsewhere = Path::new("/elsewhere/crates/vmray-sentinel");
        let command = "cargo run --profile fast --manifest-path /elsewhere/Cargo.toml --bin vmray-sentinel -- status";
        assert_eq!(of("target/fast/vmray-sentinel", elsewhere).command("status"), command);
        let anywhere = of("target/fast/vmray-sentinel", elsewhere).on("s").usable_anywhere().command("status");
        assert_eq!(anywhere, format!("{command} --state-url s"));
    }

    #[test]
    fn elsewhere_paths_are_whole_and_the_state_is_named() {
        let invocation = called("./v", &global(Some("c.toml"), &[("StateUrl", "old")], None));
        let command = invocation.on("file:///state").usable_anywhere().command("status");
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(command, format!("{here}/v status --config {here}/c.toml --state-url file:///state"));
        assert_eq!(called("v", &global(None, &[], None)).usable_anywhere().command("status"), "v status");
    }

    #[test]
    fn values_are_quoted_for_a_shell_only_where_needed() {
        assert_eq!(quoted("http://127.0.0.1:80/a-b_c.d~"), "http://127.0.0.1:80/a-b_c.d~");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("~/x"), "'~/x'");
    }
}
