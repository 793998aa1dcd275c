//! `GET /submission/search?query=`: `field op "value"` joined by and, or.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::State;
use super::refusal::Refusal;
use crate::answer;
use crate::world::Submission;

/// Terms of a query.
const MAX_TERMS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Filename,
    ThreatName,
    Url,
    VtiClassification,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Like,
    NotLike,
}

#[derive(Debug, PartialEq, Eq)]
struct Term {
    field: Field,
    operator: Operator,
    value: String,
}

/// Returns the submissions that a search finds, newest first.
pub(super) fn submissions(state: &State, pairs: &[(String, String)], now: Timestamp) -> Result<VecDeque<u64>, Refusal> {
    if let Some((name, _)) = pairs.iter().find(|(name, _)| name != "query" && name != "_limit") {
        return Err(Refusal::unknown_parameter(name));
    }
    let query = answer::value_of(pairs, "query").and_then(parse).ok_or_else(|| Refusal::bad_parameter("query"))?;
    let limit = match answer::value_of(pairs, "_limit") {
        None => usize::MAX,
        Some(text) => text.parse().map_err(|_| Refusal::bad_parameter("_limit"))?,
    };
    let found = state.world.submissions().rev().filter(|made| made.created <= now);
    let found = found.filter(|made| query.iter().any(|all| all.iter().all(|term| holds(state, made, term))));
    Ok(found.map(|made| made.id).take(limit.min(state.options.max_api_items)).collect())
}

fn holds(state: &State, made: &Submission, term: &Term) -> bool {
    let Some(sample) = state.world.sample(made.sample_id) else { return false };
    let test = |value: &str| match term.operator {
        Operator::Equal | Operator::Unequal => value == term.value,
        Operator::Like | Operator::NotLike => value.to_lowercase().contains(&term.value.to_lowercase()),
    };
    let any = match term.field {
        Field::Filename => test(&sample.filename),
        Field::Url => sample.url.as_deref().is_some_and(test),
        Field::ThreatName => sample.threat_names.iter().any(|name| test(name)),
        Field::VtiClassification => sample.classifications.iter().any(|name| test(name)),
    };
    any == matches!(term.operator, Operator::Equal | Operator::Like)
}

/// Reads alternatives, each a list of terms that must all hold.
fn parse(text: &str) -> Option<Vec<Vec<Term>>> {
    let mut alternatives = vec![Vec::new()];
    let mut terms = 0;
    let mut rest = text;
    loop {
        let (term, after) = term(rest)?;
        alternatives.last_mut()?.push(term);
        terms += 1;
        let after = after.trim_start();
        if after.is_empty() {
            return (terms <= MAX_TERMS).then_some(alternatives);
        }
        let (word, following) = after.split_once(' ')?;
        match word.to_ascii_lowercase().as_str() {
            "and" => {}
            "or" => alternatives.push(Vec::new()),
            _ => return None,
        }
        rest = following;
    }
}

fn term(text: &str) -> Option<(Term, &str)> {
    let (name, rest) = text.trim_start().split_once(' ')?;
    let field = match name {
        "filename" => Field::Filename,
        "threat_name" => Field::ThreatName,
        "url" => Field::Url,
        "vti_classification" => Field::VtiClassification,
        _ => return None,
    };
    let operators =
        [("==", Operator::Equal), ("<>", Operator::Unequal), ("like", Operator::Like), ("not like", Operator::NotLike)];
    let rest = rest.trim_start();
    let (operator, rest) =
        operators.into_iter().find_map(|(word, operator)| Some((operator, rest.strip_prefix(word)?)))?;
    let (value, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    Some((Term { field, operator, value: value.to_owned() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_terms_joined_by_and_or() {
        let found = parse(r#"url == "http://a b/" and filename not like "x" or threat_name <> "y""#).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][0], Term { field: Field::Url, operator: Operator::Equal, value: "http://a b/".into() });
        assert_eq!(found[0][1].operator, Operator::NotLike);
        assert_eq!(found[1][0].operator, Operator::Unequal);
    }

    #[test]
    fn refuses_other_fields_operators_and_more_than_ten_terms() {
        assert!(parse("").is_none());
        assert!(parse(r#"sha256 == "x""#).is_none());
        assert!(parse(r#"url = "x""#).is_none());
        assert!(parse("url == x").is_none());
        let terms = |n: usize| vec![r#"url == "x""#; n].join(" or ");
        assert!(parse(&terms(10)).is_some());
        assert!(parse(&terms(11)).is_none());
    }
}
