//! Colour, only where a person looks.

use std::fmt;
use std::io::IsTerminal;

use config::Environment;

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    colour: bool,
}

/// What colour says here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Strong,
    Faint,
    Command,
}

/// Text with its tone.
pub(crate) struct Painted<T> {
    text: T,
    tone: Option<Tone>,
}

impl Paint {
    /// Paints when `stream` is a terminal that wants colour (<https://no-color.org>).
    pub(crate) fn for_stream(stream: &impl IsTerminal, environment: &Environment) -> Self {
        let set = |name| environment.get(name).ok().flatten().map(|(_, value)| value.to_owned());
        Self { colour: stream.is_terminal() && set("NO_COLOR").is_none() && set("TERM").as_deref() != Some("dumb") }
    }

    /// Never paints.
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    /// Gives `text` its tone.
    pub(crate) fn tone<T: fmt::Display>(self, tone: Tone, text: T) -> Painted<T> {
        Painted { text, tone: self.colour.then_some(tone) }
    }

    pub(crate) fn good<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Good, text)
    }

    pub(crate) fn warn<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Warn, text)
    }

    pub(crate) fn bad<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Bad, text)
    }

    pub(crate) fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Strong, text)
    }

    pub(crate) fn faint<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Faint, text)
    }

    pub(crate) fn command<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.tone(Tone::Command, text)
    }
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    /// Width and alignment apply to the text, not to the invisible codes around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tone) = self.tone else { return self.text.fmt(f) };
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Command => "36",
        };
        write!(f, "\x1b[{code}m")?;
        self.text.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_carries_no_codes_and_keeps_its_width() {
        assert_eq!(format!("[{:>5}]", Paint::plain().good(12)), "[   12]");
    }

    #[test]
    fn painted_text_is_aligned_inside_its_codes() {
        assert_eq!(format!("{:>5}", Paint { colour: true }.strong(12)), "\x1b[1m   12\x1b[0m");
    }
}
