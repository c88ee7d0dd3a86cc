//! The store's contract, on PostgreSQL.

use std::pin::Pin;
use std::sync::Arc;

use patron::store::Store;
use patron_store_postgres::Settings;
use patron_testkit::postgres::Cluster;
use patron_testkit::store_contract::{Place, changes, creations};

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
    let checks: [fn(&dyn Place); 8] = [
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
