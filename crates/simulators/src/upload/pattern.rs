//! STIX patterns: the whole grammar of STIX 2.1, section 9, as far as validity goes.
//!
//! This is deliberately not the parser that the feed checks its own patterns with: two readings of the grammar
//! that agree are worth more than one used twice.

/// Nesting accepted; no sane pattern comes near.
const MAX_DEPTH: u32 = 32;

/// `ObservableKey` and `ObservableValue`.
pub(super) type KeyValue = (String, String);

/// Returns key and value when the pattern is one simple comparison, `None` for other valid patterns.
pub(super) fn observable(pattern: &str) -> Result<Option<KeyValue>, String> {
    let mut parser = Parser { text: pattern, at: 0, depth: 0, comparisons: 0, simple: None, qualified: false };
    parser.observations()?;
    parser.space();
    if parser.at < pattern.len() {
        return Err(parser.unexpected("the end"));
    }
    Ok(if parser.comparisons == 1 && !parser.qualified { parser.simple } else { None })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    comparisons: u32,
    simple: Option<KeyValue>,
    qualified: bool,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.rest().chars().next() {
            Some(found) => format!("position {}: expected {expected}, found {found:?}", self.at),
            None => format!("position {}: expected {expected}, found the end", self.at),
        }
    }

    fn space(&mut self) {
        let trimmed = self.rest().trim_start();
        self.at = self.text.len() - trimmed.len();
    }

    /// Takes a symbol after optional space.
    fn symbol(&mut self, symbol: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes a keyword after optional space; keywords are upper case and end where the word ends.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.space();
        let Some(after) = self.rest().strip_prefix(keyword) else { return false };
        let found = !after.starts_with(is_word);
        if found {
            self.at += keyword.len();
        }
        found
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
            while ["FOLLOWEDBY", "OR", "AND"].into_iter().any(|keyword| parser.keyword(keyword)) {
                parser.observation()?;
            }
            Ok(())
        })
    }

    fn observation(&mut self) -> Parsed<()> {
        if self.symbol("[") {
            self.comparisons()?;
            if !self.symbol("]") {
                return Err(self.unexpected("]"));
            }
        } else if self.symbol("(") {
            self.observations()?;
            if !self.symbol(")") {
                return Err(self.unexpected(")"));
            }
        } else {
            return Err(self.unexpected("["));
        }
        while self.qualifier()? {
            self.qualified = true;
        }
        Ok(())
    }

    fn qualifier(&mut self) -> Parsed<bool> {
        if self.keyword("WITHIN") {
            self.number()?;
            return if self.keyword("SECONDS") { Ok(true) } else { Err(self.unexpected("SECONDS")) };
        }
        if self.keyword("REPEATS") {
            self.number()?;
            return if self.keyword("TIMES") { Ok(true) } else { Err(self.unexpected("TIMES")) };
        }
        if self.keyword("START") {
            self.timestamp()?;
            return if self.keyword("STOP") { self.timestamp().map(|()| true) } else { Err(self.unexpected("STOP")) };
        }
        Ok(false)
    }

    fn comparisons(&mut self) -> Parsed<()> {
        self.nested(|parser| {
            parser.comparison()?;
            while ["AND", "OR"].into_iter().any(|keyword| parser.keyword(keyword)) {
                parser.comparison()?;
            }
            Ok(())
        })
    }

    fn comparison(&mut self) -> Parsed<()> {
        self.comparisons += 1;
        if self.symbol("(") {
            self.comparisons()?;
            return if self.symbol(")") { Ok(()) } else { Err(self.unexpected(")")) };
        }
        if self.keyword("EXISTS") {
            return self.object_path().map(|_| ());
        }
        let path = self.object_path()?;
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            return self.set();
        }
        if ["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"].into_iter().any(|keyword| self.keyword(keyword)) {
            return self.string().map(|_| ());
        }
        let Some(operator) = ["==", "=", "!=", "<>", ">=", "<=", ">", "<"].into_iter().find(|op| self.symbol(op))
        else {
            return Err(self.unexpected("a comparison operator"));
        };
        if let Some(value) = self.constant()?.filter(|_| operator.starts_with('=')) {
            check_hash(&path, &value)?;
            self.simple = (!negated).then_some((path, value));
        }
        Ok(())
    }

    fn set(&mut self) -> Parsed<()> {
        if !self.symbol("(") {
            return Err(self.unexpected("("));
        }
        loop {
            self.constant()?;
            if self.symbol(")") {
                return Ok(());
            }
            if !self.symbol(",") {
                return Err(self.unexpected(", or )"));
            }
        }
    }

    /// `type:property.'key'[0].ref`
    fn object_path(&mut self) -> Parsed<String> {
        self.space();
        let start = self.at;
        self.name(|c| is_word(c) || c == '-')?;
        if !self.symbol(":") {
            return Err(self.unexpected(":"));
        }
        self.step()?;
        loop {
            if self.rest().starts_with('.') {
                self.at += 1;
                self.step()?;
            } else if self.rest().starts_with('[') {
                self.at += 1;
                if !self.symbol("*") {
                    self.symbol("-");
                    self.name(|c| c.is_ascii_digit())?;
                }
                if !self.symbol("]") {
                    return Err(self.unexpected("]"));
                }
            } else {
                return Ok(self.text.get(start..self.at).unwrap_or_default().to_owned());
            }
        }
    }

    fn step(&mut self) -> Parsed<()> {
        if self.rest().starts_with('\'') { self.string().map(|_| ()) } else { self.name(is_word).map(|_| ()) }
    }

    fn name(&mut self, accept: impl Fn(char) -> bool) -> Parsed<&'a str> {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| !name.is_empty()).ok_or_else(|| self.unexpected("a name"))?;
        self.at += end;
        Ok(name)
    }

    /// Takes a constant; returns the text of a string, `None` for the other kinds.
    fn constant(&mut self) -> Parsed<Option<String>> {
        self.space();
        match self.rest().as_bytes() {
            [b'\'', ..] => self.string().map(Some),
            [b't', b'\'', ..] => self.timestamp().map(|()| None),
            [b'h' | b'b', b'\'', ..] => {
                self.at += 1;
                self.string().map(|_| None)
            }
            _ if self.keyword("true") || self.keyword("false") => Ok(None),
            _ => self.number().map(|()| None),
        }
    }

    /// A string in single quotes, in which only `\'` and `\\` are escapes.
    fn string(&mut self) -> Parsed<String> {
        self.space();
        let mut chars = self.rest().char_indices();
        if chars.next().is_none_or(|(_, c)| c != '\'') {
            return Err(self.unexpected("a string"));
        }
        let mut value = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\'' | '\\'))) => value.push(escaped),
                    _ => return Err(format!("position {}: a lone backslash in a string", self.at + at)),
                },
                other => value.push(other),
            }
        }
        Err(format!("position {}: a string without end", self.at))
    }

    fn timestamp(&mut self) -> Parsed<()> {
        self.space();
        if !self.rest().starts_with("t'") {
            return Err(self.unexpected("a timestamp"));
        }
        self.at += 1;
        let text = self.string()?;
        let valid = text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok();
        if valid { Ok(()) } else { Err(format!("{text:?} is no timestamp")) }
    }

    fn number(&mut self) -> Parsed<()> {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        if digits.parse::<f64>().is_err() {
            return Err(self.unexpected("a constant"));
        }
        self.at += end;
        Ok(())
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A hash has the length that its algorithm gives it.
fn check_hash(path: &str, value: &str) -> Parsed<()> {
    let Some((_, algorithm)) = path.rsplit_once("hashes.") else { return Ok(()) };
    let digits = match algorithm.trim_matches('\'') {
        "MD5" => 32,
        "SHA-1" => 40,
        "SHA-256" | "SHA3-256" => 64,
        "SHA-512" | "SHA3-512" => 128,
        _ => return Ok(()),
    };
    let valid = value.len() == digits && value.chars().all(|c| c.is_ascii_hexdigit());
    if valid { Ok(()) } else { Err(format!("{value:?} is no {algorithm} hash")) }
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
