//! Tokens of the grammar that OASIS publishes for STIX 2.1 (`STIXPattern.g4`).
//!
//! As in any ANTLR grammar the longest token wins, and of two of one length the one that the grammar names first: `AND`
//! is a keyword and no name, `AND-x` is a name, `.5` is a number and not a step to a property called `5`.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word that the grammar reserves.
    Keyword,
    /// `true` or `false`.
    Bool,
    /// A name without hyphen: a property, or the type of an object.
    Name,
    /// A name with a hyphen: only the type of an object.
    HyphenName,
    /// An integer; `true`: below zero.
    Int(bool),
    /// A number with a fraction; `true`: below zero.
    Float(bool),
    /// `'text'`
    Text,
    /// `h'00ff'`
    Hex,
    /// `b'AAAA'`
    Binary,
    /// `t'2026-01-01T00:00:00Z'`
    Time,
    /// Operators and brackets.
    Symbol,
    /// What no rule of the grammar takes.
    Invalid,
}

/// A token and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

const KEYWORDS: [&str; 17] = [
    "AND",
    "OR",
    "NOT",
    "FOLLOWEDBY",
    "LIKE",
    "MATCHES",
    "ISSUPERSET",
    "ISSUBSET",
    "EXISTS",
    "LAST",
    "IN",
    "START",
    "STOP",
    "SECONDS",
    "WITHIN",
    "REPEATS",
    "TIMES",
];

/// Longer ones first.
const SYMBOLS: [&str; 20] =
    ["==", "!=", "<>", "<=", ">=", "=", "<", ">", ":", ".", ",", "(", ")", "[", "]", "*", "+", "-", "^", "/"];

/// Returns the tokens of a pattern; white space and comments are none.
pub(super) fn tokens(pattern: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = pattern.get(at..).filter(|rest| !rest.is_empty()) {
        let skipped = skipped(rest);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let (kind, length) = longest(rest);
        tokens.push(Token { kind, text: rest.get(..length).unwrap_or_default(), at });
        at += length.max(1);
    }
    tokens
}

/// Returns the length of white space or a comment at the start.
fn skipped(rest: &str) -> usize {
    if let Some(comment) = rest.strip_prefix("/*") {
        return comment.find("*/").map_or(0, |end| end + 4);
    }
    if rest.starts_with("//") {
        return rest.find(['\r', '\n']).unwrap_or(rest.len());
    }
    rest.find(|c| !is_space(c)).unwrap_or(rest.len())
}

fn is_space(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

fn longest(rest: &str) -> (Kind, usize) {
    let candidates = [number(rest), prefixed(rest), text(rest), word(rest), symbol(rest)];
    let mut best = (Kind::Invalid, rest.chars().next().map_or(0, char::len_utf8));
    let mut length = 0;
    for (kind, taken) in candidates.into_iter().flatten() {
        if taken > length {
            (best, length) = ((kind, taken), taken);
        }
    }
    best
}

/// `[+-]? ('0' | [1-9][0-9]*)` or `[+-]? [0-9]* '.' [0-9]+`
fn number(rest: &str) -> Option<(Kind, usize)> {
    let sign = usize::from(rest.starts_with(['+', '-']));
    let negative = rest.starts_with('-');
    let digits = |from: usize| {
        let after = rest.get(from..).unwrap_or_default();
        after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len())
    };
    let whole = digits(sign);
    let point = sign + whole;
    if rest.get(point..).is_some_and(|after| after.starts_with('.')) && digits(point + 1) > 0 {
        return Some((Kind::Float(negative), point + 1 + digits(point + 1)));
    }
    match whole {
        0 => None,
        // A zero is a number by itself: what follows is another one.
        _ if rest.get(sign..).is_some_and(|after| after.starts_with('0')) => Some((Kind::Int(negative), sign + 1)),
        _ => Some((Kind::Int(negative), point)),
    }
}

/// A string: only `\'` and `\\` are escapes.
fn text(rest: &str) -> Option<(Kind, usize)> {
    let mut chars = rest.char_indices();
    chars.next().filter(|(_, c)| *c == '\'')?;
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((Kind::Text, at + 1)),
            '\\' => {
                chars.next().filter(|(_, escaped)| ['\'', '\\'].contains(escaped))?;
            }
            _ => {}
        }
    }
    None
}

/// `h'...'`, `b'...'` and `t'...'`.
fn prefixed(rest: &str) -> Option<(Kind, usize)> {
    let mut chars = rest.chars();
    let prefix = chars.next()?;
    let (inner, _) = chars.as_str().strip_prefix('\'')?.split_once('\'')?;
    let kind = match prefix {
        'h' if is_hex(inner) => Kind::Hex,
        'b' if is_base64(inner) => Kind::Binary,
        't' if is_time(inner) => Kind::Time,
        _ => return None,
    };
    Some((kind, inner.len() + 3))
}

fn is_hex(inner: &str) -> bool {
    inner.len().is_multiple_of(2) && inner.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Base64 with its padding, and not nothing.
fn is_base64(inner: &str) -> bool {
    let bare = inner.trim_end_matches('=');
    inner.len().is_multiple_of(4)
        && !bare.is_empty()
        && inner.len() - bare.len() <= 2
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// The form of a time stamp; the grammar knows no calendar, so 31 February and second 60 are times.
fn is_time(inner: &str) -> bool {
    let Some(inner) = inner.strip_suffix('Z') else { return false };
    let (whole, fraction) = match inner.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (inner, None),
    };
    let number = |from: usize, length: usize| {
        let part = whole.get(from..from + length)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok())?
    };
    let within = |from, length, range: std::ops::RangeInclusive<u32>| {
        number(from, length).is_some_and(|value| range.contains(&value))
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    whole.len() == 19
        && separators.iter().all(|(at, byte)| whole.as_bytes().get(*at) == Some(byte))
        && within(0, 4, 0..=9999)
        && within(5, 2, 1..=12)
        && within(8, 2, 1..=31)
        && within(11, 2, 0..=23)
        && within(14, 2, 0..=59)
        && within(17, 2, 0..=60)
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A keyword or a name; a name begins with a letter or `_`.
fn word(rest: &str) -> Option<(Kind, usize)> {
    rest.chars().next().filter(|c| c.is_ascii_alphabetic() || *c == '_')?;
    let length = |accept: fn(char) -> bool| rest.find(|c| !accept(c)).unwrap_or(rest.len());
    let plain = length(|c| c.is_ascii_alphanumeric() || c == '_');
    let hyphened = length(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let name = rest.get(..plain).unwrap_or_default();
    Some(match name {
        _ if hyphened > plain => (Kind::HyphenName, hyphened),
        "true" | "false" => (Kind::Bool, plain),
        _ if KEYWORDS.contains(&name) => (Kind::Keyword, plain),
        _ => (Kind::Name, plain),
    })
}

fn symbol(rest: &str) -> Option<(Kind, usize)> {
    SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map(|symbol| (Kind::Symbol, symbol.len()))
}
