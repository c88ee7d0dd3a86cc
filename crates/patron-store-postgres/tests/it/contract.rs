//! The store's contract, on PostgreSQL.

use std::pin::Pin;
use std::sync::Arc;

use patron::store::Store;
use patron_store_postgres::{Pooler, Settings};
use patron_testkit::postgres::{Cluster, Pgbouncer};
use patron_testkit::store_contract::{Place, changes, creations, erasures, pages, searches};

use crate::ground::{open, settings, wait};

patron_testkit::store_contract!(run);

/// A database.
struct Database(Settings);

impl Place for Database {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(&self.0))
    }

    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        wait(future);
    }
}

fn run(check: fn(&dyn Place)) {
    let cluster = Cluster::new();
    check(&Database(settings(&cluster.url())));
}

/// As over Citus, where each commit is one merchant's. There is none here, so the database only says that it is one.
#[test]
fn changes_are_the_same_when_no_merchants_share_a_commit() {
    let checks: [fn(&dyn Place); 11] = [
        erasures::an_erased_customer_is_gone,
        erasures::an_erasure_applied_again_is_applied_once,
        erasures::an_erased_customers_names_are_free_but_for_its_number,
        changes::an_update_replaces_the_customer,
        changes::a_stale_update_writes_nothing,
        changes::an_update_to_a_taken_reference_writes_nothing,
        changes::an_update_applied_again_is_applied_once,
        changes::a_batch_answers_each_change_in_order,
        changes::a_large_batch_is_applied_whole,
        creations::merchants_do_not_see_each_other,
        changes::deletion_frees_the_reference_only,
    ];
    for check in checks {
        let cluster = Cluster::new();
        cluster.psql(
            "SET allow_system_table_mods = on; \
             INSERT INTO pg_extension VALUES (99999, 'citus', 10, 11, false, '13.0', NULL, NULL)",
        );
        check(&Database(settings(&cluster.url())));
    }
}

/// Behind a pooler a transaction is all that there is, and nothing is prepared.
#[test]
fn searches_and_erasures_are_the_same_behind_a_pooler() {
    let checks: [fn(&dyn Place); 11] = [
        searches::every_term_finds_its_customer_and_several_mean_and,
        searches::customers_that_share_a_value_are_all_found,
        searches::one_of_several_phone_numbers_is_enough,
        searches::status_and_verification_are_filters,
        searches::the_time_of_creation_is_a_half_open_range,
        searches::searches_find_neither_deleted_customers_nor_others,
        pages::pages_begin_where_they_are_told_to,
        erasures::an_erased_customer_is_gone,
        erasures::an_erasure_applied_again_is_applied_once,
        erasures::a_customer_that_is_erased_amid_changes_ends_erased,
        erasures::purges_are_recorded,
    ];
    for check in checks {
        let cluster = Cluster::new();
        let pgbouncer = Pgbouncer::before(&cluster);
        let pooler = Pooler::Transaction;
        check(&Database(Settings { pooler, ..settings(&pgbouncer.url()) }));
    }
}
