//! Links that work once, act for whoever they were sent to, or carry a secret.
//!
//! Nothing but the text is known, and phishing dresses up as just such links. So each rule of the one table
//! ([`rules`]) is as narrow as it can be: words that say it plainly are enough, weaker ones only beside something that
//! looks like a token, and a parameter counts by its name and by the look of its value. What is written in percent
//! signs, in a link within the link too, is read as what it means.

mod rules;

use std::fmt;

use rules::RULES;

/// One rule of the table.
#[derive(Debug)]
pub(crate) struct Rule {
    sign: Sign,
    /// What is lost when the link is opened by another.
    pub(crate) harm: Harm,
    /// Why it is held back.
    pub(crate) reason: &'static str,
}

/// What becomes of a link that somebody else opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It is used up, or has acted.
    UsedUp,
    /// It opens something for whoever has it.
    Secret,
}

/// By what a link is known. Words and names are in lower case; what joins them does not count (`reset-password`,
/// `reset/password`, `resetPassword`), nor do signs within a name (`access_token`, `X-Amz-Signature`).
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// Words that follow each other behind the host.
    Words(&'static str),
    /// The same, beside something that looks like a token.
    WordsAndToken(&'static str),
    /// A parameter of this name.
    Parameter(&'static str, Value),
    /// A parameter whose name ends so.
    ParameterEnding(&'static str, Value),
    /// Both parameters.
    Together(&'static str, &'static str),
    /// A host, with all below it.
    Host(&'static str),
    /// Three parts with dots between them, the first an encoded `{"`.
    JsonWebToken,
}

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Anything.
    Any,
    /// [`SOME_CHARS`] or more.
    Some,
    /// A token.
    Token,
}

/// Characters of a value that is more than a number in a list or a switch.
const SOME_CHARS: usize = 4;
/// Characters from which mixed letters and digits are taken for a token: half a UUID is longer than a word.
const TOKEN_CHARS: usize = 16;
/// Characters from which hexadecimal digits with letters among them are.
const HEX_TOKEN_CHARS: usize = 10;
/// Parameters whose value is a token beside a word of a rule, however short: `verify-email?code=482913`.
const TOKEN_NAMES: [&str; 8] = ["code", "token", "key", "hash", "otp", "secret", "ticket", "pin"];
/// Words of a phrase, at most.
const MAX_PHRASE: usize = 3;
/// Times that a link may be encoded within another one.
const MAX_DECODED: usize = 4;

/// Returns the rule for which a URL is held back.
pub(crate) fn rule_for(url: &str) -> Option<&'static Rule> {
    let behind_scheme = url.split_once(':').map_or(url, |(_, rest)| rest.trim_start_matches(['/', '\\']));
    let end = behind_scheme.find(['/', '\\', '?', '#']).unwrap_or(behind_scheme.len());
    let (authority, rest) = behind_scheme.split_at(end);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_end_matches('.');
    let mut text = rest.to_owned();
    let mut texts = Vec::new();
    for _ in 0..MAX_DECODED {
        let decoded = percent_decoded(&text);
        let is_new = decoded != text;
        texts.push(Text::of(&text));
        text = decoded;
        if !is_new {
            break;
        }
    }
    RULES.iter().find(|rule| texts.iter().any(|text| rule.sign.is_in(&host.to_ascii_lowercase(), text)))
}

/// What stands behind the host, taken apart.
struct Text {
    /// Runs of letters and digits, in lower case.
    words: Vec<String>,
    /// Names without signs in lower case, and values.
    parameters: Vec<(String, String)>,
    /// Whether something looks like a token, in a parameter or in the path.
    has_token: bool,
    has_json_web_token: bool,
}

impl Text {
    fn of(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).flat_map(humps);
        let parameters = text.split(['?', '&', '#', ';']).filter_map(|piece| {
            let (name, value) = piece.split_once('=')?;
            let name = name.rsplit(['/', '\\', '!']).next().unwrap_or(name);
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            Some((name.to_ascii_lowercase(), value.to_owned())).filter(|_| !value.is_empty())
        });
        let parameters: Vec<_> = parameters.collect();
        let mut parts = text.split(['/', '\\', '?', '&', '=', '#', ';']);
        let is_named = |(name, value): &(String, String)| {
            TOKEN_NAMES.contains(&name.as_str()) && value.chars().count() >= SOME_CHARS
        };
        Self {
            words: words.map(str::to_lowercase).collect(),
            has_token: parts.clone().any(is_token) || parameters.iter().any(is_named),
            has_json_web_token: parts.any(is_json_web_token),
            parameters,
        }
    }

    /// Says whether words follow each other, whatever joins them.
    fn has(&self, phrase: &str) -> bool {
        let phrase: String = phrase.split(' ').collect();
        (1..=MAX_PHRASE).any(|length| self.words.windows(length).any(|words| words.concat() == phrase))
    }
}

impl Sign {
    fn is_in(self, host: &str, text: &Text) -> bool {
        match self {
            Self::Words(phrase) => text.has(phrase),
            Self::WordsAndToken(phrase) => text.has_token && text.has(phrase),
            Self::Parameter(name, value) => {
                text.parameters.iter().any(|(given, text)| given == name && value.fits(text))
            }
            Self::ParameterEnding(end, value) => {
                text.parameters.iter().any(|(given, text)| given.ends_with(end) && value.fits(text))
            }
            Self::Together(name, other) => {
                let has = |name: &str, chars: usize| {
                    text.parameters.iter().any(|(given, text)| given == name && text.chars().count() >= chars)
                };
                has(name, SOME_CHARS) && has(other, 1)
            }
            Self::Host(name) => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Self::JsonWebToken => text.has_json_web_token,
        }
    }
}

impl Value {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some => text.chars().count() >= SOME_CHARS,
            Self::Token => text.split(['/', '%', '+']).any(is_token) || is_token(text),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(phrase) => write!(f, "the words `{phrase}`"),
            Self::WordsAndToken(phrase) => write!(f, "the words `{phrase}` beside a token"),
            Self::Parameter(name, value) => write!(f, "the parameter `{name}`{value}"),
            Self::ParameterEnding(end, value) => write!(f, "a parameter that ends in `{end}`{value}"),
            Self::Together(name, other) => write!(f, "the parameters `{name}` and `{other}` together"),
            Self::Host(name) => write!(f, "the host `{name}`"),
            Self::JsonWebToken => f.write_str("a JSON Web Token (`eyJ...`)"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Some => write!(f, " of at least {SOME_CHARS} characters"),
            Self::Token => f.write_str(" with a token"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sign, self.reason)
    }
}

/// Takes `verifyEmail` apart. A word with digits in it is none that somebody wrote.
fn humps(word: &str) -> Vec<&str> {
    if !word.chars().all(char::is_alphabetic) {
        return vec![word];
    }
    let starts = word.char_indices().zip(word.chars().skip(1));
    let ends = starts.filter(|((_, one), next)| one.is_lowercase() && next.is_uppercase());
    let mut parts = Vec::new();
    let mut begin = 0;
    for ((at, last), _) in ends {
        let end = at + last.len_utf8();
        parts.extend(word.get(begin..end));
        begin = end;
    }
    parts.extend(word.get(begin..));
    parts
}

fn is_token(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    let (digits, letters) = (has(u8::is_ascii_digit), has(u8::is_ascii_alphabetic));
    if part.len() >= HEX_TOKEN_CHARS && letters && digits && part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return true;
    }
    let mixed = digits && letters || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    part.len() >= TOKEN_CHARS
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%' | b'+'))
        && mixed
}

/// RFC 7515: the header begins with `{"`, which is `eyJ` in base64.
fn is_json_web_token(part: &str) -> bool {
    part.starts_with("eyJ") && part.split('.').count() >= 3 && part.split('.').take(2).all(|part| part.len() > 3)
}

/// Reads `%41` as `A`. What is no such sequence stays, bytes that are no text are replaced.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        // `from_str_radix` takes a sign, too.
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
