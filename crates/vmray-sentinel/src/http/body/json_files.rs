//! Files in base64 taken out of JSON while it streams by.
//!
//! A JSON body may hold a file of a hundred megabytes as one text. Here it is read byte by byte: what stands as text
//! under [`FILE_KEYS`] is decoded and handed on in pieces, and in what is left (the skeleton) the number of the file
//! stands in its place. The skeleton is small and is read as JSON afterwards, which finds all that is malformed; this
//! module only has to know where texts and containers begin and end. Memory is a piece, a block and the skeleton.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The keys under which files stand: ours and the original's, and that of the Office 365 connector's object.
const FILE_KEYS: [&[u8]; 2] = [b"file", b"$content"];
/// Bytes of JSON besides the files.
const SKELETON_BYTES: usize = 1024 * 1024;
/// Containers in each other.
const DEPTH: usize = 64;
/// Digits that are decoded at once; a multiple of four.
const BLOCK: usize = 64 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What came out of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A file begins.
    Begin,
    /// It goes on.
    Content(Vec<u8>),
    /// It is not base64; the rest of it is passed over.
    Broken,
    /// It ends.
    End,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("is nested too deeply")]
    Depth,
    #[error("holds more than 1 MiB besides its files")]
    Size,
    #[error("breaks off within a text")]
    Cut,
}

/// Reads a body piece by piece.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    containers: Vec<Container>,
    state: State,
    expects_key: bool,
    key: Vec<u8>,
    digits: Vec<u8>,
    /// Whether the file that is open is not base64: it takes nothing from the rest of the body.
    is_broken: bool,
    files: usize,
    skeleton: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    List,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Between,
    Key {
        escaped: bool,
    },
    Text {
        escaped: bool,
    },
    File(Escape),
}

/// Where in an escape of a text we are.
#[derive(Debug, Clone, Copy)]
enum Escape {
    None,
    Begun,
    Unicode { digits: u8, value: u32 },
}

