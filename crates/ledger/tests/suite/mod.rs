//! The conformance suite: one list of promises, run on every kind of storage.
//!
//! This folder is part of two test programs: `tests/it` runs it in memory and on disk, the binary's tests on Azure Blob
//! storage.

pub(crate) mod fencing;
pub(crate) mod ledger;
pub(crate) mod objects;

use ::ledger::{Binding, Error, Ledger, Storage, Upkeep};
use jiff::{SignedDuration, Timestamp};

pub(crate) const ROUTE: &str = "default";

pub(crate) fn binding() -> Binding {
    Binding { vmray: "vmray.test".into(), workspace: "11111111-2222-3333-4444-555555555555".into() }
}

pub(crate) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minute)
}

pub(crate) async fn open(storage: &Storage) -> Result<Ledger, Error> {
    Ledger::open(storage, ROUTE, &binding(), at(0), Upkeep::default()).await
}

/// Makes a test of each check named; `$on` runs it on fresh storage.
macro_rules! each_check {
    ($on:path, $attribute:meta, $($module:ident: $($check:ident)+;)+) => {
        $($(
            #[tokio::test]
            #[$attribute]
            async fn $check() {
                $on(crate::suite::$module::$check).await;
            }
        )+)+
    };
}

/// Makes a test of each check that holds everywhere.
macro_rules! everywhere {
    ($on:path, $attribute:meta) => {
        $crate::suite::each_check! {
            $on, $attribute,
            ledger: what_was_flushed_survives_a_writer_that_is_dropped
                a_committed_batch_is_visible_before_it_is_durable
                newest_evidence_comes_by_falling_sample_id_and_of_its_own_indicator_only
                the_same_receipt_twice_is_one_receipt
                a_renamed_or_repointed_route_is_refused
                a_reader_sees_nothing_where_nothing_is_and_the_latest_where_something_is
                a_dry_storage_behaves_like_the_real_one_and_leaves_it_alone;
            objects: the_first_to_create_a_name_has_it
                of_many_creators_at_once_one_wins
                lists_by_prefix_in_order_and_deletes
                folders_do_not_see_each_other;
        }
    };
}

/// Makes a test of each check that holds where no lock keeps a second writer out.
macro_rules! without_lock {
    ($on:path, $attribute:meta) => {
        $crate::suite::each_check! {
            $on, $attribute,
            fencing: a_second_writer_fences_the_first of_writers_that_open_at_once_at_most_one_goes_on
                many_runs_merge_and_collect_what_they_leave;
        }
    };
}

pub(crate) use {each_check, everywhere, without_lock};
