//! STIX patterns: the grammar that OASIS publishes for STIX 2.1, and what its validator asks beyond the grammar.
//!
//! This is deliberately not the parser that the feed checks its own patterns with: two readings of the grammar that agree
//! are worth more than one used twice. A third one, the validator of OASIS itself, is asked about the same 6,000 random
//! patterns by `verify/stix/patterns.py`.

mod hash;
mod token;

use token::{Kind, Token, tokens};

/// Nesting accepted; no sane pattern comes near.
const MAX_DEPTH: u32 = 32;

/// `ObservableKey` and `ObservableValue`.
pub(super) type KeyValue = (String, String);

/// Returns key and value when the pattern is one simple comparison, `None` for other valid patterns.
pub(super) fn observable(pattern: &str) -> Result<Option<KeyValue>, String> {
    let mut parser =
        Parser { pattern, tokens: tokens(pattern), next: 0, depth: 0, comparisons: 0, simple: None, qualified: false };
    parser.observations()?;
    if parser.peek().is_some() {
        return Err(parser.unexpected("the end"));
    }
    Ok(if parser.comparisons == 1 && !parser.qualified { parser.simple } else { None })
}

struct Parser<'a> {
    pattern: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: u32,
    comparisons: u32,
    simple: Option<KeyValue>,
    qualified: bool,
}