impl Scanner {
    /// Reads the next piece.
    pub(super) fn read(&mut self, piece: &[u8], steps: &mut Vec<Step>) -> Result<(), Malformed> {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            if let State::File(Escape::None) = self.state {
                // The bulk of a large body: everything up to the next quote or escape at once.
                let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                if end > 0 {
                    let (digits, behind) = rest.split_at(end);
                    self.decode(digits, steps);
                    rest = behind;
                    continue;
                }
            }
            self.byte(byte, steps)?;
            rest = after;
        }
        Ok(())
    }

    /// Ends the body and returns what is left of it.
    pub(super) fn finish(self) -> Result<Vec<u8>, Malformed> {
        match self.state {
            State::Between => Ok(self.skeleton),
            State::Key { .. } | State::Text { .. } | State::File(_) => Err(Malformed::Cut),
        }
    }

    fn byte(&mut self, byte: u8, steps: &mut Vec<Step>) -> Result<(), Malformed> {
        match self.state {
            State::Between => self.between(byte, steps),
            State::Key { escaped } => {
                if byte == b'"' && !escaped {
                    self.state = State::Between;
                } else {
                    self.key.push(byte);
                    self.state = State::Key { escaped: byte == b'\\' && !escaped };
                }
                self.keep(byte)
            }
            State::Text { escaped } => {
                self.state = if byte == b'"' && !escaped {
                    State::Between
                } else {
                    State::Text { escaped: byte == b'\\' && !escaped }
                };
                self.keep(byte)
            }
            State::File(escape) => self.file(byte, escape, steps),
        }
    }

    fn between(&mut self, byte: u8, steps: &mut Vec<Step>) -> Result<(), Malformed> {
        match byte {
            b'{' | b'[' => {
                if self.containers.len() == DEPTH {
                    return Err(Malformed::Depth);
                }
                self.containers.push(if byte == b'{' { Container::Object } else { Container::List });
                self.expects_key = byte == b'{';
            }
            b'}' | b']' => {
                self.containers.pop();
                self.expects_key = false;
            }
            b',' => self.expects_key = self.containers.last() == Some(&Container::Object),
            b':' => self.expects_key = false,
            b'"' if self.expects_key => {
                self.key.clear();
                self.state = State::Key { escaped: false };
            }
            b'"' if self.containers.last() == Some(&Container::Object) && FILE_KEYS.contains(&self.key.as_slice()) => {
                self.state = State::File(Escape::None);
                steps.push(Step::Begin);
                return Ok(());
            }
            b'"' => self.state = State::Text { escaped: false },
            _ => {}
        }
        self.keep(byte)
    }

    fn file(&mut self, byte: u8, escape: Escape, steps: &mut Vec<Step>) -> Result<(), Malformed> {
        let next = match (escape, byte) {
            (Escape::None, b'"') => return self.end_of_file(steps),
            (Escape::None, b'\\') => Escape::Begun,
            (Escape::Begun, b'u') => Escape::Unicode { digits: 0, value: 0 },
            // Some writers escape the slash, and break lines.
            (Escape::Begun, b'/') | (Escape::None, _) => {
                self.decode(&[byte], steps);
                Escape::None
            }
            (Escape::Begun, b'n' | b'r' | b't') => Escape::None,
            (Escape::Begun, _) => {
                self.break_off(steps);
                Escape::None
            }
            (Escape::Unicode { digits, value }, _) => {
                let Some(digit) = char::from(byte).to_digit(16) else {
                    self.break_off(steps);
                    return self.file(byte, Escape::None, steps);
                };
                let value = value * 16 + digit;
                if digits < 3 {
                    Escape::Unicode { digits: digits + 1, value }
                } else {
                    match u8::try_from(value) {
                        Ok(plain) => self.decode(&[plain], steps),
                        Err(_) => self.break_off(steps),
                    }
                    Escape::None
                }
            }
        };
        self.state = State::File(next);
        Ok(())
    }

    fn decode(&mut self, digits: &[u8], steps: &mut Vec<Step>) {
        if self.is_broken {
            return;
        }
        for part in digits.chunks(BLOCK) {
            self.digits.extend(part.iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            }));
            if self.digits.len() >= BLOCK {
                let left = self.digits.split_off(self.digits.len() / 4 * 4);
                let block = std::mem::replace(&mut self.digits, left);
                match BASE64.decode(block) {
                    Ok(content) => steps.push(Step::Content(content)),
                    Err(_) => return self.break_off(steps),
                }
            }
        }
    }

    fn break_off(&mut self, steps: &mut Vec<Step>) {
        if !self.is_broken {
            steps.push(Step::Broken);
        }
        self.is_broken = true;
        self.digits = Vec::new();
    }

    fn end_of_file(&mut self, steps: &mut Vec<Step>) -> Result<(), Malformed> {
        let digits = std::mem::take(&mut self.digits);
        if !digits.is_empty() {
            match BASE64.decode(digits) {
                Ok(content) => steps.push(Step::Content(content)),
                Err(_) => self.break_off(steps),
            }
        }
        steps.push(Step::End);
        self.is_broken = false;
        self.state = State::Between;
        for digit in self.files.to_string().bytes() {
            self.keep(digit)?;
        }
        self.files += 1;
        Ok(())
    }

    fn keep(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.skeleton.len() == SKELETON_BYTES {
            return Err(Malformed::Size);
        }
        self.skeleton.push(byte);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Reads a body in pieces of a size; returns the skeleton and the files.
    fn read(body: &[u8], piece: usize) -> Result<(String, Vec<Vec<u8>>), Malformed> {
        let (mut scanner, mut steps) = (Scanner::default(), Vec::new());
        for piece in body.chunks(piece) {
            scanner.read(piece, &mut steps)?;
        }
        let mut files: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            match step {
                Step::Begin => files.push(Vec::new()),
                Step::Content(content) => files.last_mut().unwrap().extend(content),
                Step::Broken => *files.last_mut().unwrap() = b"broken".to_vec(),
                Step::End => {}
            }
        }
        Ok((String::from_utf8_lossy(&scanner.finish()?).into_owned(), files))
    }

    #[rstest]
    #[case(r#"{"file": "aGVsbG8=", "name": "a.txt"}"#, r#"{"file": 0, "name": "a.txt"}"#, &["hello"])]
    #[case(r#"{"items":[{"file":"aGk"},{"url":"u"},{"file":"aGVsbG8"}]}"#, r#"{"items":[{"file":0},{"url":"u"},{"file":1}]}"#, &["hi", "hello"])]
    #[case(r#"{"file": {"$content-type": "t", "$content": "aGk="}}"#, r#"{"file": {"$content-type": "t", "$content": 0}}"#, &["hi"])]
    #[case(r#"{"file":""}"#, r#"{"file":0}"#, &[""])]
    #[case(r#"{"file":null,"x":"file","y":["file","aGk="]}"#, r#"{"file":null,"x":"file","y":["file","aGk="]}"#, &[])]
    #[case(r#"{"file":["aGk="]}"#, r#"{"file":["aGk="]}"#, &[])]
    #[case(r#"{"a":"\"file\":\"x","b\\":"c\\","file":"aGk="}"#, r#"{"a":"\"file\":\"x","b\\":"c\\","file":0}"#, &["hi"])]
    #[case(r#"{"file":"a\u0047k\u003D"}"#, r#"{"file":0}"#, &["hi"])]
    #[case(r#"{"file":"\/\/79\r\n\n"}"#, r#"{"file":0}"#, &["\u{fffd}"])]
    fn files_are_taken_out_however_the_body_is_cut(#[case] body: &str, #[case] skeleton: &str, #[case] files: &[&str]) {
        for piece in [1, 2, 3, 7, 1000] {
            let (left, found) = read(body.as_bytes(), piece).unwrap();
            assert_eq!(left, skeleton);
            let found: Vec<String> = found.iter().map(|file| String::from_utf8_lossy(file).into_owned()).collect();
            let same = found.iter().zip(files).all(|(found, file)| found == file || file.contains('\u{fffd}'));
            assert!(found.len() == files.len() && same, "{found:?}");
        }
    }

    #[rstest]
    #[case("no base64!")]
    #[case(r"aGk\x")]
    #[case(r"\u2603")]
    #[case(r"\u26")]
    #[case(r"\u26\n")]
    #[case(r#"a\"b"#)]
    #[case("a")]
    fn a_file_that_is_not_base64_takes_nothing_from_the_others(#[case] broken: &str) {
        let body = format!(r#"{{"items":[{{"file":"{broken}"}},{{"file":"aGk="}},{{"url":"u"}}]}}"#);
        for piece in [1, 2, 3, 1000] {
            let (left, found) = read(body.as_bytes(), piece).unwrap();
            assert_eq!(left, r#"{"items":[{"file":0},{"file":1},{"url":"u"}]}"#, "{body}");
            assert_eq!(found, [b"broken".to_vec(), b"hi".to_vec()]);
        }
    }

    #[test]
    fn a_large_file_comes_in_blocks() {
        let content: Vec<u8> = (0..1_000_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        let encoded = base64::engine::general_purpose::STANDARD.encode(&content);
        for line in [76, 10_000_000] {
            let broken: Vec<String> =
                encoded.as_bytes().chunks(line).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
            let body = format!("{{\"file\": \"{}\"}}", broken.join("\r\n"));
            let (skeleton, files) = read(body.as_bytes(), 16 * 1024).unwrap();
            assert_eq!(skeleton, "{\"file\": 0}");
            assert!(files == [content.clone()], "the content differs");
        }
    }

    #[rstest]
    #[case(br#"{"file":"aGk="#, Malformed::Cut)]
    #[case(br#"{"name":"a"#, Malformed::Cut)]
    #[case(&[b'['; 65], Malformed::Depth)]
    #[case(&vec![b' '; SKELETON_BYTES + 1], Malformed::Size)]
    fn what_cannot_be_read_is_said(#[case] body: &[u8], #[case] expected: Malformed) {
        assert_eq!(read(body, 5), Err(expected));
    }

    proptest::proptest! {
        #[test]
        fn a_body_without_files_stays_as_it_is(value in json(), piece in 1_usize..40) {
            let body = value.to_string();
            let (skeleton, files) = read(body.as_bytes(), piece).unwrap();
            proptest::prop_assert_eq!(skeleton, body);
            proptest::prop_assert!(files.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            drop(read(&body, 3));
        }
    }

    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::hash_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
