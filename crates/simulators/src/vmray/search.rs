//! `GET /submission/search?query=` and `/sample/search?query=`: `field op value` joined by and, or.
//!
//! As the vendor describes it: a value with white space stands in double quotes, another may; `==` and `<>` ignore
//! case; `like` and `not like` take `%` for anything; `and` binds tighter than `or`; at most ten terms.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::State;
use super::list::{ListOf, Order, Query};
use super::refusal::Refusal;
use crate::world::{Access, Sample};

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

/// Returns what a search finds, and whether some was cut off.
pub(super) fn search(
    state: &State,
    of: ListOf,
    pairs: &[(String, String)],
    now: Timestamp,
) -> Result<(VecDeque<u64>, bool), Refusal> {
    let (query, paging): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(name, _)| name == "query");
    if let Some((name, _)) = paging.iter().find(|(name, _)| !PAGING.contains(&name.as_str())) {
        return Err(Refusal::unknown_parameter(name));
    }
    let terms = query.first().and_then(|(_, text)| parse(text)).ok_or_else(|| Refusal::bad_parameter("query"))?;
    let paging = Query::parse(of, &paging, &state.options)?;
    let in_range = |id: &u64| (paging.min_id..=paging.max_id).contains(id);
    let matches =
        |sample: &Sample, name: Option<&str>| terms.iter().any(|all| all.iter().all(|term| term.holds(sample, name)));
    let mut found: Vec<u64> = if of == ListOf::Samples {
        let shown = state.world.samples().filter(|sample| sample.created <= now);
        let shown = shown.filter(|sample| !matches!(sample.access, Access::Missing | Access::Forbidden));
        shown.filter(|sample| matches(sample, None)).map(|sample| sample.id).filter(in_range).collect()
    } else {
        let shown = state.world.submissions().filter(|made| made.created <= now);
        let sample = |id| state.world.sample(id);
        shown
            .filter(|made| sample(made.sample_id).is_some_and(|sample| matches(sample, made.filename.as_deref())))
            .map(|made| made.id)
            .filter(in_range)
            .collect()
    };
    if paging.order == Order::Descending {
        found.reverse();
    }
    Ok(paging.cut(found.into_iter(), &state.options))
}

/// The parameters of a search beside the query.
const PAGING: [&str; 4] = ["_limit", "_max_id", "_min_id", "_order"];

impl Term {
    /// Says whether it holds for a sample, or a submission of it under another name.
    fn holds(&self, sample: &Sample, name: Option<&str>) -> bool {
        let test = |value: &str| match self.operator {
            Operator::Equal | Operator::Unequal => value.to_lowercase() == self.value.to_lowercase(),
            Operator::Like | Operator::NotLike => is_like(&value.to_lowercase(), &self.value.to_lowercase()),
        };
        let any = match self.field {
            Field::Filename => test(name.unwrap_or(&sample.filename)),
            Field::Url => sample.url.as_deref().is_some_and(test),
            Field::ThreatName => sample.threat_names.iter().any(|name| test(name)),
            Field::VtiClassification => sample.classifications.iter().any(|name| test(name)),
        };
        any == matches!(self.operator, Operator::Equal | Operator::Like)
    }
}

/// Says whether a text has the form of a pattern, in which `%` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('%');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    false
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
    let rest = rest.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    let plain = !value.is_empty() || rest.is_empty();
    plain.then(|| (Term { field, operator, value: value.to_owned() }, rest))
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
    fn a_value_without_white_space_needs_no_quotes() {
        let found = parse("threat_name == Threat1 or threat_name like Threat%").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][0].value, "Threat1");
        assert_eq!(found[1][0], Term { field: Field::ThreatName, operator: Operator::Like, value: "Threat%".into() });
    }

    #[test]
    fn a_percent_sign_stands_for_anything() {
        assert!(is_like("abc", "abc") && is_like("abc", "a%") && is_like("abc", "%b%") && is_like("abc", "a%c"));
        assert!(!is_like("abc", "b") && !is_like("abc", "a%b") && !is_like("abc", "%b") && !is_like("ab", "a%b%b"));
    }

    #[test]
    fn refuses_other_fields_operators_and_more_than_ten_terms() {
        assert!(parse("").is_none());
        assert!(parse(r#"sha256 == "x""#).is_none());
        assert!(parse(r#"url = "x""#).is_none());
        assert!(parse(r#"url == "x"#).is_none());
        let terms = |n: usize| vec![r#"url == "x""#; n].join(" or ");
        assert!(parse(&terms(10)).is_some());
        assert!(parse(&terms(11)).is_none());
    }
}
