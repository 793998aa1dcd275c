//! Which records an operator means: an id as the list shows it, or a beginning that only one record has.

use crate::cli::Selection;
use crate::failure::Failure;
use crate::view::{Open, Refused};

/// What every id of an indicator begins with; people may leave it out.
const PREFIX: &str = "indicator--";
/// Ids that an ambiguous beginning names.
const NAMED: usize = 5;

/// One thing that is held back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held<'a> {
    /// Sentinel refused it.
    Refused(&'a Refused),
    /// VMRay did not give it.
    Open(&'a Open),
}

/// What a command is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) refused: Vec<String>,
    pub(super) open: Vec<u64>,
}

/// Returns what a selection means.
pub(super) fn all_of(refused: &[Refused], open: &[Open], selection: &Selection) -> Result<Selected, Failure> {
    if selection.all {
        return Ok(Selected {
            refused: refused.iter().map(|record| record.id.clone()).collect(),
            open: open.iter().map(|sample| sample.sample_id).collect(),
        });
    }
    let mut selected = Selected::default();
    for id in &selection.ids {
        match find(refused, open, id)? {
            Held::Refused(record) if !selected.refused.contains(&record.id) => selected.refused.push(record.id.clone()),
            Held::Open(sample) if !selected.open.contains(&sample.sample_id) => selected.open.push(sample.sample_id),
            Held::Refused(_) | Held::Open(_) => {}
        }
    }
    Ok(selected)
}

/// Finds what an id names. A sample's id is a number and is given whole; an indicator's may be cut short.
pub(super) fn find<'a>(refused: &'a [Refused], open: &'a [Open], id: &str) -> Result<Held<'a>, Failure> {
    let id = id.trim();
    if let Some(sample) = open.iter().find(|sample| sample.sample_id.to_string() == id) {
        return Ok(Held::Open(sample));
    }
    let lower = id.to_ascii_lowercase();
    let begins = |record: &&Refused| {
        !lower.is_empty()
            && (record.id.starts_with(&lower)
                || record.id.strip_prefix(PREFIX).is_some_and(|id| id.starts_with(&lower)))
    };
    let found: Vec<_> = refused.iter().filter(begins).collect();
    match found.as_slice() {
        [] => Err(Failure::from(anyhow::anyhow!("{id} is not in quarantine, and no open sample has that id"))
            .with_hint("`vmray-sentinel quarantine list` shows the ids of records and samples")),
        [record] => Ok(Held::Refused(record)),
        several => {
            let named: Vec<_> = several.iter().take(NAMED).map(|record| record.id.as_str()).collect();
            let more = several.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            Err(Failure::from(anyhow::anyhow!("{} ids start with {id}: {}{more}", several.len(), named.join(", ")))
                .with_hint("give more of the id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::shown::tests::{record, sample};
    use super::*;
    use crate::paint::Paint;

    fn ids(refused: &[Refused], id: &str) -> Result<Selected, String> {
        let selection = Selection { ids: vec![id.to_owned()], all: false };
        all_of(refused, &[sample(1007)], &selection).map_err(|failure| failure.report(Paint::plain()))
    }

    fn two() -> [Refused; 2] {
        ["indicator--10070000-0000-5000-8000-000000000000", "indicator--10ff0000-0000-5000-8000-000000000000"]
            .map(|id| Refused { id: id.to_owned(), ..record() })
    }

    #[rstest]
    #[case("indicator--10070000-0000-5000-8000-000000000000")]
    #[case("indicator--1007")]
    #[case("10070")]
    #[case(" INDICATOR--1007 ")]
    fn a_beginning_that_only_one_has_is_enough(#[case] id: &str) {
        let records = two();
        assert_eq!(ids(&records, id), Ok(Selected { refused: vec![records[0].id.clone()], open: Vec::new() }));
    }

    #[test]
    fn the_whole_id_of_a_sample_is_that_sample() {
        assert_eq!(ids(&two(), "1007"), Ok(Selected { refused: Vec::new(), open: vec![1007] }));
    }

    #[rstest]
    #[case("10", "2 ids start with 10: indicator--1007")]
    #[case("indicator--", "2 ids start with")]
    #[case("77", "77 is not in quarantine")]
    #[case("", "is not in quarantine")]
    #[case("100", "")]
    fn what_names_none_or_several_is_refused(#[case] id: &str, #[case] reason: &str) {
        match ids(&two(), id) {
            Err(error) => assert!(error.contains(reason) && !reason.is_empty(), "{error}"),
            Ok(selected) => assert_eq!((reason, selected.refused.len()), ("", 1)),
        }
    }

    #[test]
    fn all_are_records_and_samples_and_one_named_twice_is_one() {
        let records = two();
        let all = all_of(&records, &[sample(7)], &Selection { ids: Vec::new(), all: true }).unwrap();
        assert_eq!((all.refused.len(), all.open), (2, vec![7]));
        let twice = Selection { ids: vec!["10070".to_owned(), "indicator--1007".to_owned()], all: false };
        assert_eq!(all_of(&records, &[], &twice).unwrap().refused.len(), 1);
    }
}
