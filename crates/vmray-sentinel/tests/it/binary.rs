//! The built binary, run as its users run it: no setting of this machine reaches it.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

/// A home folder and the settings for one test.
pub(crate) struct Setup {
    /// Shared with what runs in it: a folder that is removed under a process ends it.
    pub(crate) home: Arc<TempDir>,
    environment: Vec<(String, String)>,
}

/// What a finished command left.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { home: Arc::new(tempfile::tempdir().unwrap()), environment: Vec::new() }
    }

    /// Sets a variable for the commands of this test.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes variables away again.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.environment.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("vmray-sentinel"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Runs with something on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Done {
        let file = self.home().join("stdin");
        std::fs::write(&file, input).unwrap();
        done(self.command(arguments).stdin(std::fs::File::open(file).unwrap()))
    }

    /// Runs a line as a shell does, in the home folder; the binary is found by its name.
    pub(crate) fn shell(&self, line: &str) -> Done {
        done(&mut self.shell_command(line))
    }

    /// The shell that runs a line, still to be started.
    pub(crate) fn shell_command(&self, line: &str) -> Command {
        let bin = Path::new(assert_cmd::cargo::cargo_bin!("vmray-sentinel")).parent().unwrap().to_str().unwrap();
        let path = format!("{bin}:/usr/local/bin:/usr/bin:/bin");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env_clear().env("HOME", self.home.path()).env("PATH", path);
        shell.envs(self.environment.iter().map(|(name, value)| (name, value)));
        shell.current_dir(self.home.path()).stdin(Stdio::null());
        shell
    }
}

fn done(command: &mut Command) -> Done {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Done {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

impl Done {
    /// Checks the exit code and shows everything when it is another one.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// A command that goes on until told to stop, one of its streams read as it comes.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<Box<dyn Read>>,
    seen: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        Self { child, lines: BufReader::new(lines), seen: String::new() }
    }

    /// Watches stderr instead of stdout, which is thrown away.
    pub(crate) fn start_watching_stderr(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines: Box<dyn Read> = Box::new(child.stderr.take().unwrap());
        Self { child, lines: BufReader::new(lines), seen: String::new() }
    }

    /// Reads the stream up to the first line that contains `part`, and returns that line.
    #[track_caller]
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                let stderr = self.rest_of_stderr();
                panic!("ended before '{part}':\n{}\n{stderr}", self.seen);
            }
            self.seen.push_str(&line);
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }

    fn rest_of_stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    /// Ends it, and returns what it said after the last line that was read.
    pub(crate) fn last_words(&mut self) -> String {
        drop(self.child.kill());
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        format!("{:?}\n{text}", self.child.wait().unwrap())
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> Done {
        // The standard library can only kill; `kill` is on every machine that runs these tests.
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let mut stdout = std::mem::take(&mut self.seen);
        self.lines.read_to_string(&mut stdout).unwrap();
        let stderr = self.rest_of_stderr();
        let status = self.child.wait().unwrap();
        Done { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone when terminated.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks a page of this machine, without a client library: the answer with its head.
pub(crate) fn get(url: &str) -> String {
    use std::io::Write as _;
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