/// The path of a comparison: its text, and its steps without quotes.
struct Path {
    text: String,
    steps: Vec<String>,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.peek() {
            Some(found) => format!("position {}: expected {expected}, found {:?}", found.at, found.text),
            None => format!("position {}: expected {expected}, found the end", self.pattern.len()),
        }
    }

    /// Takes a token that satisfies `wanted`.
    fn take(&mut self, wanted: impl Fn(Token<'a>) -> bool) -> Option<Token<'a>> {
        let token = self.peek().filter(|token| wanted(*token))?;
        self.next += 1;
        Some(token)
    }

    /// Takes this symbol or keyword.
    fn accept(&mut self, text: &str) -> bool {
        let fixed = |kind| matches!(kind, Kind::Symbol | Kind::Keyword);
        self.take(|token| fixed(token.kind) && token.text == text).is_some()
    }

    fn accept_any(&mut self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.accept(text))
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.accept(text) { Ok(()) } else { Err(self.unexpected(text)) }
    }

    fn expect_kind(&mut self, expected: &str, wanted: impl Fn(Kind) -> bool) -> Parsed<Token<'a>> {
        self.take(|token| wanted(token.kind)).ok_or_else(|| self.unexpected(expected))
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn observations(&mut self) -> Parsed<()> {
        self.nested(|parser| {
            parser.observation()?;
            while parser.accept_any(&["FOLLOWEDBY", "OR", "AND"]) {
                parser.observation()?;
            }
            Ok(())
        })
    }

    fn observation(&mut self) -> Parsed<()> {
        let compound = self.accept("(");
        if compound {
            self.observations()?;
            self.expect(")")?;
        } else {
            self.expect("[")?;
            self.comparisons()?;
            self.expect("]")?;
        }
        let mut qualifiers = Vec::new();
        while let Some(qualifier) = self.qualifier()? {
            self.qualified = true;
            // "An Observation Expression MAY have at most one of each" (STIX 2.1, 9.4.2); a group in parentheses is free.
            if !compound && qualifiers.contains(&qualifier) {
                return Err(format!("{qualifier} is there twice"));
            }
            qualifiers.push(qualifier);
        }
        Ok(())
    }

    fn qualifier(&mut self) -> Parsed<Option<&'static str>> {
        if self.accept("WITHIN") {
            let positive = |kind| matches!(kind, Kind::Int(false) | Kind::Float(false));
            self.expect_kind("a number of seconds", positive)?;
            return self.expect("SECONDS").map(|()| Some("WITHIN"));
        }
        if self.accept("REPEATS") {
            self.expect_kind("a number of times", |kind| kind == Kind::Int(false))?;
            return self.expect("TIMES").map(|()| Some("REPEATS"));
        }
        if self.accept("START") {
            self.expect_kind("a timestamp", |kind| kind == Kind::Time)?;
            self.expect("STOP")?;
            return self.expect_kind("a timestamp", |kind| kind == Kind::Time).map(|_| Some("START"));
        }
        Ok(None)
    }

    fn comparisons(&mut self) -> Parsed<()> {
        self.nested(|parser| {
            parser.comparison()?;
            while parser.accept_any(&["AND", "OR"]) {
                parser.comparison()?;
            }
            Ok(())
        })
    }

    fn comparison(&mut self) -> Parsed<()> {
        self.comparisons += 1;
        if self.accept("(") {
            self.comparisons()?;
            return self.expect(")");
        }
        if self.accept("EXISTS") {
            return self.object_path().map(|_| ());
        }
        let path = self.object_path()?;
        let negated = self.accept("NOT");
        if self.accept("IN") {
            return self.set();
        }
        if self.accept_any(&["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"]) {
            let value = self.expect_kind("a string", |kind| kind == Kind::Text)?;
            return hash::check(&path.steps, value.text);
        }
        let operators = ["==", "=", "!=", "<>", ">=", "<=", ">", "<"];
        let operator = self
            .take(|token| token.kind == Kind::Symbol && operators.contains(&token.text))
            .ok_or_else(|| self.unexpected("a comparison operator"))?;
        let value = self.literal()?;
        if value.kind == Kind::Bool && operator.text.starts_with(['>', '<']) && operator.text != "<>" {
            return Err(format!("position {}: {} has no order", value.at, value.text));
        }
        hash::check(&path.steps, value.text)?;
        if value.kind == Kind::Text && operator.text.starts_with('=') {
            self.simple = (!negated).then(|| (path.text, unquoted(value.text)));
        }
        Ok(())
    }

    fn set(&mut self) -> Parsed<()> {
        self.expect("(")?;
        if self.accept(")") {
            return Ok(());
        }
        loop {
            self.literal()?;
            if self.accept(")") {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    /// `type:property.'key'[0].ref`
    fn object_path(&mut self) -> Parsed<Path> {
        let object = self.expect_kind("a name", |kind| matches!(kind, Kind::Name | Kind::HyphenName))?;
        self.expect(":")?;
        let mut steps = vec![self.step()?];
        loop {
            if self.accept(".") {
                steps.push(self.step()?);
            } else if self.accept("[") {
                if !self.accept("*") {
                    self.expect_kind("an index", |kind| matches!(kind, Kind::Int(_)))?;
                }
                self.expect("]")?;
            } else {
                break;
            }
        }
        let end = self
            .next
            .checked_sub(1)
            .and_then(|last| self.tokens.get(last))
            .map_or(object.at, |last| last.at + last.text.len());
        let text = self.pattern.get(object.at..end).unwrap_or_default().to_owned();
        Ok(Path { text, steps })
    }

    fn step(&mut self) -> Parsed<String> {
        let token = self.expect_kind("a property", |kind| matches!(kind, Kind::Name | Kind::Text))?;
        Ok(if token.kind == Kind::Text { unquoted(token.text) } else { token.text.to_owned() })
    }

    fn literal(&mut self) -> Parsed<Token<'a>> {
        self.expect_kind("a constant", |kind| {
            !matches!(kind, Kind::Keyword | Kind::Name | Kind::HyphenName | Kind::Symbol | Kind::Invalid)
        })
    }
}

/// Returns what a string says.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text);
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        value.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    value
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    #[rstest]
    #[case("[ipv4-addr:value = '198.51.100.7']", "ipv4-addr:value", "198.51.100.7")]
    #[case(r"[url:value = 'http://h/a\'b\\c']", "url:value", r"http://h/a'b\c")]
    #[case(
        "[file:hashes.'SHA-1' = '6c26eab9b233bd1921f1607879a9d3f4aa92ff23']",
        "file:hashes.'SHA-1'",
        "6c26eab9b233bd1921f1607879a9d3f4aa92ff23"
    )]
    #[case(" [ domain-name:value='bücher.example' ] ", "domain-name:value", "bücher.example")]
    fn names_the_observable_of_a_simple_comparison(#[case] pattern: &str, #[case] key: &str, #[case] value: &str) {
        assert_eq!(observable(pattern), Ok(Some((key.to_owned(), value.to_owned()))));
    }

    #[rstest]
    #[case("[ipv4-addr:value = '1.2.3.4' AND network-traffic:dst_port = 80]")]
    #[case("[ipv4-addr:value = '1.2.3.4'] OR [ipv4-addr:value = '1.2.3.5']")]
    #[case("[ipv4-addr:value IN ('1.2.3.4', '1.2.3.5')]")]
    #[case("[ipv4-addr:value != '1.2.3.4']")]
    #[case("[ipv4-addr:value NOT = '1.2.3.4']")]
    #[case("[file:name MATCHES '^a.*z$']")]
    #[case("([url:value = 'x'] FOLLOWEDBY [url:value = 'y']) WITHIN 5 SECONDS")]
    #[case("[url:value = 'x'] REPEATS 3 TIMES START t'2020-01-01T00:00:00Z' STOP t'2020-01-02T00:00:00Z'")]
    #[case("[x-thing:list[0].'a b'[*].z > 1.5]")]
    #[case("[artifact:payload_bin = b'AAAA' AND file:magic_number_hex = h'ff00']")]
    #[case("[file:magic_number_hex = h'']")]
    #[case("[file:size IN ()]")]
    #[case("[file:size = +10AND file:size != -.5]")]
    #[case("[file:size /* how large */ > 1 // so large\n]")]
    #[case("[file:ctime = t'2026-02-31T23:59:60.5Z']")]
    #[case("([url:value = 'x']) WITHIN 5 SECONDS WITHIN 6 SECONDS")]
    #[case("[AND-x:list[-1] = true]")]
    fn accepts_what_it_cannot_name(#[case] pattern: &str) {
        assert_eq!(observable(pattern), Ok(None));
    }

    #[rstest]
    #[case("")]
    #[case("[]")]
    #[case("ipv4-addr:value = '1.2.3.4'")]
    #[case("[url:value = 'a'b']")]
    #[case("[url:value = 'a''b']")]
    #[case(r"[url:value = 'a\b']")]
    #[case(r"[url:value = 'a\']")]
    #[case("[url:value = \"a\"]")]
    #[case("[url:value = 'a'")]
    #[case("[url:value = 'a']]")]
    #[case("[url:value = 'a' and url:value = 'b']")]
    #[case("[url = 'a']")]
    #[case("[file:hashes.SHA-256 = 'x']")]
    #[case("[file:hashes.MD5 = 'd41d8']")]
    #[case("[url:value = 'a'] WITHIN SECONDS")]
    #[case("[url:value = 'a'] WITHIN -5 SECONDS")]
    #[case("[url:value = 'a'] REPEATS 1.5 TIMES")]
    #[case("[url:value = 'a'] WITHIN 5 SECONDS WITHIN 6 SECONDS")]
    #[case("[file:magic_number_hex = h'f']")]
    #[case("[file:magic_number_hex = h'fg']")]
    #[case("[artifact:payload_bin = b'AAA']")]
    #[case("[artifact:payload_bin = b'']")]
    #[case("[artifact:payload_bin = b'A===']")]
    #[case("[file:1st = 'a']")]
    #[case("[1file:name = 'a']")]
    #[case("[file:name.2nd = 'a']")]
    #[case("[file:AND = 'a']")]
    #[case("[file:a-b = 'a']")]
    #[case("[file:size = 01]")]
    #[case("[file:size = 1e5]")]
    #[case("[file:size = 1.]")]
    #[case("[file:size > true]")]
    #[case("[file:size = True]")]
    #[case("[file:name LIKE 5]")]
    #[case("[file:ctime = t'2026-13-01T00:00:00Z']")]
    #[case("[file:ctime = t'2026-01-01T00:00:61Z']")]
    #[case("[file:ctime = t'2026-01-01T00:00:00,5Z']")]
    #[case("[file:size = 1 /* without end]")]
    #[case("[file:hashes.sha256 = 'x']")]
    fn refuses(#[case] pattern: &str) {
        assert!(observable(pattern).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_not_a_crash() {
        assert!(observable(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn agrees_with_the_validator_of_oasis() {
        let cases =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/schemas/stix/pattern_cases.json");
        let Ok(text) = std::fs::read_to_string(cases) else {
            println!("skipped: no shared fixtures");
            return;
        };
        let cases: Value = serde_json::from_str(&text).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let pattern = case["pattern"].as_str().unwrap();
            assert_eq!(observable(pattern).is_ok(), case["valid"].as_bool().unwrap(), "{pattern}");
        }
    }
}
