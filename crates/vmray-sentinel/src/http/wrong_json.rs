//! What is wrong with a JSON body, said without its values.
//!
//! serde's own message repeats the value that it met: a password that came as a number, a text of a megabyte. Here the
//! kind of the value stands instead of it.

use super::problem::Problem;

/// Returns the refusal.
pub(super) fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let parameter = if path == "." { "body".to_owned() } else { path };
    let said = error.inner().to_string();
    Problem::bad_request(&parameter, reason(&said))
}

/// How serde names kinds of values, and what a caller calls them.
const KINDS: [(&str, &str); 8] = [
    ("string", "a text"),
    ("integer", "a whole number"),
    ("floating point", "a number"),
    ("boolean", "true or false"),
    ("null", "null"),
    ("map", "an object"),
    ("sequence", "a list"),
    ("unit", "null"),
];

fn reason(said: &str) -> String {
    let met = ["invalid type: ", "invalid value: "].into_iter().find_map(|begin| said.strip_prefix(begin));
    // What is expected is our own words, and the last thing that is said; the value before it may say anything.
    let Some((met, expected)) = met.and_then(|met| met.rsplit_once(", expected ")) else {
        return format!("cannot be read: {said}");
    };
    let expected = expected.rsplit_once(" at line ").map_or(expected, |(expected, _)| expected);
    let met = KINDS.into_iter().find(|(kind, _)| met.starts_with(kind)).map_or("something else", |(_, word)| word);
    let expected = match expected {
        "a string" => "a text",
        "a boolean" => "true or false",
        "u32" => "a whole number from 1",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("is {met}; expected {expected}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("invalid type: integer `4711`, expected a string at line 1 column 9", "is a whole number; expected a text")]
    #[case(
        "invalid type: string \"a, expected b at line 1\", expected u32 at line 1 column 9",
        "is a text; expected a whole number from 1"
    )]
    #[case(
        "invalid value: integer `-5`, expected u32 at line 1 column 9",
        "is a whole number; expected a whole number from 1"
    )]
    #[case("invalid type: map, expected a sequence at line 1 column 9", "is an object; expected a list")]
    #[case("missing field `items` at line 1 column 2", "cannot be read: missing field `items` at line 1 column 2")]
    fn no_value_is_repeated(#[case] said: &str, #[case] expected: &str) {
        assert_eq!(reason(said), expected);
    }
}
