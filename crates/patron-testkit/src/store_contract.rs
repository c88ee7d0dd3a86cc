//! The contract of [`Store`]: one check for each promise, run on every engine.
//!
//! A store's crate runs all of them by naming its runner in [`store_contract!`](crate::store_contract!), which makes a
//! test of each. A check is handed a [`Place`]: where one store of that engine lives.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check that cannot go on must fail the test"
)]

pub mod accesses;
pub mod births;
pub mod changes;
pub mod creations;
pub mod erasures;
pub mod jobs;
pub mod lists;
pub mod management;
pub mod numbers;
pub mod operators;
pub mod pages;
pub mod persons;
pub mod reopening;
pub mod searches;
pub mod sessions;
pub mod tokens;
pub mod whole;

use std::pin::Pin;
use std::sync::Arc;

use patron::change::Change;
use patron::history::SealedEntry;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::{SealedList, Store, StoreError, StoreFuture, Unique, UniqueKey};

/// Where one store lives. It is empty when a check begins.
pub trait Place: Sync {
    /// Opens the store: the same one each time. It is opened again only when it is not open.
    fn open(&self) -> Arc<dyn Store>;

    /// Runs a future to its end on the calling thread, whichever that is.
    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>);
}

/// Makes a test of each check. `$run` is a function that makes a place and hands it to the check:
/// `fn run(check: fn(&dyn Place))`.
#[macro_export]
macro_rules! store_contract {
    ($run:path) => {
        $crate::store_contract! { $run:
            births::founding_happens_once
            creations::a_customer_is_found_by_each_unique_key
            creations::merchants_do_not_see_each_other
            creations::a_taken_id_writes_nothing
            creations::a_taken_reference_writes_nothing
            creations::a_taken_number_writes_nothing
            creations::a_taken_token_writes_nothing
            creations::customers_without_a_reference_do_not_meet
            creations::of_many_who_create_one_reference_one_succeeds
            changes::an_update_replaces_the_customer
            changes::a_stale_update_writes_nothing
            changes::an_update_of_nobody_is_stale
            changes::an_update_to_a_taken_reference_writes_nothing
            changes::a_creation_applied_again_is_applied_once
            changes::an_update_applied_again_is_applied_once
            changes::a_batch_answers_each_change_in_order
            changes::a_batch_may_change_one_customer_twice
            changes::a_large_batch_is_applied_whole
            changes::of_many_who_update_one_version_one_succeeds
            changes::many_creations_at_once_are_all_kept
            changes::a_deleted_customer_is_not_found
            changes::deletion_frees_the_reference_only
            lists::lists_are_newest_first_in_pages
            lists::lists_are_per_merchant
            lists::lists_leave_deleted_customers_out
            searches::every_term_finds_its_customer_and_several_mean_and
            searches::customers_that_share_a_value_are_all_found
            searches::one_of_several_phone_numbers_is_enough
            searches::status_and_verification_are_filters
            searches::the_time_of_creation_is_a_half_open_range
            searches::a_search_sees_what_was_acknowledged
            searches::searches_find_neither_deleted_customers_nor_others
            pages::pages_begin_where_they_are_told_to
            pages::a_walk_meets_whoever_stays_once
            pages::totals_are_counted_up_to_a_limit
            whole::kept_customers_are_listed_in_pages
            whole::a_deleted_customer_is_found_whole
            whole::each_change_has_its_event
            whole::a_deleted_customer_is_kept
            whole::ages_are_listed_in_pages
            whole::entries_are_listed_in_pages
            erasures::an_erased_customer_is_gone
            erasures::a_deleted_customer_is_erased
            erasures::a_stale_erasure_writes_nothing
            erasures::an_erasure_applied_again_is_applied_once
            erasures::an_erased_customers_names_are_free_but_for_its_number
            erasures::a_customer_that_is_erased_amid_changes_ends_erased
            erasures::purges_are_recorded
            erasures::what_was_erased_is_purged
            accesses::the_access_log_is_newest_first_in_pages
            accesses::the_access_log_of_one_customer_is_its_own
            tokens::a_token_is_found_without_being_used
            tokens::a_token_is_spent_down_to_nothing
            tokens::a_token_issued_with_a_creation_works
            tokens::a_token_stops_working_when_it_expires
            tokens::a_token_belongs_to_one_merchant
            tokens::a_taken_token_hash_writes_nothing
            tokens::a_token_is_never_spent_more_often_than_allowed
            tokens::a_token_outlives_those_that_expired
            tokens::expired_tokens_are_cleared_a_batch_at_a_time
            tokens::expired_tokens_are_cleared_by_many_at_once
            jobs::who_holds_a_job_may_claim_it_again
            numbers::leases_never_overlap
            numbers::leases_are_not_repeated_after_reopening
            management::a_merchant_is_found_and_updated
            management::a_taken_merchant_id_writes_nothing
            management::a_stale_merchant_writes_nothing
            management::merchants_are_listed_by_id
            management::keys_are_found_and_listed
            management::a_taken_key_writes_nothing
            management::a_key_is_revoked_once
            management::a_rolled_key_works_for_its_grace
            management::only_a_key_in_force_is_rolled
            management::key_uses_never_move_back
            management::the_epoch_grows
            operators::operators_are_found_and_listed
            operators::a_taken_address_writes_nothing
            operators::an_operator_is_updated
            operators::a_stale_operator_writes_nothing
            sessions::a_session_is_there_until_it_is_closed
            sessions::a_taken_session_hash_writes_nothing
            sessions::expired_sessions_are_cleared_a_batch_at_a_time
            reopening::reopening_keeps_everything
        }
    };
    ($run:path: $($module:ident :: $check:ident)+) => {
        $(
            #[test]
            fn $check() {
                $run($crate::store_contract::$module::$check);
            }
        )+
    };
}

