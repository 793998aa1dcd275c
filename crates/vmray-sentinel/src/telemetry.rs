//! Logs: as lines for people or as JSON for machines. They never hold a key, a token or a body, and nothing in them turns
//! around the direction in which they read.
//!
//! Commands log to stderr. Under the Functions host, which takes a line on stdout for information and a line on stderr
//! for an error, warnings and errors go to stderr and the rest to stdout, one line each.

use std::io::{self, IsTerminal as _, Write};

use config::{LogConfig, LogFormat};
use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

use crate::visible::in_one_direction;

/// Starts logging. Lines and progress bars share the terminal through `bars`.
pub(crate) fn start(config: &LogConfig, bars: &MultiProgress) {
    begin(config, AroundBars(bars.clone()), io::stderr().is_terminal());
}

/// Starts logging as the Functions host reads it.
pub(crate) fn start_under_functions(config: &LogConfig) {
    let writer = (|| OneLine(io::stderr())).with_max_level(Level::WARN).or_else(|| OneLine(io::stdout()));
    begin(config, writer, false);
}

fn begin<W>(config: &LogConfig, writer: W, ansi: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The Azure SDK logs each refusal as well; ours says what to do. A filter that names it still wins.
    let filter = EnvFilter::try_new(format!("typespec_client_core=warn,{}", config.filter)).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(ansi).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second start (a test that calls main's parts) keeps the first.
    drop(started);
}

/// Takes the bars away while a line is written.
#[derive(Clone)]
struct AroundBars(MultiProgress);

impl Write for AroundBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = String::from_utf8_lossy(bytes);
        self.0.suspend(|| io::stderr().lock().write_all(in_one_direction(&event).as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl<'a> MakeWriter<'a> for AroundBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Writes each event, which comes in one piece, as one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let event = String::from_utf8_lossy(event);
        let mut line: Vec<u8> = in_one_direction(&event)
            .bytes()
            .map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte })
            .collect();
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_with_line_breaks_is_one_line() {
        let mut out = OneLine(Vec::new());
        out.write_all(b"ERROR a\nb\r\nc\n").unwrap();
        out.write_all(b"INFO d\n").unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), "ERROR a b  c\nINFO d\n");
    }

    #[test]
    fn no_event_turns_the_line_around() {
        let mut out = OneLine(Vec::new());
        out.write_all("INFO \u{202e}gpj.exe\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), "INFO \\u202egpj.exe\n");
    }
}
