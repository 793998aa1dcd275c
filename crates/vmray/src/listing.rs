//! Lists: filters, pages and their order.
//!
//! A page is asked for in ascending order of id, so that the next one starts after the last id of this one and
//! nothing falls between. That holds only if the server obeys `_order` and `_min_id`; where an answer shows that it
//! does not, and the page is not the last, the page is an error and not a silent gap. A list that never ends (ids that
//! rise for ever) is an error, too: there are only so many pages.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Client, Entry, Error, Submission, SubmissionId, time};

/// Items asked for in one page; the default `api_items_per_request` of servers.
pub(crate) const PAGE_LIMIT: usize = 100;

/// Pages of one list. Five million submissions in a month are more than the largest servers make.
const MOST_PAGES: usize = 50_000;

/// A range of time, closed (as far as the server's own bounds are) or open at either end.
pub type TimeRange = (Option<Timestamp>, Option<Timestamp>);

/// Which submissions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmissionFilter {
    /// Finished in this range.
    pub finish_time: Option<TimeRange>,
    /// Made in this range.
    pub created: Option<TimeRange>,
    /// With this id or a higher one.
    pub min_id: Option<SubmissionId>,
    /// Made by this submission, for what it holds.
    pub parent: Option<SubmissionId>,
}

impl SubmissionFilter {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let ranges = [("submission_finish_time", self.finish_time), ("submission_created", self.created)];
        let ranges = ranges.into_iter().filter_map(|(name, range)| Some((name, range_text(range?)?)));
        let min_id = self.min_id.map(|id| ("_min_id", id.to_string()));
        let parent = self.parent.map(|id| ("submission_parent_submission_id", id.to_string()));
        ranges.chain(min_id).chain(parent).collect()
    }
}

/// Writes `from~to`; an end may be missing.
fn range_text((from, to): TimeRange) -> Option<String> {
    if from.is_none() && to.is_none() {
        return None;
    }
    let [from, to] = [from, to].map(|end| end.map(time::write).unwrap_or_default());
    Some(format!("{from}~{to}"))
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// Its items: readable ones by ascending id where the list is paged, then the unreadable.
    pub items: Vec<Entry<T>>,
    /// Whether there is more to ask for. A paged list that has more has a readable item.
    pub more: bool,
    /// The server's clock at the first answer.
    pub server_date: Option<Timestamp>,
}

/// A list of submissions, asked for page by page.
#[derive(Debug)]
pub struct SubmissionPages {
    client: Client,
    filter: SubmissionFilter,
    pages: usize,
    ended: bool,
}

impl SubmissionPages {
    pub(crate) fn new(client: Client, filter: SubmissionFilter) -> Self {
        Self { client, filter, pages: 0, ended: false }
    }

    /// Returns the next page; none after the last.
    ///
    /// # Errors
    /// Those of the call, after which the page can be asked for again; and that the list does not end.
    pub async fn next(&mut self) -> Result<Option<Listing<Submission>>, Error> {
        if self.ended {
            return Ok(None);
        }
        if self.pages >= MOST_PAGES {
            return Err(Error::Endless { what: "the list of submissions", pages: self.pages });
        }
        let page = self.client.submissions(&self.filter).await?;
        self.pages += 1;
        let highest = page.items.iter().filter_map(|entry| match entry {
            Entry::Read(submission) => Some(submission.id.0),
            Entry::Unreadable { .. } => None,
        });
        // An id above all others leaves nothing to ask for.
        match highest.max().and_then(|highest| highest.checked_add(1)).filter(|_| page.more) {
            Some(next) => self.filter.min_id = Some(SubmissionId(next)),
            None => self.ended = true,
        }
        Ok(Some(page))
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: false, server_date: None }
    }
}

impl<T> Listing<T> {
    /// Puts a page in order and checks that the next one can follow it.
    pub(crate) fn paged<I: Ord + Copy>(
        self,
        what: &'static str,
        limit: usize,
        min_id: Option<I>,
        id_of: impl Fn(&T) -> I,
    ) -> Result<Self, Error> {
        let more = self.more || self.items.len() >= limit;
        let mut readable = BTreeMap::new();
        let mut unreadable = Vec::new();
        let mut highest = None;
        let mut in_order = true;
        for entry in self.items {
            match entry {
                Entry::Read(item) => {
                    let id = id_of(&item);
                    in_order &= highest.is_none_or(|highest| highest <= id);
                    highest = highest.max(Some(id));
                    if min_id.is_none_or(|min| min <= id) {
                        // The later of two is the newer state of the same thing.
                        readable.insert(id, item);
                    }
                }
                unread @ Entry::Unreadable { .. } => unreadable.push(unread),
            }
        }
        if more && !in_order {
            return Err(Error::Unreadable {
                what,
                reason: "its items are not in the order asked for, so the next page would miss some".to_owned(),
            });
        }
        if more && readable.is_empty() {
            let reason = "more follows, but no item says from where".to_owned();
            return Err(Error::Unreadable { what, reason });
        }
        let items = readable.into_values().map(Entry::Read).chain(unreadable).collect();
        Ok(Self { items, more, server_date: self.server_date })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[rstest]
    #[case((Some(at("2025-01-01T00:00:00Z")), Some(at("2025-01-02T03:04:05.9Z"))), Some("2025-01-01T00:00:00~2025-01-02T03:04:05"))]
    #[case((None, Some(at("2025-01-02T03:04:05Z"))), Some("~2025-01-02T03:04:05"))]
    #[case((Some(at("2025-01-02T03:04:05Z")), None), Some("2025-01-02T03:04:05~"))]
    #[case((None, None), None)]
    fn writes_ranges(#[case] range: TimeRange, #[case] expected: Option<&str>) {
        assert_eq!(range_text(range).as_deref(), expected);
    }

    fn page(ids: &[u64], more: bool) -> Listing<u64> {
        Listing { items: ids.iter().copied().map(Entry::Read).collect(), more, server_date: None }
    }

    fn paged(page: Listing<u64>, limit: usize, min_id: Option<u64>) -> Result<(Vec<u64>, bool), String> {
        let page = page.paged("a list", limit, min_id, |id| *id).map_err(|error| error.to_string())?;
        Ok((page.items.into_iter().filter_map(Entry::into_read).collect(), page.more))
    }

    #[test]
    fn sorts_and_drops_duplicates_of_a_last_page() {
        assert_eq!(paged(page(&[3, 1, 2, 3], false), 10, None), Ok((vec![1, 2, 3], false)));
    }

    #[test]
    fn a_full_page_has_more() {
        assert_eq!(paged(page(&[1, 2], false), 2, None), Ok((vec![1, 2], true)));
        assert_eq!(paged(page(&[1, 2], true), 10, None), Ok((vec![1, 2], true)));
    }

    #[rstest]
    #[case::order_ignored(page(&[9, 8], false), None)]
    #[case::min_id_ignored(page(&[1, 2], false), Some(3))]
    #[case::cut_to_nothing(page(&[], true), None)]
    #[case::nothing_readable(
        Listing { items: vec![Entry::Unreadable { raw: Value::Null, reason: String::new() }], more: true, server_date: None },
        None
    )]
    fn a_page_that_the_next_cannot_follow_is_an_error(#[case] page: Listing<u64>, #[case] min_id: Option<u64>) {
        assert!(paged(page, 2, min_id).is_err());
    }

    #[test]
    fn drops_what_lies_below_the_lower_bound() {
        assert_eq!(paged(page(&[1, 2, 3], false), 10, Some(3)), Ok((vec![3], false)));
    }
}