/// A place whose store is open.
pub(crate) struct Opened<'p> {
    place: &'p dyn Place,
    pub(crate) store: Arc<dyn Store>,
}

impl<'p> Opened<'p> {
    pub(crate) fn at(place: &'p dyn Place) -> Self {
        Self { place, store: place.open() }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { place, store } = self;
        drop(store);
        Self::at(place)
    }

    /// What the store answers.
    pub(crate) fn wait<T: Send>(&self, answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
        let mut arrived = None;
        self.place.run(Box::pin(async { arrived = Some(answer.await) }));
        arrived.unwrap()
    }

    pub(crate) fn apply(&self, change: &Change) -> Result<(), StoreError> {
        let mut answers = self.wait(self.store.apply(vec![change.clone()])).unwrap();
        assert_eq!(answers.len(), 1, "one change has one answer");
        answers.remove(0)
    }

    pub(crate) fn find(&self, merchant: MerchantNumber, key: UniqueKey) -> Option<SealedCustomer> {
        let found = self.wait(self.store.find_customer(merchant, key)).unwrap();
        found.map(|customer| (*customer).clone())
    }

    pub(crate) fn list(&self, merchant: MerchantNumber, offset: u32, limit: u32) -> SealedList {
        self.wait(self.store.list_customers(merchant, offset, limit)).unwrap()
    }

    pub(crate) fn history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> Vec<SealedEntry> {
        self.wait(self.store.list_history(merchant, customer)).unwrap()
    }

    /// All that the contract shows of one merchant's customers.
    pub(crate) fn see(&self, merchant: MerchantNumber) -> Seen {
        let SealedList { customers, total } = self.list(merchant, 0, u32::MAX);
        let histories = customers.iter().map(|one| self.history(merchant, one.number)).collect();
        Seen { customers, total, histories }
    }
}

/// A merchant's customers and their histories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) customers: Vec<SealedCustomer>,
    pub(crate) total: u64,
    pub(crate) histories: Vec<Vec<SealedEntry>>,
}

fn assert_duplicate<T: std::fmt::Debug>(answer: &Result<T, StoreError>, of: Unique) {
    let is_that = matches!(answer, Err(StoreError::Duplicate(found)) if *found == of);
    assert!(is_that, "{answer:?} instead of a duplicate {of:?}");
}

fn assert_stale<T: std::fmt::Debug>(answer: &Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Stale)), "{answer:?} instead of stale");
}

fn assert_missing<T: std::fmt::Debug>(answer: &Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Missing)), "{answer:?} instead of missing");
}
